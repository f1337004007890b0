/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "core_parts.h"
#include "core_tape.h"

/*
 * One call ends at most one request per client (shield down) and asks it once (order, shield up),
 * because the most severe domain comes first, and once more when the machine is to go; a domain adds
 * a survey, a signal, an announcement, a step of its last policy; the tripwire's limit is one of the
 * system's.
 */
uint32_t core_effects_needed(uint32_t max_clients)
{
	return 6 * max_clients + 8 * CORE_DOMAINS_MAX;
}

struct core_effect *core_push(struct core *c, enum core_effect_kind kind, uint32_t domain)
{
	struct core_queue *q = &c->queue;
	struct core_effect *e = &q->ring[(q->first + q->count) % q->size];

	assert(q->count < q->size); /* the caller drains after every input */
	q->count++;
	*e = (struct core_effect){ .kind = kind, .domain = domain };
	return e;
}

bool core_effect(struct core *c, struct core_effect *ret)
{
	struct core_queue *q = &c->queue;

	if (!q->count)
		return false;
	*ret = q->ring[q->first];
	q->first = (q->first + 1) % q->size;
	q->count--;
	return true;
}

void core_add_event(struct core *c, struct event *e, uint64_t now_us)
{
	e->time_us = now_us;
	if (e->domain < CORE_DOMAINS_MAX && c->domain[e->domain].used) {
		text_copy_tail(e->domain_name, sizeof(e->domain_name), c->domain[e->domain].name);
		if (!e->episode)
			e->episode = c->domain[e->domain].episode;
	}
	core_tape_input(c, CORE_TAPE_EVENT, record_add(&c->record, e));
}

void core_note(struct core *c, struct event *e, uint64_t now_us)
{
	e->time_us = now_us;
	core_tape_input(c, CORE_TAPE_HAPPENED, e);
	core_add_event(c, e, now_us);
}

void core_note_client(struct core *c, enum event_kind kind, const struct session *s, uint64_t now_us)
{
	struct event e = { .kind = kind, .client = s->id, .a = (uint64_t)s->offer.pid, .b = s->offer.uid };

	text_copy_tail(e.name, sizeof(e.name), s->offer.name);
	core_add_event(c, &e, now_us);
}

struct event core_request_event(enum event_kind kind, const struct session *s)
{
	struct event e = {
		.kind = kind, .client = s->id, .sequence = s->request.sequence,
		.domain = (uint16_t)s->request.domain, .step = s->request.step,
	};

	text_copy_tail(e.name, sizeof(e.name), s->offer.name);
	return e;
}

void core_note_victim(struct core *c, enum event_kind kind, uint32_t domain, struct event e,
			uint64_t now_us)
{
	const struct core_domain *d = &c->domain[domain];

	e.kind = kind;
	e.domain = (uint16_t)domain;
	e.a = (uint64_t)d->escalate.victim.pid;
	e.client = d->escalate.victim.client;
	e.rung = d->escalate.rung;
	text_copy_tail(e.name, sizeof(e.name), d->escalate.victim.name);
	core_add_event(c, &e, now_us);
}

struct core_episode *core_episode_of(struct core *c, uint32_t domain)
{
	struct core_episode *e = &c->episode[c->domain[domain].episode % CORE_EPISODES_MAX];

	if (!c->domain[domain].episode || e->number != c->domain[domain].episode)
		return NULL;
	return e;
}

