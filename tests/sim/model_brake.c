/* SPDX-License-Identifier: MIT */
/* What the model makes of the brake: only while somebody still needs time, never a client, and off
 * again by itself. */
#include <inttypes.h>

#include "base/units.h"
#include "sim.h"

#define GREW_BYTES	(2 * MIB)
#define UNOWED_MOST_US	(10 * US_PER_MS) /* until the next samples have had their say */

/* For whichever domain it was asked that it lives in. Or was, until another domain asked the same client
 * in the same call. */
static bool is_owed_time(const struct sim *s, uint32_t domain)
{
	if (s->model.superseded_domains & (1u << domain))
		return true;
	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		const struct model_client *k = &s->model.client[i];
		const struct model_request *r = &k->request;

		if (k->id && r->sequence && r->step != STEP_RESUME &&
		    (r->domain == domain || (k->offer.domains & (1u << domain))))
			return true;
	}
	return false;
}

static void check_pressure(struct sim *s, uint32_t domain, const char *what)
{
	const struct model_domain *d = &s->model.domain[domain];

	if (s->model.taken_us && s->now_us < s->model.taken_us + MODEL_RETURN_US)
		sim_fail(s, "domain %u: %s before clients can have come back", (unsigned)domain, what);
	if (!s->model.policy.brake || d->episode.stage < STAGE_IMMINENT || d->is_stopped)
		sim_fail(s, "domain %u at %s: %s, brake %d, stopped %d", (unsigned)domain,
			 stage_name(d->episode.stage), what, s->model.policy.brake, d->is_stopped);
}

void model_brake_call(struct sim *s, const struct call *c)
{
	struct model_domain *d = &s->model.domain[c->domain];
	const struct victim *v = c->victim;

	if (c->kind == CALL_SUSPECT) {
		if (!d->is_looking)
			sim_fail(s, "the world answers what nobody asked");
		d->is_looking = false;
		d->may_be_stopped = v && !v->client && v->growth_bytes >= GREW_BYTES &&
				    v->growth_bytes >= v->all_growth_bytes / 4;
	}
	if (c->kind == CALL_STOPPED)
		d->is_stopping = false;
	if (c->kind == CALL_SURVEY) {
		d->is_in_vain = d->is_stopped && !v;
		d->unowed_rests = 0; /* up to now somebody was to be ended: it begins anew */
	}
}

void model_brake_effect(struct sim *s, const struct core_effect *e)
{
	struct model_domain *d = &s->model.domain[e->domain];

	switch (e->kind) {
	case EFFECT_LOOK:
		check_pressure(s, e->domain, "somebody is looked for to be stopped");
		if (!is_owed_time(s, e->domain))
			sim_fail(s, "domain %u: somebody is to be stopped, but nobody needs time",
				 (unsigned)e->domain);
		d->is_looking = true;
		cover_add(&s->cover, COVER_LOOK);
		break;
	case EFFECT_STOP:
		check_pressure(s, e->domain, "somebody is stopped");
		if (!d->may_be_stopped || s->model.policy.escalate.dry_run)
			sim_fail(s, "domain %u: a client, or somebody who did not grow, is stopped",
				 (unsigned)e->domain);
		d->is_stopping = true;
		break;
	default: /* EFFECT_LET_GO */
		if (d->is_used && !d->is_let_go)
			sim_fail(s, "domain %u: it is let go, but not on record", (unsigned)e->domain);
		d->is_let_go = false;
		cover_add(&s->cover, COVER_LET_GO);
		break;
	}
}

void model_brake_event(struct sim *s, const struct call *c, const struct event *e)
{
	struct model_domain *d = &s->model.domain[e->domain];

	if (e->kind == EVENT_LET_GO) {
		if (e->d ? !d->is_dry : !d->is_stopped)
			sim_fail(s, "domain %u: nobody was stopped, somebody is let go",
				 (unsigned)e->domain);
		d->is_let_go = !e->d;
		d->is_dry = d->is_stopped = false;
		return;
	}
	if (e->d ? c->kind != CALL_SUSPECT || !d->may_be_stopped || d->is_dry
		 : c->kind != CALL_STOPPED || e->b != c->count)
		sim_fail(s, "domain %u: the brake is on record, but not on", (unsigned)e->domain);
	d->is_dry = e->d;
	d->is_stopped = !e->d && e->b;
	d->is_in_vain = false;
	cover_add(&s->cover, e->d ? COVER_BRAKE_DRY : COVER_BRAKE);
}

void model_brake_asked(struct sim *s, const struct model_client *k)
{
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		if (k->request.step != STEP_RESUME &&
		    (k->request.domain == d || (k->offer.domains & (1u << d))))
			s->model.domain[d].unowed_rests = 0;
}

/* After all due samples and a tick. */
void model_brake_rest(struct sim *s)
{
	for (uint32_t d = 0; d < SIM_DOMAINS; d++) {
		struct model_domain *m = &s->model.domain[d];

		if (m->is_looking || m->is_stopping || m->is_let_go)
			sim_fail(s, "domain %u: the brake stands half way", (unsigned)d);
		if (m->is_stopped && m->episode.stage < STAGE_IMMINENT)
			sim_fail(s, "domain %u at %s: somebody is still stopped", (unsigned)d,
				 stage_name(m->episode.stage));
		if (!m->is_stopped || (m->episode.stage != STAGE_IMMINENT && !m->is_in_vain) ||
		    is_owed_time(s, d)) {
			m->unowed_rests = 0;
			continue;
		}
		/* asked for good by another domain, after the tick: the next one sees it */
		if (++m->unowed_rests == 2)
			m->unowed_us = s->now_us;
		if (m->unowed_rests > 2 && s->now_us >= m->unowed_us + UNOWED_MOST_US)
			sim_fail(s, "domain %u: nobody needs time, somebody is still stopped",
				 (unsigned)d);
	}
}
