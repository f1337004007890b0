/* SPDX-License-Identifier: MIT */
/*
 * Window: which sequence numbers were seen: each message counts once however often it comes. Pure but for
 * its memory. Kept as ranges, so that what comes in order takes one of them, and numbers that lie far apart
 * (an alarm overtakes ten thousand waiting events) are remembered as well. Full, it forgets at its lower
 * end: what is older than all that it remembers counts as seen.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* At least that many numbers are remembered however they lie: 16 KiB then. Half: a device that sends 1024
 * alarms twice, each between two messages that got lost, would have some counted twice. */
#define WINDOW_RANGES_MAX	1024u

struct window_range {
	uint64_t first, last;
};

struct window {
	struct window_range *range;	/* ascending, with gaps between them */
	uint32_t count, room;
};

enum window_outcome {
	WINDOW_NEW,
	WINDOW_SEEN,
	WINDOW_NO_MEMORY		/* it is new, but will not be remembered */
};

/* sequence > 0 */
enum window_outcome window_add(struct window *w, uint64_t sequence);
/* All of 0 < first <= last at once, whatever of it is known: from what was remembered elsewhere. */
enum window_outcome window_add_range(struct window *w, struct window_range range);
const struct window_range *window_find(const struct window *w, uint64_t sequence); /* NULL: in none */
uint64_t window_highest(const struct window *w);	/* 0: none */
void window_fini(struct window *w);
