/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "sim.h"

/* How late the ladder may be beside its own deadlines: a sample interval or two. */
#define LADDER_SLACK_US	(500 * US_PER_MS)

/* So long after the entry of shutdown who joins in it is waited for. */
#define LATE_MOST_US	(2 * US_PER_S)

struct model_client *model_client(struct sim *s, uint64_t id)
{
	for (uint32_t i = 0; id && i < SIM_CLIENTS; i++)
		if (s->model.client[i].id == id)
			return &s->model.client[i];
	return NULL;
}

/* It joined after the domain had entered shutdown, and that is long ago. */
bool model_is_late(const struct sim *s, const struct model_client *k, uint32_t domain)
{
	const struct model *m = &s->model;
	uint64_t entered_us = m->domain[domain].risen_us;

	if (m->taken_us)
		entered_us = MAX_OF(entered_us, m->taken_us + MODEL_RETURN_US);
	return m->domain[domain].episode.stage == STAGE_SHUTDOWN && k->joined_us > entered_us &&
	       s->now_us >= entered_us + LATE_MOST_US;
}

/* Has everybody of the domain settled the step, of those who joined before that call and not too late? */
bool model_is_settled(const struct sim *s, uint32_t domain, enum session_step step,
		      uint64_t before_call)
{
	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		const struct model_client *k = &s->model.client[i];

		if (k->id && (k->offer.domains & (1u << domain)) && k->settled < step &&
		    k->joined_call < before_call && !model_is_late(s, k, domain))
			return false;
	}
	return true;
}

uint64_t model_floor_bytes(const struct model *m, uint32_t domain, enum stage_word stage)
{
	uint64_t share =
		m->domain[domain].total_bytes / PERMYRIAD * m->policy.stage.floor_permyriad[stage];

	return MIN_OF(share, m->policy.stage.floor_max_bytes[stage]);
}

void model_init(struct sim *s, uint64_t first_episode)
{
	s->model = (struct model){ .policy = s->policy, .last_episode = first_episode };
}

/* Switched off, or after a dry run, the ladder lets go of everybody who was not killed yet. */
static void take_policy(struct sim *s)
{
	struct model *m = &s->model;

	m->policy = s->policy;
	for (uint32_t d = 0; d < SIM_DOMAINS; d++) {
		struct model_victim *v = &m->domain[d].victim;
		bool is_over = v->is_dry && !m->policy.escalate.dry_run;

		/* a procedure that runs is told to be cut first */
		if (!m->policy.escalate.enabled && v->was_procedure && !v->has_procedure_ended)
			v->is_dropped = true;
		else if (is_over || (!m->policy.escalate.enabled && (v->is_dry || !v->was_killed)))
			m->domain[d].victim = (struct model_victim){ 0 };
		m->domain[d].stuck_since_us = 0;
		if (m->domain[d].headroom_bytes >= model_floor_bytes(m, d, STAGE_IMMINENT))
			m->domain[d].was_back = true;
	}
}

void model_before(struct sim *s, const struct call *c)
{
	struct model *m = &s->model;
	const struct model_client *leaving = model_client(s, c->client);

	m->calls++;
	m->is_at_rest = false;
	m->asked_count = m->ordered_count = m->acted_count = m->signalled_count = 0;
	m->superseded_domains = 0;
	m->events_count = m->effects_count = m->endings_count = 0;
	memset(m->changes, 0, sizeof(m->changes));
	memset(m->announced, 0, sizeof(m->announced));
	m->left_client = c->kind == CALL_LEAVE ? c->client : 0;
	m->left_was_shielded = c->kind == CALL_LEAVE && leaving && leaving->is_shielded;
	m->is_end_due = c->kind == CALL_GONE && m->domain[c->domain].victim.is_chosen;
	m->is_taking_over = (m->is_taking_over || c->kind == CALL_GUARD) && c->kind != CALL_TICK;
	if (c->kind == CALL_RELOAD)
		take_policy(s);
	if (c->kind == CALL_LAST) {
		m->domain[c->domain].last.policy = c->policy;
		m->reboots = c->count;
	}
	if (c->kind == CALL_SURVEY)
		m->domain[c->domain].is_nobody = !c->victim;
	model_brake_call(s, c);
	model_tripwire_before(s, c);
	if (c->kind == CALL_SAMPLE)
		model_sample(s, c->sample);
	if (c->kind == CALL_OOM)
		model_kill(s, c->domain);
}

/* ---- what must be true after every call ---- */

static bool is_pressed(const struct model *m, uint32_t domains)
{
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		if ((domains & (1u << d)) && m->domain[d].is_used &&
		    m->domain[d].episode.stage != STAGE_NORMAL)
			return true;
	return false;
}

static void check_client(struct sim *s, const struct model_client *k)
{
	const struct model_request *r = &k->request;

	if (k->is_replaced)
		sim_fail(s,
			 "client %" PRIx64
			 ": its request was superseded, but nothing later was asked",
			 k->id);
	if (k->is_shielded && (!r->sequence || r->step == STEP_RESUME || r->is_drill))
		sim_fail(s, "client %" PRIx64 " is shielded without an open request", k->id);
	if (k->owes_resume && !r->is_drill && !is_pressed(&s->model, k->offer.domains | k->final_domains))
		sim_fail(s,
			 "client %" PRIx64
			 " was asked something, all is normal again, and it is not "
			 "asked to resume",
			 k->id);
}

/* Who comes too late does not count, once the core had time to see that it does. */
static bool is_passed_over(const struct sim *s, const struct model_client *k, uint32_t domain)
{
	return s->model.is_at_rest && model_is_late(s, k, domain);
}

static uint32_t group_of_turn(const struct sim *s, uint32_t domain, enum session_step step)
{
	uint32_t lowest = UINT32_MAX;

	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		const struct model_client *k = &s->model.client[i];

		if (k->id && (k->offer.domains & (1u << domain)) && k->settled < step &&
		    !is_passed_over(s, k, domain))
			lowest = MIN_OF(lowest, k->offer.order_group);
	}
	return lowest;
}

/* Whose turn it is has been asked: nobody waits for nothing. */
static void check_turn(struct sim *s, uint32_t domain)
{
	struct model *m = &s->model;
	enum session_step step = plan_step(m->domain[domain].episode.stage);
	uint32_t group = group_of_turn(s, domain, step);

	for (uint32_t i = 0; step != STEP_RESUME && i < SIM_CLIENTS; i++) {
		const struct model_client *k = &m->client[i];

		if (k->id && (k->offer.domains & (1u << domain)) && k->settled < step &&
		    (k->offer.order_group == group || is_passed_over(s, k, domain)) &&
		    (!k->request.sequence || k->request.step < step))
			sim_fail(s,
				 "client %" PRIx64
				 " is not asked to %s though it is the turn of its "
				 "group %u in domain %u",
				 k->id, session_step_name(step), (unsigned)group, (unsigned)domain);
	}
}

static void check_domain(struct sim *s, uint32_t domain)
{
	struct model *m = &s->model;
	const struct model_domain *d = &m->domain[domain];

	if (d->is_used && (d->episode.stage != STAGE_NORMAL) != (d->episode.number != 0))
		sim_fail(s, "domain %u: stage %s with episode %" PRIu64, (unsigned)domain,
			 stage_name(d->episode.stage), d->episode.number);
	if (m->changes[domain] != m->announced[domain])
		sim_fail(s, "domain %u: %u stage changes, %u announcements", (unsigned)domain,
			 (unsigned)m->changes[domain], (unsigned)m->announced[domain]);
	if (d->is_used && !s->model.is_taking_over)
		check_turn(s, domain);
}

/* Who was asked in this call and has it open is shielded; who leaves leaves without. */
static void check_shields(struct sim *s)
{
	struct model *m = &s->model;

	if (m->left_was_shielded)
		sim_fail(s, "client %" PRIx64 " left and its shield stays up", m->left_client);
	for (uint32_t i = 0; m->policy.shield && i < m->asked_count; i++) {
		const struct model_client *k = model_client(s, m->asked_client[i]);

		if (k && k->request.sequence == m->asked[i].sequence && !k->is_shielded &&
		    !k->request.is_drill && k->request.step != STEP_RESUME)
			sim_fail(s, "client %" PRIx64 " is asked to %s without a shield", k->id,
				 session_step_name(k->request.step));
	}
}

static void check_outcome(struct sim *s, const struct call *c)
{
	struct model *m = &s->model;
	bool is_known = c->kind == CALL_ANSWER ? model_client(s, c->answer.client) != NULL : true;

	if (c->kind == CALL_ANSWER && c->was_accepted != (m->endings_count > 0))
		sim_fail(s, "the answer was %s, but %u answer events were made",
			 c->was_accepted ? "accepted" : "refused", (unsigned)m->endings_count);
	if (c->kind == CALL_ANSWER && (!is_known || !c->was_accepted) &&
	    (m->events_count || m->effects_count))
		sim_fail(s, "an answer that nobody asked for changed something");
	if (c->kind == CALL_ANSWER && !c->was_accepted)
		cover_add(&s->cover, is_known ? COVER_ANSWER_UNKNOWN : COVER_STALE);
	if (m->asked_count != m->ordered_count)
		sim_fail(s, "%u requests on record, %u orders sent", (unsigned)m->asked_count,
			 (unsigned)m->ordered_count);
	if (m->acted_count != m->signalled_count)
		sim_fail(s, "%u actions on record, %u signals", (unsigned)m->acted_count,
			 (unsigned)m->signalled_count);
	if (m->started_domains)
		sim_fail(s, "a procedure on record is not run");
	if (m->is_end_due)
		sim_fail(s, "the victim of domain %u has ended, and that is not on record",
			 (unsigned)c->domain);
	if (c->kind == CALL_DRILL && c->was_accepted != (m->asked_count == 1))
		sim_fail(s, "a drill that was %s asked %u clients", c->was_accepted ? "accepted" : "refused",
			 (unsigned)m->asked_count);
	if (c->kind == CALL_DRILL && !c->was_accepted)
		cover_add(&s->cover, COVER_DRILL_REFUSED);
	if (c->kind == CALL_PROCEDURE && !m->events_count)
		cover_add(&s->cover, COVER_PROCEDURE_STALE);
	if (c->kind == CALL_REPORT && (m->events_count || m->effects_count))
		sim_fail(s, "a report alone made events or effects");
}

/* Quarters of it are what the core compares with. */
static bool is_below(const struct model *m, uint32_t domain, enum stage_word stage)
{
	return m->domain[domain].headroom_bytes < model_floor_bytes(m, domain, stage) / 4 * 4;
}

static void check_stage_of_sample(struct sim *s, const struct sample *sample)
{
	struct model *m = &s->model;
	const struct model_domain *d = &m->domain[sample->domain];
	enum stage_word least = STAGE_NORMAL;

	if (!d->is_used || !d->total_bytes || !(sample->has & SAMPLE_HAS_MEMORY))
		return;
	if (is_below(m, sample->domain, STAGE_WARNING))
		least = STAGE_WARNING;
	if (is_below(m, sample->domain, STAGE_IMMINENT))
		least = sample->distress & DISTRESS_OOM ? STAGE_SHUTDOWN : STAGE_IMMINENT;
	if (is_below(m, sample->domain, STAGE_SHUTDOWN) && sample->distress)
		least = STAGE_SHUTDOWN;
	if (d->episode.stage < least)
		sim_fail(s,
			 "domain %u stands at %s with %" PRIu64 " of %" PRIu64
			 " bytes left: it must be %s",
			 (unsigned)sample->domain, stage_name(d->episode.stage), d->headroom_bytes,
			 d->total_bytes, stage_name(least));
}

void model_after(struct sim *s, const struct call *c, const struct core_effect *batch,
		 uint32_t count)
{
	struct model *m = &s->model;
	const struct event *e;
	uint64_t lost = 0, before = m->last_event;
	enum stage_word highest = STAGE_NORMAL;

	if (c->kind == CALL_TRIPPED && s->core.domain[CORE_DOMAIN_SYSTEM].sample_due_us == s->now_us)
		model_tripped(s);
	while ((e = record_next(&s->core.record, &before, &lost)))
		model_event(s, c, e);
	if (lost)
		sim_fail(s, "one call made more than %u events", SIM_EVENTS);
	for (uint32_t i = 0; i < count; i++)
		model_effect(s, &batch[i]);
	if (c->kind == CALL_SURVEY)
		model_survey_after(s, c);
	if (c->kind == CALL_GUARD)
		model_guard_after(s, c);
	model_tripwire_after(s, c);
	check_outcome(s, c);
	check_shields(s);
	for (uint32_t i = 0; i < SIM_CLIENTS; i++)
		if (m->client[i].id)
			check_client(s, &m->client[i]);
	for (uint32_t d = 0; d < SIM_DOMAINS; d++) {
		check_domain(s, d);
		if (m->domain[d].is_used)
			highest = MAX_OF(highest, m->domain[d].episode.stage);
	}
	if (c->kind == CALL_SAMPLE)
		check_stage_of_sample(s, c->sample);
	if (core_stage(&s->core) != highest)
		sim_fail(s, "the highest stage is %s, the core says %s", stage_name(highest),
			 stage_name(core_stage(&s->core)));
}

/* ---- what must be true at rest ---- */

/* Nothing left, the kernel cries, everybody was asked: then the ladder must move. */
static void check_ladder(struct sim *s, uint32_t domain)
{
	struct model *m = &s->model;
	const struct model_domain *d = &m->domain[domain];
	const struct model_client *k = model_client(s, d->victim.client);
	const struct escalate_policy *p = &m->policy.escalate;
	uint64_t most_us = p->term_us + p->kill_us + (1 + MODEL_SPARED_MOST) * p->settle_us +
			   LADDER_SLACK_US +
			   2 * m->policy.session.max_budget_us;

	if (!d->stuck_since_us || s->now_us - d->stuck_since_us <= most_us)
		return;
	if (d->last.is_running || model_is_machine_going(m))
		return; /* it waits for the last policy */
	if (s->now_us < d->comes_back_us)
		return; /* for what the kernel ended, and its turn is next: see model_kill() */
	/* what was granted before a reload still counts */
	if ((k && k->request.is_final) ||
	    s->now_us < time_add_us(d->victim.deadline_us, LADDER_SLACK_US))
		return;
	sim_fail(s, "domain %u stands at the cliff, all clients have settled, and for %" PRIu64
		 " ms nobody has been chosen, signalled or ended", (unsigned)domain,
		 (s->now_us - d->stuck_since_us) / US_PER_MS);
}

void model_rest(struct sim *s)
{
	struct model *m = &s->model;
	uint64_t due_us = core_due_us(&s->core);

	if (due_us <= s->now_us)
		sim_fail(s, "due %" PRIu64 " us ago after samples and tick: the loop would spin",
			 s->now_us - due_us);
	if (core_stage(&s->core) != STAGE_NORMAL && due_us == NEVER_US)
		sim_fail(s, "a domain is under pressure and nothing is due");
	for (uint32_t i = 0; i < SIM_CLIENTS; i++)
		if (m->client[i].request.sequence && m->client[i].request.deadline_us <= s->now_us)
			sim_fail(s,
				 "client %" PRIx64
				 " is past its deadline and its request is still open",
				 m->client[i].id);
	m->is_at_rest = true;
	for (uint32_t d = 0; d < SIM_DOMAINS; d++) {
		check_ladder(s, d);
		if (m->domain[d].is_used)
			check_turn(s, d);
	}
	model_brake_rest(s);
}

bool model_is_quiet(const struct model *m)
{
	for (uint32_t i = 0; i < SIM_CLIENTS; i++)
		if (m->client[i].request.sequence)
			return false;
	return !is_pressed(m, UINT32_MAX);
}

void model_end(struct sim *s)
{
	const struct model *m = &s->model;

	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		const struct model_client *k = &m->client[i];

		if (k->request.sequence)
			sim_fail(s, "the request %" PRIu64 " of client %" PRIx64 " never ended",
				 k->request.sequence, k->id);
		if (k->is_shielded || k->owes_resume)
			sim_fail(s, "all is over and client %" PRIx64 " %s", k->id,
				 k->is_shielded ? "is still shielded"
						: "was never asked to resume");
	}
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		if (m->domain[d].is_stopped)
			sim_fail(s, "all is over and somebody is still stopped");
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		if (m->domain[d].is_used && m->domain[d].episode.number)
			sim_fail(s, "episode %" PRIu64 " of domain %u never ended",
				 m->domain[d].episode.number, (unsigned)d);
}
