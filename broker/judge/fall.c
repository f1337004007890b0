/* SPDX-License-Identifier: MIT */
#include "judge/fall.h"

#include <string.h>

#include "base/units.h"

/*
 * A fall counts once it has used this share of the headroom it began with, and at least this much.
 * Source: recorded machines at rest move by less than 0.2 MiB; 1/16 of 70 MiB is 4 ms of the
 * fastest leak. Half: single allocations of a few MiB warn; double: 4 ms later at full speed.
 */
#define MIN_SHARE	16u
#define MIN_BYTES	(512 * KIB)

/* A fall without a new low for so long is over. Source: 24 MiB at full speed, then held, read as a
 * fall of 2 s. Half: a leak by steps is forgotten between them; double: a burst that is held makes
 * programs degrade. */
#define PAUSE_US	(US_PER_S)
#define LOW_BYTES	(64 * KIB)
/* Nor is it one that goes on when so much of it came back: what falls then is another one. Half: a
 * leak among programs that free a little starts over; double: short processes add up to a leak. */
#define RISE_SHARE	4u
/* A second low must be as deep as this share of the fall, or it is only the burst's echo. */
#define LOW_SHARE	32u

/* Slower than this it is no fall: it would take longer to the end. */
#define HORIZON_S	600.0

/* What came back before is not alarming until a fall is a quarter deeper; but what takes more than half
 * of the headroom is, every time. Source: recordings. Halved: a garbage collector's saw warns at each
 * tooth; doubled: after one such breath a leak is seen when a quarter of the headroom is left. */
#define USUAL_QUARTERS	5u
#define USUAL_MAX_SHARE	2u
/* Breathing is forgotten by half in so long. Source: lessons.md, 13 looks back 10 minutes. */
#define USUAL_HALF_US	(300 * US_PER_S)

void fall_init(struct fall *f)
{
	memset(f, 0, sizeof(*f));
}

static void begin_breath(struct fall *f, uint64_t now_bytes)
{
	f->peak_bytes = f->trough_bytes = now_bytes;
	f->given_bytes = 0;
}

static void learn(struct fall *f, uint64_t depth_bytes, uint64_t now_us)
{
	f->learned_us = now_us;
	f->before_bytes = f->usual_bytes;
	if (depth_bytes < f->usual_bytes)
		return;
	f->usual_bytes = depth_bytes;
	f->usual_us = now_us;
}

/* A breath is over when three quarters of it came back, beside what was given on our order. */
static void breathe(struct fall *f, const struct fall_view *v)
{
	uint64_t depth;

	if (f->usual_bytes && v->now_us - f->usual_us > USUAL_HALF_US) {
		f->usual_bytes /= 2;
		f->usual_us = v->now_us;
	}
	if (!v->before_us || v->is_ours || v->now_bytes >= f->peak_bytes)
		begin_breath(f, v->now_bytes);
	f->trough_bytes = MIN_OF(f->trough_bytes, v->now_bytes);
	depth = f->peak_bytes - f->trough_bytes;
	if (depth < MIN_BYTES || v->now_bytes - f->trough_bytes < depth / 4 * 3 + f->given_bytes)
		return;
	learn(f, depth, v->now_us);
	begin_breath(f, v->now_bytes);
}

void fall_given(struct fall *f, uint64_t bytes, uint64_t since_us)
{
	if (!f->learned_us || f->learned_us < since_us) {
		f->given_bytes += MIN_OF(bytes, f->peak_bytes); /* more would not matter */
		return;
	}
	f->usual_bytes = MAX_OF(f->before_bytes, f->usual_bytes - MIN_OF(bytes, f->usual_bytes));
}

static void begin(struct fall *f, const struct fall_view *v)
{
	f->since_us = v->before_us ? v->before_us : v->now_us;
	f->from_bytes = MAX_OF(v->before_bytes, v->now_bytes);
	f->from_pools_bytes = v->pools_bytes;
	f->lows = 0;
	trend_init(&f->trend);
	trend_add(&f->trend, f->since_us, f->from_bytes);
}

static void new_low(struct fall *f, const struct fall_view *v)
{
	uint64_t step = f->low_bytes > v->now_bytes ? f->low_bytes - v->now_bytes : 0;

	if (!f->lows || step >= fall_bytes(f, v->now_bytes) / LOW_SHARE)
		f->lows = MIN_OF(f->lows + 1, 2u);
	f->low_bytes = v->now_bytes;
	f->low_us = v->now_us;
}

static bool is_over(const struct fall *f, const struct fall_view *v)
{
	if (v->rate_bytes_per_s <= 0 || (double)v->now_bytes / (double)v->rate_bytes_per_s > HORIZON_S)
		return true;
	if (!f->since_us || v->now_bytes + LOW_BYTES <= f->low_bytes)
		return false;
	return v->now_us - f->low_us > PAUSE_US ||
	       v->now_bytes > f->low_bytes + fall_bytes(f, f->low_bytes) / RISE_SHARE + LOW_BYTES;
}

void fall_step(struct fall *f, const struct fall_view *v)
{
	breathe(f, v);
	if (is_over(f, v)) {
		f->since_us = 0;
		return;
	}
	if (!f->since_us && (v->now_bytes >= v->before_bytes || !v->before_us))
		return; /* the windows still remember a fall, this sample does not */
	if (!f->since_us)
		begin(f, v);
	trend_add(&f->trend, v->now_us, v->now_bytes);
	if (!f->lows || v->now_bytes + LOW_BYTES <= f->low_bytes)
		new_low(f, v);
}

uint64_t fall_bytes(const struct fall *f, uint64_t now_bytes)
{
	return f->since_us && f->from_bytes > now_bytes ? f->from_bytes - now_bytes : 0;
}

enum fall_size fall_size(const struct fall *f, const struct fall_view *v)
{
	uint64_t fallen = fall_bytes(f, v->now_bytes);
	uint64_t usual = MIN_OF(f->usual_bytes / 4 * USUAL_QUARTERS, f->from_bytes / USUAL_MAX_SHARE);

	if (!f->since_us || fallen < MAX_OF(f->from_bytes / MIN_SHARE, MIN_BYTES))
		return FALL_NONE;
	if (f->lows < 2)
		return FALL_SUSPECT;
	return fallen < usual ? FALL_USUAL : FALL_REAL;
}
