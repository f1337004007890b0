/* SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "base/units.h"
#include "core_parts.h"
#include "core_tape.h"

/*
 * Who joins in stage shutdown puts its end off until so long after its entry: one that registered with a
 * budget of 60 s, left and registered again did so for ever. Twice the default budget. Half: one that was
 * started anew, and says busy once, is not waited for; double: another second to the cliff.
 */
#define LATE_MOST_US	(2 * US_PER_S)

static void unshield(struct core *c, struct session *s, uint32_t domain)
{
	if (!s->is_shielded)
		return;
	s->is_shielded = false;
	core_push(c, EFFECT_SHIELD_DOWN, domain)->client = s->id;
}

/* What it gave counts where it lives. */
static void take_gift(struct core *c, const struct session *s, uint64_t freed_bytes)
{
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (c->domain[d].used && (s->offer.domains & (1u << d)))
			fall_given(&c->domain[d].estimator.fall, freed_bytes, s->request.issued_us);
}

static void end_request(struct core *c, struct session *s, enum session_result result,
			const struct core_answer *a, uint64_t now_us)
{
	struct session_request *r = &s->request;
	struct event e = core_request_event(EVENT_ANSWER, s);
	struct core_episode *episode = core_episode_of(c, r->domain);
	uint64_t taken_us = now_us - r->issued_us;

	e.result = result;
	e.a = taken_us;
	e.b = a ? a->freed_bytes : 0;
	e.d = r->is_drill;
	if (e.b)
		take_gift(c, s, e.b);
	core_add_event(c, &e, now_us);
	s->last_result = result;
	if ((result == RESULT_DONE || result == RESULT_PARTIAL) && taken_us > s->worst_us[r->step])
		s->worst_us[r->step] = taken_us;
	if (result == RESULT_MISSED || result == RESULT_SUPERSEDED)
		s->missed_sequence = r->sequence;
	if (result == RESULT_MISSED && episode && episode->number == r->episode)
		episode->missed++;
	if (result != RESULT_SUPERSEDED && !r->is_drill) {
		s->settled = MAX_OF(s->settled, r->step);
		s->settled_final |= r->is_final;
		unshield(c, s, r->domain);
	}
	*r = (struct session_request){ 0 };
}

/* In place of what was open. */
static void put_request(struct core *c, struct session *s, const struct session_request *r,
			uint64_t now_us)
{
	if (s->request.sequence)
		end_request(c, s, RESULT_SUPERSEDED, NULL, now_us);
	s->request = *r;
	s->owes_resume = r->step != STEP_RESUME;
	if (s->exposure_bytes > s->worst_exposure_bytes[r->step] || !s->worst_us[r->step])
		s->worst_exposure_bytes[r->step] = s->exposure_bytes;
}

static void shield_and_note(struct core *c, struct session *s, uint64_t now_us)
{
	const struct session_request *r = &s->request;
	struct event e = core_request_event(EVENT_REQUEST, s);

	if (c->policy.shield && r->step != STEP_RESUME && !r->is_drill && !s->is_shielded) {
		s->is_shielded = true;
		core_push(c, EFFECT_SHIELD_UP, r->domain)->client = s->id;
	}
	e.a = r->deadline_us;
	e.b = s->exposure_bytes;
	e.c = r->is_final;
	e.d = r->is_drill;
	core_add_event(c, &e, now_us);
}

/* That of a drill, in which the domain's own is normal. */
static enum stage_word stage_of(enum session_step step)
{
	enum stage_word stage = STAGE_NORMAL;

	while (plan_step(stage) != step)
		stage++;
	return stage;
}

/* The order goes out first, the shield goes up right after it. */
static void ask(struct core *c, struct session *s, uint32_t domain, struct session_request r,
		uint64_t now_us)
{
	struct core_effect *order;

	r.sequence = ++c->last_sequence;
	r.issued_us = now_us;
	r.deadline_us = time_add_us(now_us, s->offer.budget_us[r.step]);
	r.domain = domain;
	r.episode = r.step == STEP_RESUME || r.is_drill ? 0 : c->domain[domain].episode;
	put_request(c, s, &r, now_us);
	order = core_push(c, EFFECT_ORDER, domain);
	order->client = s->id;
	order->request = r;
	order->stage = r.is_drill ? stage_of(r.step) : c->domain[domain].stage.now;
	order->episode = r.episode;
	shield_and_note(c, s, now_us);
}

/* The order is out, maybe answered: nobody has read the answer yet. */
void core_told(struct core *c, uint32_t domain, const struct guard_told *t, uint64_t now_us)
{
	const struct core_call call = {
		.now_us = now_us, .domain = domain, .client = t->client, .sequence = t->sequence,
		.began_us = t->issued_us, .deadline_us = t->deadline_us,
	};
	const struct session_request r = {
		.sequence = t->sequence, .issued_us = t->issued_us, .deadline_us = t->deadline_us,
		.step = STEP_SHUTDOWN, .domain = domain, .episode = c->domain[domain].episode,
	};
	struct session *s = session_get(&c->sessions, t->client);

	core_tape_call(c, CORE_TAPE_TOLD, &call);
	c->last_sequence = MAX_OF(c->last_sequence, t->sequence);
	if (!s || !c->domain[domain].used || c->domain[domain].stage.now == STAGE_NORMAL)
		return;
	if (s->settled == STEP_SHUTDOWN || (s->request.sequence && s->request.step == STEP_SHUTDOWN))
		return; /* the loop was about to ask the same */
	put_request(c, s, &r, now_us);
	shield_and_note(c, s, now_us);
}

/* Who comes back after a restart of the broker was there before. */
struct plan_question core_question(const struct core *c, uint32_t domain, uint64_t now_us)
{
	const struct stage *stage = &c->domain[domain].stage;
	uint64_t entered_us = MAX_OF(stage->since_us, c->grace_us);
	bool is_over = stage->now == STAGE_SHUTDOWN && now_us >= time_add_us(entered_us, LATE_MOST_US);

	return (struct plan_question){ domain, plan_step(stage->now), is_over ? entered_us : NEVER_US };
}

void core_ask_stage(struct core *c, uint32_t domain, uint64_t now_us)
{
	const struct plan_question q = core_question(c, domain, now_us);
	struct session *s = NULL;

	if (q.step == STEP_RESUME)
		return;
	while ((s = plan_next(&c->sessions, &q, s)))
		ask(c, s, domain, (struct session_request){ .step = q.step }, now_us);
}

static bool is_under_pressure(const struct core *c, const struct session *s)
{
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (((s->offer.domains | s->final_domains) & (1u << d)) && c->domain[d].used &&
		    c->domain[d].stage.now != STAGE_NORMAL)
			return true;
	return false;
}

/* Who was asked something and has no domain under pressure any more resumes. */
void core_ask_resume(struct core *c, uint32_t domain, uint64_t now_us)
{
	for (struct session *s = session_next(&c->sessions, NULL); s; s = session_next(&c->sessions, s)) {
		if (!s->owes_resume || is_under_pressure(c, s))
			continue;
		if (s->request.sequence) {
			/* its open step is over, too: superseded would keep the shield up */
			unshield(c, s, domain);
			end_request(c, s, RESULT_SUPERSEDED, NULL, now_us);
		}
		s->settled = STEP_RESUME;
		s->settled_final = false;
		s->final_domains = 0;
		ask(c, s, domain, (struct session_request){ .step = STEP_RESUME }, now_us);
	}
}

static void ask_for_good(struct core *c, struct session *s, uint32_t domain, uint64_t now_us)
{
	s->settled_final = false;
	s->final_domains |= 1u << domain;
	ask(c, s, domain, (struct session_request){ .step = STEP_SHUTDOWN, .is_final = true }, now_us);
}

void core_ask_final(struct core *c, uint32_t domain, uint64_t now_us)
{
	struct session *s = session_get(&c->sessions, c->domain[domain].escalate.victim.client);

	if (s)
		ask_for_good(c, s, domain, now_us);
}

void core_ask_everybody(struct core *c, uint32_t domain, uint64_t now_us)
{
	for (struct session *s = session_next(&c->sessions, NULL); s; s = session_next(&c->sessions, s))
		ask_for_good(c, s, domain, now_us);
}

/* ---- rehearsals ---- */

bool core_drill(struct core *c, uint64_t client, enum stage_word stage, uint64_t now_us)
{
	const struct core_call call = { .now_us = now_us, .client = client, .stage = stage };
	struct session *s = session_get(&c->sessions, client);

	core_tape_call(c, CORE_TAPE_DRILL, &call);
	if (!s || s->request.sequence || stage == STAGE_NORMAL || core_stage(c) != STAGE_NORMAL)
		return false;
	ask(c, s, CORE_DOMAIN_SYSTEM,
	    (struct session_request){ .step = plan_step(stage), .is_drill = true }, now_us);
	return true;
}

/* Its rehearsal has ended: it is told that it may go back to full service. */
static void resume_from_drill(struct core *c, struct session *s, uint64_t now_us)
{
	ask(c, s, CORE_DOMAIN_SYSTEM, (struct session_request){ .step = STEP_RESUME, .is_drill = true },
	    now_us);
}

/* Whom the stage that comes does not concern goes back at once; the others when that is over. */
void core_end_drills(struct core *c, uint64_t now_us)
{
	for (struct session *s = session_next(&c->sessions, NULL); s; s = session_next(&c->sessions, s)) {
		bool is_concerned = is_under_pressure(c, s);

		if (!s->request.sequence || !s->request.is_drill ||
		    (s->request.step == STEP_RESUME && !is_concerned))
			continue;
		s->owes_resume = true;
		end_request(c, s, RESULT_SUPERSEDED, NULL, now_us);
		if (!is_concerned)
			resume_from_drill(c, s, now_us);
	}
}

void core_end_overdue(struct core *c, uint64_t now_us)
{
	for (struct session *s = session_next(&c->sessions, NULL); s; s = session_next(&c->sessions, s)) {
		bool is_drill = s->request.is_drill && s->request.step != STEP_RESUME;

		if (!s->request.sequence || now_us < s->request.deadline_us)
			continue;
		end_request(c, s, RESULT_MISSED, NULL, now_us);
		if (is_drill)
			resume_from_drill(c, s, now_us);
	}
}

enum session_outcome core_join(struct core *c, const struct session_offer *offer, uint64_t now_us,
			       struct session **ret)
{
	const struct core_tape_join join = { now_us, *offer };
	enum session_outcome outcome = session_add(&c->sessions, &c->policy.session, offer, ret);

	core_tape_input(c, CORE_TAPE_JOIN, &join);
	if (outcome != SESSION_OK)
		return outcome;
	(*ret)->joined_us = now_us;
	core_note_client(c, EVENT_CLIENT_JOINED, *ret, now_us);
	core_advance_all(c, now_us);
	return SESSION_OK;
}

void core_leave(struct core *c, uint64_t client, uint64_t now_us)
{
	const struct core_call call = { .now_us = now_us, .client = client };
	struct session *s = session_get(&c->sessions, client);

	core_tape_call(c, CORE_TAPE_LEAVE, &call);
	if (!s)
		return;
	if (s->request.sequence)
		end_request(c, s, RESULT_VANISHED, NULL, now_us);
	core_note_client(c, EVENT_CLIENT_LEFT, s, now_us);
	session_remove(&c->sessions, s);
	core_advance_all(c, now_us);
}

void core_report(struct core *c, uint64_t client, uint64_t exposure_bytes, uint64_t freeable_bytes)
{
	const struct core_call call = {
		.client = client, .exposure_bytes = exposure_bytes, .freeable_bytes = freeable_bytes,
	};
	struct session *s = session_get(&c->sessions, client);

	core_tape_call(c, CORE_TAPE_REPORT, &call);
	if (!s)
		return;
	s->exposure_bytes = exposure_bytes;
	s->freeable_bytes = freeable_bytes;
}

/* More time once, at most as much again as was granted. */
static void take_busy(struct core *c, struct session *s, const struct core_answer *a, uint64_t now_us)
{
	struct session_request *r = &s->request;
	uint64_t granted = s->offer.budget_us[r->step];
	uint64_t most_us = time_add_us(r->deadline_us, granted);
	uint64_t wanted_us = a->more_time_us ? time_add_us(now_us, a->more_time_us) : most_us;
	struct event e = core_request_event(EVENT_ANSWER, s);

	if (!r->extended) {
		r->deadline_us = MIN_OF(MAX_OF(r->deadline_us, wanted_us), most_us);
		r->extended = true;
	}
	e.result = RESULT_BUSY;
	e.a = now_us - r->issued_us;
	e.c = r->deadline_us;
	e.d = r->is_drill;
	core_add_event(c, &e, now_us);
}

static void note_late(struct core *c, struct session *s, const struct core_answer *a, uint64_t now_us)
{
	struct event e = {
		.kind = EVENT_ANSWER, .client = s->id, .sequence = a->sequence,
		.result = RESULT_LATE, .b = a->freed_bytes,
	};

	text_copy_tail(e.name, sizeof(e.name), s->offer.name);
	core_add_event(c, &e, now_us);
	s->missed_sequence = 0;
}

bool core_answer(struct core *c, const struct core_answer *a, uint64_t now_us)
{
	const struct core_call call = {
		.now_us = now_us, .client = a->client, .sequence = a->sequence, .result = a->result,
		.freed_bytes = a->freed_bytes, .more_time_us = a->more_time_us,
	};
	struct session *s = session_get(&c->sessions, a->client);
	bool is_drill;

	core_tape_call(c, CORE_TAPE_ANSWER, &call);
	if (!s || !a->sequence)
		return false;
	if (a->sequence == s->missed_sequence) {
		note_late(c, s, a, now_us);
		return true;
	}
	if (a->sequence != s->request.sequence)
		return false;
	if (a->result == RESULT_BUSY) {
		take_busy(c, s, a, now_us);
		return true;
	}
	is_drill = s->request.is_drill && s->request.step != STEP_RESUME;
	end_request(c, s, a->result, a, now_us);
	if (is_drill)
		resume_from_drill(c, s, now_us);
	core_advance_all(c, now_us);
	return true;
}

