/* SPDX-License-Identifier: MIT */
/* What the model makes of last policies: only when nobody may be ended, in their order, once. */
#include <inttypes.h>

#include "base/units.h"
#include "sim.h"

static bool goes(uint64_t policy)
{
	return policy == LAST_REBOOT || policy == LAST_POWEROFF;
}

static uint32_t reboots_of(const struct sim *s)
{
	return s->now_us < s->model.policy.last.reboots_within_us ? s->model.reboots : 0;
}

/* As long as it may end yet. */
static bool is_ladder_busy(const struct sim *s, const struct model_domain *d)
{
	const struct model_victim *v = &d->victim;

	return v->is_chosen && !d->was_back && !(v->was_killed && s->now_us >= v->deadline_us);
}

static void check_allowed(struct sim *s, const struct event *e)
{
	const struct model *m = &s->model;
	const struct model_domain *d = &m->domain[e->domain];

	if (!m->policy.escalate.enabled || d->episode.stage != STAGE_SHUTDOWN ||
	    is_ladder_busy(s, d) || !d->is_nobody)
		sim_fail(s, "domain %u: a last policy though somebody may be ended", (unsigned)e->domain);
	if (!model_is_settled(s, e->domain, STEP_SHUTDOWN, UINT64_MAX))
		sim_fail(s, "domain %u: a last policy before its clients have settled", (unsigned)e->domain);
	if (d->last.is_asking || d->last.is_running || d->last.is_ending)
		sim_fail(s, "domain %u: a last policy while one is run", (unsigned)e->domain);
}

static void on_begun(struct sim *s, const struct event *e)
{
	struct model *m = &s->model;
	struct model_last *l = &m->domain[e->domain].last;
	bool is_in_place = l->is_failed && e->a == LAST_BAREBONE && e->why;

	if (!is_in_place)
		check_allowed(s, e);
	if (!is_in_place && !l->are_files_gone)
		sim_fail(s, "domain %u: a last policy before its files are deleted", (unsigned)e->domain);
	if (e->d != m->policy.escalate.dry_run && !is_in_place)
		sim_fail(s, "domain %u: dry run %" PRIu64 " of its last policy", (unsigned)e->domain, e->d);
	if (!is_in_place && e->a != l->policy &&
	    !(goes(l->policy) && e->a == LAST_BAREBONE && reboots_of(s) >= m->policy.last.reboots_most))
		sim_fail(s, "domain %u: policy %" PRIu64 " is run, it has %u", (unsigned)e->domain, e->a,
			 (unsigned)l->policy);
	if (goes(e->a) && reboots_of(s) >= m->policy.last.reboots_most && !e->d)
		sim_fail(s, "domain %u: one reboot too many", (unsigned)e->domain);
	if (e->a != l->policy)
		cover_add(&s->cover, COVER_LAST_INSTEAD);
	l->is_failed = false;
	l->is_asking = goes(e->a) && !e->d;
	l->is_running = (e->a == LAST_BAREBONE || e->a == LAST_PROGRAM) && !e->d;
	l->is_run_due = l->is_running;
	m->domain[e->domain].stuck_since_us = 0;
}

static void on_last_ended(struct sim *s, const struct call *c, const struct event *e)
{
	struct model_last *l = &s->model.domain[e->domain].last;

	if (e->b == LAST_OUTCOME_CALLED_OFF && !l->is_asking)
		sim_fail(s, "domain %u: nothing is to be called off", (unsigned)e->domain);
	if (e->b >= LAST_OUTCOME_RAN && (c->kind != CALL_PROCEDURE || !l->is_running))
		sim_fail(s, "domain %u: a last policy has ended that was not run", (unsigned)e->domain);
	if (e->b == LAST_OUTCOME_FAILED && !l->is_ending && !l->is_running)
		sim_fail(s, "domain %u: what was not begun has failed", (unsigned)e->domain);
	if (e->b == LAST_OUTCOME_CALLED_OFF)
		cover_add(&s->cover, COVER_LAST_CALLED_OFF);
	if (e->b >= LAST_OUTCOME_RAN)
		cover_add(&s->cover, COVER_LAST_RAN);
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		if (d == e->domain || l->is_asking || l->is_ending)
			s->model.domain[d].stuck_since_us = 0; /* all have waited for it */
	l->is_failed = l->is_ending && e->b == LAST_OUTCOME_FAILED;
	l->is_asking = l->is_running = l->is_ending = l->are_files_gone = false;
}

void model_last_event(struct sim *s, const struct call *c, const struct event *e)
{
	if (e->kind == EVENT_LAST)
		on_begun(s, e);
	else
		on_last_ended(s, c, e);
}

bool model_is_machine_going(const struct model *m)
{
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		if (m->domain[d].last.is_asking || m->domain[d].last.is_ending)
			return true;
	return false;
}

static bool owes_last_answer(const struct model *m)
{
	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		const struct model_request *r = &m->client[i].request;

		if (m->client[i].id && r->sequence && r->is_final)
			return true;
	}
	return false;
}

static void on_end(struct sim *s, const struct core_effect *e)
{
	struct model *m = &s->model;
	struct model_last *l = &m->domain[e->domain].last;

	if (!l->is_asking || m->policy.escalate.dry_run || !goes(e->last))
		sim_fail(s, "domain %u: the machine is ended without a word", (unsigned)e->domain);
	if (owes_last_answer(m))
		sim_fail(s, "domain %u: the machine is ended while clients shut down", (unsigned)e->domain);
	l->is_asking = false;
	l->is_ending = true;
	cover_add(&s->cover, COVER_LAST_MACHINE);
}

void model_last_effect(struct sim *s, const struct core_effect *e)
{
	struct model_domain *d = &s->model.domain[e->domain];

	if (e->kind == EFFECT_END_MACHINE) {
		on_end(s, e);
		return;
	}
	if (e->kind == EFFECT_LAST_RUN) {
		if (!d->last.is_run_due)
			sim_fail(s, "domain %u: a last policy that is not on record", (unsigned)e->domain);
		d->last.is_run_due = false;
		return;
	}
	if (!d->is_nobody || d->episode.stage != STAGE_SHUTDOWN ||
	    e->dry_run != s->model.policy.escalate.dry_run)
		sim_fail(s, "domain %u: files are deleted too early", (unsigned)e->domain);
	d->last.are_files_gone = true;
	cover_add(&s->cover, COVER_LAST_FILES);
}
