/* SPDX-License-Identifier: MIT */
/* The tripwire: when its limit moves, and what it means that it was reached. */
#include "base/units.h"
#include "core_parts.h"
#include "core_tape.h"

/* While somebody stands at the wire the kernel says so 100 times a second. */
#define SAID_PAUSE_US	(1 * US_PER_S)

/*
 * The brake has done what it can: who grew stands still, or nobody was found that may be stopped, a
 * client that leaks itself, say.
 */
static bool is_braked(const struct core *c, uint64_t now_us)
{
	const struct hold *h = &c->domain[CORE_DOMAIN_SYSTEM].hold;

	return !h->is_dry && (h->phase == HOLD_ON || (h->phase == HOLD_OFF && h->again_us > now_us));
}

/* Somebody must save: the limit would only slow who does. */
static bool is_saving(const struct core *c, uint64_t now_us)
{
	struct session_table *t = (struct session_table *)&c->sessions;

	if (!is_braked(c, now_us))
		return false;
	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s))
		if (s->request.sequence && s->request.step != STEP_RESUME &&
		    s->request.deadline_us > now_us)
			return true;
	return false;
}

static void note(struct core *c, enum event_kind kind, const struct tripwire_reading *r,
		 uint64_t now_us)
{
	const struct tripwire *t = &c->tripwire;
	struct event e = {
		.kind = (uint16_t)kind, .a = t->limit_bytes, .b = r->usage_bytes, .c = t->kept_bytes,
		.d = t->phase,
	};

	core_add_event(c, &e, now_us);
}

void core_tripwire(struct core *c, const struct tripwire_reading *r, uint64_t now_us)
{
	const struct core_tape_tripwire input = { now_us, *r };
	const struct core_domain *d = &c->domain[CORE_DOMAIN_SYSTEM];
	const struct tripwire_view view = {
		.reading = r, .now_us = now_us,
		.floor_bytes = stage_floor_bytes(&c->policy.stage, STAGE_IMMINENT, r->total_bytes),
		.is_dry = c->policy.escalate.dry_run,
		.is_pressed = d->stage.now >= STAGE_IMMINENT,
		.is_saving = is_saving(c, now_us),
	};
	enum tripwire_phase was = c->tripwire.phase;

	core_tape_input(c, CORE_TAPE_TRIPWIRE, &input);
	if (tripwire_step(&c->tripwire, &view))
		core_push(c, EFFECT_TRIPWIRE, CORE_DOMAIN_SYSTEM)->limit_bytes =
			tripwire_wanted_bytes(&c->tripwire);
	if (c->tripwire.phase != was)
		note(c, EVENT_TRIPWIRE, r, now_us);
}

void core_tripped(struct core *c, const struct tripwire_reading *r, uint64_t now_us)
{
	const struct core_tape_tripwire input = { now_us, *r };
	struct tripwire *t = &c->tripwire;

	core_tape_input(c, CORE_TAPE_TRIPPED, &input);
	if (!tripwire_trip(t, r))
		return;
	if (!t->said_us || now_us >= time_add_us(t->said_us, SAID_PAUSE_US)) {
		t->said_us = now_us;
		note(c, EVENT_TRIPPED, r, now_us);
	}
	core_distress(c, CORE_DOMAIN_SYSTEM, DISTRESS_TRIPWIRE, now_us);
}

void core_tripwire_off(struct core *c, uint64_t now_us)
{
	const struct tripwire_reading none = { .total_bytes = 0 };
	const struct core_call call = { .now_us = now_us };

	core_tape_call(c, CORE_TAPE_TRIPWIRE_OFF, &call);
	if (c->tripwire.phase == TRIPWIRE_OFF)
		return;
	tripwire_init(&c->tripwire);
	note(c, EVENT_TRIPWIRE, &none, now_us);
}

bool core_wants_tripwire(const struct core *c, uint64_t now_us)
{
	return c->tripwire.phase != TRIPWIRE_OFF &&
	       is_saving(c, now_us) != (c->tripwire.phase == TRIPWIRE_OPEN);
}
