/* SPDX-License-Identifier: MIT */
/* What the model makes of each effect: it must say what the record of the same call says. */
#include <inttypes.h>
#include <signal.h>

#include "base/units.h"
#include "sim.h"

/* What a client that lived through a restart of the broker is given to register again. */

static void on_order(struct sim *s, const struct core_effect *e)
{
	struct model *m = &s->model;
	const struct model_request *r = &m->asked[m->ordered_count];
	const struct model_client *k = model_client(s, e->client);

	if (m->ordered_count == m->asked_count || m->asked_client[m->ordered_count] != e->client ||
	    r->sequence != e->request.sequence || r->step != e->request.step ||
	    r->deadline_us != e->request.deadline_us || r->issued_us != e->request.issued_us ||
	    r->domain != e->domain || r->is_final != e->request.is_final)
		sim_fail(s,
			 "the order %" PRIu64 " to client %" PRIx64 " is not the request on record",
			 e->request.sequence, e->client);
	m->ordered_count++;
	if (!k)
		sim_fail(s, "an order to client %" PRIx64 ", which is not there", e->client);
	if (k->is_shielded)
		cover_add(&s->cover, COVER_SHIELD_KEPT);
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		if (m->announced[d])
			sim_fail(s, "domain %u is announced before the order %" PRIu64, (unsigned)d,
				 e->request.sequence);
}

static void on_shield_up(struct sim *s, const struct core_effect *e)
{
	struct model_client *k = model_client(s, e->client);

	if (!k || k->is_shielded)
		sim_fail(s, "shield up for client %" PRIx64 ", which %s", e->client,
			 k ? "is shielded" : "is not there");
	if (!s->model.policy.shield)
		sim_fail(s, "shield up for client %" PRIx64 " though it is switched off",
			 e->client);
	k->is_shielded = true;
	cover_add(&s->cover, COVER_SHIELD);
}

static void on_shield_down(struct sim *s, const struct core_effect *e)
{
	struct model *m = &s->model;
	struct model_client *k = model_client(s, e->client);
	bool is_leaving = !k && e->client == m->left_client && m->left_was_shielded;

	if (!is_leaving && (!k || !k->is_shielded))
		sim_fail(s, "shield down for client %" PRIx64 ", which %s", e->client,
			 k ? "is not shielded" : "is not there");
	if (k)
		k->is_shielded = false;
	else
		m->left_was_shielded = false;
}

static void on_survey(struct sim *s, const struct core_effect *e)
{
	struct model *m = &s->model;
	struct model_domain *d = &m->domain[e->domain];
	const struct model_victim *v = &d->victim;

	if (!m->policy.escalate.enabled || d->episode.stage != STAGE_SHUTDOWN || !d->has_memory ||
	    !model_is_settled(s, e->domain, STEP_SHUTDOWN, UINT64_MAX))
		sim_fail(s, "domain %u at %s: a victim is looked for too early",
			 (unsigned)e->domain, stage_name(d->episode.stage));
	if (d->taken_us && s->now_us - d->taken_us < MODEL_RETURN_US)
		sim_fail(s, "domain %u: a victim is looked for before clients can have come back",
			 (unsigned)e->domain);
	if (v->is_chosen && !d->was_back && !(v->was_killed && s->now_us >= v->deadline_us))
		sim_fail(s, "domain %u: a second victim is looked for before the first has ended",
			 (unsigned)e->domain);
	if (d->last.is_asking || d->last.is_running || d->last.is_ending)
		sim_fail(s, "domain %u: a victim is looked for while its last policy is run",
			 (unsigned)e->domain);
	for (uint32_t i = 0; i < SIM_CLIENTS; i++)
		if (m->client[i].id && (m->client[i].offer.domains & (1u << e->domain)) &&
		    m->client[i].settled < STEP_SHUTDOWN)
			cover_add(&s->cover, COVER_NOT_WAITED_FOR); /* see above: no other one is left */
	d->is_surveying = true;
	d->survey_call = m->calls;
	d->stuck_since_us = 0;
	cover_add(&s->cover, COVER_SURVEY);
}

static void on_signal(struct sim *s, const struct core_effect *e)
{
	struct model *m = &s->model;

	if (m->signalled_count == m->acted_count || m->acted[m->signalled_count] != e->signal ||
	    m->acted_domain[m->signalled_count] != e->domain)
		sim_fail(s, "signal %d in domain %u is not the action on record", e->signal,
			 (unsigned)e->domain);
	m->signalled_count++;
	if (m->policy.escalate.dry_run)
		sim_fail(s, "signal %d in domain %u in a dry run", e->signal, (unsigned)e->domain);
}

static void on_start(struct sim *s, const struct core_effect *e)
{
	struct model *m = &s->model;

	if (!(m->started_domains & (1u << e->domain)))
		sim_fail(s, "domain %u: a procedure that is not on record", (unsigned)e->domain);
	m->started_domains &= ~(1u << e->domain);
}

static void on_announce(struct sim *s, const struct core_effect *e)
{
	struct model *m = &s->model;

	if (e->sequence <= m->last_sequence || !e->episode)
		sim_fail(s,
			 "announcement %" PRIu64 " after sequence %" PRIu64 ", of episode %" PRIu64,
			 e->sequence, m->last_sequence, e->episode);
	m->last_sequence = e->sequence;
	m->announced[e->domain]++;
}

void model_effect(struct sim *s, const struct core_effect *e)
{
	struct model *m = &s->model;

	story_effect(s, e);
	m->effects_count++;
	s->digest = (s->digest ^ (uint64_t)e->kind << 40 ^ e->client ^ e->request.deadline_us ^
		     e->sequence) * UINT64_C(0x100000001b3);
	if (e->domain >= SIM_DOMAINS)
		sim_fail(s, "an effect for domain %u, which is not there", (unsigned)e->domain);
	switch (e->kind) {
	case EFFECT_ORDER: on_order(s, e); break;
	case EFFECT_SHIELD_UP: on_shield_up(s, e); break;
	case EFFECT_SHIELD_DOWN: on_shield_down(s, e); break;
	case EFFECT_SURVEY: on_survey(s, e); break;
	case EFFECT_SIGNAL_VICTIM: on_signal(s, e); break;
	case EFFECT_LOOK:
	case EFFECT_STOP:
	case EFFECT_LET_GO: model_brake_effect(s, e); break;
	case EFFECT_PROCEDURE: on_start(s, e); break;
	case EFFECT_TRIPWIRE: model_tripwire_effect(s, e); break;
	case EFFECT_FREE_FILES:
	case EFFECT_LAST_RUN:
	case EFFECT_END_MACHINE: model_last_effect(s, e); break;
	case EFFECT_ANNOUNCE: on_announce(s, e); break;
	case EFFECT_NONE:
	case EFFECT_KIND_COUNT:
		sim_fail(s, "an effect of no kind");
	}
}
