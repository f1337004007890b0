/* SPDX-License-Identifier: MIT */
/*
 * Fall: since when and from where headroom falls, and whether that is more than this machine's usual
 * breathing. Pure; fixed memory, constant time per sample. Bytes of headroom, times in microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "judge/trend.h"

struct fall {
	uint64_t since_us;		/* 0: it does not fall */
	uint64_t from_bytes, from_pools_bytes;
	uint64_t low_bytes, low_us;	/* newest new low */
	uint32_t lows;			/* how many there were, counting up to 2 */
	struct trend trend;		/* of this fall alone: what was before says nothing of it */
	uint64_t peak_bytes, trough_bytes; /* of the newest breath */
	uint64_t given_bytes;		/* in its time, on our order: that is no part of it */
	uint64_t usual_bytes, usual_us;	/* largest breath that came back, and when */
	uint64_t before_bytes, learned_us; /* usual before the newest one, which came back then */
};

struct fall_view {
	uint64_t now_us, before_us;	/* of this and the previous sample; before 0: none */
	uint64_t now_bytes, before_bytes;
	uint64_t pools_bytes;		/* what no program has as its own */
	int64_t rate_bytes_per_s;	/* how fast it falls at the moment */
	bool is_ours;			/* what comes back now may do so because somebody was ended */
};

void fall_init(struct fall *f);
void fall_step(struct fall *f, const struct fall_view *v);

/* So much came back because we asked for it, at since_us. What a client says of itself: too much only
 * makes the next fall alarming sooner. */
void fall_given(struct fall *f, uint64_t bytes, uint64_t since_us);

/* By how much it fell so far; 0: it does not. */
uint64_t fall_bytes(const struct fall *f, uint64_t now_bytes);

/* Is it enough for a forecast? */
enum fall_size {
	FALL_NONE,			/* does not fall, or by less than counts */
	FALL_SUSPECT,			/* seen once: a second look tells a burst from a leak */
	FALL_USUAL,			/* not more than what came back before */
	FALL_REAL
};
enum fall_size fall_size(const struct fall *f, const struct fall_view *v);
