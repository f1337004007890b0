/* SPDX-License-Identifier: MIT */
/*
 * Backoff: how long until the next attempt: full jitter, so that ten thousand devices that lost the same
 * server do not come back at once. Pure; the caller brings random numbers. Microseconds.
 */
#pragma once

#include <stdint.h>

struct backoff {
	uint64_t first_us, last_us;	/* 0 < first <= last */
	uint32_t attempts;		/* since it last worked */
};

/* Uniform in [first / 10, min(last, first * 2^attempts)): a server that refuses at once is not asked without
 * a pause, and no moment is more likely than another. Counts the attempt. */
uint64_t backoff_next(struct backoff *b, uint64_t random);

/* It worked, but only lasting is success: reset once the connection stood for last_us or 60 s. */
void backoff_reset(struct backoff *b);

/* The first attempt after start: anywhere in the window. */
uint64_t backoff_spread(uint64_t window_us, uint64_t random);
