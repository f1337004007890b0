/* SPDX-License-Identifier: MIT */
#include "judge/trend.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/units.h"

/*
 * Time constants of the windows. Source: the measured comparison of estimators on recorded leaks
 * (kernel 6.1, 1000-MIPS CPU): 50 ms is the only one that follows a full-speed leak (20-50 ms from
 * plenty to the kill), 500-2000 ms have the smallest error 1-5 s ahead. Half of them: more false
 * alarms from single allocations; double: the fast leaks are seen one sample later.
 */
static const double tau_s[TREND_WINDOW_COUNT] = {
	[TREND_50MS] = 0.05,
	[TREND_250MS] = 0.25,
	[TREND_1S] = 1.0,
	[TREND_5S] = 5.0,
};

/* Below this share of weight left from the past a window holds one sample only: no slope. */
static const double past_min = 1e-9;

uint64_t trend_tau_us(enum trend_window w)
{
	return (uint64_t)(tau_s[w] * US_PER_S);
}

void trend_init(struct trend *t)
{
	memset(t, 0, sizeof(*t));
}

/*
 * e to the -x, x >= 0, from the four basic operations alone: exp() differs in its last bits between
 * libraries and processors, and a replay must decide the same on all of them. Error below 1e-12.
 */
static double fade_of(double x)
{
	unsigned halved = 0;
	double term = 1, sum = 1;

	if (x > 700)
		return 0;
	for (; x > 0.125; x /= 2)
		halved++;
	for (int i = 1; i <= 8; i++) {
		term *= -x / i;
		sum += term;
	}
	while (halved--)
		sum *= sum;
	return sum;
}

/* Moves the origin of time to the new sample, lets the past fade, adds the sample at t = 0. */
static void sums_add(struct trend_sums *s, double dt_s, double tau, double y)
{
	double fade = fade_of(dt_s / tau);

	s->ty -= dt_s * s->y;
	s->tt += dt_s * (dt_s * s->weight - 2 * s->t);
	s->t -= dt_s * s->weight;
	s->weight = s->weight * fade + 1;
	s->t *= fade;
	s->tt *= fade;
	s->y = s->y * fade + y;
	s->ty *= fade;
}

void trend_add(struct trend *t, uint64_t time_us, uint64_t value_bytes)
{
	double y = (double)value_bytes, dt_s;

	if (t->count && time_us <= t->last_us)
		return;
	dt_s = t->count ? (double)(time_us - t->last_us) / US_PER_S : 0;
	if (!t->count)
		t->first_us = time_us;
	else
		t->last_rate = (t->last_bytes - y) / dt_s;
	for (int w = 0; w < TREND_WINDOW_COUNT; w++)
		sums_add(&t->window[w], dt_s, tau_s[w], y);
	t->last_us = time_us;
	t->last_bytes = y;
	if (t->count < UINT32_MAX)
		t->count++;
}

int64_t trend_fall_bytes_per_s(const struct trend *t, enum trend_window w)
{
	const struct trend_sums *s = &t->window[w];
	double spread = s->weight * s->tt - s->t * s->t;
	double rate;

	if (t->count < 2)
		return 0;
	if (s->weight - 1 < past_min || spread <= 0)
		rate = t->last_rate; /* sampled more slowly than the window: two points are all */
	else
		rate = -(s->weight * s->ty - s->t * s->y) / spread;
	if (!(fabs(rate) < 1e18))
		return 0;
	return (int64_t)rate;
}
