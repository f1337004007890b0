/* SPDX-License-Identifier: MIT */
/*
 * Dice: all chance in the simulator, from one 64-bit seed (splitmix64), so that a seed replays on
 * every machine. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_u64(struct dice *d)
{
	uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 .. count - 1; count > 0. */
static inline uint64_t dice_below(struct dice *d, uint64_t count)
{
	return dice_u64(d) % count;
}

static inline uint64_t dice_between(struct dice *d, uint64_t least, uint64_t most)
{
	return least + dice_below(d, most - least + 1);
}

static inline bool dice_percent(struct dice *d, unsigned percent)
{
	return dice_below(d, 100) < percent;
}

/* Every order of magnitude up to `most` equally likely, and 0 now and then. */
static inline uint64_t dice_spread(struct dice *d, uint64_t most)
{
	uint64_t top = most >> dice_below(d, 20);

	return top ? dice_below(d, top + 1) : 0;
}
