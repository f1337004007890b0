/* SPDX-License-Identifier: MIT */
/* What the model makes of the tripwire: it slows nobody who holds still, never goes beyond what stood
 * there before, is taken away for those who save and in a dry run, and is not written all the time. */
#include <inttypes.h>

#include "base/units.h"
#include "sim.h"

#define WRITES_PAUSE_US	(250 * US_PER_MS)

/* That it may be taken away; whether the brake has found anybody to stop is not told. */
static bool is_owed(const struct sim *s)
{
	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		const struct model_request *r = &s->model.client[i].request;

		if (r->sequence && r->step != STEP_RESUME && r->deadline_us > s->now_us)
			return true;
	}
	return false;
}

static bool is_armed(const struct sim *s, const struct tripwire_reading *r)
{
	const struct model_tripwire *t = &s->model.tripwire;
	bool may_be_open = r->has_clients && is_owed(s);

	return !s->model.policy.escalate.dry_run &&
	       !(may_be_open && t->now_bytes == r->before_bytes);
}

/* A stopped hog, and somebody who saves beside it within: there it must be open. */
static bool is_open_due(const struct sim *s, const struct tripwire_reading *r)
{
	return !s->model.policy.escalate.dry_run && r->has_clients && is_owed(s) &&
	       s->model.domain[CORE_DOMAIN_SYSTEM].is_stopped;
}

static uint64_t held_bytes(const struct tripwire_reading *r)
{
	return r->usage_bytes - MIN_OF(r->file_bytes, r->usage_bytes);
}

static void check_limit(struct sim *s, uint64_t limit, const struct tripwire_reading *r)
{
	struct model_tripwire *t = &s->model.tripwire;

	if (limit < held_bytes(r) && limit < t->limit_bytes && limit < r->before_bytes - MIB)
		sim_fail(s, "the tripwire is lowered to %" PRIu64 ", %" PRIu64 " cannot be dropped", limit,
			 held_bytes(r));
	if (t->was_armed && limit > t->limit_bytes && r->left_bytes < MIB)
		sim_fail(s, "the tripwire is raised to %" PRIu64 " with nothing left", limit);
	if (t->was_armed && t->moved_us && t->limit_bytes <= r->before_bytes &&
	    s->now_us - t->moved_us < WRITES_PAUSE_US)
		sim_fail(s, "the tripwire moves twice in %" PRIu64 " us", s->now_us - t->moved_us);
	if (t->was_armed && t->limit_bytes <= r->before_bytes &&
	    s->model.domain[CORE_DOMAIN_SYSTEM].episode.stage >= STAGE_IMMINENT)
		sim_fail(s, "the tripwire moves while the brake may be needed");
	t->limit_bytes = limit;
	t->moved_us = t->was_armed ? s->now_us : 0; /* it stood there unseen before */
	cover_add(&s->cover, COVER_TRIPWIRE_MOVED);
}

void model_tripwire_effect(struct sim *s, const struct core_effect *e)
{
	struct model_tripwire *t = &s->model.tripwire;

	if (e->domain != CORE_DOMAIN_SYSTEM || !t->reading)
		sim_fail(s, "the tripwire moves, but nothing was read");
	if (e->limit_bytes > t->reading->before_bytes)
		sim_fail(s, "the tripwire stands at %" PRIu64 ", above %" PRIu64 ", which stood there",
			 e->limit_bytes, t->reading->before_bytes);
	t->now_bytes = e->limit_bytes;
}

void model_tripwire_event(struct sim *s, const struct event *e)
{
	static const enum cover_place places[TRIPWIRE_PHASE_COUNT] = {
		[TRIPWIRE_OFF] = COVER_TRIPWIRE_OFF, [TRIPWIRE_DRY] = COVER_TRIPWIRE_DRY,
		[TRIPWIRE_ARMED] = COVER_TRIPWIRE_MOVED, [TRIPWIRE_OPEN] = COVER_TRIPWIRE_OPEN,
	};

	if (e->d >= TRIPWIRE_PHASE_COUNT)
		sim_fail(s, "a tripwire of no phase");
	cover_add(&s->cover, e->kind == EVENT_TRIPPED ? COVER_TRIPPED : places[e->d]);
}

void model_tripwire_before(struct sim *s, const struct call *c)
{
	struct model_tripwire *t = &s->model.tripwire;

	t->reading = c->kind == CALL_TRIPWIRE ? c->reading : NULL;
	if (t->reading && !t->is_on)
		*t = (struct model_tripwire){
			.reading = c->reading, .is_on = true, .now_bytes = c->reading->before_bytes,
		};
	if (c->kind == CALL_TRIPWIRE_OFF)
		*t = (struct model_tripwire){ .is_on = false };
}

/* What stands in the file now is what the phase wants. */
void model_tripwire_after(struct sim *s, const struct call *c)
{
	struct model_tripwire *t = &s->model.tripwire;
	const struct tripwire_reading *r = t->reading;
	bool armed = r && is_armed(s, r);

	if (c->kind != CALL_TRIPWIRE)
		return;
	if (is_open_due(s, r) && t->now_bytes != r->before_bytes)
		sim_fail(s, "the tripwire slows who saves");
	if (!armed && t->now_bytes != r->before_bytes)
		sim_fail(s, "the tripwire stands at %" PRIu64 " and should not", t->now_bytes);
	if (armed && t->now_bytes != t->limit_bytes)
		check_limit(s, t->now_bytes, r);
	if (armed && t->now_bytes == TRIPWIRE_NONE)
		sim_fail(s, "the tripwire is armed and stands nowhere");
	t->was_armed = armed;
	t->reading = NULL;
}
