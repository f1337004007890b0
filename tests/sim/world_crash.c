/* SPDX-License-Identifier: MIT */
/* The daemon is killed right after a transition, and whom it had killed dies all the same. */
#include <string.h>

#include "base/units.h"
#include "sim.h"

/* Of the transitions so many percent. Half: the rarest is reached in 50 of 100000 schedules; double: few
 * schedules come to an end as one life of the daemon. */
#define CRASH_PERCENT	2u

static struct crash_state state_of(const struct core_domain *d)
{
	return d->used ? (struct crash_state){ d->stage.now, d->escalate.rung, d->hold.phase, d->last.phase }
		       : (struct crash_state){ STAGE_NORMAL, RUNG_IDLE, HOLD_OFF, LAST_IDLE };
}

static void count_rung(struct sim *s, enum escalate_rung rung)
{
	static const enum cover_place places[RUNG_COUNT] = {
		[RUNG_IDLE] = COVER_KILLED_AT_IDLE, [RUNG_FINAL] = COVER_KILLED_AT_FINAL,
		[RUNG_LEAVE] = COVER_KILLED_AT_LEAVE, [RUNG_TERM] = COVER_KILLED_AT_TERM,
		[RUNG_KILL] = COVER_KILLED_AT_KILL, [RUNG_SETTLE] = COVER_KILLED_AT_SETTLE,
		[RUNG_PROCEDURE] = COVER_KILLED_AT_PROCEDURE, [RUNG_PART] = COVER_KILLED_AT_PART,
	};

	cover_add(&s->cover, places[rung]);
}

static void count(struct sim *s, const struct crash_state *was, const struct crash_state *is)
{
	static const enum cover_place stages[STAGE_COUNT] = {
		[STAGE_NORMAL] = COVER_KILLED_AT_NORMAL, [STAGE_WARNING] = COVER_KILLED_AT_WARNING,
		[STAGE_IMMINENT] = COVER_KILLED_AT_IMMINENT, [STAGE_SHUTDOWN] = COVER_KILLED_AT_SHUTDOWN,
	};
	if (is->stage != was->stage)
		cover_add(&s->cover, stages[is->stage]);
	if (is->rung != was->rung)
		count_rung(s, is->rung);
	if (is->hold != was->hold)
		cover_add(&s->cover, is->hold == HOLD_OFF ? COVER_KILLED_AT_LET_GO : COVER_KILLED_AT_BRAKE);
	if (is->last != was->last)
		cover_add(&s->cover, COVER_KILLED_AT_LAST);
}

void crash_chance(struct sim *s)
{
	struct crash_state was[SIM_DOMAINS];
	bool has_moved = false;

	memcpy(was, s->world.crash, sizeof(was));
	for (uint32_t d = 0; d < SIM_DOMAINS; d++) {
		s->world.crash[d] = state_of(&s->core.domain[d]);
		has_moved |= memcmp(&was[d], &s->world.crash[d], sizeof(was[d])) != 0;
	}
	if (!has_moved || !dice_percent(&s->dice, CRASH_PERCENT))
		return;
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		count(s, &was[d], &s->world.crash[d]);
	world_restart(s);
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		s->world.crash[d] = state_of(&s->core.domain[d]);
}

/* ---- whom the daemon has killed ---- */

void crash_note_kill(struct sim *s, int32_t pid, uint64_t dead_us)
{
	struct crash_kill *k = &s->world.killed[s->world.killed_count++ % WORLD_KILLED_MAX];

	*k = (struct crash_kill){ .pid = pid, .dead_us = dead_us };
}

void crash_is_over(struct sim *s)
{
	for (uint32_t i = 0; i < WORLD_KILLED_MAX; i++)
		s->world.killed[i].is_past = true;
}

bool crash_is_dead(const struct sim *s, int32_t pid)
{
	for (uint32_t i = 0; i < WORLD_KILLED_MAX; i++)
		if (s->world.killed[i].pid == pid && s->now_us >= s->world.killed[i].dead_us)
			return true;
	return false;
}

bool crash_was_killed(const struct sim *s, int32_t pid)
{
	for (uint32_t i = 0; i < WORLD_KILLED_MAX; i++)
		if (s->world.killed[i].pid == pid && s->world.killed[i].is_past)
			return true;
	return false;
}
