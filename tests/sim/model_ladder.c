/* SPDX-License-Identifier: MIT */
/* What the model makes of domains: stages, episodes, the ladder; and of every effect. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/units.h"
#include "sim.h"

/* ---- stages ---- */

static void check_reason(struct sim *s, const struct call *c, const struct event *e)
{
	const struct model_domain *d = &s->model.domain[e->domain];
	uint64_t headroom_bytes = c->kind == CALL_GUARD ? c->report->headroom_bytes : d->headroom_bytes;
	bool is_true = false;

	switch ((enum stage_why)e->why) {
	case STAGE_WHY_TIME: is_true = e->tte_low_us < e->lead_us; break;
	case STAGE_WHY_FLOOR: is_true = e->headroom_bytes < e->floor_bytes; break;
	case STAGE_WHY_DISTRESS: is_true = e->distress; break;
	case STAGE_WHY_OOM: is_true = e->distress & DISTRESS_OOM; break;
	case STAGE_WHY_CLEARED: is_true = e->to == STAGE_NORMAL; break;
	case STAGE_WHY_NONE:
	case STAGE_WHY_COUNT:
		break;
	}
	if (!is_true || !d->has_memory || e->headroom_bytes != headroom_bytes)
		sim_fail(s, "domain %u goes to %s for reason %u, which is not so",
			 (unsigned)e->domain, stage_name(e->to), (unsigned)e->why);
}

static void check_fall(struct sim *s, const struct call *c, const struct event *e)
{
	const struct model_domain *d = &s->model.domain[e->domain];
	uint64_t hold_us = s->model.policy.stage.hold_us;

	if (e->to != STAGE_NORMAL)
		sim_fail(s, "domain %u falls to %s", (unsigned)e->domain, stage_name(e->to));
	if (c->kind == CALL_DOMAIN_REMOVE)
		return;
	if (e->headroom_bytes < e->floor_bytes || e->tte_low_us < e->lead_us)
		sim_fail(s, "domain %u is cleared while there is a reason", (unsigned)e->domain);
	if (!d->calm_since_us || s->now_us - d->calm_since_us < hold_us ||
	    s->now_us - d->risen_us < hold_us)
		sim_fail(s,
			 "domain %u is cleared at %" PRIu64 ", calm since %" PRIu64
			 ", risen at %" PRIu64,
			 (unsigned)e->domain, s->now_us, d->calm_since_us, d->risen_us);
	cover_add(&s->cover, COVER_CLEARED);
}

static void on_stage(struct sim *s, const struct call *c, const struct event *e)
{
	static const enum cover_place places[STAGE_COUNT] = {
		[STAGE_WARNING] = COVER_WARNING, [STAGE_IMMINENT] = COVER_IMMINENT,
		[STAGE_SHUTDOWN] = COVER_SHUTDOWN,
	};
	struct model_domain *d = &s->model.domain[e->domain];

	if (e->from != d->episode.stage || e->to == e->from)
		sim_fail(s, "domain %u goes from %s to %s, it stood at %s", (unsigned)e->domain,
			 stage_name(e->from), stage_name(e->to), stage_name(d->episode.stage));
	if (c->kind == CALL_DOMAIN_REMOVE)
		cover_add(&s->cover, COVER_DOMAIN_REMOVED_IN_STAGE);
	else
		check_reason(s, c, e);
	if (e->to < e->from) {
		check_fall(s, c, e);
	} else {
		d->risen_us = s->now_us;
		cover_add(&s->cover, places[e->to]);
	}
	s->model.changes[e->domain]++;
	d->episode.stage = e->to;
}

static void on_opened(struct sim *s, const struct event *e)
{
	struct model *m = &s->model;
	struct model_domain *d = &m->domain[e->domain];

	if (d->episode.number || e->episode <= m->last_episode)
		sim_fail(s,
			 "episode %" PRIu64 " opens in domain %u, where %" PRIu64
			 " is open; the last was %" PRIu64,
			 e->episode, (unsigned)e->domain, d->episode.number, m->last_episode);
	m->last_episode = e->episode;
	d->episode.number = e->episode;
	d->episode.began_us = s->now_us;
	d->last = (struct model_last){ .policy = d->last.policy };
	d->is_nobody = false;
	d->episode.victims = d->episode.missed = 0;
	d->victim = (struct model_victim){ 0 };
}

static void on_closed(struct sim *s, const struct event *e)
{
	struct model_domain *d = &s->model.domain[e->domain];

	if (d->victim.was_procedure && !d->victim.has_procedure_ended)
		sim_fail(s, "domain %u: its episode closes while a procedure runs", (unsigned)e->domain);
	if (!d->episode.number || e->episode != d->episode.number ||
	    e->a != s->now_us - d->episode.began_us || e->b != d->episode.victims ||
	    e->c != d->episode.missed)
		sim_fail(s,
			 "episode %" PRIu64 " closes in domain %u after %" PRIu64
			 " us with %" PRIu64 " victims, %" PRIu64 " missed; open was %" PRIu64
			 " with %" PRIu64 ", %" PRIu64,
			 e->episode, (unsigned)e->domain, e->a, e->b, e->c, d->episode.number,
			 d->episode.victims, d->episode.missed);
	d->episode.number = 0;
	d->victim = (struct model_victim){ 0 };
	d->is_surveying = false;
	d->stuck_since_us = 0;
	d->last = (struct model_last){ .policy = d->last.policy };
}

static void on_taken_over(struct sim *s, const struct call *c, const struct event *e)
{
	struct model *m = &s->model;
	struct model_domain *d = &m->domain[e->domain];

	if (c->kind != CALL_TAKE_OVER || e->domain != c->domain || e->episode != c->past.number)
		sim_fail(s, "episode %" PRIu64 " is taken over, but nobody said so", e->episode);
	d->episode = c->past;
	d->episode.victims = d->episode.missed = 0;
	m->last_episode = MAX_OF(m->last_episode, e->episode);
	d->risen_us = d->taken_us = m->taken_us = s->now_us;
	cover_add(&s->cover, COVER_TAKEN_OVER);
}

static void on_removed(struct sim *s, const struct call *c, const struct event *e)
{
	struct model *m = &s->model;

	if (c->kind != CALL_DOMAIN_REMOVE || c->domain != e->domain)
		sim_fail(s, "domain %u is removed, but nobody said so", (unsigned)e->domain);
	m->domain[e->domain] = (struct model_domain){ 0 };
	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		m->client[i].offer.domains &= ~(1u << e->domain);
		m->client[i].final_domains &= ~(1u << e->domain);
	}
}

/* ---- the ladder ---- */

/* Nobody grew, but the kernel has killed one just before the survey, or during it. */
static bool is_in_haste(const struct sim *s, const struct call *c)
{
	uint64_t kill_us = s->model.domain[c->domain].newest_kill_us;
	uint64_t seen_us = c->victim->seen_us ? c->victim->seen_us : s->now_us;

	return c->victim->is_by_size && kill_us &&
	       kill_us + s->model.policy.escalate.settle_us >= seen_us;
}

void model_survey_after(struct sim *s, const struct call *c)
{
	struct model_domain *d = &s->model.domain[c->domain];

	if (!c->victim || !d->is_surveying || !is_in_haste(s, c))
		return;
	d->spared++;
	cover_add(&s->cover, COVER_NOT_IN_HASTE);
}

static void on_victim(struct sim *s, const struct call *c, const struct event *e)
{
	struct model_domain *d = &s->model.domain[e->domain];
	const struct model_client *k;

	if (c->kind == CALL_GUARD) {
		model_guard_event(s, c, e);
		return;
	}
	if (c->kind != CALL_SURVEY || !c->victim || !d->is_surveying)
		sim_fail(s, "domain %u has a victim that nobody chose", (unsigned)e->domain);
	if (s->now_us < d->comes_back_us && !d->is_falling_on)
		sim_fail(s, "domain %u ends somebody %" PRIu64 " us after a kill of the kernel, "
			 "and its memory is on its way back",
			 (unsigned)e->domain, s->now_us - d->killed_us);
	if (d->killed_us && s->now_us < d->killed_us + US_PER_S)
		cover_add(&s->cover, d->is_falling_on ? COVER_AFTER_FALL : COVER_AFTER_KILL);
	if (!c->victim->all_growth_bytes && !s->core.domain[e->domain].estimate.distress)
		sim_fail(s, "domain %u ends somebody, though nobody grew and the kernel is calm",
			 (unsigned)e->domain);
	if (!c->victim->client && crash_was_killed(s, c->victim->pid))
		sim_fail(s, "domain %u: pid %d, killed before the daemon was, is to be ended again",
			 (unsigned)e->domain, (int)c->victim->pid);
	if (is_in_haste(s, c) && d->spared < MODEL_SPARED_MOST)
		sim_fail(s, "domain %u ends who is only the largest, where the kernel has just killed one; "
			 "spared %u times before", (unsigned)e->domain, (unsigned)d->spared);
	d->spared = 0;
	k = model_client(s, c->victim->client);
	d->victim = (struct model_victim){
		.is_chosen = true,
		.client = k ? k->id : 0,
		.finals_before = k ? k->finals_ended : 0,
		.procedure = c->victim->procedure,
		.procedure_deadline_us = c->victim->procedure_us, /* absolute once it runs */
	};
	d->is_surveying = false;
	/* chosen by the forecast alone, it is spared once that looks better, without another reading */
	d->was_back = d->headroom_bytes >= model_floor_bytes(&s->model, e->domain, STAGE_IMMINENT);
	d->stuck_since_us = 0;
	if (d->episode.victims)
		cover_add(&s->cover, COVER_VICTIM_SECOND);
}

/* The client that is to be ended has had its last word, or the time for it. */
static bool has_had_its_say(struct sim *s, const struct model_victim *v)
{
	const struct model_client *k = model_client(s, v->client);

	if (!k || k->finals_ended > v->finals_before)
		return true;
	if (v->was_told_final)
		return v->is_dry && s->now_us >= v->deadline_us;
	return k->request.is_final && s->now_us >= k->request.deadline_us;
}

static void on_procedure(struct sim *s, const struct event *e)
{
	struct model *m = &s->model;
	struct model_domain *d = &m->domain[e->domain];
	struct model_victim *v = &d->victim;

	if (!m->policy.escalate.enabled || !m->policy.escalate.procedures)
		sim_fail(s, "domain %u: a procedure runs though they are switched off", (unsigned)e->domain);
	if (!v->is_chosen || d->episode.stage != STAGE_SHUTDOWN || v->was_termed || e->b != v->procedure)
		sim_fail(s, "domain %u: procedure %" PRIu64 " out of its order", (unsigned)e->domain, e->b);
	if (v->was_procedure || m->has_run[v->procedure % MODEL_PROCEDURES_MAX] == v->procedure)
		sim_fail(s, "domain %u: procedure %" PRIu64 " runs twice", (unsigned)e->domain, e->b);
	if (!has_had_its_say(s, v))
		sim_fail(s, "a procedure for client %" PRIx64 ", whose final request has not ended",
			 v->client);
	if (e->c != s->now_us + v->procedure_deadline_us || e->d != m->policy.escalate.dry_run)
		sim_fail(s, "procedure %" PRIu64 " runs until %" PRIu64 ", dry run %" PRIu64, e->b,
			 e->c, e->d);
	v->was_procedure = true;
	v->procedure_began_us = s->now_us;
	v->procedure_deadline_us = v->deadline_us = e->c;
	v->is_dry = e->d;
	v->has_procedure_ended = e->d;
	m->has_run[v->procedure % MODEL_PROCEDURES_MAX] = v->procedure;
	if (!e->d)
		m->started_domains |= 1u << e->domain;
	if (v->client && !e->d)
		cover_add(&s->cover, COVER_PROCEDURE_AFTER_FINAL);
	cover_add(&s->cover, e->d ? COVER_PROCEDURE_DRY : COVER_PROCEDURE);
	d->stuck_since_us = 0;
}

/* Told once, by whom it is over: itself, its deadline, or the ladder that goes on without it. */
static void on_procedure_ended(struct sim *s, const struct call *c, const struct event *e)
{
	struct model_victim *v = &s->model.domain[e->domain].victim;
	bool is_own = c->kind == CALL_PROCEDURE && c->domain == e->domain && e->b == c->end.outcome;

	if (!v->was_procedure || v->has_procedure_ended || e->d != s->now_us - v->procedure_began_us)
		sim_fail(s, "domain %u: a procedure ends that does not run", (unsigned)e->domain);
	if (is_own ? c->end.procedure != v->procedure
		   : e->b != (s->now_us >= v->procedure_deadline_us ? PROCEDURE_LATE : PROCEDURE_CUT))
		sim_fail(s, "domain %u: its procedure ends as %" PRIu64, (unsigned)e->domain, e->b);
	v->has_procedure_ended = true;
	if (v->is_dropped)
		*v = (struct model_victim){ 0 };
	cover_add(&s->cover, is_own ? COVER_PROCEDURE_DONE
				    : e->b == PROCEDURE_LATE ? COVER_PROCEDURE_LATE : COVER_PROCEDURE_CUT);
}

static void on_term(struct sim *s, struct model_domain *d, const struct event *e)
{
	struct model *m = &s->model;

	if (d->victim.was_termed)
		sim_fail(s, "a second SIGTERM to the victim of domain %u", (unsigned)e->domain);
	/* a busy that comes later than its deadline, when the procedure runs, is too late */
	if (!d->victim.was_procedure && !has_had_its_say(s, &d->victim))
		sim_fail(s, "SIGTERM to client %" PRIx64 ", whose final request has not ended",
			 d->victim.client);
	if (e->c < s->now_us || e->c > s->now_us + m->policy.escalate.term_us)
		sim_fail(s, "SIGTERM at %" PRIu64 " gives until %" PRIu64, s->now_us, e->c);
	if (d->victim.was_procedure && d->victim.is_dry && s->now_us < d->victim.procedure_deadline_us)
		sim_fail(s, "SIGTERM in domain %u before its procedure could have ended",
			 (unsigned)e->domain);
	if (d->victim.was_procedure && !d->victim.has_procedure_ended)
		sim_fail(s, "SIGTERM in domain %u while its procedure runs", (unsigned)e->domain);
	if (d->victim.procedure && m->policy.escalate.procedures && !d->victim.was_procedure)
		sim_fail(s, "SIGTERM in domain %u before its procedure", (unsigned)e->domain);
	d->victim.was_termed = true;
	d->victim.is_dry = e->d;
	d->victim.deadline_us = d->victim.kill_from_us = e->c;
	if (d->victim.was_procedure && !e->d) /* judged anew, as what is left becomes less */
		d->victim.kill_from_us = MIN_OF(e->c, s->now_us + TERM_LEAST_US);
	cover_add(&s->cover, m->policy.escalate.dry_run ? COVER_TERM_DRY : COVER_TERM);
}

static void on_kill(struct sim *s, struct model_domain *d, const struct event *e)
{
	if (!d->victim.was_termed || d->victim.was_killed || s->now_us < d->victim.kill_from_us)
		sim_fail(s,
			 "SIGKILL to the victim of domain %u at %" PRIu64
			 ": SIGTERM %s, waits until %" PRIu64,
			 (unsigned)e->domain, s->now_us,
			 d->victim.was_termed ? "was sent" : "was not sent", d->victim.kill_from_us);
	if (e->c < s->now_us)
		sim_fail(s, "SIGKILL at %" PRIu64 " gives until %" PRIu64, s->now_us, e->c);
	d->victim.was_killed = true;
	d->victim.is_dry = e->d;
	d->victim.deadline_us = e->d ? NEVER_US : e->c; /* nobody ends, so nobody is next */
	cover_add(&s->cover, e->d ? COVER_KILL_DRY : COVER_KILL);
}

/* What a client would be asked, and nobody is. */
static void on_told_final(struct sim *s, struct model_domain *d, const struct event *e)
{
	const struct model_client *k = model_client(s, d->victim.client);
	struct model_victim *v = &d->victim;

	if (!e->d || !k || v->was_told_final || v->was_procedure || v->was_termed)
		sim_fail(s, "domain %u: a client would be asked for good, out of its order",
			 (unsigned)e->domain);
	if (e->c != s->now_us + k->offer.budget_us[STEP_SHUTDOWN])
		sim_fail(s, "domain %u: its client would have until %" PRIu64, (unsigned)e->domain, e->c);
	v->was_told_final = v->is_dry = true;
	v->deadline_us = e->c;
	cover_add(&s->cover, COVER_FINAL_DRY);
}

static void on_action(struct sim *s, const struct event *e)
{
	struct model *m = &s->model;
	struct model_domain *d = &m->domain[e->domain];

	if (!m->policy.escalate.enabled)
		sim_fail(s, "domain %u: a signal with act disabled", (unsigned)e->domain);
	if (!d->victim.is_chosen || d->episode.stage != STAGE_SHUTDOWN || !d->has_memory)
		sim_fail(s, "domain %u at %s: a signal to nobody or at a wrong time",
			 (unsigned)e->domain, stage_name(d->episode.stage));
	if (!model_is_settled(s, e->domain, STEP_SHUTDOWN, d->survey_call))
		sim_fail(s, "domain %u: a signal before all its clients have settled shutdown",
			 (unsigned)e->domain);
	if (e->d != m->policy.escalate.dry_run)
		sim_fail(s, "domain %u: dry run on record %" PRIu64 ", by policy %d",
			 (unsigned)e->domain, e->d, m->policy.escalate.dry_run);
	if (e->rung == RUNG_FINAL)
		on_told_final(s, d, e);
	else if (e->rung == RUNG_TERM)
		on_term(s, d, e);
	else if (e->rung == RUNG_KILL)
		on_kill(s, d, e);
	else
		sim_fail(s, "an action on rung %s", escalate_rung_name(e->rung));
	d->stuck_since_us = 0;
	if (e->d)
		return; /* nothing is sent, ever */
	if (m->acted_count == ARRAY_LEN(m->acted))
		sim_fail(s, "more than %u actions in one call", (unsigned)ARRAY_LEN(m->acted));
	m->acted_domain[m->acted_count] = e->domain;
	m->acted[m->acted_count++] = e->rung == RUNG_TERM ? SIGTERM : SIGKILL;
}

static void on_held_back(struct sim *s, const struct call *c, const struct event *e)
{
	if (c->kind != CALL_SURVEY || !c->victim || c->victim->all_growth_bytes ||
	    s->core.domain[e->domain].estimate.distress)
		sim_fail(s, "domain %u holds back, though its witnesses agree", (unsigned)e->domain);
	s->model.domain[e->domain].is_surveying = false;
	cover_add(&s->cover, COVER_HELD_BACK);
}

static void on_ended(struct sim *s, const struct call *c, const struct event *e)
{
	struct model_domain *d = &s->model.domain[e->domain];

	if (c->kind != CALL_GONE || c->domain != e->domain || !d->victim.is_chosen)
		sim_fail(s, "domain %u: a victim has ended, but nobody said so",
			 (unsigned)e->domain);
	s->model.is_end_due = false;
	if (d->victim.client && !d->victim.was_termed)
		cover_add(&s->cover, COVER_LEFT);
	d->victim = (struct model_victim){ 0 };
	d->episode.victims++;
	d->is_return_due = true;
	d->stuck_since_us = 0;
	cover_add(&s->cover, COVER_ENDED);
}

static void on_added(struct sim *s, const struct call *c, const struct event *e)
{
	struct model_domain *d = &s->model.domain[e->domain];
	const char *name = c->kind == CALL_START ? "system" : c->name;

	if ((c->kind != CALL_START && c->kind != CALL_DOMAIN_ADD) || d->is_used)
		sim_fail(s, "domain %u is added, but nobody said so", (unsigned)e->domain);
	*d = (struct model_domain){ .is_used = true };
	strncpy(d->name, name, sizeof(d->name) - 1);
}

void model_ladder_event(struct sim *s, const struct call *c, const struct event *e)
{
	if (e->domain >= SIM_DOMAINS ||
	    (e->kind != EVENT_DOMAIN_ADDED && !s->model.domain[e->domain].is_used))
		sim_fail(s, "an event of domain %u, which is not there", (unsigned)e->domain);
	switch ((enum event_kind)e->kind) {
	case EVENT_STAGE: on_stage(s, c, e); break;
	case EVENT_EPISODE_OPENED: on_opened(s, e); break;
	case EVENT_EPISODE_CLOSED: on_closed(s, e); break;
	case EVENT_EPISODE_TAKEN_OVER: on_taken_over(s, c, e); break;
	case EVENT_DOMAIN_ADDED: on_added(s, c, e); break;
	case EVENT_DOMAIN_REMOVED: on_removed(s, c, e); break;
	case EVENT_VICTIM: on_victim(s, c, e); break;
	case EVENT_GUARD: model_guard_event(s, c, e); break;
	case EVENT_ACTION:
		if (c->kind == CALL_GUARD)
			model_guard_event(s, c, e);
		else
			on_action(s, e);
		break;
	case EVENT_PROCEDURE: on_procedure(s, e); break;
	case EVENT_PROCEDURE_ENDED: on_procedure_ended(s, c, e); break;
	case EVENT_ENDED: on_ended(s, c, e); break;
	case EVENT_KERNEL_OOM: cover_add(&s->cover, COVER_KERNEL_OOM); break;
	case EVENT_EVIDENCE: break; /* the stage event before it says the same */
	case EVENT_HELD_BACK: on_held_back(s, c, e); break;
	case EVENT_LAST:
	case EVENT_LAST_ENDED: model_last_event(s, c, e); break;
	case EVENT_NO_VICTIM:
		s->model.domain[e->domain].is_surveying = false;
		cover_add(&s->cover, COVER_NO_VICTIM);
		break;
	default: /* the core itself makes no other kind */
		sim_fail(s, "an event of kind %s from the core", event_shape(e->kind)->name);
	}
}
