/* SPDX-License-Identifier: MIT */
#include "roster_seen.h"

#include <string.h>

#include "roster_part.h"

/* No machine's boot: what `older` holds is written under it, and read as a boot by versions that know no
 * `older`. */
#define OLDER_BOOTS	"00000000000000000000000000000000"

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

static bool restore_range(struct roster *r, struct roster_device *d, const struct seen_record *record)
{
	const struct window_range range = { record->first, record->last };
	struct window *window = &d->older;

	/* their order is their age; all are older than any clock's time */
	if (strcmp(record->boot, OLDER_BOOTS))
		window = &roster_boot(d, record->boot, record->instance, ++r->restored)->window;
	return window_add_range(window, range) != WINDOW_NO_MEMORY;
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
	if (record->what == SEEN_SHOWN)
		return restore_range(r, d, record);
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

struct putter {
	bool (*put)(void *userdata, const struct seen_record *record);
	void *userdata;
};

static bool put_window(const struct roster_device *d, const char *boot, const struct window *w,
		       const struct putter *to)
{
	struct seen_record record = record_of(d, SEEN_SHOWN);

	memcpy(record.boot, boot, sizeof(record.boot));
	for (uint32_t i = 0; i < w->count; i++) {
		record.first = w->range[i].first;
		record.last = w->range[i].last;
		if (!to->put(to->userdata, &record))
			return false;
	}
	return true;
}

/* A record says the device's present instance: another spool's numbers would be read as this one's. */
static bool is_to_be_kept(const struct roster_device *d, const struct roster_boot *b)
{
	return b->boot[0] && b->instance == d->instance;
}

static bool put_device(const struct roster_device *d, const struct putter *to)
{
	struct seen_record record;

	if (!put_window(d, OLDER_BOOTS, &d->older, to))
		return false;
	for (unsigned i = next_boot(d, ROSTER_BOOTS); i < ROSTER_BOOTS; i = next_boot(d, i))
		if (is_to_be_kept(d, &d->boots[i]) &&
		    !put_window(d, d->boots[i].boot, &d->boots[i].window, to))
			return false;
	for (unsigned k = 0; k < TOPIC_ALARM_COUNT; k++) {
		if (!d->alarm[k].is_raised && !d->alarm[k].sequence)
			continue;
		roster_seen_alarm(d, (enum topic_alarm)k, &record);
		if (!to->put(to->userdata, &record))
			return false;
	}
	return true;
}

bool roster_seen_all(const struct roster *r,
		     bool (*put)(void *userdata, const struct seen_record *record), void *userdata)
{
	const struct putter to = { put, userdata };

	for (uint32_t i = 0; i < r->count; i++)
		if (!put_device(r->list[i], &to))
			return false;
	return true;
}

bool roster_seen_is_of(const struct seen_record *record, const struct ingest_message *m)
{
	return record->instance == m->instance && record->first <= m->sequence &&
	       m->sequence <= record->last && !strcmp(record->boot, m->boot) &&
	       !strcmp(record->device, m->topic.device) && !strcmp(record->fleet, m->topic.fleet);
}
