/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "../ctl/ctl.h"
#include "roster_part.h"

#define ROOM_FIRST	8u

/* ---- the present state of an alarm ---- */

static void set_text(struct roster_alarm *a, const char *text)
{
	free(a->text);
	a->text = text && *text ? strdup(text) : NULL; /* no memory: an alarm without its sentence */
}

void roster_clear(struct roster *r, struct roster_device *d, struct roster_alarm *a)
{
	a->is_raised = false;
	set_text(a, NULL);
	roster_touch(r, d);
}

/* As the device says it, unless its clock is ahead: nothing is raised since tomorrow. */
static int64_t since(const struct roster_step *s)
{
	const int64_t said_s = s->m->time_s, now_s = s->now->real_s;

	return said_s && said_s < now_s ? said_s : now_s;
}

static void set_raised(struct roster_step *s, struct roster_device *d, struct roster_alarm *a)
{
	const struct ingest_message *m = s->m;
	const bool had_text = a->text;

	if (!a->is_raised || !had_text || m->sequence != a->sequence)
		set_text(a, m->data.text);
	if (m->instance == d->instance)
		a->sequence = m->sequence; /* another spool's number says nothing of ours */
	a->said_us = roster_intake_us(s->roster, s->now);
	roster_touch(s->roster, d);
	if (a->is_raised) {
		if (!had_text && a->text)
			roster_note(s, ROSTER_STANDS, d);
		return;
	}
	a->is_raised = true;
	a->since_s = since(s);
	roster_note(s, ROSTER_RAISED, d);
}

static void set_cleared(struct roster_step *s, struct roster_device *d, struct roster_alarm *a)
{
	if (!a->is_raised)
		return;
	roster_clear(s->roster, d, a);
	roster_note(s, ROSTER_CLEARED, d);
}

/* The kept message. One that the log has told already may come: only an older one is wrong. */
void roster_alarm(struct roster_step *s, struct roster_device *d)
{
	const struct ingest_message *m = s->m;
	struct roster_alarm *a = &d->alarm[m->topic.alarm];
	const bool is_ours = !m->is_empty && m->instance == d->instance;

	if (is_ours && m->sequence < a->sequence) {
		s->roster->totals.out_of_order++;
		return;
	}
	if (!m->is_empty && m->data.is_raised) {
		set_raised(s, d, a);
		return;
	}
	if (is_ours)
		a->sequence = m->sequence;
	set_cleared(s, d, a);
}

/* The log's: it is sure also where a server of a cluster has lost what it kept. A message that the
 * device sends again is no news, and one that is older than what is known neither raises nor clears. */
static void follow_log(struct roster_step *s, struct roster_device *d)
{
	struct roster_alarm *a = &d->alarm[s->m->data.kind];

	if (s->roster->limits.is_log_shared || s->m->sequence <= a->sequence)
		return;
	if (s->m->data.is_raised) {
		set_raised(s, d, a);
		return;
	}
	a->sequence = s->m->sequence;
	set_cleared(s, d, a);
}

/* ---- the log ---- */

static struct roster_moment *make_moment(struct roster_device *d)
{
	if (d->moments == d->moment_room && d->moment_room < ROSTER_MOMENTS_MAX) {
		uint32_t room = d->moment_room ? 2 * d->moment_room : ROOM_FIRST;
		struct roster_moment *moment = reallocarray(d->moment, room, sizeof(*moment));

		if (!moment)
			return NULL;
		d->moment = moment;
		d->moment_room = room;
	}
	if (d->moments < ROSTER_MOMENTS_MAX)
		return &d->moment[d->moments++];
	d->moment_next = (d->moment_next + 1) % ROSTER_MOMENTS_MAX;
	return &d->moment[(d->moment_next + ROSTER_MOMENTS_MAX - 1) % ROSTER_MOMENTS_MAX];
}

static void set_forecast(struct roster_moment *to, const struct ingest_data *data)
{
	to->has_forecast = data->has_forecast;
	to->headroom_bytes = data->has_forecast ? data->forecast.headroom_bytes : data->headroom_bytes;
	to->tte_us = data->has_forecast ? data->forecast.tte_us : data->tte_us;
	to->tte_early_us = data->has_forecast ? data->forecast.tte_early_us : data->tte_early_us;
	to->tte_late_us = data->has_forecast ? data->forecast.tte_late_us : data->tte_late_us;
	to->came_after_us = data->forecast.came_after_us;
	to->limit_bytes = data->limit_bytes;
}

static void remember(struct roster_step *s, struct roster_device *d)
{
	const struct ingest_message *m = s->m;
	const struct ingest_data *data = &m->data;
	struct roster_moment *to = make_moment(d);

	if (!to)
		return; /* it is counted all the same */
	*to = (struct roster_moment){
		.sequence = m->sequence, .boottime_us = m->boottime_us, .time_s = m->time_s,
		.seen_s = s->now->real_s, .type = m->type, .episode = data->episode, .pid = data->pid,
		.kind = data->kind, .end = data->end, .is_raised = data->is_raised, .from = data->from,
		.to = data->to, .has_change = data->has_change, .is_drill = data->is_drill,
		.is_near_miss = data->is_near_miss, .is_false_alarm = data->is_false_alarm,
	};
	memcpy(to->boot, m->boot, sizeof(to->boot));
	print_clean(to->event, sizeof(to->event), data->event);
	print_clean(to->domain, sizeof(to->domain), data->domain);
	print_clean(to->name, sizeof(to->name), data->name);
	print_clean(to->text, sizeof(to->text), data->text);
	set_forecast(to, data);
}

/* The firmware that ran then. */
static struct group *group_then(struct roster_step *s, struct roster_device *d)
{
	const struct ingest_message *m = s->m;
	const char *firmware = m->data.past_firmware[0] ? m->data.past_firmware : m->firmware;

	if (d->firmware && !strcmp(d->firmware, firmware))
		return d->group;
	return group_of(&s->roster->groups, d->fleet, firmware);
}

static void count(struct roster_step *s, struct roster_device *d)
{
	const struct ingest_data *data = &s->m->data;
	struct group *g = group_then(s, d);

	switch (s->m->type) {
	case TOPIC_ALARM:
		g->raised[data->kind] += data->is_raised;
		break;
	case TOPIC_REPORT:
		g->reports[data->end]++;
		g->near_miss_reports += data->is_near_miss;
		g->false_alarm_reports += data->is_false_alarm;
		d->near_misses += data->is_near_miss;
		if (__builtin_add_overflow(d->missed, data->missed, &d->missed))
			d->missed = UINT64_MAX;
		break;
	case TOPIC_EVENT:
		g->events++;
		break;
	case TOPIC_STATE:
	case TOPIC_HEARTBEAT:
	case TOPIC_TYPE_COUNT:
		break;
	}
}

static enum window_outcome see(struct roster_step *s, struct roster_device *d)
{
	const struct ingest_message *m = s->m;

	if (roster_is_of_older_boot(d, m))
		return WINDOW_SEEN;
	return window_add(&roster_boot(d, m->boot, m->instance, s->now->now_us)->window, m->sequence);
}

void roster_log(struct roster_step *s, struct roster_device *d)
{
	const enum window_outcome outcome = see(s, d);

	if (outcome == WINDOW_SEEN) {
		s->roster->totals.duplicates++;
		return;
	}
	if (outcome == WINDOW_NO_MEMORY)
		s->roster->totals.unremembered++;
	count(s, d);
	remember(s, d);
	roster_touch(s->roster, d);
	roster_note(s, ROSTER_LOGGED, d);
	if (s->m->type == TOPIC_ALARM)
		follow_log(s, d);
}
