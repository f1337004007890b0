/* SPDX-License-Identifier: MIT */
/* What the model makes of the guard: all that it did is on record, nobody is ended twice, and whom it
 * stopped is either the brake's from now on or let go. */
#include <inttypes.h>
#include <signal.h>

#include "base/units.h"
#include "sim.h"

static void on_guard(struct sim *s, const struct guard_report *r, const struct event *e)
{
	if (e->b != r->stopped || e->d != r->is_dry || e->a != (uint64_t)r->victim.pid ||
	    e->e != r->late_us + s->now_us - r->began_us)
		sim_fail(s, "what the guard did is not what is on record");
	s->model.is_guard_on_record = true;
	if (r->is_dry)
		cover_add(&s->cover, COVER_GUARD_DRY);
	else if (r->stopped)
		cover_add(&s->cover, COVER_GUARD_STOPPED);
}

static void on_victim(struct sim *s, const struct guard_report *r, const struct event *e)
{
	struct model_domain *d = &s->model.domain[e->domain];

	if (!r->ended || r->is_dry)
		sim_fail(s, "domain %u: the guard's victim, but it has ended nobody", (unsigned)e->domain);
	if (d->victim.was_killed && !d->was_back && s->now_us < d->victim.deadline_us)
		sim_fail(s, "domain %u: the guard ends a second one before the first has ended",
			 (unsigned)e->domain);
	d->victim = (struct model_victim){ .is_chosen = true };
}

/* It stands beside the ladder: who was asked has had its time by the guard's own deadlines. */
static void on_action(struct sim *s, const struct guard_report *r, const struct event *e)
{
	struct model *m = &s->model;
	struct model_domain *d = &m->domain[e->domain];

	if (!m->policy.escalate.enabled || m->policy.escalate.dry_run || e->e != 1 ||
	    e->rung != RUNG_KILL || e->b != r->ended)
		sim_fail(s, "domain %u: the guard ends somebody, but should not", (unsigned)e->domain);
	if (d->victim.was_killed)
		sim_fail(s, "domain %u: the guard ends whom the ladder has ended", (unsigned)e->domain);
	if (d->victim.was_termed)
		cover_add(&s->cover, COVER_GUARD_OVER_ITS_OWN);
	d->victim.is_chosen = d->victim.was_termed = d->victim.was_killed = true;
	d->victim.client = 0;
	d->victim.deadline_us = e->c;
	d->is_surveying = d->was_back = false;
	d->stuck_since_us = 0;
	cover_add(&s->cover, COVER_GUARD_ENDED);
}

void model_guard_event(struct sim *s, const struct call *c, const struct event *e)
{
	if (c->kind != CALL_GUARD)
		sim_fail(s, "the guard is on record, but did nothing");
	if (e->kind == EVENT_GUARD)
		on_guard(s, c->report, e);
	else if (e->kind == EVENT_VICTIM)
		on_victim(s, c->report, e);
	else
		on_action(s, c->report, e);
}

/* Told by the guard: its number and its deadline stand. */
void model_guard_told(struct sim *s, const struct call *c, const struct event *e)
{
	struct model_client *k = model_client(s, e->client);

	if (e->client != c->told.client || e->sequence != c->told.sequence || e->c ||
	    e->a != c->told.deadline_us || e->step != STEP_SHUTDOWN ||
	    !(k->offer.domains & (1u << e->domain)) || k->settled >= STEP_SHUTDOWN)
		sim_fail(s, "client %" PRIx64 " was told otherwise by the guard", e->client);
	k->is_replaced = false;
	k->owes_resume = true;
	k->request = (struct model_request){
		.sequence = e->sequence, .issued_us = c->told.issued_us, .deadline_us = e->a,
		.step = e->step, .domain = e->domain,
		.episode = s->model.domain[e->domain].episode.number,
	};
	model_brake_asked(s, k);
	cover_add(&s->cover, COVER_GUARD_TOLD);
}

void model_guard_after(struct sim *s, const struct call *c)
{
	const struct guard_report *r = c->report;
	struct model_domain *d = &s->model.domain[c->domain];
	bool is_kept = r->stopped && !r->ended && !r->is_dry && !d->is_stopped;

	if (!s->model.is_guard_on_record)
		sim_fail(s, "what the guard did is not on record");
	s->model.is_guard_on_record = false;
	d->headroom_bytes = r->headroom_bytes;
	if (r->headroom_bytes >= model_floor_bytes(&s->model, c->domain, STAGE_IMMINENT))
		d->was_back = true; /* it measured, too */
	if (r->ended && !r->is_dry && !d->victim.was_killed)
		sim_fail(s, "the guard has ended somebody, and nobody knows");
	if (c->was_kept != is_kept)
		sim_fail(s, "whom the guard stopped is %s", c->was_kept ? "kept" : "let go");
	d->is_stopped |= is_kept;
	d->is_in_vain &= !is_kept; /* another one */
	d->is_dry &= !is_kept;
}
