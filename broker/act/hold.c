/* SPDX-License-Identifier: MIT */
#include "act/hold.h"

#include <string.h>

#include "base/units.h"

/*
 * Who is stopped must have grown by so much, and by this share of all growth. Half: bystanders
 * stand still as well; double: the second of two leaks runs on. A leak that takes less than 2 MiB
 * before it is imminent is too slow to be in need of a brake.
 */
#define GREW_BYTES	(2 * MIB)
#define GREW_SHARE	4u

/* When nobody was found. Half: a survey (2 ms for 150 processes) every 25 ms of the crisis; double:
 * 100 MiB more of a full-speed leak. */
#define AGAIN_US	(50 * US_PER_MS)

/*
 * Nobody needs the time any more: it stays on until the next samples had their say. Let go between two
 * steps, a leak at full speed took 3 MiB before the clients were asked for the next one (measured, 5 ms).
 * Half: shorter than the pause between two samples; double: who is innocent stands so much longer.
 */
#define UNASKED_US	(10 * US_PER_MS)

void hold_init(struct hold *h)
{
	memset(h, 0, sizeof(*h));
}

static bool is_wanted(const struct hold_view *v)
{
	return v->is_enabled && !v->is_early && v->is_pressed && v->deadline_us > v->now_us &&
	       v->e->tte_low_us < v->deadline_us - v->now_us;
}

static bool is_over_at_once(const struct hold *h, const struct hold_view *v)
{
	return !v->is_enabled || !v->is_pressed || v->is_asked_to_end || v->has_joined ||
	       h->is_dry != v->is_dry;
}

static bool is_over(struct hold *h, const struct hold_view *v)
{
	if (v->deadline_us || (v->is_ending && !h->is_in_vain))
		h->unasked_us = 0;
	else if (!h->unasked_us)
		h->unasked_us = v->now_us;
	return is_over_at_once(h, v) ||
	       (h->unasked_us && v->now_us >= time_add_us(h->unasked_us, UNASKED_US));
}

enum hold_do hold_step(struct hold *h, const struct hold_view *v)
{
	if (h->phase == HOLD_OFF && is_wanted(v) && v->now_us >= h->again_us) {
		h->phase = HOLD_LOOKING;
		return HOLD_LOOK;
	}
	if (h->phase != HOLD_ON || !is_over(h, v))
		return HOLD_NOTHING;
	h->phase = HOLD_OFF;
	h->unasked_us = 0;
	return HOLD_LET_GO;
}

/* A client is asked, not stopped: it has something to save. */
bool hold_may_stop(const struct victim *v)
{
	return v && v->kind != VICTIM_NONE && !v->client && v->growth_bytes >= GREW_BYTES &&
	       v->growth_bytes >= v->all_growth_bytes / GREW_SHARE;
}

static void take_fall(struct hold *h, const struct victim *victim, const struct estimate *e)
{
	h->is_in_vain = false;
	h->victim = *victim;
	h->falling_us = e->falling_us;
	h->bytes_per_s = e->fall_high_bytes_per_s > 0 ? (uint64_t)e->fall_high_bytes_per_s : 0;
}

bool hold_take(struct hold *h, const struct victim *victim, const struct hold_view *v)
{
	if (h->phase != HOLD_LOOKING)
		return false;
	h->phase = HOLD_OFF;
	h->again_us = time_add_us(v->now_us, AGAIN_US);
	if (!is_wanted(v) || !hold_may_stop(victim))
		return false;
	h->phase = HOLD_STOPPING;
	h->is_dry = v->is_dry;
	take_fall(h, victim, v->e);
	return true;
}

void hold_adopt(struct hold *h, const struct victim *v, const struct estimate *e, uint64_t since_us)
{
	h->phase = HOLD_ON;
	h->is_dry = false;
	h->since_us = since_us;
	take_fall(h, v, e);
}

void hold_found(struct hold *h, bool is_somebody)
{
	h->is_in_vain = h->phase == HOLD_ON && !is_somebody;
}

void hold_stopped(struct hold *h, uint32_t count, uint64_t now_us)
{
	if (h->phase != HOLD_STOPPING)
		return;
	h->phase = count ? HOLD_ON : HOLD_OFF;
	h->since_us = now_us;
}

void hold_forecast(const struct hold *h, struct estimate *e)
{
	uint64_t left_us;

	if (h->phase != HOLD_ON || h->is_dry || !h->bytes_per_s)
		return;
	left_us = (uint64_t)((double)e->headroom_bytes / (double)h->bytes_per_s * US_PER_S);
	e->tte_us = MIN_OF(e->tte_us, left_us);
	e->tte_low_us = MIN_OF(e->tte_low_us, left_us);
	e->tte_early_us = MIN_OF(e->tte_early_us, left_us);
	e->tte_late_us = MAX_OF(MIN_OF(e->tte_late_us, left_us), e->tte_us);
	e->falling_us = MAX_OF(e->falling_us, h->falling_us);
	e->fall_bytes_per_s = MAX_OF(e->fall_bytes_per_s, (int64_t)h->bytes_per_s);
	e->fall_high_bytes_per_s = MAX_OF(e->fall_high_bytes_per_s, (int64_t)h->bytes_per_s);
}
