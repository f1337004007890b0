/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "ask/lifeline.h"
#include "ask/shield.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "outlook.h"
#include "trip.h"
#include "warning.h"

#define GARBAGE_MAX	16u	/* datagrams that are no answers; then it is no client of ours */
#define RECEIVE_MAX	16u	/* answers per wake, so that one client cannot hold the loop */

struct peer *peer_get(struct broker *b, uint64_t client)
{
	uint64_t slot = (client & UINT32_MAX) - 1;

	if (!client || slot >= b->core.sessions.max || b->peers[slot].id != client)
		return NULL;
	return &b->peers[slot];
}

struct peer *peer_by_sender(struct broker *b, const char *sender)
{
	for (uint32_t i = 0; i < b->core.sessions.max; i++)
		if (b->peers[i].id && !strcmp(b->peers[i].sender, sender))
			return &b->peers[i];
	return NULL;
}

static uint32_t slot_of(const struct peer *p)
{
	return (uint32_t)(p - p->broker->peers);
}

static void take_answer(struct peer *p, const struct failsoft_answer *a)
{
	struct broker *b = p->broker;
	struct core_answer answer = {
		.client = p->id, .sequence = a->sequence, .result = a->result,
		.freed_bytes = a->freed_bytes, .more_time_us = a->more_time_us,
	};

	core_report(&b->core, p->id, a->exposure_bytes, a->freeable_bytes);
	if (a->kind == FAILSOFT_ANSWER_STEP && !core_answer(&b->core, &answer, clock_now_us()))
		log_debug("client %llu answers %llu, which it was not asked",
			  (unsigned long long)p->id, (unsigned long long)a->sequence);
	broker_drain(b);
}

/* false: the peer is gone. */
static bool receive(struct peer *p)
{
	struct failsoft_answer answer;

	for (unsigned i = 0; i < RECEIVE_MAX; i++) {
		switch (lifeline_receive(p->lifeline_fd, &answer)) {
		case LIFELINE_NOTHING:
			return true;
		case LIFELINE_ANSWER:
			take_answer(p, &answer);
			break;
		case LIFELINE_GARBAGE:
			if (++p->garbage < GARBAGE_MAX)
				break;
			log_warning("client %llu sends no answers but garbage on its lifeline: "
				    "its registration ends", (unsigned long long)p->id);
			return false;
		case LIFELINE_CLOSED:
			return false;
		}
	}
	return true;
}

static int on_lifeline(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct peer *p = userdata;
	struct broker *b = p->broker;

	(void)source, (void)fd, (void)revents;
	if (!receive(p))
		peer_leave(p);
	broker_step(b);
	return 0;
}

static void peer_close(struct peer *p)
{
	p->source = sd_event_source_disable_unref(p->source);
	if (sentry_line_drop(&p->broker->sentry, slot_of(p)))
		(void)file_close(p->lifeline_fd);
	p->lifeline_fd = -1;
	p->proc_fd = file_close(p->proc_fd);
	p->id = 0;
	p->sender[0] = 0;
}

static void add_line(struct peer *p)
{
	const struct session *s = session_get(&p->broker->core.sessions, p->id);
	const struct sentry_line line = {
		.fd = p->lifeline_fd, .client = p->id, .pid = s ? s->offer.pid : 0,
		.domains = s ? s->offer.domains : 0,
		.budget_us = s ? s->offer.budget_us[STEP_SHUTDOWN] : 0,
	};

	sentry_line_add(&p->broker->sentry, slot_of(p), &line);
}

int peer_add(struct broker *b, uint64_t client, const struct peer_offer *offer, int *ret_lifeline)
{
	struct peer *p = &b->peers[(client & UINT32_MAX) - 1];
	int r;

	*p = (struct peer){
		.broker = b, .lifeline_fd = -1, .proc_fd = offer->proc_fd,
		.start_ticks = offer->start_ticks,
	};
	r = lifeline_open(&p->lifeline_fd, ret_lifeline);
	if (r < 0)
		return r;
	r = sd_event_add_io(b->event, &p->source, p->lifeline_fd, EPOLLIN, on_lifeline, p);
	if (r >= 0)
		r = sd_event_source_set_priority(p->source, SD_EVENT_PRIORITY_IMPORTANT / 2);
	if (r < 0) {
		*ret_lifeline = file_close(*ret_lifeline);
		p->proc_fd = -1; /* stays the caller's */
		peer_close(p);
		return r;
	}
	p->id = client;
	p->is_at_tripwire = trip_holds(b, p->proc_fd);
	(void)strncpy(p->sender, offer->sender, sizeof(p->sender) - 1); /* zeroed above */
	add_line(p);
	return 0;
}

void peer_hear(struct broker *b)
{
	for (uint32_t i = 0; i < b->core.sessions.max; i++)
		if (b->peers[i].id && !receive(&b->peers[i]))
			peer_leave(&b->peers[i]);
}

void peer_leave(struct peer *p)
{
	struct broker *b = p->broker;
	const struct session *s = session_get(&b->core.sessions, p->id);

	if (s)
		outlook_client_left(b, s);
	core_leave(&b->core, p->id, clock_now_us());
	broker_drain(b); /* lowers its shield, so before the handles close */
	peer_close(p);
	b->domains_stale = true;
}

void peer_order(struct broker *b, const struct core_effect *e)
{
	const struct core_domain *d = &b->core.domain[e->domain];
	struct peer *p = peer_get(b, e->client);
	struct failsoft_order order;
	int r;

	if (!p)
		return;
	lifeline_format(&(struct lifeline_order){
		.client = e->client, .request = &e->request, .stage = e->stage,
		.estimate = &d->estimate, .episode = e->episode, .domain = d->name,
		.dry_run = b->core.policy.escalate.dry_run,
	}, &order);
	r = lifeline_send(p->lifeline_fd, &order);
	if (r < 0)
		log_warning("client %llu: its lifeline does not take the order (%s); its deadline runs",
			    (unsigned long long)p->id, strerror(-r));
	/* a rehearsal is not what the guard would have to tell */
	sentry_line_asked(&b->sentry, slot_of(p), e->request.is_drill ? STEP_RESUME : e->request.step);
	p->order = e->request;
	p->order_stage = e->stage;
}

/* ---- shield ---- */

static void note_shield(struct peer *p, enum event_kind kind, uint64_t figure)
{
	const struct session *s = session_get(&p->broker->core.sessions, p->id);
	struct event e = { .kind = kind, .client = p->id, .a = figure };

	if (s)
		memcpy(e.name, s->offer.name, sizeof(s->offer.name));
	core_note(&p->broker->core, &e, clock_now_us());
}

static void cannot_shield(struct peer *p, int error)
{
	if (error == -ESRCH || error == -ENOENT)
		return; /* it has ended */
	if (!p->shield_failed)
		note_shield(p, EVENT_SHIELD_FAILED, (uint64_t)-error);
	p->shield_failed = true;
	if (!p->broker->cannot_shield)
		warning_set(p->broker, WARNING_SHIELD,
			    "clients cannot be shielded from the kernel's OOM killer (%s): "
			    "give failsoftd CAP_SYS_RESOURCE",
			    strerror(-error));
	p->broker->cannot_shield = true;
}

void peer_shield_up(struct broker *b, uint64_t client)
{
	const struct session *s = session_get(&b->core.sessions, client);
	struct peer *p = peer_get(b, client);
	int32_t target = (int32_t)b->config.shield_oom_score_adj;
	struct state_shield note;
	int r;

	if (!p || !s || p->is_shielded || p->proc_fd < 0)
		return;
	r = shield_read(p->proc_fd, &p->original_adj);
	if (r < 0 || p->original_adj <= target) {
		if (r < 0)
			cannot_shield(p, r);
		return;
	}
	note = (struct state_shield){
		.pid = s->offer.pid, .start_ticks = p->start_ticks, .original_adj = p->original_adj,
	};
	state_shield_set(&b->state, slot_of(p), &note);
	r = shield_write(p->proc_fd, target);
	if (r < 0) {
		state_shield_clear(&b->state, slot_of(p));
		cannot_shield(p, r);
		return;
	}
	p->is_shielded = true;
	note_shield(p, EVENT_SHIELD, 1);
}

void peer_shield_down(struct broker *b, uint64_t client)
{
	struct peer *p = peer_get(b, client);
	int r;

	if (!p || !p->is_shielded)
		return;
	r = shield_write(p->proc_fd, p->original_adj);
	if (r < 0 && r != -ESRCH && r != -ENOENT)
		log_error("client %llu: oom_score_adj %d cannot be restored: %s",
			  (unsigned long long)client, (int)p->original_adj, strerror(-r));
	state_shield_clear(&b->state, slot_of(p));
	p->is_shielded = false;
	note_shield(p, EVENT_SHIELD, 0);
}

void peer_restore_past(struct broker *b)
{
	for (uint32_t i = 0; i < b->state.past_shields_count; i++) {
		const struct state_shield *past = &b->state.past_shields[i];
		_cleanup_close_ int fd = -1;
		uint64_t start_ticks = 0;
		int r;

		if (!past->pid)
			continue;
		fd = shield_open(b->root_fd, past->pid, &start_ticks);
		if (fd < 0 || start_ticks != past->start_ticks)
			continue; /* ended, or the pid is another's now */
		r = shield_write(fd, past->original_adj);
		if (r < 0)
			log_error("pid %d: oom_score_adj %d cannot be restored: %s", (int)past->pid,
				  (int)past->original_adj, strerror(-r));
		else
			log_info("pid %d: oom_score_adj %d restored, the previous broker left it shielded",
				 (int)past->pid, (int)past->original_adj);
	}
	state_shields_forget(&b->state);
}
