/* SPDX-License-Identifier: MIT */
/* The loop stood still, and the guard acted as guard.c would: it knows whom the core chose, stops or ends
 * that one only, and tells those who were not asked yet. */
#include <string.h>

#include "base/units.h"
#include "sim.h"

#define DOMAIN		CORE_DOMAIN_SYSTEM
#define SEQUENCE_GAP	1000u
#define KILL_TAKES_US	(40 * US_PER_MS)

/* The ladder's victim, whom the brake holds, or somebody who grew; never a client. */
static bool take_aim(struct sim *s, struct victim *ret)
{
	const struct core_domain *d = &s->core.domain[DOMAIN];
	struct culprit somebody;

	if (s->world.culprit[DOMAIN].is_dead)
		return false; /* there is nobody behind its pid */
	if (d->escalate.victim.kind != VICTIM_NONE)
		*ret = d->escalate.victim;
	else if (d->hold.phase == HOLD_ON)
		*ret = d->hold.victim;
	else if (!culprit_choose(s, DOMAIN, &somebody, ret))
		return false;
	return hold_may_stop(ret);
}

static void act(struct sim *s, struct guard_report *r)
{
	const struct core_domain *d = &s->core.domain[DOMAIN];
	bool has_aim = take_aim(s, &r->victim);

	if (!has_aim)
		memset(&r->victim, 0, sizeof(r->victim));
	if (has_aim && s->policy.brake && d->hold.phase != HOLD_ON) {
		r->stopped = 1;
		r->stopped_us = s->now_us;
	}
	if (has_aim && s->policy.escalate.enabled && d->escalate.rung != RUNG_KILL &&
	    r->headroom_bytes < stage_floor_bytes(&s->policy.stage, STAGE_SHUTDOWN,
						  d->estimate.total_bytes)) {
		r->ended = 1;
		r->ended_us = s->now_us;
	}
}

static void tell(struct sim *s, uint64_t sequence)
{
	for (struct session *k = session_next(&s->core.sessions, NULL); k;
	     k = session_next(&s->core.sessions, k)) {
		struct call c = { .kind = CALL_TOLD, .domain = DOMAIN };
		struct core_effect order = { .kind = EFFECT_ORDER, .client = k->id };

		/* a request that is decided, but not sent yet, is asked twice */
		if (!(k->offer.domains & (1u << DOMAIN)) || dice_percent(&s->dice, 10))
			continue;
		c.told = (struct guard_told){ k->id, ++sequence, s->now_us - 1,
			s->now_us - 1 + k->offer.budget_us[STEP_SHUTDOWN] };
		order.request = (struct session_request){ .sequence = sequence,
			.issued_us = s->now_us, .deadline_us = c.told.deadline_us + 1,
			.step = STEP_SHUTDOWN, .domain = DOMAIN };
		call_core(s, &c);
		if (k->request.sequence == sequence)
			world_order(s, &order);
	}
}

static void follow(struct sim *s, const struct guard_report *r, bool was_kept)
{
	struct culprit *k = &s->world.culprit[DOMAIN];

	if (r->is_dry)
		return;
	if (r->ended) {
		k->is_dead = false;
		k->survey++;
		k->actor = SIM_CLIENTS;
		k->mortality = dice_percent(&s->dice, 90) ? DIES_AT_KILL : DIES_NEVER;
		if (k->mortality == DIES_AT_KILL)
			culprit_die_later(s, DOMAIN, KILL_TAKES_US);
	}
	if (was_kept)
		k->is_stopped = true;
}

void culprit_guard(struct sim *s)
{
	const struct core_domain *d = &s->core.domain[DOMAIN];
	struct guard_report r = { .domain = DOMAIN, .is_dry = s->policy.escalate.dry_run };
	struct call c = { .kind = CALL_GUARD, .domain = DOMAIN, .report = &r };
	uint64_t sequence = s->core.last_sequence + SEQUENCE_GAP;

	if (!d->estimate.total_bytes || s->world.is_over)
		return;
	(void)pool_sample(s, DOMAIN); /* up to now it grew */
	r.began_us = s->now_us;
	s->now_us += dice_spread(&s->dice, 2 * US_PER_S);
	r.late_us = dice_spread(&s->dice, US_PER_S);
	r.left_us = 0;
	r.headroom_bytes = dice_below(&s->dice, d->estimate.total_bytes / 8 + 1);
	act(s, &r);
	call_core(s, &c);
	tell(s, sequence);
	follow(s, &r, c.was_kept);
}
