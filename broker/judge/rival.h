/* SPDX-License-Identifier: MIT */
/*
 * Rival: the rules of other daemons, worked out on our samples, so that a recording tells what each
 * of them would have said, and `status` what one that runs here would do now. Pure. Samples of the
 * system only, at any intervals; each rule looks at its own daemon's times, never later than it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sense/sample.h"

enum rival {
	RIVAL_EARLYOOM,
	RIVAL_LOW_MEMORY_MONITOR,
	RIVAL_SYSTEMD_OOMD,
	RIVAL_POLL,			/* no daemon: forty lines in the application itself */
	RIVAL_COUNT
};

/* Ordered. Only low-memory-monitor and the application's own poll can warn; the others end. */
enum rival_word { RIVAL_CALM, RIVAL_WARNS, RIVAL_ACTS };

struct rival_state {
	uint64_t look_us, swap_look_us;	/* when the daemon looks next; 0: at once */
	uint64_t high_since_us;		/* systemd-oomd: pressure above its limit since; 0: it is not */
	uint64_t reclaims, reclaimed_us; /* newest counter, and when it last moved */
	uint64_t some_us, full_us, totals_us; /* low-memory-monitor without triggers */
	enum rival_word word;		/* at its last look */
};

void rival_init(struct rival_state *s);

/* What the rule says now: at the daemon's own last look. */
enum rival_word rival_step(struct rival_state *s, enum rival r, const struct sample *sample);

/* Does the daemon have that word at all? */
bool rival_has(enum rival r, enum rival_word word);

/* "earlyoom"; static. */
const char *rival_name(enum rival r);
/* The rule in words; static. */
const char *rival_rule(enum rival r);
