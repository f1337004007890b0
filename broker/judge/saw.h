/* SPDX-License-Identifier: MIT */
/*
 * Saw: whether headroom goes down in teeth, and when their troughs will have come down to nothing. Within
 * a tooth it falls many times as fast as the saw sinks, so that the forecast of its end is far too early;
 * stages are decided on that, but the late end of the 80 % interval has to know. Pure; fixed memory,
 * constant time per sample. Bytes of headroom, times in microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct saw {
	bool is_rising;
	uint64_t high_bytes;		/* of the rise that goes on, or that was the last one */
	uint64_t low_bytes, low_us;	/* of the fall that goes on */
	uint64_t height_bytes;		/* of the newest tooth */
	uint64_t dip_bytes, dip_us;	/* its trough */
	uint64_t period_us;		/* between the newest two troughs */
	uint32_t teeth;			/* as far as it matters */
	double rate_bytes_per_s;	/* from trough to trough; positive: it sinks */
};

/* All zero is a saw that was not seen yet. */
void saw_step(struct saw *s, uint64_t now_us, uint64_t now_bytes);

/* 0: it is no saw, does not sink, or falls deeper just now than its teeth are. */
uint64_t saw_left_us(const struct saw *s, uint64_t now_us, uint64_t now_bytes);
