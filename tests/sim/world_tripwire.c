/* SPDX-License-Identifier: MIT */
/*
 * The cgroup of the tripwire in the world, and the daemon's part of it: what stood there is written
 * down before anything is written, and stands again whatever ended the daemon. Dice of its own, so
 * that the rest of a schedule is the same with it and without.
 */
#include "base/units.h"
#include "sim.h"

#define NONE_IN		3u	/* schedules without a tripwire: one in so many */

void fence_init(struct sim *s)
{
	struct fence *f = &s->world.fence;

	f->dice.state = s->seed * UINT64_C(0x94d049bb133111eb);
	f->is_there = s->seed % NONE_IN != 0;
	f->before_bytes = f->high_bytes =
		dice_percent(&f->dice, 80) ? TRIPWIRE_NONE : dice_between(&f->dice, 1, 4096) * MIB;
	f->share_percent = dice_between(&f->dice, 1, 100);
}

/* What lives in it has a share of what is used, and files of its own. */
static struct tripwire_reading reading_of(struct sim *s, const struct sample *a)
{
	struct fence *f = &s->world.fence;
	uint64_t left = a->free_bytes + a->file_bytes;
	struct tripwire_reading r = {
		.total_bytes = a->total_bytes, .low_bytes = a->reserve_bytes / 4,
		.before_bytes = f->before_bytes, .trips = f->trips,
		.has_clients = dice_percent(&f->dice, 50),
	};

	r.left_bytes = left > a->reserve_bytes ? left - a->reserve_bytes : 0;
	r.file_bytes = dice_below(&f->dice, a->file_bytes + 1);
	r.usage_bytes = r.file_bytes;
	if (a->total_bytes > left)
		r.usage_bytes += (a->total_bytes - left) / 100 * f->share_percent;
	return r;
}

/* As the daemon hears it: before the sample that it is looked at with. */
void fence_sample(struct sim *s, const struct sample *a)
{
	struct fence *f = &s->world.fence;
	struct tripwire_reading r = reading_of(s, a);
	struct call c = { .kind = CALL_TRIPPED, .reading = &r };

	if (!f->is_there || !(a->has & SAMPLE_HAS_MEMORY))
		return;
	f->newest = r;
	if (r.usage_bytes < f->high_bytes || s->world.is_over)
		return;
	f->newest.trips = r.trips = ++f->trips;
	call_core(s, &c);
}

/* After the samples of a step; now and then the cgroup goes, or comes. */
void fence_watch(struct sim *s)
{
	struct fence *f = &s->world.fence;
	struct call c = { .kind = CALL_TRIPWIRE, .reading = &f->newest };

	if (f->newest.total_bytes && f->is_there)
		call_core(s, &c);
	f->newest.total_bytes = 0;
	if (s->world.is_over || !dice_percent(&f->dice, 1))
		return;
	fence_undo(s);
	f->is_there = !f->is_there;
	c.kind = CALL_TRIPWIRE_OFF;
	if (!f->is_there)
		call_core(s, &c);
}

void fence_set(struct sim *s, uint64_t limit_bytes)
{
	struct fence *f = &s->world.fence;

	f->is_written_down = true;
	f->high_bytes = limit_bytes;
}

/* The end of the daemon, of any kind, or the beginning of the next one. */
void fence_undo(struct sim *s)
{
	struct fence *f = &s->world.fence;

	if (f->is_written_down)
		f->high_bytes = f->before_bytes;
	f->is_written_down = false;
}
