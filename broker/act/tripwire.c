/* SPDX-License-Identifier: MIT */
#include "act/tripwire.h"

#include <string.h>

#include "base/units.h"

/*
 * What is kept: a little less than imminent's floor, so that who reaches the wire may be ended at
 * once, and more than shutdown's, so that there is room to save in. Source: 6.1, 128 MiB, a leak at
 * full speed: 4.7 MiB kept, TRIPWIRE of tests/vm. Half: clients save at the cliff; all of it: a leak
 * is held at a place where nobody may be ended, and its neighbours with it.
 */
#define KEPT_EIGHTHS	7u
/* Without floors. Half of it was seen in the last sample before the kernel killed. */
#define KEPT_LEAST	(1 * MIB)

/*
 * Nobody who does not grow is slowed: the limit is so much above what the cgroup cannot drop. Half:
 * a program that frees and takes again is slowed while something outside grows; double: so much more
 * of a leak goes on.
 */
#define SLACK_BYTES	(1 * MIB)

/* Not worth a write: a 256th of the machine. Half: twice the writes; double: the wire stands so much
 * nearer to the cliff, or a program has so much less. */
#define STEP_SHARE	256u
#define STEP_LEAST	(512 * KIB)

/* At most 4 writes a second: each takes the worker 20-300 us, or as long as reclaim takes. Half:
 * 8; double: what grows outside is followed later. */
#define PAUSE_US	(250 * US_PER_MS)

/* v1. Saving and ending took 0.3-1.5 s in tests/vm. Half: the kernel kills in mid-flush; double: who
 * cannot be helped stands still for longer. */
#define WAIT_MOST_US	(3 * US_PER_S)

/* The kernel rounds down to pages; 64 KiB is the largest. */
#define GRAIN_BYTES	(64 * KIB)

void tripwire_init(struct tripwire *t)
{
	memset(t, 0, sizeof(*t));
	t->limit_bytes = t->before_bytes = TRIPWIRE_NONE;
}

static uint64_t held_bytes(const struct tripwire_reading *r)
{
	return r->usage_bytes - MIN_OF(r->file_bytes, r->usage_bytes);
}

/* What the kernel keeps of it in the file. */
static uint64_t least_bytes(const struct tripwire_reading *r)
{
	return MIN_OF(held_bytes(r) + SLACK_BYTES, r->before_bytes) / GRAIN_BYTES * GRAIN_BYTES;
}

static uint64_t step_bytes(const struct tripwire_reading *r)
{
	return MAX_OF(r->total_bytes / STEP_SHARE, STEP_LEAST);
}

static uint64_t kept_bytes(const struct tripwire_view *v)
{
	uint64_t kept = v->floor_bytes / 8 * KEPT_EIGHTHS;

	return MAX_OF(MAX_OF(kept, v->reading->low_bytes), KEPT_LEAST);
}

/*
 * Near the wire, or over it, it is never raised, or it would run before a leak; nor is it lowered
 * onto those who hold still.
 */
static uint64_t best_bytes(const struct tripwire *t, const struct tripwire_view *v)
{
	const struct tripwire_reading *r = v->reading;
	uint64_t least = held_bytes(r) + SLACK_BYTES, best = least;

	if (r->left_bytes >= t->kept_bytes + SLACK_BYTES)
		best = held_bytes(r) + (r->left_bytes - t->kept_bytes);
	else if (t->phase != TRIPWIRE_OFF)
		best = MIN_OF(t->limit_bytes, least);
	return MIN_OF(best, r->before_bytes) / GRAIN_BYTES * GRAIN_BYTES;
}

/* From imminent on it stays where it is: the worker is needed for the brake. */
static bool is_worth(const struct tripwire *t, const struct tripwire_view *v, uint64_t best)
{
	uint64_t apart = best > t->limit_bytes ? best - t->limit_bytes : t->limit_bytes - best;

	if (t->phase == TRIPWIRE_OFF || t->limit_bytes > v->reading->before_bytes)
		return true;
	return !v->is_pressed && apart >= step_bytes(v->reading) &&
	       v->now_us >= time_add_us(t->moved_us, PAUSE_US);
}

static enum tripwire_phase phase_of(const struct tripwire_view *v)
{
	if (v->is_dry)
		return TRIPWIRE_DRY;
	return v->is_saving && v->reading->has_clients ? TRIPWIRE_OPEN : TRIPWIRE_ARMED;
}

bool tripwire_step(struct tripwire *t, const struct tripwire_view *v)
{
	uint64_t was, best;

	if (t->phase == TRIPWIRE_DRY && !v->is_dry)
		t->phase = TRIPWIRE_OFF; /* nobody ever ran into what was only told */
	was = t->phase == TRIPWIRE_OFF ? v->reading->before_bytes : tripwire_wanted_bytes(t);
	t->kept_bytes = kept_bytes(v);
	best = best_bytes(t, v);
	if (t->phase == TRIPWIRE_OFF)
		t->trips = v->reading->trips;
	if (is_worth(t, v, best)) {
		t->limit_bytes = best;
		t->moved_us = v->now_us;
	}
	if (t->phase == TRIPWIRE_OPEN && phase_of(v) == TRIPWIRE_ARMED) /* who saved has grown by it */
		t->limit_bytes = MAX_OF(t->limit_bytes, least_bytes(v->reading));
	t->before_bytes = v->reading->before_bytes;
	t->phase = phase_of(v);
	return tripwire_wanted_bytes(t) != was;
}

uint64_t tripwire_wanted_bytes(const struct tripwire *t)
{
	return t->phase == TRIPWIRE_ARMED ? t->limit_bytes : t->before_bytes;
}

bool tripwire_trip(struct tripwire *t, const struct tripwire_reading *r)
{
	bool is_new = r->trips > t->trips;

	if (t->phase == TRIPWIRE_OFF)
		return false;
	t->trips = r->trips;
	return is_new && t->phase == TRIPWIRE_ARMED &&
	       held_bytes(r) + t->kept_bytes + step_bytes(r) >= t->limit_bytes;
}

bool tripwire_may_wait(struct tripwire_wait *w, bool is_stuck, uint64_t now_us)
{
	if (!is_stuck)
		w->since_us = 0;
	else if (!w->since_us)
		w->since_us = now_us;
	return !is_stuck || now_us - w->since_us < WAIT_MOST_US;
}

const char *tripwire_phase_name(enum tripwire_phase phase)
{
	static const char *const names[] = { "off", "dry-run", "armed", "open" };

	_Static_assert(ARRAY_LEN(names) == TRIPWIRE_PHASE_COUNT, "a name for every phase");
	return names[phase];
}
