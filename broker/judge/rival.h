/* SPDX-License-Identifier: MIT */
/*
 * Rival: the rules of other daemons, worked out on our samples, so that a recording tells what each
 * of them would have said, and `status` what one that runs here would do now. Pure. Samples of the
 * system only, at any intervals; each rule looks at its own daemon's times. Between two samples
 * nothing is known: a look that falls there is made on the first sample after it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sense/sample.h"

enum rival {
	RIVAL_EARLYOOM,			/* 1.8 and later */
	RIVAL_EARLYOOM_1_7,		/* and before */
	RIVAL_LOW_MEMORY_MONITOR,
	RIVAL_SYSTEMD_OOMD,
	RIVAL_POLL,			/* no daemon: forty lines in the application itself */
	RIVAL_COUNT
};

/* Ordered. To warn is to say something that an application can hear; to act is to signal one. */
enum rival_word { RIVAL_CALM, RIVAL_WARNS, RIVAL_ACTS };

/* What the word rests on, at the rule's last look. A figure that it does not go by is 0. */
struct rival_reason {
	uint32_t memory_permyriad;	/* available, of what this rule calls all memory */
	uint32_t swap_permyriad;	/* free, of all swap; 0: none free, or no swap */
	uint32_t pressure_permyriad;	/* systemd-oomd: full avg10; low-memory-monitor: "some" of
					 * its window, where the totals are known */
	uint32_t level;			/* low-memory-monitor: 50, 100, 255; 0: silent */
	int32_t signal;			/* SIGTERM, SIGKILL; 0: none */
	uint64_t high_us;		/* systemd-oomd: so long above its limit of pressure */
};

/* PSI totals at a moment. */
struct rival_stall {
	uint64_t at_us, some_us, full_us;
};

/* One rule's memory. All of it is private but `reason`. */
struct rival_state {
	struct rival_reason reason;
	enum rival_word word;
	bool is_started;
	uint64_t newest_us;
	uint64_t look_us, swap_look_us;	/* when the daemon looks next */
	uint64_t user_total_bytes, anon_bytes; /* earlyoom */
	uint32_t same_anon_count;
	bool is_high, is_swap_low, is_pressed; /* systemd-oomd */
	uint64_t high_since_us, reclaims, reclaimed_us;
	struct rival_stall first, newest; /* low-memory-monitor: of its window, the last seen */
	uint64_t grown_us, silent_us;	/* totals moved last; its word holds until */
};

void rival_init(struct rival_state *s);

/* What the rule says now, as of the daemon's own last look. One state for each rule. Samples of
 * other domains, and those without memory figures that can be true, change nothing. A time before
 * the newest is another boot: the rule starts afresh. */
enum rival_word rival_step(struct rival_state *s, enum rival r, const struct sample *sample);

/* Does the daemon have that word at all? */
bool rival_has(enum rival r, enum rival_word word);

/* "earlyoom"; static. */
const char *rival_name(enum rival r);
/* What /proc/PID/comm has, 15 bytes of it at most; NULL: it is no daemon, or an older one of the same
 * name. Static. */
const char *rival_process(enum rival r);
/* The rule in words; static. */
const char *rival_rule(enum rival r);
