/* SPDX-License-Identifier: MIT */
/* What time alone changes. */
#include "roster_part.h"

static bool has_other_online(const struct roster *r, const struct roster_device *d)
{
	const struct roster_device *other;

	for (uint32_t i = 0; (other = roster_find(r, d->fleet, d->device, i)); i++)
		if (other != d && other->is_online)
			return true;
	return false;
}

/* A twin that has gone, and its conflict has ended. */
static bool is_left_over(const struct roster *r, const struct roster_device *d, uint64_t now_us)
{
	return d->conflict == ROSTER_TWO_SPOOLS && !d->is_online && now_us > d->conflict_us &&
	       now_us - d->conflict_us > ROSTER_CONFLICT_US && has_other_online(r, d);
}

static bool has_raised(const struct roster_device *d)
{
	for (unsigned k = 0; k < TOPIC_ALARM_COUNT; k++)
		if (d->alarm[k].is_raised)
			return true;
	return false;
}

static void end_conflict(struct roster *r, struct roster_device *d, uint64_t now_us)
{
	if (is_left_over(r, d, now_us)) {
		if (!has_raised(d)) /* else roster_expire() first: somebody was told of it */
			roster_forget(r, d);
		return;
	}
	if (d->conflict == ROSTER_TWO_SPOOLS && has_other_online(r, d))
		return; /* both are still there */
	d->conflict = ROSTER_ALONE;
	roster_touch(r, d);
}

void roster_tick(struct roster *r, const struct roster_now *now)
{
	for (uint32_t i = r->count; i-- > 0;) {
		struct roster_device *d = r->list[i];
		bool is_silent = d->is_online && now->now_us - d->seen_us > r->limits.silent_us;

		if (is_silent != d->is_silent) {
			d->is_silent = is_silent;
			roster_touch(r, d);
		}
		if (d->conflict && now->now_us - d->conflict_us > ROSTER_CONFLICT_US)
			end_conflict(r, d, now->now_us);
	}
}

/* ---- alarms that the server no longer keeps ---- */

uint64_t roster_intake_us(const struct roster *r, const struct roster_now *now)
{
	return (r->halt_us ? r->halt_us : now->now_us) - r->halted_us;
}

void roster_connected(struct roster *r, const struct roster_now *now)
{
	r->connected_us = roster_intake_us(r, now);
}

void roster_halt(struct roster *r, const struct roster_now *now, bool is_halted)
{
	if (is_halted && !r->halt_us)
		r->halt_us = now->now_us;
	if (is_halted || !r->halt_us)
		return;
	r->halted_us += now->now_us - r->halt_us;
	r->halt_us = 0;
}

static bool is_expired(const struct roster *r, const struct roster_device *d, const struct roster_alarm *a,
		       const struct roster_now *now)
{
	if (!a->is_raised)
		return false;
	return is_left_over(r, d, now->now_us) ||
	       (a->said_us < r->connected_us && d->state_us >= r->connected_us && d->covers >= a->sequence &&
		roster_intake_us(r, now) - d->state_us > ROSTER_EXPIRE_US);
}

bool roster_expire(struct roster *r, const struct roster_now *now, struct roster_note *ret)
{
	for (uint32_t i = 0; i < r->count; i++)
		for (unsigned k = 0; k < TOPIC_ALARM_COUNT; k++) {
			struct roster_device *d = r->list[i];

			if (!is_expired(r, d, &d->alarm[k], now))
				continue;
			roster_clear(r, d, &d->alarm[k]);
			*ret = (struct roster_note){ ROSTER_CLEARED, d, (enum topic_alarm)k, false };
			return true;
		}
	return false;
}
