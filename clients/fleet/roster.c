/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roster_part.h"

static uint32_t hash(const char *fleet, const char *device)
{
	uint32_t h = 2166136261u; /* FNV-1a: the same in every instance of a partition */
	const char *const texts[] = { fleet, "/", device };

	for (unsigned i = 0; i < 3; i++)
		for (const char *c = texts[i]; *c; c++)
			h = (h ^ (unsigned char)*c) * 16777619u;
	return h;
}

struct roster *roster_new(const struct roster_limits *limits)
{
	struct roster *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->limits = *limits;
	r->list = calloc(limits->devices ? limits->devices : 1, sizeof(r->list[0]));
	return r->list ? r : roster_free(r);
}

static struct roster_device *device_free(struct roster_device *d)
{
	if (!d)
		return NULL;
	for (unsigned i = 0; i < ROSTER_BOOTS; i++)
		window_fini(&d->boots[i].window);
	window_fini(&d->older);
	for (unsigned i = 0; i < TOPIC_ALARM_COUNT; i++)
		free(d->alarm[i].text);
	free(d->firmware);
	free(d->moment);
	free(d);
	return NULL;
}

static void free_forgotten(struct roster *r)
{
	while (r->forgotten) {
		struct roster_device *d = r->forgotten;

		r->forgotten = d->next;
		device_free(d);
	}
}

struct roster *roster_free(struct roster *r)
{
	if (!r)
		return NULL;
	for (uint32_t i = 0; i < r->count; i++)
		device_free(r->list[i]);
	free_forgotten(r);
	free(r->list);
	free(r);
	return NULL;
}

/* ---- the table ---- */

static bool is_named(const struct roster_device *d, const char *fleet, const char *device)
{
	return !strcmp(d->device, device) && !strcmp(d->fleet, fleet);
}

const struct roster_device *roster_find(const struct roster *r, const char *fleet, const char *device,
					uint32_t nth)
{
	const struct roster_device *d = r->slot[hash(fleet, device) % ROSTER_SLOTS];

	for (; d; d = d->next)
		if (is_named(d, fleet, device) && nth-- == 0)
			return d;
	return NULL;
}

static struct roster_device **link_to(struct roster *r, const struct roster_device *d)
{
	struct roster_device **at = &r->slot[hash(d->fleet, d->device) % ROSTER_SLOTS];

	while (*at != d)
		at = &(*at)->next;
	return at;
}

void roster_forget(struct roster *r, struct roster_device *d)
{
	*link_to(r, d) = d->next;
	r->list[d->place] = r->list[--r->count];
	r->list[d->place]->place = d->place;
	if (d->group)
		d->group->devices--;
	r->removed_version = ++r->version;
	d->next = r->forgotten;
	r->forgotten = d;
}

struct roster_device *roster_add(struct roster *r, const struct topic *t, uint32_t instance)
{
	struct roster_device **slot = &r->slot[hash(t->fleet, t->device) % ROSTER_SLOTS];
	struct roster_device *d = r->count < r->limits.devices ? calloc(1, sizeof(*d)) : NULL;

	if (!d)
		return NULL;
	memcpy(d->fleet, t->fleet, sizeof(d->fleet));
	memcpy(d->device, t->device, sizeof(d->device));
	d->instance = instance;
	d->tte_us = INGEST_NEVER_US;
	d->number = ++r->numbers;
	d->place = r->count;
	d->next = *slot;
	*slot = d;
	r->list[r->count++] = d;
	return d;
}

/* The one that spoke last is found first. */
static void bring_forward(struct roster *r, struct roster_device *d)
{
	struct roster_device **slot = &r->slot[hash(d->fleet, d->device) % ROSTER_SLOTS];

	*link_to(r, d) = d->next;
	d->next = *slot;
	*slot = d;
}

void roster_touch(struct roster *r, struct roster_device *d)
{
	d->version = ++r->version;
}

void roster_note(struct roster_step *s, enum roster_note_kind kind, struct roster_device *d)
{
	const struct ingest_message *m = s->m;
	const enum topic_alarm alarm = m->topic.place == TOPIC_AT_ALARM ? m->topic.alarm
									 : (enum topic_alarm)m->data.kind;

	if (s->notes < ROSTER_NOTES_MAX)
		s->note[s->notes++] = (struct roster_note){ kind, d, alarm, false };
}

void roster_conflict(struct roster_step *s, struct roster_device *d, enum roster_conflict conflict)
{
	d->conflict_us = s->now->now_us;
	if (d->conflict == conflict)
		return;
	d->conflict = conflict;
	s->roster->totals.conflicts++;
	roster_touch(s->roster, d);
	roster_note(s, ROSTER_IN_CONFLICT, d);
}

void roster_firmware(struct roster_step *s, struct roster_device *d)
{
	char *copy;

	if (d->firmware && !strcmp(d->firmware, s->m->firmware) &&
	    !group_is_rest(&s->roster->groups, d->group))
		return;
	copy = strdup(s->m->firmware);
	if (!copy)
		return;
	free(d->firmware);
	d->firmware = copy;
	if (d->group)
		d->group->devices--;
	d->group = group_of(&s->roster->groups, d->fleet, copy);
	d->group->devices++;
	roster_touch(s->roster, d);
}

/* ---- whose message it is ---- */

static struct roster_device *find_instance(struct roster *r, const struct ingest_message *m,
					   uint32_t *ret_twins)
{
	struct roster_device *d = r->slot[hash(m->topic.fleet, m->topic.device) % ROSTER_SLOTS];

	*ret_twins = 0;
	for (; d; d = d->next) {
		if (!is_named(d, m->topic.fleet, m->topic.device))
			continue;
		if (d->instance == m->instance)
			return d;
		++*ret_twins;
	}
	return NULL;
}

static bool is_past(const struct roster_device *d, uint32_t instance)
{
	for (uint32_t i = 0; i < d->pasts && i < ROSTER_PAST_MAX; i++)
		if (d->past[i] == instance)
			return true;
	return false;
}

/* A spool that was made anew on a device that had gone: the same device. One that comes back after another
 * was there: two devices that throw each other out. NULL: it only speaks of the past. */
static struct roster_device *take_over(struct roster_step *s, struct roster_device *d)
{
	const enum topic_place place = s->m->topic.place;
	const bool is_back = is_past(d, s->m->instance);

	if (is_back && (place != TOPIC_AT_STATE || s->m->is_retained))
		return place == TOPIC_AT_EVENT || place == TOPIC_AT_REPORT ? d : NULL;
	if (!is_past(d, d->instance))
		d->past[d->pasts++ % ROSTER_PAST_MAX] = d->instance;
	if (is_back) {
		roster_conflict(s, d, ROSTER_TWO_SPOOLS);
		/* its spool is no copy */
		roster_boot(d, s->m->boot, s->m->instance, s->now->now_us)->is_past = false;
	}
	d->instance = s->m->instance;
	window_fini(&d->older); /* the other spool's */
	d->session = d->state_sequence = 0;
	d->has_counts = false;
	for (unsigned i = 0; i < TOPIC_ALARM_COUNT; i++)
		d->alarm[i].sequence = 0; /* it counts anew */
	s->roster->totals.replaced++;
	roster_touch(s->roster, d);
	return d;
}

/* Alarms of the state file: whoever pages needs a firmware for them, and now there is one. */
static void tell_standing(struct roster_step *s, struct roster_device *d)
{
	for (unsigned k = 0; k < TOPIC_ALARM_COUNT; k++)
		if (d->alarm[k].is_raised) {
			roster_note(s, ROSTER_STANDS, d);
			s->note[s->notes - 1].alarm = (enum topic_alarm)k;
		}
}

static bool is_will(const struct ingest_message *m)
{
	return m->topic.place == TOPIC_AT_STATE && !m->data.is_online;
}

/* NULL: nobody's; *refusal says why, INGEST_OK: it says nothing. */
static struct roster_device *owner(struct roster_step *s, enum ingest_refusal *refusal)
{
	const struct ingest_message *m = s->m;
	struct roster *r = s->roster;
	uint32_t twins;
	struct roster_device *d = find_instance(r, m, &twins), *other;

	*refusal = INGEST_OK;
	if (d)
		return d;
	other = (struct roster_device *)roster_find(r, m->topic.fleet, m->topic.device, 0);
	if (other && is_will(m)) {
		r->totals.late_wills++;
		return NULL;
	}
	if (other && m->topic.place == TOPIC_AT_ALARM)
		return other; /* what another spool left at the server; the device clears it */
	if (other && !other->is_online)
		return take_over(s, other);
	*refusal = twins >= ROSTER_TWINS_MAX ? INGEST_INSTANCES : INGEST_FULL;
	d = twins < ROSTER_TWINS_MAX && roster_make_room(r) ? roster_add(r, &m->topic, m->instance) : NULL;
	if (!d)
		return NULL;
	*refusal = INGEST_OK;
	if (other) {
		roster_conflict(s, other, ROSTER_TWO_SPOOLS);
		roster_conflict(s, d, ROSTER_TWO_SPOOLS);
	}
	return d;
}

/* ---- messages ---- */

static bool is_mine(const struct roster *r, const struct topic *t)
{
	if (r->limits.partitions < 2 || (t->place != TOPIC_AT_EVENT && t->place != TOPIC_AT_REPORT))
		return true;
	return hash(t->fleet, t->device) % r->limits.partitions == r->limits.partition;
}

/* An empty message has no envelope: it is for all devices of that name. */
static void apply_empty(struct roster_step *s)
{
	const struct topic *t = &s->m->topic;
	struct roster_device *d;

	for (uint32_t i = 0; (d = (struct roster_device *)roster_find(s->roster, t->fleet, t->device, i));) {
		if (t->place == TOPIC_AT_ALARM) {
			roster_alarm(s, d);
			i++;
			continue;
		}
		roster_forget(s->roster, d);
		roster_note(s, ROSTER_FORGOTTEN, d);
	}
}

static enum ingest_refusal apply(struct roster_step *s)
{
	static void (*const steps[TOPIC_PLACE_COUNT])(struct roster_step *, struct roster_device *) = {
		[TOPIC_AT_STATE] = roster_state, [TOPIC_AT_HEARTBEAT] = roster_state,
		[TOPIC_AT_EVENT] = roster_log, [TOPIC_AT_REPORT] = roster_log,
		[TOPIC_AT_ALARM] = roster_alarm,
	};
	enum ingest_refusal refusal;
	struct roster_device *d = owner(s, &refusal);

	if (!d)
		return refusal;
	if (!d->seen_us)
		d->seen_us = s->now->now_us; /* only kept messages so far: it is waited for from now on */
	if (!is_will(s->m) && !s->m->is_retained) {
		bring_forward(s->roster, d);
		d->seen_us = s->now->now_us;
		d->seen_s = s->now->real_s;
		d->is_silent = false;
	}
	if (!d->group) {
		roster_firmware(s, d);
		tell_standing(s, d);
	}
	steps[s->m->topic.place](s, d);
	return INGEST_OK;
}

enum ingest_refusal roster_apply(struct roster *r, const struct ingest_message *m,
				 const struct roster_now *now, struct roster_note ret[ROSTER_NOTES_MAX],
				 uint32_t *ret_notes)
{
	struct roster_step s = { r, m, now, ret, 0 };
	enum ingest_refusal refusal = INGEST_OK;

	*ret_notes = 0;
	r->totals.messages++;
	free_forgotten(r);
	if (!is_mine(r, &m->topic)) {
		r->totals.not_mine++;
		return INGEST_OK;
	}
	if (m->is_empty)
		apply_empty(&s);
	else
		refusal = apply(&s);
	if (refusal)
		r->totals.refused[refusal]++;
	*ret_notes = s.notes;
	return refusal;
}

void roster_refuse(struct roster *r, enum ingest_refusal refusal)
{
	r->totals.messages++;
	r->totals.refused[refusal]++;
}
