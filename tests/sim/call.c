/* SPDX-License-Identifier: MIT */
/* The simulator's shell: hands inputs to the core and carries its effects out, as broker.c does. */
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "sim.h"

static const char *const call_names[] = {
	[CALL_START] = "start",
	[CALL_SAMPLE] = "sample",
	[CALL_TICK] = "tick",
	[CALL_JOIN] = "join",
	[CALL_LEAVE] = "leave",
	[CALL_REPORT] = "report",
	[CALL_ANSWER] = "answer",
	[CALL_SURVEY] = "survey",
	[CALL_PROCEDURE] = "procedure done",
	[CALL_GONE] = "victim gone",
	[CALL_OOM] = "kernel oom",
	[CALL_TAKE_OVER] = "take over",
	[CALL_RELOAD] = "reload",
	[CALL_DOMAIN_ADD] = "add domain",
	[CALL_DOMAIN_REMOVE] = "remove domain",
	[CALL_GROWERS] = "growers",
	[CALL_SUSPECT] = "suspect",
	[CALL_STOPPED] = "stopped",
	[CALL_GUARD] = "guard",
	[CALL_TOLD] = "told",
	[CALL_TRIPWIRE] = "tripwire",
	[CALL_TRIPPED] = "tripped",
	[CALL_TRIPWIRE_OFF] = "tripwire off",
	[CALL_LAST] = "last policy",
	[CALL_END_FAILED] = "the machine stays",
	[CALL_DRILL] = "drill",
};
_Static_assert(ARRAY_LEN(call_names) == CALL_KIND_COUNT, "a name for every call");

static void start(struct sim *s)
{
	uint32_t needed = core_effects_needed(s->policy.session.max_clients);
	const struct core_memory m = {
		.sessions = s->sessions, .effects = s->effects, .effects_count = needed,
		.events = s->events, .events_count = SIM_EVENTS,
	};

	if (needed > SIM_EFFECTS)
		sim_fail(s, "the core wants room for %u effects, there is %u", (unsigned)needed,
			 (unsigned)SIM_EFFECTS);
	memset(s->sessions, 0, sizeof(s->sessions));
	core_init(&s->core, &s->policy, &m, s->world.first_episode, s->now_us);
}

static void join(struct sim *s, struct call *c)
{
	struct session *session = NULL;
	enum session_outcome outcome = core_join(&s->core, c->offer, s->now_us, &session);

	c->was_accepted = outcome == SESSION_OK;
	c->client = session ? session->id : 0;
	if (outcome == SESSION_E_FULL)
		cover_add(&s->cover, COVER_FULL);
	if (outcome == SESSION_E_USER_FULL)
		cover_add(&s->cover, COVER_USER_FULL);
}

static void take_over(struct sim *s, const struct call *c)
{
	core_take_over(&s->core, c->domain, c->past.number, c->past.stage, c->past.began_us,
		       s->now_us);
}

/* Who is on top changes now and then; what they grew by is small, so that evidence stays as it is. */
static void growers(struct sim *s, uint32_t domain)
{
	struct grower top[2] = { { .kind = GROWER_PROCESS, .name = "hog" },
				 { .kind = GROWER_POOL, .name = "tmpfs" } };

	top[0].pid = (int32_t)dice_below(&s->dice, 3);
	top[0].since_bytes = dice_spread(&s->dice, MIB);
	core_growers(&s->core, domain, top, (uint32_t)dice_below(&s->dice, 3), s->now_us);
}

static void hand_in(struct sim *s, struct call *c)
{
	switch (c->kind) {
	case CALL_START: start(s); break;
	case CALL_SAMPLE: core_sample(&s->core, c->sample); break;
	case CALL_TICK: core_tick(&s->core, s->now_us); break;
	case CALL_JOIN: join(s, c); break;
	case CALL_LEAVE: core_leave(&s->core, c->client, s->now_us); break;
	case CALL_REPORT:
		core_report(&s->core, c->client, dice_spread(&s->dice, 64 * MIB), 0);
		break;
	case CALL_ANSWER: c->was_accepted = core_answer(&s->core, &c->answer, s->now_us); break;
	case CALL_SURVEY: core_survey(&s->core, c->domain, c->victim, s->now_us); break;
	case CALL_SUSPECT: core_suspect(&s->core, c->domain, c->victim, s->now_us); break;
	case CALL_STOPPED: core_stopped(&s->core, c->domain, c->count, s->now_us); break;
	case CALL_PROCEDURE: core_procedure_done(&s->core, c->domain, &c->end, s->now_us); break;
	case CALL_GONE: core_victim_gone(&s->core, c->domain, s->now_us); break;
	case CALL_OOM: core_kernel_oom(&s->core, c->domain, 4711, "hog", s->now_us); break;
	case CALL_TAKE_OVER: take_over(s, c); break;
	case CALL_RELOAD: core_reconfigure(&s->core, &s->policy, s->now_us); break;
	case CALL_GROWERS: growers(s, c->domain); break;
	case CALL_DOMAIN_ADD:
		c->domain = core_domain_add(&s->core, c->name, true, s->now_us);
		break;
	case CALL_DOMAIN_REMOVE: core_domain_remove(&s->core, c->domain, s->now_us); break;
	case CALL_GUARD: c->was_kept = core_guard(&s->core, c->report, s->now_us); break;
	case CALL_TOLD: core_told(&s->core, c->domain, &c->told, s->now_us); break;
	case CALL_TRIPWIRE: core_tripwire(&s->core, c->reading, s->now_us); break;
	case CALL_TRIPPED: core_tripped(&s->core, c->reading, s->now_us); break;
	case CALL_TRIPWIRE_OFF: core_tripwire_off(&s->core, s->now_us); break;
	case CALL_LAST: core_set_last(&s->core, c->domain, c->policy, c->count); break;
	case CALL_END_FAILED: core_end_failed(&s->core, c->domain, c->count, s->now_us); break;
	case CALL_DRILL: c->was_accepted = core_drill(&s->core, c->client, c->stage, s->now_us); break;
	case CALL_KIND_COUNT: break;
	}
}

static void tell(struct sim *s, const struct call *c)
{
	if (c->kind == CALL_SAMPLE)
		story_add(s, "sample of domain %u: has %x, free %" PRIu64 " + file %" PRIu64
			  " KiB of %" PRIu64 ", distress %x", (unsigned)c->domain, c->sample->has,
			  c->sample->free_bytes / KIB, c->sample->file_bytes / KIB,
			  c->sample->total_bytes / KIB, c->sample->distress);
	else if (c->kind == CALL_ANSWER)
		story_add(s, "answer of %" PRIx64 " to %" PRIu64 ": %s", c->answer.client,
			  c->answer.sequence, session_result_name(c->answer.result));
	else if (c->kind == CALL_RELOAD)
		story_add(s, "reload: act %d, dry run %d, shield %d, settle %" PRIu64 " us",
			  s->policy.escalate.enabled, s->policy.escalate.dry_run, s->policy.shield,
			  s->policy.escalate.settle_us);
	else if (c->kind == CALL_SURVEY || c->kind == CALL_SUSPECT)
		story_add(s, "survey of domain %u: victim client %" PRIx64 ", pid %d",
			  (unsigned)c->domain, c->victim ? c->victim->client : 0,
			  c->victim ? (int)c->victim->pid : 0);
	else
		story_add(s, "%s: domain %u, client %" PRIx64, call_names[c->kind],
			  (unsigned)c->domain, c->client);
}

static void carry_out(struct sim *s, const struct core_effect *e)
{
	switch (e->kind) {
	case EFFECT_ORDER: world_order(s, e); break;
	case EFFECT_SURVEY: world_survey(s, e->domain); break;
	case EFFECT_LOOK: world_look(s, e->domain); break;
	case EFFECT_STOP: world_stop(s, e->domain); break;
	case EFFECT_LET_GO: world_let_go(s, e->domain); break;
	case EFFECT_SIGNAL_VICTIM: world_signal(s, e); break;
	case EFFECT_PROCEDURE: world_procedure(s, e); break;
	case EFFECT_TRIPWIRE: fence_set(s, e->limit_bytes); break;
	case EFFECT_FREE_FILES: last_free(s, e->domain); break;
	case EFFECT_LAST_RUN: last_run(s, e->domain); break;
	case EFFECT_END_MACHINE: last_end(s, e->domain); break;
	case EFFECT_SHIELD_UP:
	case EFFECT_SHIELD_DOWN:
	case EFFECT_ANNOUNCE:
	case EFFECT_NONE:
	case EFFECT_KIND_COUNT:
		break;
	}
}

/*
 * Surveys are answered while later effects still wait in the queue, as in the daemon: so what a
 * call has added is looked at in place, and taken out later.
 */
void call_core(struct sim *s, struct call *c)
{
	const struct core_queue *q = &s->core.queue;
	uint32_t before = c->kind == CALL_START ? 0 : q->count;
	struct core_effect batch[SIM_EFFECTS], e;
	uint32_t count = 0;

	tell(s, c);
	model_before(s, c);
	hand_in(s, c);
	for (uint32_t i = before; i < q->count; i++)
		batch[count++] = q->ring[(q->first + i) % q->size];
	model_after(s, c, batch, count);
	if (c->kind == CALL_SURVEY || c->kind == CALL_SUSPECT || c->kind == CALL_STOPPED)
		return; /* somebody up there is carrying out */
	while (core_effect(&s->core, &e))
		carry_out(s, &e);
}
