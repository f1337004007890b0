/* SPDX-License-Identifier: MIT */
/*
 * Trend: how fast a value falls, seen through several windows at once, in fixed memory and
 * constant time per sample. Pure. Irregular sampling is allowed; time in microseconds.
 */
#pragma once

#include <stdint.h>

/* Exponentially weighted least squares with these time constants; see trend.c for the source. */
enum trend_window { TREND_50MS, TREND_250MS, TREND_1S, TREND_5S, TREND_WINDOW_COUNT };

struct trend_sums {
	double weight, t, tt, y, ty;	/* t relative to the newest sample in seconds, y in bytes */
};

struct trend {
	uint64_t first_us, last_us;	/* 0: no sample yet */
	double last_bytes;
	double last_rate;		/* bytes/s between the two newest samples */
	uint32_t count;
	struct trend_sums window[TREND_WINDOW_COUNT];
};

void trend_init(struct trend *t);

/* Adds a value; one with the time of the newest or older is ignored. */
void trend_add(struct trend *t, uint64_t time_us, uint64_t value_bytes);

/* The window's time constant. */
uint64_t trend_tau_us(enum trend_window w);

/* Bytes per second, positive when the value falls; 0 while the window knows too little. */
int64_t trend_fall_bytes_per_s(const struct trend *t, enum trend_window w);
