/* SPDX-License-Identifier: MIT */
/* What the model makes of each event: clients, requests, answers, stages, episodes. */
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "sim.h"

/* ---- samples: what the model knows of memory ---- */

static uint64_t headroom_of(const struct model *m, const struct sample *a)
{
	uint64_t have = a->free_bytes + a->file_bytes;

	if (a->has & SAMPLE_HAS_SWAP)
		have += a->swap_free_bytes / PERMYRIAD * m->policy.estimate.swap_weight_permyriad;
	return have > a->reserve_bytes ? have - a->reserve_bytes : 0;
}

/*
 * Whom the kernel ended gives its memory back. Another kill is news only when the ladder had as much
 * time again since: a leak that goes on must not keep it from its work.
 */
void model_kill(struct sim *s, uint32_t domain)
{
	struct model_domain *d = &s->model.domain[domain];
	uint64_t settle_us = s->model.policy.escalate.settle_us;

	if (d->is_used)
		d->newest_kill_us = s->now_us;
	if (!d->is_used || s->now_us < d->comes_back_us)
		return;
	if (d->killed_us && (!d->was_ladders || s->now_us < d->comes_back_us + settle_us)) {
		d->was_ladders = true;
		return;
	}
	d->killed_us = s->now_us;
	d->comes_back_us = s->now_us + settle_us;
	d->best_bytes = 0;
	d->is_falling_on = d->was_ladders = false;
}

static void watch_return(struct sim *s, const struct sample *a)
{
	struct model_domain *d = &s->model.domain[a->domain];
	/* one that the log told of at this very moment counts with the sample, too */
	bool is_killed = (a->distress & DISTRESS_OOM) || d->newest_kill_us == s->now_us;

	if (a->has & SAMPLE_HAS_VMSTAT) {
		is_killed |= d->has_kills && a->oom_kills > d->oom_kills;
		d->oom_kills = a->oom_kills;
		d->has_kills = true;
	}
	if (is_killed)
		d->newest_kill_us = s->now_us;
	if (s->now_us >= d->comes_back_us) {
		if (is_killed)
			model_kill(s, a->domain);
		else
			d->was_ladders = true;
	} else if (a->has & SAMPLE_HAS_MEMORY) {
		d->best_bytes = MAX_OF(d->best_bytes, d->headroom_bytes);
		d->is_falling_on |= d->headroom_bytes < d->best_bytes / 2 &&
				    d->best_bytes - d->headroom_bytes >= MIB;
	}
}

/* Not calm is: below the floor of warning, or the kernel has just killed. */
void model_sample(struct sim *s, const struct sample *sample)
{
	struct model *m = &s->model;
	struct model_domain *d = &m->domain[sample->domain];

	if (!d->is_used)
		return;
	if (sample->has & SAMPLE_HAS_MEMORY) {
		d->headroom_bytes = headroom_of(m, sample);
		d->total_bytes = sample->total_bytes;
		d->has_memory = true;
	}
	watch_return(s, sample);
	if (!d->has_memory)
		return;
	if (d->headroom_bytes >= model_floor_bytes(m, sample->domain, STAGE_IMMINENT))
		d->was_back = true;
	if (d->headroom_bytes < model_floor_bytes(m, sample->domain, STAGE_WARNING) ||
	    (sample->distress & DISTRESS_OOM))
		d->calm_since_us = 0;
	else if (!d->calm_since_us)
		d->calm_since_us = s->now_us;
	if (!(sample->has & SAMPLE_HAS_MEMORY) || !sample->distress ||
	    !m->policy.escalate.enabled || m->policy.escalate.dry_run ||
	    d->episode.stage != STAGE_SHUTDOWN ||
	    d->headroom_bytes >= model_floor_bytes(m, sample->domain, STAGE_SHUTDOWN) ||
	    d->headroom_bytes >= model_floor_bytes(m, sample->domain, STAGE_IMMINENT) ||
	    !model_is_settled(s, sample->domain, STEP_SHUTDOWN, UINT64_MAX))
		d->stuck_since_us = 0;
	else if (!d->stuck_since_us)
		d->stuck_since_us = s->now_us;
}

/* It is taken for a sample without a reading: what was read last counts by the settings of now. */
void model_tripped(struct sim *s)
{
	struct model_domain *d = &s->model.domain[CORE_DOMAIN_SYSTEM];

	d->was_ladders |= s->now_us >= d->comes_back_us;
	if (d->has_memory && !d->calm_since_us &&
	    d->headroom_bytes >= model_floor_bytes(&s->model, CORE_DOMAIN_SYSTEM, STAGE_WARNING))
		d->calm_since_us = s->now_us;
}

/* ---- clients ---- */

static void on_joined(struct sim *s, const struct call *c, const struct event *e)
{
	struct model *m = &s->model;
	struct model_client *k = NULL;

	if (c->kind != CALL_JOIN || !e->client)
		sim_fail(s, "a client joined that did not ask to");
	for (uint32_t i = 0; i < m->ids_count; i++)
		if (m->ids[i] == e->client)
			sim_fail(s, "the id %" PRIx64 " is given out twice", e->client);
	if (m->ids_count < MODEL_IDS_MAX)
		m->ids[m->ids_count++] = e->client;
	for (uint32_t i = 0; i < SIM_CLIENTS && !k; i++)
		if (!m->client[i].id)
			k = &m->client[i];
	if (!k)
		sim_fail(s, "more clients than max_clients");
	*k = (struct model_client){ .id = e->client, .offer = *c->offer, .joined_call = m->calls,
				     .joined_us = s->now_us };
	for (int step = 0; step < STEP_COUNT; step++) {
		uint64_t wish = c->offer->budget_us[step];

		if (!wish)
			wish = m->policy.session.default_budget_us[step];
		k->offer.budget_us[step] = MIN_OF(wish, m->policy.session.max_budget_us);
	}
}

static void on_left(struct sim *s, const struct call *c, const struct event *e)
{
	struct model_client *k = model_client(s, e->client);

	if (!k || c->kind != CALL_LEAVE || c->client != e->client)
		sim_fail(s, "client %" PRIx64 " left, but nobody said so", e->client);
	if (k->request.sequence)
		sim_fail(s, "client %" PRIx64 " left with its request %" PRIu64 " open", k->id,
			 k->request.sequence);
	*k = (struct model_client){ 0 };
}

/* ---- requests ---- */

static void check_resume(struct sim *s, const struct model_client *k)
{
	uint32_t domains = k->offer.domains | k->final_domains;

	if (!k->owes_resume)
		sim_fail(s, "client %" PRIx64 " is asked to resume, but was asked nothing before",
			 k->id);
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		if ((domains & (1u << d)) && s->model.domain[d].is_used &&
		    s->model.domain[d].episode.stage != STAGE_NORMAL)
			sim_fail(s,
				 "client %" PRIx64 " is asked to resume while domain %u is at %s%s",
				 k->id, (unsigned)d, stage_name(s->model.domain[d].episode.stage),
				 k->offer.domains & (1u << d) ? "" : ", whose victim it is");
	cover_add(&s->cover, COVER_RESUME);
}

static void check_final(struct sim *s, const struct model_client *k, const struct event *e)
{
	const struct model_victim *v = &s->model.domain[e->domain].victim;

	if (s->model.domain[e->domain].last.is_asking && e->step == STEP_SHUTDOWN)
		return; /* all are, for the machine goes */
	if (s->model.policy.escalate.dry_run)
		sim_fail(s, "client %" PRIx64 " is asked for good in a dry run", k->id);
	if (e->step != STEP_SHUTDOWN || !v->is_chosen || v->client != k->id || v->was_termed)
		sim_fail(s,
			 "client %" PRIx64 " is asked for good, but is not the victim of domain %u",
			 k->id, (unsigned)e->domain);
	cover_add(&s->cover, COVER_FINAL);
	if (!(k->offer.domains & (1u << e->domain)))
		cover_add(&s->cover, COVER_FINAL_OUTSIDE);
}

static void check_step(struct sim *s, const struct model_client *k, const struct event *e)
{
	const struct model *m = &s->model;
	enum stage_word stage = m->domain[e->domain].episode.stage;

	if (plan_step(stage) != e->step || !(k->offer.domains & (1u << e->domain)))
		sim_fail(s,
			 "client %" PRIx64
			 " is asked to %s for domain %u at stage %s, concerned by %x",
			 k->id, session_step_name(e->step), (unsigned)e->domain, stage_name(stage),
			 (unsigned)k->offer.domains);
	if (k->settled >= e->step)
		sim_fail(s, "client %" PRIx64 " has settled %s and is asked it again", k->id,
			 session_step_name(e->step));
	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		const struct model_client *o = &m->client[i];

		if (!o->id || !(o->offer.domains & (1u << e->domain)) ||
		    o->offer.order_group >= k->offer.order_group)
			continue;
		cover_add(&s->cover, COVER_GROUPS);
		if (o->settled < e->step && !model_is_late(s, o, e->domain) &&
		    !model_is_late(s, k, e->domain))
			sim_fail(s,
				 "client %" PRIx64
				 " of group %u is asked to %s before client %" PRIx64
				 " of group %u has settled it",
				 k->id, (unsigned)k->offer.order_group, session_step_name(e->step),
				 o->id, (unsigned)o->offer.order_group);
	}
}

static void check_replaced(struct sim *s, struct model_client *k, const struct event *e)
{
	if (!k->is_replaced)
		return;
	if (e->step != STEP_RESUME && !e->c && e->step <= k->replaced_step)
		sim_fail(s, "client %" PRIx64 ": %s replaced by %s", k->id,
			 session_step_name(k->replaced_step), session_step_name(e->step));
	k->is_replaced = false;
}

static void book_request(struct sim *s, struct model_client *k, const struct event *e)
{
	struct model *m = &s->model;

	k->request = (struct model_request){
		.sequence = e->sequence,
		.issued_us = e->time_us,
		.deadline_us = e->a,
		.step = e->step,
		.domain = e->domain,
		.is_final = e->c,
		.is_drill = e->d,
		.episode = m->domain[e->domain].episode.number,
	};
	model_brake_asked(s, k);
	if (e->step == STEP_RESUME && !e->d) {
		k->settled = STEP_RESUME;
		k->final_domains = 0;
	}
	k->owes_resume = e->step != STEP_RESUME;
	if (e->c)
		k->final_domains |= 1u << e->domain;
	if (m->asked_count == MODEL_BATCH_MAX)
		sim_fail(s, "more than %u requests in one call", (unsigned)MODEL_BATCH_MAX);
	m->asked_client[m->asked_count] = k->id;
	m->asked[m->asked_count++] = k->request;
}

/* Only where all is normal, or back from it; nothing that ends anybody. */
static void check_drill(struct sim *s, const struct call *c, const struct model_client *k,
			const struct event *e)
{
	if (e->c || (e->episode && e->step != STEP_RESUME))
		sim_fail(s, "a drill of client %" PRIx64 " that ends it, or is of an episode", k->id);
	if (e->step == STEP_RESUME) {
		if (!k->owes_resume)
			sim_fail(s, "client %" PRIx64 " resumes from a drill that was none", k->id);
		return;
	}
	if (c->kind != CALL_DRILL || c->client != k->id || plan_step(c->stage) != e->step)
		sim_fail(s, "a drill of client %" PRIx64 " that nobody wanted", k->id);
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		if (s->model.domain[d].is_used && s->model.domain[d].episode.stage != STAGE_NORMAL)
			sim_fail(s, "a drill while domain %u is under pressure", (unsigned)d);
	cover_add(&s->cover, COVER_DRILL);
}

static void on_request(struct sim *s, const struct call *c, const struct event *e)
{
	struct model *m = &s->model;
	struct model_client *k = model_client(s, e->client);

	if (!k || e->domain >= SIM_DOMAINS || !m->domain[e->domain].is_used)
		sim_fail(s,
			 "a request to client %" PRIx64 " for domain %u: one of them is not there",
			 e->client, (unsigned)e->domain);
	if (k->request.sequence)
		sim_fail(s, "client %" PRIx64 " is asked %" PRIu64 " while %" PRIu64 " is open",
			 k->id, e->sequence, k->request.sequence);
	if (e->sequence <= m->last_sequence)
		sim_fail(s, "sequence %" PRIu64 " after %" PRIu64, e->sequence, m->last_sequence);
	m->last_sequence = e->sequence;
	if (c->kind == CALL_TOLD) {
		model_guard_told(s, c, e);
		return;
	}
	if (e->a != e->time_us + k->offer.budget_us[e->step])
		sim_fail(s, "deadline %" PRIu64 ", issued %" PRIu64 ", granted %" PRIu64, e->a,
			 e->time_us, k->offer.budget_us[e->step]);
	check_replaced(s, k, e);
	if (e->d)
		check_drill(s, c, k, e);
	else if (e->step == STEP_RESUME)
		check_resume(s, k);
	else if (e->c)
		check_final(s, k, e);
	else
		check_step(s, k, e);
	book_request(s, k, e);
}

/* ---- answers ---- */

static void on_late(struct sim *s, const struct call *c, struct model_client *k,
		    const struct event *e)
{
	uint32_t at = 0;

	while (at < k->unanswered_count && k->unanswered[at] != e->sequence)
		at++;
	if (c->kind != CALL_ANSWER || c->answer.sequence != e->sequence ||
	    at == k->unanswered_count)
		sim_fail(s, "%" PRIu64 " is called late, but did not end without an answer",
			 e->sequence);
	k->unanswered[at] = k->unanswered[--k->unanswered_count];
	cover_add(&s->cover, COVER_LATE);
}

static void on_busy(struct sim *s, struct model_client *k, const struct event *e)
{
	struct model_request *r = &k->request;
	uint64_t granted = k->offer.budget_us[r->step];

	cover_add(&s->cover, r->is_extended ? COVER_BUSY_AGAIN : COVER_BUSY);
	if (r->is_extended && e->c != r->deadline_us)
		sim_fail(s, "the deadline of %" PRIu64 " moved twice", r->sequence);
	if (e->c < r->deadline_us || e->c > r->deadline_us + granted)
		sim_fail(s,
			 "busy at %" PRIu64 " moved the deadline of %" PRIu64 " from %" PRIu64
			 " to %" PRIu64 ", granted was %" PRIu64,
			 e->time_us, r->sequence, r->deadline_us, e->c, granted);
	r->deadline_us = e->c;
	r->is_extended = true;
}

static bool is_true(const struct sim *s, const struct call *c, const struct model_client *k,
		    const struct event *e)
{
	const struct model_request *r = &k->request;

	switch ((enum session_result)e->result) {
	case RESULT_DONE:
	case RESULT_PARTIAL:
	case RESULT_REFUSED:
	case RESULT_BUSY:
		return c->kind == CALL_ANSWER && c->answer.client == k->id &&
		       c->answer.sequence == r->sequence && c->answer.result == e->result;
	case RESULT_MISSED:
		return s->now_us >= r->deadline_us;
	case RESULT_VANISHED:
		return c->kind == CALL_LEAVE && c->client == k->id;
	case RESULT_SUPERSEDED:
		return true;
	case RESULT_NONE:
	case RESULT_LATE:
	case RESULT_COUNT:
		break;
	}
	return false;
}

static void end_request(struct sim *s, struct model_client *k, const struct event *e)
{
	static const enum cover_place places[RESULT_COUNT] = {
		[RESULT_DONE] = COVER_DONE, [RESULT_PARTIAL] = COVER_PARTIAL,
		[RESULT_REFUSED] = COVER_REFUSED, [RESULT_MISSED] = COVER_MISSED,
		[RESULT_VANISHED] = COVER_VANISHED, [RESULT_SUPERSEDED] = COVER_SUPERSEDED,
	};
	struct model_request *r = &k->request;
	struct model_episode *episode = &s->model.domain[r->domain].episode;

	cover_add(&s->cover, places[e->result]);
	if (e->result == RESULT_MISSED && r->episode && r->episode == episode->number)
		episode->missed++;
	if (e->result == RESULT_MISSED || e->result == RESULT_SUPERSEDED) {
		if (k->unanswered_count == MODEL_UNANSWERED) {
			memmove(k->unanswered, k->unanswered + 1,
				(MODEL_UNANSWERED - 1) * sizeof(*k->unanswered));
			k->unanswered_count--;
		}
		k->unanswered[k->unanswered_count++] = r->sequence;
	}
	if (e->d != r->is_drill)
		sim_fail(s, "request %" PRIu64 " was%s a drill", e->sequence, r->is_drill ? "" : " no");
	if (r->is_drill) {
		cover_add(&s->cover, e->result == RESULT_SUPERSEDED ? COVER_DRILL_INTERRUPTED : COVER_DRILL);
		if (e->result == RESULT_SUPERSEDED)
			k->owes_resume = true;
	} else if (e->result == RESULT_SUPERSEDED) {
		k->is_replaced = true;
		s->model.superseded_domains |= 1u << r->domain;
		k->replaced_step = r->step;
	} else {
		k->settled = MAX_OF(k->settled, r->step);
		k->finals_ended += r->is_final;
		for (uint32_t d = 0; r->is_final && d < SIM_DOMAINS; d++)
			if (s->model.domain[d].victim.client == k->id)
				s->model.domain[d].stuck_since_us = 0;
	}
	*r = (struct model_request){ 0 };
}

static void on_answer(struct sim *s, const struct call *c, const struct event *e)
{
	struct model_client *k = model_client(s, e->client);

	if (!k)
		sim_fail(s, "an answer of client %" PRIx64 ", which is not there", e->client);
	s->model.endings_count += e->result != RESULT_MISSED && e->result != RESULT_SUPERSEDED;
	if (e->result == RESULT_LATE) {
		on_late(s, c, k, e);
		return;
	}
	if (!k->request.sequence || k->request.sequence != e->sequence ||
	    k->request.step != e->step)
		sim_fail(s, "request %" PRIu64 " ends as %s, but is not open", e->sequence,
			 session_result_name(e->result));
	if (!is_true(s, c, k, e))
		sim_fail(s, "request %" PRIu64 " ends as %s, which is not what happened",
			 e->sequence, session_result_name(e->result));
	if (e->result == RESULT_BUSY)
		on_busy(s, k, e);
	else
		end_request(s, k, e);
}

/* Of one that has ended in this episode, once, by no more than there is. */
static void on_returned(struct sim *s, const struct event *e)
{
	struct model_domain *d = &s->model.domain[e->domain];

	if (!d->is_return_due || !d->episode.number || e->c > d->headroom_bytes)
		sim_fail(s, "domain %u: %" PRIu64 " bytes came back from pid %" PRIu64 ", which is not so",
			 (unsigned)e->domain, e->c, e->a);
	d->is_return_due = false;
	cover_add(&s->cover, COVER_RETURNED);
}

/* ---- all of them ---- */

void model_event(struct sim *s, const struct call *c, const struct event *e)
{
	struct model *m = &s->model;

	story_event(s, e);
	if (e->number != m->last_event + 1 || e->time_us != s->now_us)
		sim_fail(s,
			 "event %" PRIu64 " at %" PRIu64 " us follows event %" PRIu64 " at %" PRIu64
			 " us",
			 e->number, e->time_us, m->last_event, s->now_us);
	m->last_event = e->number;
	m->events_count++;
	s->digest = (s->digest ^ e->kind ^ e->time_us ^ e->client ^ (e->sequence << 20) ^ e->a ^
		     ((uint64_t)e->result << 56)) * UINT64_C(0x100000001b3);
	switch ((enum event_kind)e->kind) {
	case EVENT_CLIENT_JOINED: on_joined(s, c, e); break;
	case EVENT_CLIENT_LEFT: on_left(s, c, e); break;
	case EVENT_REQUEST: on_request(s, c, e); break;
	case EVENT_ANSWER: on_answer(s, c, e); break;
	case EVENT_BRAKE:
	case EVENT_LET_GO: model_brake_event(s, c, e); break;
	case EVENT_RETURNED: on_returned(s, e); break;
	case EVENT_TRIPWIRE:
	case EVENT_TRIPPED: model_tripwire_event(s, e); break;
	case EVENT_CONFIG_RELOADED: cover_add(&s->cover, COVER_RELOADED); break;
	case EVENT_NONE:
	case EVENT_KIND_COUNT:
		sim_fail(s, "an event of no kind");
	default: /* what concerns domains and victims */
		model_ladder_event(s, c, e);
		break;
	}
}
