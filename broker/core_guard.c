/* SPDX-License-Identifier: MIT */
/* What the guard did while the loop stood still becomes part of the episode: stage, brake, ladder. */
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "core_parts.h"
#include "core_tape.h"

static void note(struct core *c, const struct guard_report *r, uint64_t now_us)
{
	struct event e = {
		.kind = EVENT_GUARD, .domain = (uint16_t)r->domain, .a = (uint64_t)r->victim.pid,
		.b = r->stopped, .c = r->told, .d = r->is_dry, .e = r->late_us + now_us - r->began_us,
		.why = r->is_withheld,
	};

	memcpy(e.name, r->victim.name, sizeof(r->victim.name));
	core_add_event(c, &e, now_us);
}

/* It has seen with its own eyes what these stages stand for. */
static void enter(struct core *c, const struct guard_report *r, uint64_t now_us)
{
	struct core_domain *d = &c->domain[r->domain];
	const uint64_t total_bytes = d->estimate.total_bytes;
	struct stage_change change = {
		.time_us = now_us, .domain = r->domain, .from = d->stage.now, .to = STAGE_SHUTDOWN,
	};

	d->estimate.headroom_bytes = d->estimator.last.headroom_bytes = r->headroom_bytes;
	d->estimate.tte_us = MIN_OF(d->estimate.tte_us, r->left_us);
	d->estimate.tte_low_us = MIN_OF(d->estimate.tte_low_us, r->left_us);
	d->estimate.tte_early_us = MIN_OF(d->estimate.tte_early_us, r->left_us);
	d->estimate.tte_late_us = MIN_OF(d->estimate.tte_late_us, r->left_us);
	if (r->headroom_bytes >= stage_floor_bytes(&c->policy.stage, STAGE_SHUTDOWN, total_bytes))
		change.to = STAGE_IMMINENT;
	change.floor_bytes = stage_floor_bytes(&c->policy.stage, change.to, total_bytes);
	change.lead_us = d->lead.us[change.to];
	change.why = r->headroom_bytes < change.floor_bytes ? STAGE_WHY_FLOOR : STAGE_WHY_TIME;
	change.estimate = d->estimate;
	if (d->stage.now >= change.to)
		return;
	stage_init(&d->stage, now_us);
	d->stage.now = change.to;
	core_enter(c, &change);
	core_announce(c, r->domain, d->episode);
}

/* The ladder stands where it would if it had sent the signal itself. */
static void take_end(struct core *c, const struct guard_report *r, uint64_t now_us)
{
	struct core_domain *d = &c->domain[r->domain];
	struct escalate *e = &d->escalate;
	const struct victim *v = &r->victim;
	bool is_new = e->victim.kind == VICTIM_NONE || e->victim.pid != v->pid;

	if (e->rung == RUNG_PROCEDURE)
		core_cut_procedure(c, r->domain, now_us);
	escalate_ended(e, v, time_add_us(r->ended_us, c->policy.escalate.kill_us));
	if (is_new)
		core_note_victim(c, EVENT_VICTIM, r->domain, (struct event){
			.b = v->memory_bytes, .c = v->growth_bytes, .d = v->all_growth_bytes,
			.e = v->pids_count, .why = v->is_writer }, now_us);
	core_note_victim(c, EVENT_ACTION, r->domain, (struct event){
		.b = r->ended, .c = e->deadline_us, .e = 1 }, now_us);
}

bool core_guard(struct core *c, const struct guard_report *r, uint64_t now_us)
{
	struct core_domain *d = &c->domain[r->domain];

	core_tape_guard(c, r, now_us);
	if (!d->used)
		return false;
	enter(c, r, now_us);
	note(c, r, now_us);
	/* The next one was chosen before: from stage normal it may be seconds away, and so whom it let go. */
	d->sample_due_us = MIN_OF(d->sample_due_us, now_us);
	if (r->is_dry)
		return false;
	if (r->ended) {
		take_end(c, r, now_us);
		return false;
	}
	if (!r->stopped || (d->hold.phase == HOLD_ON && !d->hold.is_dry))
		return false;
	hold_adopt(&d->hold, &r->victim, &d->estimate, r->stopped_us);
	return true;
}
