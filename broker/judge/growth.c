/* SPDX-License-Identifier: MIT */
#include "judge/growth.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"

/*
 * Time constants of the smoothed rates. 250 ms follows a leak within a few readings, 2 s outlasts
 * the saw teeth of a garbage collector, and so decides who is on top. Source: the windows of
 * trend.c that did best on recorded leaks. Half: rates jump from reading to reading; double: a leak
 * that began is shown as half its speed for 4 s.
 */
#define FAST_US		(250 * US_PER_MS)
#define SLOW_US		(2 * US_PER_S)

/* As in survey.c: of one that came unseen, all it has is growth up to this age. */
#define YOUNG_US	(60 * US_PER_S)

/* So that no product of smooth() leaves 63 bit: 1 TiB/s, 4 TiB, 2 s and an hour. */
#define RATE_MAX	(INT64_C(1) << 40)
#define DELTA_MAX	(INT64_C(1) << 42)
#define GAP_MAX_US	(3600 * US_PER_S)

/* Places looked at for a resting entry per reading that finds no room: keeps that reading O(1).
 * Half: more newcomers stay untracked in a table that is too small. */
#define HAND_STEPS	16u

int growth_init(struct growth *t, struct growth_entry *entry, struct growth_node *node,
		uint32_t places)
{
	uint32_t size = 4;

	if (places < size)
		return -EINVAL;
	while (size <= places / 2)
		size *= 2;
	*t = (struct growth){.entry = entry, .node = node, .mask = size - 1};
	growth_clear(t);
	return 0;
}

void growth_clear(struct growth *t)
{
	memset(t->entry, 0, ((size_t)t->mask + 1) * sizeof(t->entry[0]));
	memset(t->pool, 0, sizeof(t->pool));
	t->count = t->hand = 0;
	t->began_us = t->untracked = 0;
	t->is_calm = true;
}

/* Multiplied, so that pids that are a multiple of the size apart do not queue up. */
static uint32_t home_of(const struct growth *t, int32_t pid)
{
	return ((uint32_t)pid * UINT32_C(2654435769) >> 8) & t->mask;
}

/* Its place, or the empty one where it would go: a quarter is always empty. */
static uint32_t place_of(const struct growth *t, int32_t pid)
{
	uint32_t i = home_of(t, pid);

	while (t->entry[i].pid && t->entry[i].pid != pid)
		i = (i + 1) & t->mask;
	return i;
}

uint32_t growth_find(const struct growth *t, int32_t pid)
{
	uint32_t at = place_of(t, pid);

	return pid > 0 && t->entry[at].pid == pid ? at : GROWTH_NOWHERE;
}

/* Closes the gap, so that no search ends early: what may stand there moves up. */
static void remove_at(struct growth *t, uint32_t hole)
{
	for (uint32_t i = (hole + 1) & t->mask; t->entry[i].pid; i = (i + 1) & t->mask) {
		uint32_t from_home = (i - home_of(t, t->entry[i].pid)) & t->mask;

		if (from_home < ((i - hole) & t->mask))
			continue;
		t->entry[hole] = t->entry[i];
		hole = i;
	}
	t->entry[hole] = (struct growth_entry){0};
	t->count--;
}

static bool is_full(const struct growth *t)
{
	return t->count >= (t->mask + 1) / 4 * 3;
}

static bool is_resting(const struct growth_level *l)
{
	return l->rate.slow_bytes_per_s <= 0 && l->bytes <= l->base_bytes;
}

/* Forgetting one that rests costs nothing but its bytes in a group. */
static bool make_room(struct growth *t)
{
	for (uint32_t n = 0; n < HAND_STEPS; n++) {
		uint32_t at = t->hand++ & t->mask;

		if (t->entry[at].pid && is_resting(&t->entry[at].level)) {
			remove_at(t, at);
			return true;
		}
	}
	return false;
}

/*
 * rate becomes the average over the window that ended with the last reading and the time since. A
 * window is no longer than what is known, so a new rate is neither 0 nor what the last two
 * readings happened to say. Integers: the same figures on every machine.
 */
static int64_t smooth(int64_t rate, uint64_t window_us, uint64_t gap_us, int64_t delta)
{
	rate = (rate * (int64_t)window_us + delta * (int64_t)US_PER_S) /
	       (int64_t)(window_us + gap_us);
	return MAX_OF(-RATE_MAX, MIN_OF(rate, RATE_MAX));
}

static int64_t difference(uint64_t to, uint64_t from)
{
	uint64_t size = to > from ? to - from : from - to;
	int64_t limited = (int64_t)MIN_OF(size, (uint64_t)DELTA_MAX);

	return to > from ? limited : -limited;
}

static void level_begin(struct growth_level *l, uint64_t bytes, uint64_t now_us)
{
	*l = (struct growth_level){
		.bytes = bytes,
		.base_bytes = bytes,
		.first_us = now_us,
		.last_us = now_us,
	};
}

/* Of one that was just born it is known that it held nothing before: otherwise the first megabyte of
 * every short-lived helper would be the fastest growth of all. */
static void level_be_born(struct growth_level *l, uint64_t now_us)
{
	level_begin(l, 0, now_us);
	l->first_us -= SLOW_US; /* only ever subtracted from last_us: may wrap */
}

static void level_move(struct growth_level *l, uint64_t bytes, uint64_t now_us)
{
	uint64_t known_us = l->last_us - l->first_us;
	uint64_t gap_us = MIN_OF(now_us - l->last_us, GAP_MAX_US);
	int64_t delta = difference(bytes, l->bytes);
	struct growth_rate *r = &l->rate;

	r->fast_bytes_per_s = smooth(r->fast_bytes_per_s, MIN_OF(known_us, FAST_US), gap_us, delta);
	r->slow_bytes_per_s = smooth(r->slow_bytes_per_s, MIN_OF(known_us, SLOW_US), gap_us, delta);
	l->bytes = bytes;
	l->last_us = now_us;
}

void growth_fork(struct growth *t, int32_t pid, int32_t parent, uint64_t now_us)
{
	struct growth_entry *e;
	uint32_t from;

	if (pid <= 0)
		return;
	growth_exit(t, pid); /* its end was not told */
	if (!t->began_us)
		t->began_us = now_us;
	if (is_full(t))
		return;
	from = growth_find(t, parent);
	e = &t->entry[place_of(t, pid)];
	*e = (struct growth_entry){.pid = pid, .parent = parent};
	if (from != GROWTH_NOWHERE) {
		e->uid = t->entry[from].uid;
		memcpy(e->name, t->entry[from].name, sizeof(e->name));
	}
	level_be_born(&e->level, now_us);
	t->count++;
}

void growth_exit(struct growth *t, int32_t pid)
{
	uint32_t at = growth_find(t, pid);

	if (at != GROWTH_NOWHERE)
		remove_at(t, at);
}

static bool is_young(const struct growth *t, const struct growth_reading *r)
{
	return r->started_us && r->started_us >= t->began_us &&
	       r->time_us < time_add_us(r->started_us, YOUNG_US);
}

/* false: no room. */
static bool add(struct growth *t, const struct growth_reading *r)
{
	bool from_nothing = is_young(t, r);
	struct growth_entry *e;

	if (is_full(t) && !(from_nothing && r->bytes && make_room(t)))
		return false;
	e = &t->entry[place_of(t, r->pid)];
	*e = (struct growth_entry){.pid = r->pid};
	t->count++;
	if (from_nothing)
		level_be_born(&e->level, MIN_OF(r->started_us, r->time_us - 1));
	else
		level_begin(&e->level, r->bytes, r->time_us);
	return true;
}

void growth_see(struct growth *t, const struct growth_reading *r)
{
	struct growth_entry *e;

	if (r->pid <= 0 || !r->time_us)
		return;
	if (!t->began_us)
		t->began_us = r->time_us;
	e = &t->entry[place_of(t, r->pid)];
	if (e->pid && e->start_ticks && e->start_ticks != r->start_ticks)
		growth_exit(t, r->pid);
	if (!t->entry[place_of(t, r->pid)].pid && !add(t, r)) {
		t->untracked++;
		return;
	}
	e = &t->entry[place_of(t, r->pid)];
	e->parent = r->parent;
	e->uid = r->uid;
	e->is_apart = r->is_apart;
	e->start_ticks = r->start_ticks;
	memcpy(e->name, r->name, sizeof(e->name));
	e->name[sizeof(e->name) - 1] = '\0';
	if (r->time_us > e->level.last_us)
		level_move(&e->level, r->bytes, r->time_us);
}

void growth_pool(struct growth *t, enum growth_pool pool, uint64_t bytes, uint64_t now_us)
{
	struct growth_level *l;

	if ((unsigned)pool >= GROWTH_POOL_COUNT)
		return;
	l = &t->pool[pool];
	if (!l->last_us)
		level_begin(l, bytes, now_us);
	else if (now_us > l->last_us)
		level_move(l, bytes, now_us);
}

void growth_sweep(struct growth *t, uint64_t round_us)
{
	for (uint32_t i = 0; i <= t->mask;) {
		if (t->entry[i].pid && t->entry[i].level.last_us < round_us)
			remove_at(t, i); /* another may have moved here */
		else
			i++;
	}
}

void growth_mark(struct growth *t)
{
	for (uint32_t i = 0; i <= t->mask; i++)
		t->entry[i].level.base_bytes = t->entry[i].level.bytes;
	for (uint32_t i = 0; i < GROWTH_POOL_COUNT; i++)
		t->pool[i].base_bytes = t->pool[i].bytes;
}

void growth_calm(struct growth *t, bool is_calm)
{
	t->is_calm = is_calm;
}
