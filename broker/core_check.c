/* SPDX-License-Identifier: MIT */
#include "core_check.h"

/* ---- can it be true? ---- */

static bool is_event(const struct event *e)
{
	return e->kind < EVENT_KIND_COUNT && e->domain < CORE_DOMAINS_MAX && e->from < STAGE_COUNT &&
	       e->to < STAGE_COUNT && e->why < STAGE_WHY_COUNT && e->step < STEP_COUNT &&
	       e->result < RESULT_COUNT && e->rung < RUNG_COUNT;
}

static bool is_victim(const struct victim *v)
{
	return (unsigned)v->kind < VICTIM_KIND_COUNT && v->pids_count <= VICTIM_PIDS_MAX;
}

static bool is_domain(const struct core_tape_domain *t)
{
	const struct core_domain *d = &t->d;

	return t->index < CORE_DOMAINS_MAX && (unsigned)d->stage.now < STAGE_COUNT &&
	       (unsigned)d->change.from < STAGE_COUNT && (unsigned)d->change.to < STAGE_COUNT &&
	       (unsigned)d->change.why < STAGE_WHY_COUNT && d->change.domain < CORE_DOMAINS_MAX &&
	       d->estimate.domain < CORE_DOMAINS_MAX && d->estimate.limit < ESTIMATE_LIMIT_COUNT &&
	       d->estimator.last.limit < ESTIMATE_LIMIT_COUNT && (unsigned)d->escalate.rung < RUNG_COUNT &&
	       is_victim(&d->escalate.victim) && (unsigned)d->hold.phase < HOLD_PHASE_COUNT &&
	       is_victim(&d->hold.victim) && (unsigned)d->last.policy < LAST_POLICY_COUNT &&
	       (unsigned)d->last.running < LAST_POLICY_COUNT &&
	       (unsigned)d->last.phase < LAST_PHASE_COUNT && t->d.estimator.stall.slot < STALL_SLOTS;
}

static bool is_session(const struct core_tape_session *t)
{
	const struct session *s = &t->s;
	uint64_t id = (uint64_t)s->generation << 32 | (uint64_t)(t->slot + 1);

	return t->slot < UINT32_MAX && (s->id == 0 || s->id == id) &&
	       (unsigned)s->request.step < STEP_COUNT && s->request.domain < CORE_DOMAINS_MAX &&
	       (unsigned)s->settled < STEP_COUNT && (unsigned)s->last_result < RESULT_COUNT;
}

/* ---- checks: NULL, or what is wrong ---- */

const char *core_check_domain(const union core_record *record)
{
	return is_domain(&record->domain) ? NULL : "a domain that cannot be";
}

const char *core_check_episode(const union core_record *record)
{
	const struct core_episode *e = &record->episode;

	return (unsigned)e->highest < STAGE_COUNT && e->number && e->domain < CORE_DOMAINS_MAX
		? NULL : "an episode that cannot be";
}

const char *core_check_session(const union core_record *record)
{
	return is_session(&record->session) ? NULL : "a client that cannot be";
}

const char *core_check_sample(const union core_record *record)
{
	return record->sample.domain < CORE_DOMAINS_MAX ? NULL : "a sample of no domain";
}

const char *core_check_victim(const union core_record *record)
{
	return record->victim.index < VICTIM_PIDS_MAX ? NULL : "more processes than a victim has";
}

const char *core_check_survey(const union core_record *record)
{
	const struct core_tape_survey *s = &record->survey;

	return s->domain < CORE_DOMAINS_MAX && is_victim(&s->victim) ? NULL : "a survey that cannot be";
}

const char *core_check_grower(const union core_record *record)
{
	const struct core_tape_grower *t = &record->grower;

	return t->domain < CORE_DOMAINS_MAX && t->index < CORE_GROWERS_MAX &&
	       t->count <= CORE_GROWERS_MAX && (unsigned)t->g.kind < GROWER_KIND_COUNT &&
	       (unsigned)t->g.pool < GROWTH_POOL_COUNT ? NULL : "a grower that cannot be";
}

const char *core_check_guard(const union core_record *record)
{
	const struct guard_report *g = &record->guard.r;

	return g->domain < CORE_DOMAINS_MAX && is_victim(&g->victim) ? NULL : "a guard that cannot be";
}

const char *core_check_event(const union core_record *record)
{
	return is_event(&record->event) ? NULL : "an event that cannot be";
}

const char *core_check_core(const union core_record *record)
{
	return (unsigned)record->core.tripwire.phase < TRIPWIRE_PHASE_COUNT ? NULL
									    : "a tripwire that cannot be";
}

const char *core_check_call(const union core_record *record)
{
	const struct core_call *call = &record->call;

	return call->domain < CORE_DOMAINS_MAX && call->stage < STAGE_COUNT &&
	       call->policy < LAST_POLICY_COUNT && call->result < RESULT_COUNT &&
	       call->outcome < PROCEDURE_OUTCOME_COUNT ? NULL : "a call that cannot be";
}
