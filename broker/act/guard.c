/* SPDX-License-Identifier: MIT */
#include "act/guard.h"

#include "base/units.h"

/*
 * Later than it asked for by so much, this thread itself did not run: the whole process was stopped,
 * by a debugger or a signal, or the machine was. A locked real-time thread was 0.4 ms late at worst
 * beside a full-speed leak. Half: a machine that emulates another looks stopped; double: a process
 * that was stopped for so long may look like a loop that stands still.
 */
#define OWN_LATE_US	(50 * US_PER_MS)

/* A loop that can run has run by then: a turn takes 2 ms, with a survey 5. Half: on one CPU others of
 * real-time priority can make it look still; double: 20 MiB more of a full-speed leak. */
#define SECOND_LOOK_US	(20 * US_PER_MS)

/* While it acts. As the loop at stage warning; half: nothing is won, who grows stands still; double:
 * the end of the grower comes so much later. */
#define LOOK_US		(20 * US_PER_MS)

/* Of the floor of shutdown: 1 MiB of 128, twice what was left when the kernel began to end programs.
 * Half: the kernel may be first; double: clients lose the rest of their time sooner. */
#define LAST_SHARE	4u

void guard_init(struct guard *g)
{
	*g = (struct guard){ .phase = GUARD_RESTING, .wake_us = NEVER_US };
}

uint64_t guard_level_bytes(const struct sample *s, uint64_t swap_weight_permyriad)
{
	uint64_t swap_bytes = s->swap_free_bytes / PERMYRIAD * MIN_OF(swap_weight_permyriad, PERMYRIAD);

	return s->free_bytes + s->file_bytes + swap_bytes;
}

uint64_t guard_headroom_bytes(const struct guard_basis *b, uint64_t level_bytes)
{
	uint64_t lost = b->level_bytes > level_bytes ? b->level_bytes - level_bytes : 0;
	uint64_t won = level_bytes > b->level_bytes ? level_bytes - b->level_bytes : 0;

	return b->headroom_bytes > lost ? b->headroom_bytes - lost + won : won;
}

uint64_t guard_left_us(const struct guard_view *v)
{
	const struct guard_basis *b = v->basis;
	uint64_t left_bytes = guard_headroom_bytes(b, v->level_bytes);
	uint64_t passed_us = v->now_us - MIN_OF(b->sampled_us, v->now_us);
	double us;

	if (left_bytes >= b->headroom_bytes || !passed_us)
		return NEVER_US;
	us = (double)left_bytes / (double)(b->headroom_bytes - left_bytes) * (double)passed_us;
	return us < (double)INT64_MAX ? (uint64_t)us : NEVER_US;
}

void guard_told(struct guard *g, uint64_t deadline_us)
{
	g->end_us = MAX_OF(g->end_us, deadline_us);
}

void guard_did(struct guard *g, uint64_t now_us)
{
	g->wake_us = now_us;
}

/* ---- does it stand still? ---- */

static uint64_t still_from_us(const struct guard *g, const struct guard_basis *b)
{
	return MAX_OF(time_add_us(MAX_OF(b->due_us, b->beat_us), b->after_us), g->patience_us);
}

static enum guard_do sleep_until(struct guard *g, enum guard_phase phase, uint64_t wake_us)
{
	g->phase = phase;
	g->wake_us = wake_us;
	return GUARD_SLEEP;
}

/* Another turn: whatever stood still, it moves. */
static void look_at_turn(struct guard *g, const struct guard_basis *b)
{
	if (g->turn == b->turn)
		return;
	*g = (struct guard){ .phase = GUARD_WATCHING, .turn = b->turn, .wake_us = g->wake_us,
			     .patience_us = g->patience_us };
}

/* Whoever was kept from running judges nobody: both threads get their time anew. */
static bool was_kept(struct guard *g, const struct guard_view *v)
{
	if (g->wake_us == NEVER_US || v->now_us <= time_add_us(g->wake_us, OWN_LATE_US))
		return false;
	g->patience_us = time_add_us(v->now_us, v->basis->after_us);
	return true;
}

/* ---- what to do ---- */

/* As stage imminent: little is left, or the time that is left is too short. */
static bool is_danger(const struct guard_view *v)
{
	return guard_headroom_bytes(v->basis, v->level_bytes) < v->basis->floor_imminent_bytes ||
	       guard_left_us(v) < v->basis->lead_us;
}

/*
 * Two witnesses: the level that it has read, and that who is ended has grown. A procedure that it
 * cannot run is left out only when the kernel is about to end somebody anyway.
 */
static bool is_end_wanted(const struct guard *g, const struct guard_view *v)
{
	const struct guard_basis *b = v->basis;
	uint64_t left = guard_headroom_bytes(b, v->level_bytes);

	if (!(b->flags & GUARD_MAY_END) || !v->has_aim || g->has_ended)
		return false;
	if (left < b->floor_shutdown_bytes / LAST_SHARE)
		return true;
	return !v->has_procedure && left < b->floor_shutdown_bytes && v->now_us >= g->end_us;
}

static enum guard_do act(struct guard *g, const struct guard_view *v)
{
	uint64_t flags = v->basis->flags;

	if (!v->has_level)
		return GUARD_LOOK;
	g->wake_us = time_add_us(v->now_us, LOOK_US);
	if (!is_danger(v))
		return GUARD_SLEEP;
	if (!g->has_stopped && v->has_aim && (flags & GUARD_MAY_STOP) && !(flags & GUARD_IS_HELD)) {
		g->has_stopped = true;
		return GUARD_STOP;
	}
	if (!g->has_told) {
		g->has_told = true;
		g->end_us = v->basis->owed_us;
		return GUARD_TELL;
	}
	if (!is_end_wanted(g, v))
		return GUARD_SLEEP;
	g->has_ended = true;
	return GUARD_END;
}

enum guard_do guard_step(struct guard *g, const struct guard_view *v)
{
	const struct guard_basis *b = v->basis;
	uint64_t from_us;

	look_at_turn(g, b);
	if (!(b->flags & GUARD_IS_ARMED) || b->due_us == NEVER_US)
		return sleep_until(g, GUARD_RESTING, NEVER_US);
	if (!v->has_level && was_kept(g, v))
		g->phase = GUARD_WATCHING;
	from_us = still_from_us(g, b);
	if (v->now_us < from_us)
		return sleep_until(g, GUARD_WATCHING, from_us);
	if (g->phase == GUARD_RESTING || g->phase == GUARD_WATCHING)
		return sleep_until(g, GUARD_DOUBTING, time_add_us(v->now_us, SECOND_LOOK_US));
	if (g->phase == GUARD_DOUBTING && v->now_us < g->wake_us)
		return GUARD_SLEEP;
	if (g->phase == GUARD_DOUBTING)
		g->late_us = v->now_us - MAX_OF(b->due_us, b->beat_us);
	g->phase = GUARD_ACTING;
	return act(g, v);
}
