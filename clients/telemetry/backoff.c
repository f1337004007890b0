/* SPDX-License-Identifier: MIT */
#include "backoff.h"

#define DOUBLINGS_MAX	32u	/* more would leave 64 bits */

/* A uniform number below `bound`: the high half of a product needs no division and no luck. */
static uint64_t below(uint64_t bound, uint64_t random)
{
	return (uint64_t)(((unsigned __int128)bound * random) >> 64);
}

uint64_t backoff_next(struct backoff *b, uint64_t random)
{
	const uint32_t doublings = b->attempts < DOUBLINGS_MAX ? b->attempts : DOUBLINGS_MAX;
	const uint64_t least_us = b->first_us / 10;
	uint64_t window_us = b->last_us;

	if (b->first_us <= (b->last_us >> doublings))
		window_us = b->first_us << doublings;
	b->attempts++;
	return least_us + below(window_us - least_us, random);
}

void backoff_reset(struct backoff *b)
{
	b->attempts = 0;
}

uint64_t backoff_spread(uint64_t window_us, uint64_t random)
{
	return below(window_us, random);
}
