/* SPDX-License-Identifier: MIT */
#include "core_replay.h"

#include <string.h>

#include "core_check.h"
#include "core_parts.h"

void core_replay_init(struct core_replay *r, struct core *c)
{
	memset(r, 0, sizeof(*r));
	r->core = c;
}

/* ---- the state ---- */

static const char *take_nothing(struct core_replay *r, const union core_record *record)
{
	(void)r, (void)record;
	return NULL;
}

static const char *take_machine(struct core_replay *r, const union core_record *record)
{
	r->machine = record->machine;
	return NULL;
}

static const char *take_end(struct core_replay *r, const union core_record *record)
{
	(void)record;
	r->is_over = true;
	return NULL;
}

static const char *take_policy(struct core_replay *r, const union core_record *record)
{
	struct core *c = r->core;

	c->policy = record->policy;
	c->policy.session.max_clients = MIN_OF(c->policy.session.max_clients, c->sessions.max);
	return NULL;
}

static const char *take_core(struct core_replay *r, const union core_record *record)
{
	struct core *c = r->core;

	if (record->core.max_clients > c->sessions.max)
		return "more clients than there is room for";
	c->sessions.max = record->core.max_clients;
	c->last_episode = record->core.last_episode;
	c->last_sequence = record->core.last_sequence;
	c->record.last = record->core.last_event;
	c->grace_us = record->core.grace_us;
	c->tripwire = record->core.tripwire;
	c->reboots_before = record->core.reboots_before;
	return NULL;
}

static const char *take_victim(struct core_replay *r, const union core_record *record)
{
	r->victim.pids[record->victim.index] = record->victim.pid;
	r->victim.start_ticks[record->victim.index] = record->victim.start_ticks;
	return NULL;
}

/* The processes that were collected belong to this one; its other members are set already. */
static void give_pids(struct core_replay *r, struct victim *to)
{
	memcpy(to->pids, r->victim.pids, sizeof(to->pids));
	memcpy(to->start_ticks, r->victim.start_ticks, sizeof(to->start_ticks));
	memset(&r->victim, 0, sizeof(r->victim));
}

static const char *take_domain(struct core_replay *r, const union core_record *record)
{
	struct core_domain *d = &r->core->domain[record->domain.index];

	*d = record->domain.d;
	d->used = true;
	give_pids(r, &d->escalate.victim);
	return NULL;
}

static const char *take_estimator(struct core_replay *r, const union core_record *record)
{
	r->core->domain[record->domain.index].estimator = record->domain.d.estimator;
	return NULL;
}

static const char *take_saw(struct core_replay *r, const union core_record *record)
{
	r->core->domain[record->domain.index].estimator.saw = record->domain.d.estimator.saw;
	return NULL;
}

static const char *take_episode(struct core_replay *r, const union core_record *record)
{
	r->core->episode[record->episode.number % CORE_EPISODES_MAX] = record->episode;
	return NULL;
}

static const char *take_session(struct core_replay *r, const union core_record *record)
{
	struct session_table *sessions = &r->core->sessions;
	const struct core_tape_session *t = &record->session;

	if (t->slot >= sessions->max)
		return "more clients than there is room for";
	session_restore(sessions, t->slot, &t->s);
	return NULL;
}

static const char *take_ready(struct core_replay *r, const union core_record *record)
{
	(void)record;
	r->is_ready = true;
	return NULL;
}

/* ---- what happened ---- */

static const char *take_sample(struct core_replay *r, const union core_record *record)
{
	core_sample(r->core, &record->sample);
	return NULL;
}

static const char *take_join(struct core_replay *r, const union core_record *record)
{
	struct session *session;

	(void)core_join(r->core, &record->join.offer, record->join.now_us, &session); /* full: as then */
	return NULL;
}

static const char *take_survey(struct core_replay *r, const union core_record *record)
{
	const struct core_tape_survey *t = &record->survey;
	struct victim victim = t->victim;

	give_pids(r, &victim);
	core_survey(r->core, t->domain, t->found ? &victim : NULL, t->now_us);
	return NULL;
}

static const char *take_suspect(struct core_replay *r, const union core_record *record)
{
	const struct core_tape_survey *t = &record->survey;
	struct victim victim = t->victim;

	give_pids(r, &victim);
	core_suspect(r->core, t->domain, t->found ? &victim : NULL, t->now_us);
	return NULL;
}

static const char *take_stopped(struct core_replay *r, const union core_record *record)
{
	core_stopped(r->core, record->call.domain, record->call.count, record->call.now_us);
	return NULL;
}

static const char *take_grower(struct core_replay *r, const union core_record *record)
{
	const struct core_tape_grower *t = &record->grower;

	r->growers[t->index] = t->g;
	if (t->index + 1 >= t->count)
		core_growers(r->core, t->domain, r->growers, t->count, t->now_us);
	return NULL;
}

static const char *take_happened(struct core_replay *r, const union core_record *record)
{
	struct event event = record->event;

	core_note(r->core, &event, event.time_us);
	return NULL;
}

static const char *take_reconfigure(struct core_replay *r, const union core_record *record)
{
	const struct core_policy policy = r->core->policy; /* came just before */

	core_reconfigure(r->core, &policy, record->call.now_us);
	return NULL;
}

static const char *take_latency(struct core_replay *r, const union core_record *record)
{
	core_set_latency(r->core, record->call.latency_us);
	return NULL;
}

static const char *take_domain_add(struct core_replay *r, const union core_record *record)
{
	const struct core_call *call = &record->call;

	(void)core_domain_add(r->core, call->name, call->is_configured, call->now_us); /* full: as then */
	return NULL;
}

static const char *take_domain_remove(struct core_replay *r, const union core_record *record)
{
	if (record->call.domain == CORE_DOMAIN_SYSTEM)
		return "the system's domain cannot be removed";
	core_domain_remove(r->core, record->call.domain, record->call.now_us);
	return NULL;
}

static const char *take_leave(struct core_replay *r, const union core_record *record)
{
	core_leave(r->core, record->call.client, record->call.now_us);
	return NULL;
}

static const char *take_report(struct core_replay *r, const union core_record *record)
{
	const struct core_call *call = &record->call;

	core_report(r->core, call->client, call->exposure_bytes, call->freeable_bytes);
	return NULL;
}

static const char *take_answer(struct core_replay *r, const union core_record *record)
{
	const struct core_call *call = &record->call;
	const struct core_answer answer = {
		call->client, call->sequence, (enum session_result)call->result, call->freed_bytes,
		call->more_time_us,
	};

	(void)core_answer(r->core, &answer, call->now_us); /* an unknown sequence: as then */
	return NULL;
}

static const char *take_procedure_time(struct core_replay *r, const union core_record *record)
{
	core_set_procedure_time(r->core, record->call.procedure_us);
	return NULL;
}

static const char *take_procedure_done(struct core_replay *r, const union core_record *record)
{
	const struct core_call *call = &record->call;
	const struct core_procedure_end end = {
		call->procedure, (enum procedure_outcome)call->outcome, call->code, call->output_bytes,
	};

	core_procedure_done(r->core, call->domain, &end, call->now_us);
	return NULL;
}

static const char *take_victim_gone(struct core_replay *r, const union core_record *record)
{
	core_victim_gone(r->core, record->call.domain, record->call.now_us);
	return NULL;
}

static const char *take_kernel_oom(struct core_replay *r, const union core_record *record)
{
	const struct core_call *call = &record->call;

	core_kernel_oom(r->core, call->domain, call->pid, call->name, call->now_us);
	return NULL;
}

static const char *take_take_over(struct core_replay *r, const union core_record *record)
{
	const struct core_call *call = &record->call;

	if (!r->core->domain[call->domain].used || !call->episode)
		return "an episode of no domain";
	core_take_over(r->core, call->domain, call->episode, (enum stage_word)call->stage,
		       call->began_us, call->now_us);
	return NULL;
}

static const char *take_guard(struct core_replay *r, const union core_record *record)
{
	struct guard_report report = record->guard.r;

	give_pids(r, &report.victim);
	(void)core_guard(r->core, &report, record->guard.now_us); /* the shell's answer: as then */
	return NULL;
}

static const char *take_told(struct core_replay *r, const union core_record *record)
{
	const struct core_call *call = &record->call;
	const struct guard_told told = { call->client, call->sequence, call->began_us, call->deadline_us };

	core_told(r->core, call->domain, &told, call->now_us);
	return NULL;
}

static const char *take_tick(struct core_replay *r, const union core_record *record)
{
	core_tick(r->core, record->call.now_us);
	return NULL;
}

static const char *take_tripwire(struct core_replay *r, const union core_record *record)
{
	core_tripwire(r->core, &record->tripwire.r, record->tripwire.now_us);
	return NULL;
}

static const char *take_tripped(struct core_replay *r, const union core_record *record)
{
	core_tripped(r->core, &record->tripwire.r, record->tripwire.now_us);
	return NULL;
}

static const char *take_tripwire_off(struct core_replay *r, const union core_record *record)
{
	core_tripwire_off(r->core, record->call.now_us);
	return NULL;
}

static const char *take_last(struct core_replay *r, const union core_record *record)
{
	const struct core_call *call = &record->call;

	core_set_last(r->core, call->domain, (enum last_policy)call->policy, call->count);
	return NULL;
}

static const char *take_end_failed(struct core_replay *r, const union core_record *record)
{
	core_end_failed(r->core, record->call.domain, record->call.code, record->call.now_us);
	return NULL;
}

static const char *take_drill(struct core_replay *r, const union core_record *record)
{
	const struct core_call *call = &record->call;

	(void)core_drill(r->core, call->client, (enum stage_word)call->stage, call->now_us); /* as then */
	return NULL;
}

/* Not an input: what was decided then, to be held against what was decided now. */
static const char *take_event(struct core_replay *r, const union core_record *record)
{
	const struct event *then = &record->event;
	const struct record *now = &r->core->record;

	if (then->number && tape_is_equal(&core_tape_shapes[CORE_TAPE_EVENT], then,
					  &now->ring[(then->number - 1) % now->size])) {
		r->same++;
		return NULL;
	}
	r->different++;
	if (!r->first_different)
		r->first_different = then->number;
	return NULL;
}

/* ---- the kinds ---- */

#define AT(member) offsetof(union core_record, member)
#define TIMELESS SIZE_MAX

static const struct {
	const char *(*check)(const union core_record *record);	/* NULL: nothing can be wrong */
	const char *(*take)(struct core_replay *r, const union core_record *record);
	size_t time_at;				/* of its now_us */
	bool is_input;				/* only once the state is complete */
} kinds[CORE_TAPE_KIND_COUNT] = {
	[CORE_TAPE_MACHINE] = { NULL, take_machine, AT(machine.now_us), false },
	[CORE_TAPE_NOTE] = { NULL, take_nothing, AT(note.now_us), false },
	[CORE_TAPE_END] = { NULL, take_end, AT(note.now_us), false },
	[CORE_TAPE_POLICY] = { NULL, take_policy, TIMELESS, false },
	[CORE_TAPE_CORE] = { core_check_core, take_core, TIMELESS, false },
	[CORE_TAPE_DOMAIN] = { core_check_domain, take_domain, TIMELESS, false },
	[CORE_TAPE_ESTIMATOR] = { core_check_domain, take_estimator, TIMELESS, false },
	[CORE_TAPE_SAW] = { core_check_domain, take_saw, TIMELESS, false },
	[CORE_TAPE_EPISODE] = { core_check_episode, take_episode, TIMELESS, false },
	[CORE_TAPE_SESSION] = { core_check_session, take_session, TIMELESS, false },
	[CORE_TAPE_READY] = { core_check_call, take_ready, AT(call.now_us), false },
	[CORE_TAPE_SAMPLE] = { core_check_sample, take_sample, AT(sample.time_us), true },
	[CORE_TAPE_JOIN] = { NULL, take_join, AT(join.now_us), true },
	[CORE_TAPE_VICTIM] = { core_check_victim, take_victim, TIMELESS, false },
	[CORE_TAPE_SURVEY] = { core_check_survey, take_survey, AT(survey.now_us), true },
	[CORE_TAPE_SUSPECT] = { core_check_survey, take_suspect, AT(survey.now_us), true },
	[CORE_TAPE_GROWER] = { core_check_grower, take_grower, AT(grower.now_us), true },
	[CORE_TAPE_HAPPENED] = { core_check_event, take_happened, AT(event.time_us), true },
	[CORE_TAPE_RECONFIGURE] = { core_check_call, take_reconfigure, AT(call.now_us), true },
	[CORE_TAPE_LATENCY] = { core_check_call, take_latency, TIMELESS, true },
	[CORE_TAPE_DOMAIN_ADD] = { core_check_call, take_domain_add, AT(call.now_us), true },
	[CORE_TAPE_DOMAIN_REMOVE] = { core_check_call, take_domain_remove, AT(call.now_us), true },
	[CORE_TAPE_LEAVE] = { core_check_call, take_leave, AT(call.now_us), true },
	[CORE_TAPE_REPORT] = { core_check_call, take_report, TIMELESS, true },
	[CORE_TAPE_ANSWER] = { core_check_call, take_answer, AT(call.now_us), true },
	[CORE_TAPE_PROCEDURE_TIME] = { core_check_call, take_procedure_time, TIMELESS, true },
	[CORE_TAPE_PROCEDURE_DONE] = { core_check_call, take_procedure_done, AT(call.now_us), true },
	[CORE_TAPE_VICTIM_GONE] = { core_check_call, take_victim_gone, AT(call.now_us), true },
	[CORE_TAPE_STOPPED] = { core_check_call, take_stopped, AT(call.now_us), true },
	[CORE_TAPE_KERNEL_OOM] = { core_check_call, take_kernel_oom, AT(call.now_us), true },
	[CORE_TAPE_TAKE_OVER] = { core_check_call, take_take_over, AT(call.now_us), true },
	[CORE_TAPE_TICK] = { core_check_call, take_tick, AT(call.now_us), true },
	[CORE_TAPE_GUARD] = { core_check_guard, take_guard, AT(guard.now_us), true },
	[CORE_TAPE_TOLD] = { core_check_call, take_told, AT(call.now_us), true },
	[CORE_TAPE_TRIPWIRE] = { NULL, take_tripwire, AT(tripwire.now_us), true },
	[CORE_TAPE_TRIPPED] = { NULL, take_tripped, AT(tripwire.now_us), true },
	[CORE_TAPE_TRIPWIRE_OFF] = { core_check_call, take_tripwire_off, AT(call.now_us), true },
	[CORE_TAPE_LAST] = { core_check_call, take_last, TIMELESS, true },
	[CORE_TAPE_END_FAILED] = { core_check_call, take_end_failed, AT(call.now_us), true },
	[CORE_TAPE_DRILL] = { core_check_call, take_drill, AT(call.now_us), true },
	[CORE_TAPE_EVENT] = { core_check_event, take_event, AT(event.time_us), true },
};

const char *core_replay_check(enum core_tape_kind kind, const union core_record *record)
{
	return kinds[kind].check ? kinds[kind].check(record) : NULL;
}

uint64_t core_replay_time_us(enum core_tape_kind kind, const union core_record *record)
{
	uint64_t time_us = 0;

	if (kinds[kind].time_at != TIMELESS)
		memcpy(&time_us, (const char *)record + kinds[kind].time_at, sizeof(time_us));
	return time_us;
}

const char *core_replay_take(struct core_replay *r, enum core_tape_kind kind,
			     const union core_record *record)
{
	const char *wrong = core_replay_check(kind, record);
	uint64_t time_us = core_replay_time_us(kind, record);

	if (!wrong && kinds[kind].is_input && !r->is_ready)
		wrong = "it comes before the state is complete";
	if (!wrong)
		wrong = kinds[kind].take(r, record);
	if (!wrong && time_us)
		r->now_us = time_us;
	return wrong;
}
