/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "core_parts.h"
#include "core_tape.h"

/*
 * The longest sleep is such that even the fastest plausible allocator is seen once on its way
 * through the headroom (half as many looks: it is over between two of them; double: a 128 MiB
 * machine at rest wakes 60 times a second); while it falls, a twentieth of the time that is left
 * (half: stages come up to a tenth of the lead late; double: CPU for nothing).
 */
#define LOOKS_AT_WORST		2u
#define SAMPLES_TO_CLIFF	20u

/* What fell at once is looked at again so soon: a full-speed leak has taken 4 MiB more, a burst of
 * the usual size is over. Half: bursts look like leaks; double: 4 ms later at full speed. */
#define SECOND_LOOK_US	(4 * US_PER_MS)

/* Clients of libfailsoft were back 0-15 ms after a restart, once 173 ms (12 restarts). Half: a late
 * one is ended unasked; double: a leak runs on for so much longer. */
#define GRACE_US		(300 * US_PER_MS)

/* What grew by less is noise; a round of the census takes at most 2 s near the cliff. */
#define GROWER_SAID_BYTES	(2 * MIB)
#define GROWERS_FRESH_US	(3 * US_PER_S)

static const uint64_t longest_in_stage_us[STAGE_COUNT] = {
	[STAGE_NORMAL] = NEVER_US,
	[STAGE_WARNING] = 20 * US_PER_MS,
	[STAGE_IMMINENT] = 10 * US_PER_MS,
	[STAGE_SHUTDOWN] = 5 * US_PER_MS,
};

/* ---- the line: ask, act ---- */

void core_advance(struct core *c, uint32_t domain, uint64_t now_us)
{
	if (c->domain[domain].stage.now == STAGE_NORMAL)
		return;
	core_ask_stage(c, domain, now_us);
	core_last(c, domain, now_us); /* before the ladder, which waits for it */
	while (core_climb(c, domain, core_view(c, domain, now_us)))
		continue;
	core_hold(c, domain, now_us);
}

/* The most severe domain first: who is asked to shut down is not asked to flush as well. */
void core_advance_all(struct core *c, uint64_t now_us)
{
	for (int stage = STAGE_SHUTDOWN; stage > STAGE_NORMAL; stage--)
		for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
			if (c->domain[d].used && c->domain[d].stage.now == (enum stage_word)stage)
				core_advance(c, d, now_us);
}

static void episode_open(struct core *c, uint32_t domain, uint64_t number, uint64_t now_us)
{
	struct core_domain *d = &c->domain[domain];
	struct core_episode *episode = &c->episode[number % CORE_EPISODES_MAX];

	d->episode = number;
	d->said_no_victim = d->said_held_back = d->is_writer_ended = false;
	d->pools_done = (struct core_pools){ 0 };
	d->hasty_looks = 0;
	d->said_grower = (struct grower){ .kind = GROWER_NONE };
	*episode = (struct core_episode){ .number = number, .domain = domain, .began_us = now_us };
	text_copy_tail(episode->domain_name, sizeof(episode->domain_name), d->name);
	escalate_init(&d->escalate);
	last_init(&d->last);
}

static void episode_close(struct core *c, uint32_t domain, uint64_t now_us)
{
	struct core_domain *d = &c->domain[domain];
	struct core_episode *episode = core_episode_of(c, domain);
	struct event e = { .kind = EVENT_EPISODE_CLOSED, .domain = (uint16_t)domain };

	if (episode) {
		episode->ended_us = now_us;
		e.a = now_us - episode->began_us;
		e.b = episode->victims;
		e.c = episode->missed;
	}
	if (d->escalate.rung == RUNG_PROCEDURE)
		core_cut_procedure(c, domain, now_us);
	core_add_event(c, &e, now_us);
	d->episode = 0;
	escalate_init(&d->escalate);
	last_init(&d->last);
}

static void note_stage(struct core *c, const struct stage_change *change)
{
	const struct estimate *m = &change->estimate;
	struct event e = {
		.kind = EVENT_STAGE, .domain = (uint16_t)change->domain,
		.from = change->from, .to = change->to, .why = change->why,
		.headroom_bytes = m->headroom_bytes, .total_bytes = m->total_bytes,
		.tte_us = m->tte_us, .tte_low_us = m->tte_low_us, .distress = m->distress,
		.tte_early_us = m->tte_early_us, .tte_late_us = m->tte_late_us,
		.fall_bytes_per_s = m->fall_high_bytes_per_s,
		.lead_us = change->lead_us, .floor_bytes = change->floor_bytes,
	};

	core_add_event(c, &e, change->time_us);
}

static void note_evidence(struct core *c, const struct stage_change *change)
{
	struct event e = {
		.kind = EVENT_EVIDENCE, .domain = (uint16_t)change->domain, .to = change->to,
		.evidence = core_evidence(c, change->domain, change->to, 0),
	};

	if (change->to != STAGE_NORMAL)
		core_add_event(c, &e, change->time_us);
}

void core_enter(struct core *c, const struct stage_change *change)
{
	uint32_t domain = change->domain;
	struct core_domain *d = &c->domain[domain];
	struct core_episode *episode;

	if (change->from == STAGE_NORMAL) {
		struct event opened = { .kind = EVENT_EPISODE_OPENED, .domain = (uint16_t)domain };

		core_end_drills(c, change->time_us);
		episode_open(c, domain, ++c->last_episode, change->time_us);
		core_add_event(c, &opened, change->time_us);
	}
	d->change = *change;
	episode = core_episode_of(c, domain);
	if (episode)
		episode->highest = MAX_OF(episode->highest, change->to);
	note_stage(c, change);
	d->change_event = c->record.last;
	note_evidence(c, change);
	core_note_grower(c, domain, change->time_us);
}

void core_announce(struct core *c, uint32_t domain, uint64_t episode)
{
	struct core_effect *effect = core_push(c, EFFECT_ANNOUNCE, domain);

	effect->episode = episode;
	effect->sequence = ++c->last_sequence;
}

/* Clients are asked before the bus is told: an order has a deadline, a broadcast has none. */
void core_take_change(struct core *c, const struct stage_change *change)
{
	uint32_t domain = change->domain;
	uint64_t number;

	core_enter(c, change);
	number = c->domain[domain].episode;
	if (change->to == STAGE_NORMAL) {
		core_ask_resume(c, domain, change->time_us);
		core_hold(c, domain, change->time_us);
		episode_close(c, domain, change->time_us);
	}
	core_advance(c, domain, change->time_us);
	core_announce(c, domain, number);
}

static uint64_t interval_us(const struct core *c, const struct core_domain *d)
{
	const struct estimate *e = &d->estimate;
	uint64_t longest = MIN_OF(e->guaranteed_us / LOOKS_AT_WORST, longest_in_stage_us[d->stage.now]);

	longest = MIN_OF(longest, e->tte_low_us / SAMPLES_TO_CLIFF);
	if (e->is_suspect)
		longest = MIN_OF(longest, SECOND_LOOK_US);
	longest = MIN_OF(longest, c->policy.idle_interval_us);
	return MAX_OF(longest, c->policy.near_interval_us);
}

/* What was due before the newest sample was asked for at once, and came at once. */
static uint64_t late_us(const struct core_domain *d, uint64_t now_us)
{
	uint64_t due_us = MAX_OF(d->sample_due_us, d->estimate.time_us);

	return now_us > due_us ? now_us - due_us : 0;
}

/* From imminent on clients are asked to stop, somebody is held, or ended: what returns then is no
 * breath of whoever took it. */
static bool is_ours(const struct core_domain *d)
{
	return d->stage.now >= STAGE_IMMINENT || d->hold.phase == HOLD_ON ||
	       d->escalate.rung != RUNG_IDLE;
}

/* Whom the kernel has ended gives its memory back as a victim of our own does. */
static void take_kill(struct core *c, const struct sample *s)
{
	struct core_domain *d = &c->domain[s->domain];
	const struct settle_view view = {
		.now_us = s->time_us, .settle_us = c->policy.escalate.settle_us,
		.is_killed = estimate_heard_kill(&d->estimator, s->time_us),
		.has_headroom = s->has & SAMPLE_HAS_MEMORY,
		.headroom_bytes = d->estimate.headroom_bytes,
	};

	settle_step(&d->settle, &view);
	if (settle_is_on(&d->settle, s->time_us))
		last_wait(&d->last, d->settle.until_us);
}

static void take_sample(struct core *c, const struct sample *s)
{
	struct core_domain *d;
	struct stage_change change;

	assert(s->domain < CORE_DOMAINS_MAX);
	d = &c->domain[s->domain];
	if (!d->used)
		return;
	if (d->estimate.time_us)
		d->estimator.late_us = late_us(d, s->time_us);
	d->estimator.is_ours = is_ours(d);
	estimate_step(&d->estimator, &c->policy.estimate, s, &d->estimate);
	hold_forecast(&d->hold, &d->estimate);
	take_kill(c, s);
	d->has_pressure = s->has & SAMPLE_HAS_PRESSURE;
	d->memory_some_permyriad = s->memory_some_permyriad;
	d->memory_full_permyriad = s->memory_full_permyriad;
	plan_lead(&c->sessions, s->domain, &c->policy.plan, d->estimate.stretch_permyriad, &d->lead);
	if (d->estimate.total_bytes &&
	    stage_step(&d->stage, &c->policy.stage, &d->lead, &d->estimate, &change))
		core_take_change(c, &change);
	else
		core_advance(c, s->domain, s->time_us);
	d->sample_due_us = time_add_us(s->time_us, interval_us(c, d));
}

void core_sample(struct core *c, const struct sample *s)
{
	core_tape_input(c, CORE_TAPE_SAMPLE, s);
	take_sample(c, s);
}

/* ---- start, domains ---- */

void core_init(struct core *c, const struct core_policy *p, const struct core_memory *m,
	       uint64_t first_episode, uint64_t now_us)
{
	memset(c, 0, sizeof(*c));
	c->policy = *p;
	session_init(&c->sessions, m->sessions, p->session.max_clients);
	record_init(&c->record, m->events, m->events_count);
	c->queue = (struct core_queue){ .ring = m->effects, .size = m->effects_count };
	c->last_episode = first_episode;
	tripwire_init(&c->tripwire);
	core_domain_add(c, "system", true, now_us);
}

void core_reconfigure(struct core *c, const struct core_policy *p, uint64_t now_us)
{
	const struct core_call call = { .now_us = now_us };
	struct event e = { .kind = EVENT_CONFIG_RELOADED };
	uint64_t procedure_us = c->policy.plan.procedure_us;

	core_tape_input(c, CORE_TAPE_POLICY, p);
	core_tape_call(c, CORE_TAPE_RECONFIGURE, &call);
	c->policy = *p;
	c->policy.plan.procedure_us = procedure_us;
	c->policy.session.max_clients = MIN_OF(p->session.max_clients, c->sessions.max);
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		c->domain[d].sample_due_us = now_us;
	core_add_event(c, &e, now_us);
	core_advance_all(c, now_us);
}

void core_set_latency(struct core *c, uint64_t latency_us)
{
	const struct core_call call = { .latency_us = latency_us };

	if (c->policy.plan.latency_us == latency_us)
		return;
	core_tape_call(c, CORE_TAPE_LATENCY, &call);
	c->policy.plan.latency_us = latency_us;
}

/* ---- who grows, the kernel, the past ---- */

static bool is_dying(enum escalate_rung rung)
{
	return rung == RUNG_TERM || rung == RUNG_KILL || rung == RUNG_PART || rung == RUNG_SETTLE;
}

/* Once for each that comes out on top, while the domain is under pressure. */
void core_note_grower(struct core *c, uint32_t domain, uint64_t now_us)
{
	struct core_domain *d = &c->domain[domain];
	const struct grower *g = &d->growers[0], *said = &d->said_grower;
	struct event e = {
		.kind = EVENT_GROWER, .domain = (uint16_t)domain, .a = (uint64_t)g->pid,
		.b = g->since_bytes, .c = g->bytes_per_s, .d = g->share_permyriad, .e = g->processes,
	};

	/* who is being ended gives its memory back bit by bit: what no process shows meanwhile is that */
	if (g->kind == GROWER_POOL && (is_dying(d->escalate.rung) || settle_is_on(&d->settle, now_us)))
		return;
	if (!d->episode || !d->growers_count || g->since_bytes < GROWER_SAID_BYTES ||
	    time_add_us(d->growers_us, GROWERS_FRESH_US) < now_us ||
	    (g->kind == said->kind && g->pid == said->pid && g->pool == said->pool))
		return;
	d->said_grower = *g;
	text_copy_tail(e.name, sizeof(e.name), g->name);
	core_add_event(c, &e, now_us);
}

void core_growers(struct core *c, uint32_t domain, const struct grower *growers, uint32_t count,
		  uint64_t now_us)
{
	struct core_domain *d = &c->domain[domain];

	core_tape_growers(c, domain, growers, count, now_us);
	if (!d->used)
		return;
	d->growers_count = MIN_OF(count, CORE_GROWERS_MAX);
	d->growers_us = now_us;
	d->growth_bytes = 0;
	for (uint32_t i = 0; i < d->growers_count; i++) {
		d->growers[i] = growers[i];
		d->growth_bytes += growers[i].since_bytes;
	}
	core_note_grower(c, domain, now_us);
}

void core_distress(struct core *c, uint32_t domain, uint32_t distress, uint64_t now_us)
{
	const struct sample s = { .time_us = now_us, .domain = domain, .distress = distress };

	take_sample(c, &s);
	c->domain[domain].sample_due_us = now_us;
}

void core_kernel_oom(struct core *c, uint32_t domain, int32_t pid, const char *name, uint64_t now_us)
{
	struct event e = { .kind = EVENT_KERNEL_OOM, .domain = (uint16_t)domain, .a = (uint64_t)pid };
	struct core_episode *episode = core_episode_of(c, domain);
	struct core_call call = { .now_us = now_us, .domain = domain, .pid = pid };

	text_copy_tail(call.name, sizeof(call.name), name);
	core_tape_call(c, CORE_TAPE_KERNEL_OOM, &call);
	if (episode)
		episode->kernel_killed = true;
	text_copy_tail(e.name, sizeof(e.name), name);
	core_add_event(c, &e, now_us);
	core_distress(c, domain, DISTRESS_OOM, now_us);
}

void core_take_over(struct core *c, uint32_t domain, uint64_t episode, enum stage_word stage,
		    uint64_t began_us, uint64_t now_us)
{
	struct event e = {
		.kind = EVENT_EPISODE_TAKEN_OVER, .domain = (uint16_t)domain, .to = stage, .b = 1,
	};
	struct core_domain *d = &c->domain[domain];
	const struct core_call call = {
		.now_us = now_us, .domain = domain, .episode = episode, .stage = stage,
		.began_us = began_us,
	};

	core_tape_call(c, CORE_TAPE_TAKE_OVER, &call);
	core_end_drills(c, now_us);
	episode_open(c, domain, episode, began_us);
	core_episode_of(c, domain)->highest = stage;
	c->last_episode = MAX_OF(c->last_episode, episode);
	d->stage = (struct stage){ .now = stage, .since_us = began_us };
	c->grace_us = time_add_us(now_us, GRACE_US);
	core_add_event(c, &e, now_us);
	core_advance(c, domain, now_us);
}

/* ---- deadlines ---- */

void core_tick(struct core *c, uint64_t now_us)
{
	const struct core_call call = { .now_us = now_us };

	core_tape_call(c, CORE_TAPE_TICK, &call);
	core_end_overdue(c, now_us);
	core_advance_all(c, now_us);
}

uint64_t core_due_us(const struct core *c)
{
	struct session_table *t = (struct session_table *)&c->sessions;
	uint64_t due = NEVER_US;

	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s))
		if (s->request.sequence)
			due = MIN_OF(due, s->request.deadline_us);
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++) {
		if (!c->domain[d].used)
			continue;
		due = MIN_OF(due, c->domain[d].sample_due_us);
		if (c->domain[d].stage.now == STAGE_NORMAL)
			continue;
		due = MIN_OF(due, c->domain[d].last.deadline_us);
		if (c->domain[d].escalate.rung != RUNG_IDLE)
			due = MIN_OF(due, c->domain[d].escalate.deadline_us);
	}
	return due;
}

bool core_wants_sample(const struct core *c, uint32_t domain, uint64_t now_us)
{
	return c->domain[domain].used && now_us >= c->domain[domain].sample_due_us;
}
