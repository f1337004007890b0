/* SPDX-License-Identifier: MIT */
#include "roster_seen.h"

#include <string.h>

#include "roster_part.h"

static struct seen_record record_of(const struct roster_device *d, enum seen_what what)
{
	struct seen_record record = { .what = (uint8_t)what, .instance = d->instance };

	strcpy(record.fleet, d->fleet); /* the same sizes; what is behind the NUL stays 0 */
	strcpy(record.device, d->device);
	return record;
}

static struct roster_device *find(const struct roster *r, const struct seen_record *record)
{
	const struct roster_device *d;

	for (uint32_t i = 0; (d = roster_find(r, record->fleet, record->device, i)); i++)
		if (d->instance == record->instance)
			return (struct roster_device *)d;
	return NULL;
}

bool roster_restore(struct roster *r, const struct seen_record *record)
{
	struct topic t = { .place = TOPIC_AT_EVENT };
	struct roster_device *d = find(r, record);
	struct roster_alarm *a;

	if (record->what != SEEN_SHOWN && record->what != SEEN_ALARM)
		return false;
	memcpy(t.fleet, record->fleet, sizeof(t.fleet));
	memcpy(t.device, record->device, sizeof(t.device));
	if (!d && !roster_find(r, t.fleet, t.device, ROSTER_TWINS_MAX - 1))
		d = roster_add(r, &t, record->instance);
	if (!d)
		return false;
	roster_touch(r, d);
	if (record->what == SEEN_SHOWN) /* their order is their age; all are older than any clock's time */
		return window_add_range(&roster_boot(d, record->boot, ++r->restored)->window,
					(struct window_range){ record->first, record->last }) !=
		       WINDOW_NO_MEMORY;
	a = &d->alarm[record->kind];
	a->is_raised = record->is_raised;
	a->sequence = record->last;
	a->since_s = (int64_t)record->first;
	return true;
}

bool roster_seen_range(const struct roster_device *d, const char *boot, uint64_t sequence,
		       struct seen_record *ret)
{
	for (unsigned i = 0; i < ROSTER_BOOTS; i++) {
		const struct window_range *range = strcmp(d->boots[i].boot, boot)
							   ? NULL
							   : window_find(&d->boots[i].window, sequence);

		if (!range)
			continue;
		*ret = record_of(d, SEEN_SHOWN);
		memcpy(ret->boot, d->boots[i].boot, sizeof(ret->boot));
		ret->first = range->first;
		ret->last = range->last;
		return true;
	}
	return false;
}

void roster_seen_alarm(const struct roster_device *d, enum topic_alarm kind, struct seen_record *ret)
{
	const struct roster_alarm *a = &d->alarm[kind];

	*ret = record_of(d, SEEN_ALARM);
	ret->kind = (uint8_t)kind;
	ret->is_raised = a->is_raised;
	ret->first = a->since_s > 0 ? (uint64_t)a->since_s : 0;
	ret->last = a->sequence;
}

/* ---- all of it ---- */

/* The oldest after `after`; ROSTER_BOOTS: none. */
static unsigned next_boot(const struct roster_device *d, unsigned after)
{
	unsigned best = ROSTER_BOOTS;

	for (unsigned i = 0; i < ROSTER_BOOTS; i++) {
		const uint64_t used_us = d->boots[i].used_us;
		const bool is_later = after == ROSTER_BOOTS || used_us > d->boots[after].used_us ||
				      (used_us == d->boots[after].used_us && i > after);

		if (is_later && (best == ROSTER_BOOTS || used_us < d->boots[best].used_us))
			best = i;
	}
	return best;
}

static bool put_boot(const struct roster_device *d, const struct roster_boot *b,
		     bool (*put)(void *userdata, const struct seen_record *record), void *userdata)
{
	struct seen_record record = record_of(d, SEEN_SHOWN);

	memcpy(record.boot, b->boot, sizeof(record.boot));
	for (uint32_t i = 0; i < b->window.count; i++) {
		record.first = b->window.range[i].first;
		record.last = b->window.range[i].last;
		if (!put(userdata, &record))
			return false;
	}
	return true;
}

static bool put_device(const struct roster_device *d,
		       bool (*put)(void *userdata, const struct seen_record *record), void *userdata)
{
	struct seen_record record;

	for (unsigned i = next_boot(d, ROSTER_BOOTS); i < ROSTER_BOOTS; i = next_boot(d, i))
		if (d->boots[i].boot[0] && !put_boot(d, &d->boots[i], put, userdata))
			return false;
	for (unsigned k = 0; k < TOPIC_ALARM_COUNT; k++) {
		if (!d->alarm[k].is_raised && !d->alarm[k].sequence)
			continue;
		roster_seen_alarm(d, (enum topic_alarm)k, &record);
		if (!put(userdata, &record))
			return false;
	}
	return true;
}

bool roster_seen_all(const struct roster *r,
		     bool (*put)(void *userdata, const struct seen_record *record), void *userdata)
{
	for (uint32_t i = 0; i < r->count; i++)
		if (!put_device(r->list[i], put, userdata))
			return false;
	return true;
}

bool roster_seen_is_of(const struct seen_record *record, const struct ingest_message *m)
{
	return record->instance == m->instance && record->first <= m->sequence &&
	       m->sequence <= record->last && !strcmp(record->boot, m->boot) &&
	       !strcmp(record->device, m->topic.device) && !strcmp(record->fleet, m->topic.fleet);
}
