/* SPDX-License-Identifier: MIT */
/* The brake: asks for a survey, says whom to stop, and lets go again. */
#include <string.h>

#include "base/units.h"
#include "core_parts.h"
#include "core_tape.h"

static uint64_t latest_deadline_us(struct core *c, uint32_t domain)
{
	uint64_t latest_us = 0;

	for (struct session *s = session_next(&c->sessions, NULL); s; s = session_next(&c->sessions, s))
		if (session_owes(s, domain))
			latest_us = MAX_OF(latest_us, s->request.deadline_us);
	return latest_us;
}

/* A ladder has sent it a signal: to handle it, it must run, whichever domain holds it. */
static bool was_signalled(const struct core *c, uint32_t domain, const struct victim *v)
{
	const struct escalate *e = &c->domain[domain].escalate;

	return c->domain[domain].used && core_is_same(&e->victim, v) &&
	       (e->rung == RUNG_TERM || e->rung == RUNG_PART || e->rung == RUNG_KILL);
}

static bool was_signalled_elsewhere(const struct core *c, uint32_t domain, const struct victim *v)
{
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (d != domain && was_signalled(c, d, v))
			return true;
	return false;
}

static struct hold_view view_of(struct core *c, uint32_t domain, uint64_t now_us)
{
	const struct core_domain *d = &c->domain[domain];
	enum escalate_rung rung = d->escalate.rung;
	struct hold_view view = {
		.now_us = now_us,
		.is_enabled = c->policy.brake,
		.is_dry = c->policy.escalate.dry_run,
		.is_early = now_us < c->grace_us,
		.has_joined = d->hold.phase == HOLD_ON && core_has_joined(c, &d->hold.victim),
		.is_pressed = d->used && d->stage.now >= STAGE_IMMINENT,
		.is_ending = c->policy.escalate.enabled &&
			     ((rung != RUNG_IDLE && rung != RUNG_SETTLE && rung != RUNG_PART) ||
			      core_is_ending_wanted(c, domain, now_us)),
		/* at SIGKILL, too: the shell has let go, a v1 freezer would hold even that back */
		.is_asked_to_end = rung == RUNG_TERM || rung == RUNG_KILL,
		.deadline_us = latest_deadline_us(c, domain),
		.e = &d->estimate,
	};

	if (d->hold.phase == HOLD_ON && was_signalled_elsewhere(c, domain, &d->hold.victim))
		view.is_asked_to_end = true;
	return view;
}

static void note_hold(struct core *c, enum event_kind kind, uint32_t domain, struct event e,
		      uint64_t now_us)
{
	const struct hold *h = &c->domain[domain].hold;

	e.kind = (uint16_t)kind;
	e.domain = (uint16_t)domain;
	e.a = (uint64_t)h->victim.pid;
	e.d = h->is_dry;
	memcpy(e.name, h->victim.name, sizeof(h->victim.name));
	core_add_event(c, &e, now_us);
}

void core_hold(struct core *c, uint32_t domain, uint64_t now_us)
{
	struct core_domain *d = &c->domain[domain];
	const struct hold_view view = view_of(c, domain, now_us);

	switch (hold_step(&d->hold, &view)) {
	case HOLD_LOOK:
		core_push(c, EFFECT_LOOK, domain);
		break;
	case HOLD_LET_GO:
		if (!d->hold.is_dry)
			core_push(c, EFFECT_LET_GO, domain);
		note_hold(c, EVENT_LET_GO, domain, (struct event){
			.b = d->hold.victim.pids_count, .c = now_us - d->hold.since_us }, now_us);
		d->hold.victim.kind = VICTIM_NONE;
		break;
	case HOLD_NOTHING:
		break;
	}
}

void core_suspect(struct core *c, uint32_t domain, const struct victim *victim, uint64_t now_us)
{
	struct core_domain *d = &c->domain[domain];
	const struct hold_view view = view_of(c, domain, now_us);

	core_tape_survey(c, CORE_TAPE_SUSPECT, domain, victim, now_us);
	if (victim && was_signalled_elsewhere(c, domain, victim))
		victim = NULL;
	if (!hold_take(&d->hold, victim, &view))
		return;
	if (!d->hold.is_dry)
		core_push(c, EFFECT_STOP, domain);
	else
		core_stopped(c, domain, d->hold.victim.pids_count, now_us);
}

void core_stopped(struct core *c, uint32_t domain, uint32_t count, uint64_t now_us)
{
	struct core_domain *d = &c->domain[domain];
	const struct core_call call = { .now_us = now_us, .domain = domain, .count = count };
	struct event e = { .b = count, .c = d->estimate.tte_low_us };

	if (!d->hold.is_dry)
		core_tape_call(c, CORE_TAPE_STOPPED, &call);
	if (d->hold.phase != HOLD_STOPPING)
		return;
	hold_stopped(&d->hold, count, now_us);
	e.e = latest_deadline_us(c, domain);
	e.e = e.e > now_us ? e.e - now_us : 0;
	note_hold(c, EVENT_BRAKE, domain, e, now_us);
	hold_forecast(&d->hold, &d->estimate);
	core_hold(c, domain, now_us);
}
