/* SPDX-License-Identifier: MIT */
#include "act/escalate.h"

#include <string.h>

#include "base/units.h"

/* A program that has answered ends within milliseconds; SIGTERM would cut into that. Half: slow
 * exits are cut; double: one that does not mean to end lives so much longer. */
#define LEAVE_MOST_US	(200 * US_PER_MS)

static const char *const names[] = {
	[RUNG_IDLE] = "idle",
	[RUNG_FINAL] = "final",
	[RUNG_LEAVE] = "leave",
	[RUNG_TERM] = "term",
	[RUNG_KILL] = "kill",
	[RUNG_SETTLE] = "settle",
	[RUNG_PROCEDURE] = "procedure",
	[RUNG_PART] = "part",
};
_Static_assert(ARRAY_LEN(names) == RUNG_COUNT, "a name for every rung");

const char *escalate_rung_name(enum escalate_rung rung)
{
	return names[rung];
}

void escalate_init(struct escalate *e)
{
	memset(e, 0, sizeof(*e));
	e->deadline_us = NEVER_US;
}

void escalate_take(struct escalate *e, const struct victim *v)
{
	e->victim = *v;
	e->procedure_began_us = 0;
}

void escalate_ended(struct escalate *e, const struct victim *v, uint64_t deadline_us)
{
	e->victim = *v;
	e->rung = RUNG_KILL;
	e->is_dry = false;
	e->deadline_us = deadline_us;
}

static bool is_due(const struct escalate *e, const struct escalate_view *v)
{
	return v->now_us >= e->deadline_us;
}

static bool wants_victim(const struct escalate *e, const struct escalate_policy *p,
			 const struct escalate_view *v)
{
	return p->enabled && v->is_wanted && !v->is_back && e->victim.kind == VICTIM_NONE &&
	       (e->deadline_us == NEVER_US || is_due(e, v));
}

static bool has_client(const struct escalate *e, const struct escalate_policy *p,
		       const struct escalate_view *v)
{
	(void)p, (void)v;
	return e->victim.kind != VICTIM_NONE && e->victim.client;
}

static bool has_victim(const struct escalate *e, const struct escalate_policy *p,
		       const struct escalate_view *v)
{
	(void)p, (void)v;
	return e->victim.kind != VICTIM_NONE;
}

static bool has_procedure(const struct escalate *e, const struct escalate_policy *p,
			  const struct escalate_view *v)
{
	(void)v;
	return e->victim.kind != VICTIM_NONE && e->victim.procedure && p->procedures;
}

static bool is_gone(const struct escalate *e, const struct escalate_policy *p,
		    const struct escalate_view *v)
{
	(void)e, (void)p;
	return v->victim_gone;
}

/* The dry run is over, from now on it is meant; or nothing is told any more. */
static bool was_dry(const struct escalate *e, const struct escalate_policy *p,
		    const struct escalate_view *v)
{
	(void)v;
	return e->is_dry && (!p->dry_run || !p->enabled);
}

/* Switched off: nothing more happens to the victim; what was killed is waited for. */
static bool is_off(const struct escalate *e, const struct escalate_policy *p,
		   const struct escalate_view *v)
{
	(void)e, (void)v;
	return !p->enabled;
}

static bool is_relieved(const struct escalate *e, const struct escalate_policy *p,
			const struct escalate_view *v)
{
	(void)p;
	return v->is_back && ((v->final_ended && !e->is_dry) || is_due(e, v));
}

/* It has had its SIGTERM, and what that had brought back is falling again. */
static bool is_wanted_again(const struct escalate *e, const struct escalate_policy *p,
			    const struct escalate_view *v)
{
	(void)e, (void)p;
	return v->is_wanted && !v->is_back;
}

/* Memory may come back before the process has ended: its end is waited for all the same. */
static bool is_relieved_late(const struct escalate *e, const struct escalate_policy *p,
			     const struct escalate_view *v)
{
	(void)p;
	return v->is_back && is_due(e, v);
}

static bool has_missed(const struct escalate *e, const struct escalate_policy *p,
		       const struct escalate_view *v)
{
	(void)p;
	return is_due(e, v);
}

static bool has_missed_with_procedure(const struct escalate *e, const struct escalate_policy *p,
				      const struct escalate_view *v)
{
	return has_missed(e, p, v) && has_procedure(e, p, v);
}

static bool procedure_is_over(const struct escalate *e, const struct escalate_policy *p,
			      const struct escalate_view *v)
{
	(void)p;
	return (e->procedure_ended && !e->is_dry) || is_due(e, v);
}

static bool has_answered(const struct escalate *e, const struct escalate_policy *p,
			 const struct escalate_view *v)
{
	(void)p;
	return v->final_ended && !v->final_missed && !e->is_dry;
}

/* As a stranger it would be ended without a word. */
static bool has_joined(const struct escalate *e, const struct escalate_policy *p,
		       const struct escalate_view *v)
{
	(void)e, (void)p;
	return v->has_joined;
}

/*
 * The ladder: the first row of the present rung whose condition holds is taken.
 *
 * A procedure is no reprieve. Headroom that comes back meanwhile proves nothing: the victim may be
 * stopped for the time of it, so that its leak seems to be over. Without a procedure SIGTERM would
 * have been sent already.
 */
static const struct {
	enum escalate_rung at;
	bool (*when)(const struct escalate *e, const struct escalate_policy *p,
		     const struct escalate_view *v);
	enum escalate_rung to;
	enum escalate_do what;
} ladder[] = {
	{ RUNG_IDLE,	has_client,	RUNG_FINAL,	ESCALATE_ASK_FINAL },
	{ RUNG_IDLE,	has_procedure,	RUNG_PROCEDURE,	ESCALATE_PROCEDURE },
	{ RUNG_IDLE,	has_victim,	RUNG_TERM,	ESCALATE_TERM },
	{ RUNG_IDLE,	wants_victim,	RUNG_IDLE,	ESCALATE_CHOOSE },
	{ RUNG_FINAL,	is_gone,	RUNG_SETTLE,	ESCALATE_DONE },
	{ RUNG_FINAL,	was_dry,	RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_FINAL,	is_off,		RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_FINAL,	is_relieved,	RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_FINAL,	has_answered,	RUNG_LEAVE,	ESCALATE_NOTHING },
	{ RUNG_FINAL,	has_missed_with_procedure, RUNG_PROCEDURE, ESCALATE_PROCEDURE },
	{ RUNG_FINAL,	has_missed,	RUNG_TERM,	ESCALATE_TERM },
	{ RUNG_LEAVE,	is_gone,	RUNG_SETTLE,	ESCALATE_DONE },
	{ RUNG_LEAVE,	is_off,		RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_LEAVE,	is_relieved_late, RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_LEAVE,	has_missed_with_procedure, RUNG_PROCEDURE, ESCALATE_PROCEDURE },
	{ RUNG_LEAVE,	has_missed,	RUNG_TERM,	ESCALATE_TERM },
	{ RUNG_PROCEDURE, is_gone,	RUNG_SETTLE,	ESCALATE_DONE },
	{ RUNG_PROCEDURE, was_dry,	RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_PROCEDURE, is_off,	RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_PROCEDURE, has_joined,	RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_PROCEDURE, procedure_is_over, RUNG_TERM,	ESCALATE_TERM },
	{ RUNG_TERM,	is_gone,	RUNG_SETTLE,	ESCALATE_DONE },
	{ RUNG_TERM,	was_dry,	RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_TERM,	is_off,		RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_TERM,	is_relieved_late, RUNG_PART,	ESCALATE_NOTHING },
	{ RUNG_TERM,	has_missed,	RUNG_KILL,	ESCALATE_KILL },
	{ RUNG_PART,	is_gone,	RUNG_SETTLE,	ESCALATE_DONE },
	{ RUNG_PART,	was_dry,	RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_PART,	is_off,		RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_PART,	is_wanted_again, RUNG_KILL,	ESCALATE_KILL },
	{ RUNG_PART,	has_missed,	RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_KILL,	is_gone,	RUNG_SETTLE,	ESCALATE_DONE },
	{ RUNG_KILL,	was_dry,	RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_KILL,	has_missed,	RUNG_IDLE,	ESCALATE_NOTHING },
	{ RUNG_SETTLE,	has_missed,	RUNG_IDLE,	ESCALATE_NOTHING },
};

/*
 * Shortened when time is short, so that what ignores it costs no more than half of what is left. After
 * a procedure that is judged anew as long as SIGTERM lasts: the victim was stopped meanwhile and seemed
 * to take nothing more, and what had to be saved of it is.
 */
static uint64_t moment_us(uint64_t longest_us, const struct escalate_view *v)
{
	return MIN_OF(longest_us, MAX_OF(TERM_LEAST_US, v->tte_low_us / 2));
}

static uint64_t deadline_of(const struct escalate *e, const struct escalate_policy *p,
			    const struct escalate_view *v, enum escalate_rung rung)
{
	switch (rung) {
	case RUNG_FINAL:
		return v->final_deadline_us; /* 0 until the request is out, see escalate_step() */
	case RUNG_TERM:
		if (e->victim.pids_count == VICTIM_PIDS_MAX) /* a bomb: what lives meanwhile forks on */
			return v->now_us;
		return time_add_us(v->now_us, moment_us(p->term_us, v));
	case RUNG_LEAVE:
		return time_add_us(v->now_us, moment_us(MIN_OF(p->term_us, LEAVE_MOST_US), v));
	case RUNG_PROCEDURE: /* whole: who gave it has said what it may cost */
		return time_add_us(v->now_us, e->victim.procedure_us);
	case RUNG_KILL:
	case RUNG_PART:
		return time_add_us(v->now_us, p->kill_us);
	case RUNG_SETTLE:
		return time_add_us(v->now_us, p->settle_us);
	case RUNG_IDLE:
	case RUNG_COUNT:
		break;
	}
	return NEVER_US;
}

static void climb(struct escalate *e, const struct escalate_policy *p, const struct escalate_view *v,
		  enum escalate_rung to)
{
	if (to == RUNG_SETTLE)
		e->ended++;
	if (to == RUNG_PROCEDURE) {
		e->procedure_ended = false;
		e->procedure_began_us = v->now_us;
	}
	if (to == RUNG_IDLE || to == RUNG_SETTLE)
		e->victim.kind = VICTIM_NONE;
	e->is_dry = p->dry_run && to != RUNG_IDLE && to != RUNG_SETTLE;
	/* Nothing ends in a dry run, so its last rung lasts as long as the episode. */
	e->deadline_us = to == RUNG_KILL && e->is_dry ? NEVER_US : deadline_of(e, p, v, to);
	e->rung = to;
}

enum escalate_do escalate_step(struct escalate *e, const struct escalate_policy *p,
			       const struct escalate_view *view)
{
	/* The final request's deadline moves when the client says busy. */
	if (e->rung == RUNG_FINAL && !e->is_dry)
		e->deadline_us = view->final_deadline_us;
	if (e->rung == RUNG_TERM && e->procedure_began_us && !e->is_dry && !view->is_back)
		e->deadline_us = MIN_OF(e->deadline_us, time_add_us(view->now_us, moment_us(NEVER_US, view)));
	for (unsigned i = 0; i < ARRAY_LEN(ladder); i++) {
		if (ladder[i].at != e->rung || !ladder[i].when(e, p, view))
			continue;
		if (ladder[i].what == ESCALATE_CHOOSE) {
			/* asked again after settle_us if nobody may be ended */
			e->deadline_us = time_add_us(view->now_us, p->settle_us);
			return ESCALATE_CHOOSE;
		}
		climb(e, p, view, ladder[i].to);
		return ladder[i].what;
	}
	return ESCALATE_NOTHING;
}
