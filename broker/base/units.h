/* SPDX-License-Identifier: MIT */
/*
 * Units and limits that every folder shares. Pure.
 * Time is uint64_t microseconds of CLOCK_MONOTONIC everywhere (`_us`), memory is bytes (`_bytes`),
 * shares are hundredths of a percent (`_permyriad`).
 */
#pragma once

#include <stdint.h>

#define US_PER_MS	UINT64_C(1000)
#define US_PER_S	UINT64_C(1000000)
#define KIB		UINT64_C(1024)
#define MIB		(UINT64_C(1024) * KIB)
#define PERMYRIAD	UINT64_C(10000)

/* A time that never comes; also "not falling" as a time to exhaustion. */
#define NEVER_US	UINT64_MAX

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b)	((a) < (b) ? (a) : (b))
#define MAX_OF(a, b)	((a) > (b) ? (a) : (b))

/* NEVER_US stays NEVER_US, everything else saturates just below it. */
static inline uint64_t time_add_us(uint64_t a_us, uint64_t b_us)
{
	return a_us == NEVER_US || b_us >= NEVER_US - a_us ? NEVER_US : a_us + b_us;
}
