/* SPDX-License-Identifier: MIT */
#include "standby.h"

#include <string.h>

#include "base/clock.h"
#include "outlook.h"
#include "peer.h"
#include "respond.h"
#include "victims.h"
#include "warning.h"

/* The thread looks at the system: its figures are a file that can be read without the loop. */
#define DOMAIN		CORE_DOMAIN_SYSTEM

/* Whom it would stop is looked up so often while there is time for it. A survey takes 2-5 ms; half:
 * twice the CPU at real-time priority when others flush; double: the aim is a second old. */
#define AIM_US		(500 * US_PER_MS)

/* A turn asks each client a few times at most: its numbers and those of the thread never meet. */
#define SEQUENCE_GAP	(UINT64_C(1) << 20)

/* ---- in its thread ---- */

/* The loop is not there to put it on record: the writer is told directly, without a number. */
static void tell(void *userdata, const struct guard_report *r, enum guard_do what)
{
	struct broker *b = userdata;
	struct event e = {
		.kind = what == GUARD_END ? EVENT_ACTION : EVENT_GUARD, .time_us = clock_now_us(),
		.a = (uint64_t)r->victim.pid, .d = r->is_dry, .domain_name = "system",
	};

	if (what == GUARD_STOP)
		return; /* clients are told at once after it: one sentence for both */
	if (what == GUARD_END) {
		e.b = r->ended;
		e.rung = RUNG_KILL;
		e.e = 1;
	} else {
		e.b = r->stopped;
		e.c = r->told;
		e.e = r->late_us + e.time_us - r->began_us;
	}
	memcpy(e.name, r->victim.name, sizeof(r->victim.name));
	writer_put(&b->writer, &e);
}

/* ---- start ---- */

void standby_start(struct broker *b)
{
	const uint64_t priority = b->config.realtime_priority;
	const struct sentry_setup setup = {
		.root_fd = b->root_fd, .ledger = state_ledger(&b->state),
		.lines = (uint32_t)b->config.max_clients,
		.priority = priority ? (int)priority + 1 : 0,
		.domain = b->core.domain[DOMAIN].name, .tell = tell, .userdata = b,
	};
	int r = sentry_start(&b->sentry, &setup);

	if (r < 0)
		warning_set(
			b, WARNING_GUARD,
			"no guard stands by (%s): if the broker's loop stands still, nobody acts",
			strerror(-r));
}

/* ---- what it needs to know ---- */

void standby_sample(struct broker *b, const struct sample *s)
{
	if (!(s->has & SAMPLE_HAS_MEMORY))
		return;
	b->standby.basis.sampled_us = s->time_us;
	b->standby.basis.level_bytes =
		guard_level_bytes(s, b->core.policy.estimate.swap_weight_permyriad);
	b->standby.basis.headroom_bytes =
		estimate_headroom_bytes(&b->core.policy.estimate, s);
}

static bool is_armed(const struct broker *b)
{
	return b->config.guard &&
	       (b->core.domain[DOMAIN].stage.now != STAGE_NORMAL || b->outlook.focus == DOMAIN);
}

/* Whom the ladder has sent SIGKILL is ended already. */
static uint64_t flags_of(const struct broker *b)
{
	const struct core_policy *p = &b->core.policy;
	const struct escalate *e = &b->core.domain[DOMAIN].escalate;
	/* who is a client is not known yet: see core_take_over() */
	bool may_stop = p->brake && clock_now_us() >= b->core.grace_us;
	bool may_end = p->escalate.enabled && (e->rung != RUNG_KILL || e->is_dry);

	return (is_armed(b) ? GUARD_IS_ARMED : 0) | (may_stop ? GUARD_MAY_STOP : 0) |
	       (may_end ? GUARD_MAY_END : 0) |
	       (p->escalate.dry_run ? GUARD_IS_DRY : 0) |
	       (brake_is_on(&b->brake, DOMAIN) ? GUARD_IS_HELD : 0);
}

/* What clients were asked, and what the ladder has begun, has until then. */
static uint64_t owed_us(struct broker *b)
{
	const struct escalate *e = &b->core.domain[DOMAIN].escalate;
	uint64_t latest_us = MAX_OF(b->core.grace_us, b->respond.silent_us);

	for (struct session *s = session_next(&b->core.sessions, NULL); s;
	     s = session_next(&b->core.sessions, s))
		if (session_owes(s, DOMAIN))
			latest_us = MAX_OF(latest_us, s->request.deadline_us);
	return e->rung == RUNG_IDLE || e->is_dry ? latest_us : MAX_OF(latest_us, e->deadline_us);
}

static void leave(struct broker *b, uint64_t due_us)
{
	const struct core_domain *d = &b->core.domain[DOMAIN];
	const struct stage_policy *p = &b->core.policy.stage;
	struct guard_basis *basis = &b->standby.basis;

	basis->turn++;
	basis->beat_us = clock_now_us();
	basis->due_us = due_us;
	basis->ends = atomic_load(&b->sentry.ends);
	basis->flags = flags_of(b);
	basis->swap_weight_permyriad = b->core.policy.estimate.swap_weight_permyriad;
	if (basis->flags & GUARD_IS_ARMED) {
		basis->after_us = b->config.guard_after_us;
		basis->domain = DOMAIN;
		basis->episode = d->episode;
		basis->sequence = b->core.last_sequence + SEQUENCE_GAP;
		basis->floor_imminent_bytes = stage_floor_bytes(p, STAGE_IMMINENT, d->estimate.total_bytes);
		basis->floor_shutdown_bytes = stage_floor_bytes(p, STAGE_SHUTDOWN, d->estimate.total_bytes);
		basis->lead_us = d->lead.us[STAGE_IMMINENT];
		basis->owed_us = owed_us(b);
	}
	sentry_beat(&b->sentry, basis);
}

/* ---- whom ---- */

/* The ladder's victim, whom the brake holds, or a look of its own; never a client. */
static void take_aim(struct broker *b, uint64_t now_us)
{
	const struct core_domain *d = &b->core.domain[DOMAIN];
	const struct victim *known = NULL;
	struct victim found;

	if (d->escalate.victim.kind != VICTIM_NONE)
		known = &d->escalate.victim;
	else if (d->hold.phase == HOLD_ON)
		known = &d->hold.victim;
	if (!known && (now_us < b->standby.aim_us || now_us < b->survey_again_us))
		return;
	if (!known && d->stage.now == STAGE_SHUTDOWN && b->standby.has_aim && !b->sentry.is_aim_stale)
		return; /* files are opened for it, and memory may be at its end */
	if (!known && victims_find(b, DOMAIN, &found))
		known = &found;
	if (known && !hold_may_stop(known))
		known = NULL;
	b->standby.aim_us = now_us + AIM_US;
	b->standby.has_aim = sentry_aim(&b->sentry, known) ? known != NULL : b->standby.has_aim;
}

void standby_end(struct broker *b, uint64_t due_us)
{
	const struct core_domain *d = &b->core.domain[DOMAIN];

	if (!sentry_is_on(&b->sentry))
		return;
	if (d->stage.now != STAGE_NORMAL && b->config.guard && !b->respond.quiet_us)
		take_aim(b, clock_now_us());
	else if (d->stage.now == STAGE_NORMAL && b->standby.has_aim)
		b->standby.has_aim = !sentry_aim(&b->sentry, NULL);
	leave(b, due_us);
}

/* ---- what it did ---- */

static void follow_end(struct broker *b, const struct guard_report *r)
{
	terminate_release(&b->terminate, r->domain);
	(void)terminate_hold(&b->terminate, r->domain, &r->victim); /* ended already: so much the better */
	brake_release(&b->brake, r->domain); /* a v1 freezer holds even this signal back */
}

static void take_over(struct broker *b, struct guard_report *r, uint64_t now_us)
{
	struct guard_told told;
	uint32_t at = 0;
	bool keeps;

	r->is_withheld = b->standby.withheld && r->ended;
	keeps = core_guard(&b->core, r, now_us);
	while (sentry_told(&b->sentry, &at, &told))
		core_told(&b->core, r->domain, &told, now_us);
	if (r->ended && !r->is_dry)
		follow_end(b, r);
	if (keeps)
		(void)brake_adopt(&b->brake, r->domain, &r->victim); /* who ended is not there */
	sentry_taken(&b->sentry, &b->brake);
	broker_drain(b);
	peer_hear(b); /* what they answered meanwhile counts as if it was read then */
}

/* A signal of the loop's own that had to wait. */
static void send_withheld(struct broker *b, bool is_over)
{
	const struct core_effect e = {
		.kind = EFFECT_SIGNAL_VICTIM, .domain = DOMAIN, .signal = b->standby.withheld,
	};

	b->standby.withheld = 0;
	if (e.signal && !is_over)
		victims_signal(b, &e);
}

bool standby_begin(struct broker *b, uint64_t now_us)
{
	struct guard_report report;

	if (!sentry_is_on(&b->sentry))
		return true;
	leave(b, now_us);
	switch (sentry_take(&b->sentry, &report)) {
	case SENTRY_BUSY:
		return false;
	case SENTRY_REPORT:
		take_over(b, &report, now_us);
		send_withheld(b, report.ended);
		break;
	case SENTRY_NOTHING:
		send_withheld(b, false);
		break;
	}
	return true;
}

bool standby_sign(struct broker *b, const struct core_effect *e)
{
	if (e->domain != DOMAIN || sentry_sign(&b->sentry))
		return true;
	b->standby.withheld = e->signal;
	return false;
}

void standby_signed(struct broker *b, uint32_t domain)
{
	if (domain != DOMAIN)
		return;
	sentry_signed(&b->sentry);
	if (sentry_is_on(&b->sentry))
		leave(b, clock_now_us());
}
