/* SPDX-License-Identifier: MIT */
/* What is done when no process helps: the policy of act/last.h, its words and its effects. */
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "core_parts.h"
#include "core_tape.h"

/* Nobody owes an answer to a last request: who is also another domain's victim may have been asked anew. */
static bool have_settled(struct core *c)
{
	for (struct session *s = session_next(&c->sessions, NULL); s; s = session_next(&c->sessions, s))
		if (s->request.sequence && s->request.is_final)
			return false;
	return true;
}

bool core_is_machine_going(const struct core *c)
{
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (c->domain[d].used && last_ends_machine(&c->domain[d].last))
			return true;
	return false;
}

static struct last_view view_of(struct core *c, uint32_t domain, uint64_t now_us)
{
	const struct core_domain *d = &c->domain[domain];
	const struct last_policies *p = &c->policy.last;
	bool is_idle = d->escalate.rung == RUNG_IDLE && d->escalate.victim.kind == VICTIM_NONE;

	return (struct last_view){
		.now_us = now_us,
		.is_stuck = c->policy.escalate.enabled && d->said_no_victim && is_idle &&
			    core_is_ending_wanted(c, domain, now_us),
		.is_back = core_is_back(c, domain),
		.is_enabled = c->policy.escalate.enabled,
		.is_dry = c->policy.escalate.dry_run,
		.have_settled = have_settled(c),
		.is_going = !last_ends_machine(&d->last) && core_is_machine_going(c),
		.least_us = c->policy.escalate.settle_us,
		.tte_low_us = d->estimate.tte_low_us,
		.reboots = now_us < p->reboots_within_us ? c->reboots_before : 0,
	};
}

/* Where most of what grew is: the three pools, or what programs have as their own. */
static enum growth_pool largest_pool(const struct estimator *e, uint64_t *ret_bytes)
{
	const uint64_t bytes[GROWTH_POOL_COUNT] = {
		[GROWTH_POOL_SHMEM] = e->shmem_bytes, [GROWTH_POOL_KERNEL] = e->kernel_bytes,
		[GROWTH_POOL_UNSEEN] = e->unseen_bytes,
	};
	enum growth_pool most = GROWTH_POOL_SHMEM;

	for (unsigned i = 0; i < GROWTH_POOL_COUNT; i++)
		if (bytes[i] > bytes[most])
			most = (enum growth_pool)i;
	*ret_bytes = bytes[most];
	return most;
}

void core_note_cause(struct core *c, struct event *e, uint32_t domain, uint64_t now_us)
{
	const struct core_domain *d = &c->domain[domain];
	uint64_t bytes;
	enum growth_pool pool = largest_pool(&d->estimator, &bytes);

	e->domain = (uint16_t)domain;
	e->b = pool;
	/* else programs hold what grew, and growers are told by themselves */
	e->c = d->estimate.pools_grown_bytes >= d->estimate.fallen_bytes / 2 ? bytes : 0;
	core_add_event(c, e, now_us);
}

static void note_begun(struct core *c, uint32_t domain, uint64_t now_us)
{
	const struct last *l = &c->domain[domain].last;
	struct event e = {
		.kind = EVENT_LAST, .a = l->running, .d = c->policy.escalate.dry_run,
		.why = l->running != l->policy,
	};

	core_note_cause(c, &e, domain, now_us);
}

static void note_ended(struct core *c, uint32_t domain, struct event e, uint64_t now_us)
{
	const struct last *l = &c->domain[domain].last;

	e.kind = EVENT_LAST_ENDED;
	e.domain = (uint16_t)domain;
	e.a = l->running;
	e.d = now_us - l->began_us;
	core_add_event(c, &e, now_us);
}

static void run(struct core *c, uint32_t domain, uint64_t now_us)
{
	note_begun(c, domain, now_us);
	core_push(c, EFFECT_LAST_RUN, domain)->last = c->domain[domain].last.running;
}

/* The machine was to go and is still there. */
static void run_instead(struct core *c, uint32_t domain, uint64_t now_us)
{
	struct last *l = &c->domain[domain].last;

	if (!c->policy.escalate.enabled || c->policy.escalate.dry_run) {
		last_ran(l, now_us);
		return;
	}
	last_failed(l, now_us);
	run(c, domain, now_us);
}

static void give_up(struct core *c, uint32_t domain, uint64_t now_us)
{
	struct last *l = &c->domain[domain].last;

	note_ended(c, domain, (struct event){ .b = LAST_OUTCOME_FAILED, .c = ETIMEDOUT }, now_us);
	if (l->phase == LAST_RUNNING)
		last_ran(l, now_us);
	else
		run_instead(c, domain, now_us);
}

void core_last(struct core *c, uint32_t domain, uint64_t now_us)
{
	struct last *l = &c->domain[domain].last;
	const struct last_view view = view_of(c, domain, now_us);

	switch (last_step(l, &c->policy.last, &view)) {
	case LAST_FREE:
		core_push(c, EFFECT_FREE_FILES, domain)->dry_run = view.is_dry;
		break;
	case LAST_ASK:
		note_begun(c, domain, now_us);
		core_ask_everybody(c, domain, now_us);
		core_last(c, domain, now_us); /* without clients there is nothing to wait for */
		break;
	case LAST_RUN:
		run(c, domain, now_us);
		break;
	case LAST_END:
		core_push(c, EFFECT_END_MACHINE, domain)->last = l->running;
		break;
	case LAST_TELL:
		note_begun(c, domain, now_us);
		break;
	case LAST_CALL_OFF:
		note_ended(c, domain, (struct event){ .b = LAST_OUTCOME_CALLED_OFF }, now_us);
		break;
	case LAST_GIVE_UP:
		give_up(c, domain, now_us);
		break;
	case LAST_NOTHING:
		break;
	}
}

bool core_last_ran(struct core *c, uint32_t domain, const struct core_procedure_end *end,
		   uint64_t now_us)
{
	struct last *l = &c->domain[domain].last;
	struct event e = { .b = LAST_OUTCOME_RAN + end->outcome, .c = end->code };

	if (l->phase != LAST_RUNNING)
		return false;
	note_ended(c, domain, e, now_us);
	last_ran(l, now_us);
	return true;
}

void core_end_failed(struct core *c, uint32_t domain, uint32_t code, uint64_t now_us)
{
	const struct core_call call = { .now_us = now_us, .domain = domain, .code = code };
	struct last *l = &c->domain[domain].last;

	core_tape_call(c, CORE_TAPE_END_FAILED, &call);
	if (l->phase != LAST_ENDING)
		return;
	note_ended(c, domain, (struct event){ .b = LAST_OUTCOME_FAILED, .c = code }, now_us);
	run_instead(c, domain, now_us);
}

void core_set_last(struct core *c, uint32_t domain, enum last_policy policy, uint32_t reboots)
{
	const struct core_call call = { .domain = domain, .policy = policy, .count = reboots };

	if (c->domain[domain].last.policy == policy && c->reboots_before == reboots)
		return;
	core_tape_call(c, CORE_TAPE_LAST, &call);
	c->domain[domain].last.policy = policy;
	c->reboots_before = reboots;
}
