/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <string.h>

#include "core_parts.h"
#include "core_tape.h"

/* As in act/victim.c: growth below it is noise. */
#define POOLS_LEAST_BYTES	(2 * MIB)
/* So many looks in a row: the kernel's kills must not keep the ladder from its work. Half: bystanders;
 * double: 1.2 s instead of 0.6. */
#define HASTY_MOST		3u

static uint64_t ending_us(const struct core *c)
{
	const struct plan_policy *plan = &c->policy.plan;

	return plan->terminate_us + plan->procedure_us + plan->latency_us;
}

/*
 * The brake holds what would be over the edge before it could be ended: let go because clients have
 * given a little back, a fork bomb was found again when nothing could be read any more (2 s).
 */
static bool is_held_at_edge(const struct core *c, uint32_t domain)
{
	const struct core_domain *d = &c->domain[domain];
	const struct estimate *e = &d->estimate;

	return d->stage.now == STAGE_SHUTDOWN && d->hold.phase == HOLD_ON && !d->hold.is_dry &&
	       e->headroom_bytes < stage_floor_bytes(&c->policy.stage, STAGE_WARNING, e->total_bytes) &&
	       e->tte_low_us < ending_us(c);
}

bool core_is_back(const struct core *c, uint32_t domain)
{
	const struct core_domain *d = &c->domain[domain];
	const struct estimate *e = &d->estimate;

	return !is_held_at_edge(c, domain) &&
	       e->headroom_bytes >= stage_floor_bytes(&c->policy.stage, STAGE_IMMINENT, e->total_bytes) &&
	       !stage_holds(STAGE_SHUTDOWN, &c->policy.stage, &d->lead, e);
}

/*
 * Ending is irreversible, so it has conditions of its own beside the stage: everybody was asked,
 * the stage's reason still holds, and little is left, or a confirmed fall leaves no more than the
 * time that ending takes, or the machine stands still. What the brake holds does not fall: it is let
 * go first.
 */
bool core_is_ending_wanted(struct core *c, uint32_t domain, uint64_t now_us)
{
	const struct core_domain *d = &c->domain[domain];
	const struct estimate *e = &d->estimate;
	const struct stage_policy *p = &c->policy.stage;
	const struct plan_question q = core_question(c, domain, now_us);

	if (now_us < c->grace_us || d->stage.now != STAGE_SHUTDOWN || !plan_is_complete(&c->sessions, &q))
		return false;
	if (is_held_at_edge(c, domain))
		return true;
	if (!stage_holds(STAGE_SHUTDOWN, p, &d->lead, e))
		return false;
	return stage_is_stalled(p, e) ||
	       e->headroom_bytes < stage_floor_bytes(p, STAGE_IMMINENT, e->total_bytes) ||
	       (d->hold.phase != HOLD_ON && e->tte_low_us < ending_us(c) && e->falling_us >= p->confirm_us);
}

bool core_has_joined(struct core *c, const struct victim *v)
{
	if (v->kind == VICTIM_NONE || v->client)
		return false;
	for (struct session *s = session_next(&c->sessions, NULL); s; s = session_next(&c->sessions, s))
		if (victim_has(v, s->offer.pid))
			return true;
	return false;
}

struct escalate_view core_view(struct core *c, uint32_t domain, uint64_t now_us)
{
	const struct core_domain *d = &c->domain[domain];
	const struct session *s = session_get(&c->sessions, d->escalate.victim.client);

	return (struct escalate_view){
		.now_us = now_us,
		.is_wanted = core_is_ending_wanted(c, domain, now_us) && !last_is_busy(&d->last) &&
			     !core_is_machine_going(c) && !settle_is_on(&d->settle, now_us),
		.is_back = core_is_back(c, domain),
		.has_joined = core_has_joined(c, &d->escalate.victim),
		.final_ended = !s || s->settled_final,
		.final_missed = s && s->last_result == RESULT_MISSED,
		.final_deadline_us = s && s->request.is_final ? s->request.deadline_us : 0,
		.tte_low_us = d->estimate.tte_low_us,
	};
}

static void signal_victim(struct core *c, uint32_t domain, int signal, uint64_t now_us)
{
	const struct escalate *ladder = &c->domain[domain].escalate;
	struct event e = {
		.b = ladder->victim.pids_count, .c = ladder->deadline_us, .d = ladder->is_dry,
	};

	if (!ladder->is_dry)
		core_push(c, EFFECT_SIGNAL_VICTIM, domain)->signal = signal;
	else if (signal == SIGKILL) /* told last: it stays there */
		e.c = time_add_us(now_us, c->policy.escalate.kill_us);
	core_note_victim(c, EVENT_ACTION, domain, e, now_us);
}

/* What it would be asked, and by when it would have to answer. */
static void tell_final(struct core *c, uint32_t domain, uint64_t now_us)
{
	struct escalate *e = &c->domain[domain].escalate;
	const struct session *s = session_get(&c->sessions, e->victim.client);

	e->deadline_us = time_add_us(now_us, s ? s->offer.budget_us[STEP_SHUTDOWN] : 0);
	if (s)
		core_note_victim(c, EVENT_ACTION, domain, (struct event){
			.b = e->victim.pids_count, .c = e->deadline_us, .d = true }, now_us);
}

static void note_ended(struct core *c, uint32_t domain, uint64_t now_us)
{
	struct core_episode *episode = core_episode_of(c, domain);

	if (episode)
		episode->victims++;
	c->domain[domain].is_writer_ended |= c->domain[domain].escalate.victim.is_writer;
	estimate_forget_stall(&c->domain[domain].estimator, &c->domain[domain].estimate);
	if (c->domain[domain].promise.pid != c->domain[domain].escalate.victim.pid)
		c->domain[domain].promise.pid = 0; /* the guard has ended another one */
	core_note_victim(c, EVENT_ENDED, domain,
		    (struct event){ .b = c->domain[domain].estimate.headroom_bytes }, now_us);
}

static void promise(struct core_domain *d, const struct victim *v, uint64_t now_us)
{
	d->promise = (struct core_promise){
		.pid = v->pid, .bytes = v->memory_bytes, .chosen_us = now_us,
		.headroom_bytes = d->estimate.headroom_bytes,
	};
	memcpy(d->promise.name, v->name, sizeof(d->promise.name));
}

/* A tmpfs stays full, a slab too, when the fall is long over. */
struct core_pools core_pools(const struct core *c, uint32_t domain)
{
	const struct core_domain *d = &c->domain[domain];
	const struct estimator *e = &d->estimator;
	const struct core_pools *done = &d->pools_done;
	struct core_pools now = {
		.bytes = e->shmem_bytes + e->kernel_bytes + e->unseen_bytes,
		.grown_bytes = d->estimate.pools_grown_bytes,
	};
	uint64_t kept_bytes = done->grown_bytes + now.bytes;

	kept_bytes -= MIN_OF(kept_bytes, done->bytes);
	if (done->grown_bytes)
		now.grown_bytes = MAX_OF(now.grown_bytes, kept_bytes);
	return now;
}

/* Whatever comes now has another cause: what it took is measured from here. */
static void be_done(struct core *c, uint32_t domain)
{
	c->domain[domain].pools_done = core_pools(c, domain);
	c->is_baseline_void |= c->domain[domain].pools_done.grown_bytes > 0;
}

/* Most of what is missing is in no process; with less there is one that may not be ended. */
static bool is_pools_fall(const struct core *c, uint32_t domain)
{
	uint64_t grown_bytes = core_pools(c, domain).grown_bytes;

	return grown_bytes >= POOLS_LEAST_BYTES &&
	       grown_bytes >= c->domain[domain].estimate.fallen_bytes / 2;
}

/* When its end has settled, before the next one is chosen. */
static void note_returned(struct core *c, uint32_t domain, uint64_t now_us)
{
	struct core_promise *p = &c->domain[domain].promise;
	uint64_t headroom_bytes = c->domain[domain].estimate.headroom_bytes;
	struct event e = {
		.kind = EVENT_RETURNED, .domain = (uint16_t)domain, .a = (uint64_t)p->pid, .b = p->bytes,
		.c = headroom_bytes - MIN_OF(headroom_bytes, p->headroom_bytes), .d = now_us - p->chosen_us,
	};

	if (c->domain[domain].is_writer_ended)
		be_done(c, domain);
	if (!p->pid)
		return;
	memcpy(e.name, p->name, sizeof(p->name));
	core_add_event(c, &e, now_us);
	p->pid = 0;
}

/* One rung at most; true: something was done, look again. */
bool core_climb(struct core *c, uint32_t domain, struct escalate_view view)
{
	struct escalate *e = &c->domain[domain].escalate;
	enum escalate_rung before = e->rung;
	enum escalate_do what = escalate_step(e, &c->policy.escalate, &view);

	if (before == RUNG_SETTLE && e->rung != RUNG_SETTLE)
		note_returned(c, domain, view.now_us);
	if (before == RUNG_PROCEDURE && e->rung != RUNG_PROCEDURE)
		core_cut_procedure(c, domain, view.now_us);
	switch (what) {
	case ESCALATE_CHOOSE:
		core_push(c, EFFECT_SURVEY, domain);
		return false;
	case ESCALATE_ASK_FINAL:
		if (e->is_dry)
			tell_final(c, domain, view.now_us);
		else
			core_ask_final(c, domain, view.now_us);
		return true;
	case ESCALATE_PROCEDURE:
		core_start_procedure(c, domain, view.now_us);
		return true;
	case ESCALATE_TERM:
		signal_victim(c, domain, SIGTERM, view.now_us);
		return true;
	case ESCALATE_KILL:
		signal_victim(c, domain, SIGKILL, view.now_us);
		return true;
	case ESCALATE_DONE:
		note_ended(c, domain, view.now_us);
		return true;
	case ESCALATE_NOTHING:
	case ESCALATE_DO_COUNT:
		break;
	}
	return e->rung != before;
}

struct evidence core_evidence(const struct core *c, uint32_t domain, enum stage_word stage,
			      uint64_t growth_bytes)
{
	const struct core_domain *d = &c->domain[domain];
	bool is_tripped = stage == STAGE_SHUTDOWN && (d->estimate.distress & DISTRESS_TRIPWIRE);
	enum stage_word floor = is_tripped ? STAGE_IMMINENT : stage; /* see tripped_and_low() */
	const struct evidence_view view = {
		.e = &d->estimate,
		.floor_bytes = stage_floor_bytes(&c->policy.stage, floor, d->estimate.total_bytes),
		.lead_us = d->lead.us[stage],
		.memory_is_short = stage_is_stalled(&c->policy.stage, &d->estimate),
		.growth_bytes = MAX_OF(MAX_OF(growth_bytes, d->growth_bytes),
				       d->estimate.pools_grown_bytes),
	};

	return evidence_weigh(&view);
}

/* What cannot be taken back needs two witnesses; who grows is known only since the survey. */
static bool is_corroborated(struct core *c, uint32_t domain, const struct victim *victim,
			    uint64_t now_us)
{
	struct core_domain *d = &c->domain[domain];
	struct event e = {
		.kind = EVENT_EVIDENCE, .to = STAGE_SHUTDOWN, .domain = (uint16_t)domain,
		.a = (uint64_t)victim->pid,
		.evidence = core_evidence(c, domain, STAGE_SHUTDOWN, victim->all_growth_bytes),
	};

	memcpy(e.name, victim->name, sizeof(victim->name));
	if (evidence_is_enough(&e.evidence)) {
		core_add_event(c, &e, now_us);
		return true;
	}
	e.kind = EVENT_HELD_BACK;
	e.to = STAGE_NORMAL;
	if (!d->said_held_back)
		core_add_event(c, &e, now_us);
	d->said_held_back = true;
	return false;
}

bool core_is_same(const struct victim *a, const struct victim *b)
{
	return a->kind != VICTIM_NONE && b->kind != VICTIM_NONE && a->pid == b->pid &&
	       a->start_ticks[0] == b->start_ticks[0];
}

/* Another domain's ladder has got hold of it: it is not asked, nor ended, twice. */
static bool is_being_ended(const struct core *c, uint32_t domain, const struct victim *victim)
{
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (d != domain && c->domain[d].used && core_is_same(&c->domain[d].escalate.victim, victim))
			return true;
	return false;
}

/*
 * Nobody grew, says the survey, where the kernel has killed one just before or meanwhile: who grew was that
 * one, and who is largest now did nothing. A leak at full speed that was started again at once cost control
 * loops their lives so; a survey beside it took 1 s. It is asked again after settle_us.
 */
static bool is_hasty(const struct core *c, uint32_t domain, const struct victim *victim, uint64_t now_us)
{
	uint64_t since_us = victim->seen_us ? MIN_OF(victim->seen_us, now_us) : now_us;

	since_us -= MIN_OF(since_us, c->policy.escalate.settle_us);
	return victim->is_by_size && c->domain[domain].hasty_looks < HASTY_MOST &&
	       estimate_heard_kill_since(&c->domain[domain].estimator, since_us);
}

void core_survey(struct core *c, uint32_t domain, const struct victim *victim, uint64_t now_us)
{
	struct core_domain *d = &c->domain[domain];

	core_tape_survey(c, CORE_TAPE_SURVEY, domain, victim, now_us);
	if (d->escalate.rung != RUNG_IDLE || d->escalate.victim.kind != VICTIM_NONE)
		return;
	if (settle_is_on(&d->settle, now_us)) /* the kernel was faster: it is asked again after that */
		return;
	if (!victim || victim->kind == VICTIM_NONE) {
		struct event e = { .kind = EVENT_NO_VICTIM };

		if (!d->said_no_victim) {
			core_note_cause(c, &e, domain, now_us);
			if (is_pools_fall(c, domain))
				be_done(c, domain);
		}
		d->said_no_victim = true;
		hold_found(&d->hold, false);
		core_last(c, domain, now_us);
		return;
	}
	d->said_no_victim = false;
	if (is_being_ended(c, domain, victim))
		return;
	if (is_hasty(c, domain, victim, now_us)) {
		d->hasty_looks++;
		return;
	}
	d->hasty_looks = 0;
	if (!is_corroborated(c, domain, victim, now_us)) {
		hold_found(&d->hold, false);
		return;
	}
	hold_found(&d->hold, true);
	escalate_take(&d->escalate, victim);
	promise(d, victim, now_us);
	core_note_victim(c, EVENT_VICTIM, domain, (struct event){
		.b = victim->memory_bytes, .c = victim->growth_bytes,
		.d = victim->all_growth_bytes, .e = victim->pids_count, .why = victim->is_writer }, now_us);
	core_advance(c, domain, now_us);
}

void core_victim_gone(struct core *c, uint32_t domain, uint64_t now_us)
{
	const struct core_call call = { .now_us = now_us, .domain = domain };
	struct escalate_view view = core_view(c, domain, now_us);

	core_tape_call(c, CORE_TAPE_VICTIM_GONE, &call);
	view.victim_gone = true;
	core_climb(c, domain, view);
	core_advance(c, domain, now_us);
}

