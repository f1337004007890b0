/* SPDX-License-Identifier: MIT */
/* Makes messages of what happened. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "device.h"
#include "memory_now.h"
#include "tell.h"

static struct envelope_moment moment(struct device *d)
{
	return (struct envelope_moment){
		.sequence = spool_next_sequence(d->spool),
		.boottime_us = device_boot_us(),
		.real_s = time(NULL),
		.is_synchronised = identity_clock_is_synchronised(),
	};
}

/* What d->record holds, into the spool. `length`: of its payload, or -errno. */
static int put(struct device *d, const struct envelope_moment *m, enum topic_type type, int length)
{
	const bool is_urgent = spool_priority(type) == SPOOL_ALARM;
	int r = length;

	d->record.sequence = m->sequence;
	d->record.type = type;
	d->record.length = length < 0 ? 0 : (uint32_t)length;
	d->record.sent_s = 0;
	if (r >= 0)
		r = spool_put(d->spool, &d->record, false);
	if (r < 0) {
		tell(TELL_ERROR, "a message of type %s is lost: %s", topic_type_name(type),
		     strerror(-r));
		return r;
	}
	if (is_urgent && d->syncs == DEVICE_SYNCS_MAX)
		device_sync(d);
	if (is_urgent)
		d->sync[d->syncs++] = m->sequence;
	return 0;
}

void device_sync(struct device *d)
{
	int r;

	for (uint32_t i = 0; i < d->syncs; i++) {
		r = spool_sync(d->spool, d->sync[i]);
		if (r < 0 && r != -ENOENT) /* not there: acknowledged, and given way to another */
			tell(TELL_ERROR, "an alarm is in memory, but not on the disk: %s",
			     strerror(-r));
	}
	if (d->syncs)
		device_keep(d, true);
	d->syncs = 0;
}

void device_keep(struct device *d, bool is_urgent)
{
	const struct tally_episode *worst = tally_worst(&d->tally);
	struct crumb_note note = {.alive_us = device_boot_us(),
				  .mono_us = device_now_us(),
				  .counts = d->tally.counts,
				  .mark = tally_mark(&d->tally),
				  .is_orderly = d->goodbye && d->expect[0] != '\0',
				  .is_stopped = d->goodbye && d->expect[0] == '\0'};
	int r;

	if (d->is_past_open)
		return; /* what it says of the last boot is not told yet */
	if (identity_clock_is_synchronised())
		note.real_s = (uint64_t)time(NULL);
	note.last_policy = !d->goodbye && d->expect[0] != '\0';
	memcpy(note.boot, d->identity.boot, sizeof(note.boot));
	memcpy(note.firmware, d->identity.firmware, sizeof(note.firmware));
	memcpy(note.dumps, d->facts.dumps, sizeof(note.dumps));
	if (worst)
		note.episode = *worst;
	r = crumb_write(d->crumb, &note, is_urgent);
	if (r < 0)
		tell(TELL_WARNING, "what the next boot must know is not on the disk: %s",
		     strerror(-r));
}

void device_alarm(struct device *d, enum topic_alarm alarm, bool is_raised,
		  const struct tally_episode *episode, const char *text)
{
	const struct envelope_moment m = moment(d);
	int length = envelope_alarm(&d->envelope, &m, alarm, is_raised, episode,
				    d->order.sequence ? d->order.deadline_us : 0, text,
				    d->record.payload);

	d->record.alarm = alarm;
	d->record.is_raised = is_raised;
	d->is_alarm_lost = put(d, &m, TOPIC_ALARM, length) < 0;
	if (!d->is_alarm_lost) {
		d->last_alarm = m.sequence;
		device_send(d);
		if (d->is_retained_sent)
			device_send_retained(d, alarm);
	}
	/* last: whoever reads the log may be as short of memory, and let us wait */
	tell(is_raised ? TELL_WARNING : TELL_INFO, "alarm %s %s: %s", topic_alarm_name(alarm),
	     is_raised ? "raised" : "cleared", text);
}

int device_report(struct device *d, const struct tally_episode *episode,
		  const struct outcome *outcome, const struct crumb_note *past)
{
	const struct envelope_moment m = moment(d);

	return put(d, &m, TOPIC_REPORT,
		   envelope_report(&d->envelope, &m, episode, outcome, past, d->record.payload));
}

static void say_event(struct device *d, const struct feed_event *e)
{
	const struct envelope_moment m = moment(d);

	(void)put(d, &m, TOPIC_EVENT,
		  envelope_event(&d->envelope, &m, e, d->record.payload)); /* it has been told */
}

/* In stage normal the broker says nothing: then the kernel's own figure is the newest. */
static void add_figures(const struct device *d, struct envelope_state *s)
{
	const bool is_quiet = d->tally.stage == FAILSOFT_STAGE_NORMAL || !d->newest.total_bytes;

	s->tte_us = UINT64_MAX;
	if (is_quiet && memory_now(d->root_fd, &s->headroom_bytes, &s->total_bytes)) {
		strcpy(s->domain, "system");
	} else {
		memcpy(s->domain, d->newest.domain, sizeof(s->domain));
		s->headroom_bytes = d->newest.headroom_bytes;
		s->total_bytes = d->newest.total_bytes;
		s->tte_us = d->newest.tte_us;
	}
}

static int make_state(struct device *d, bool is_online, bool is_heartbeat,
		      struct envelope_moment *ret)
{
	struct envelope_state s = {.is_online = is_online,
				   .has_broker = d->feed && feed_is_up(d->feed),
				   .stage = d->tally.stage,
				   .expect = d->expect,
				   .counts = d->tally.counts,
				   .spool = spool_count(d->spool)};

	*ret = moment(d);
	add_figures(d, &s);
	return envelope_state(&d->envelope, ret, &s, is_heartbeat, d->record.payload);
}

int device_state(struct device *d, bool is_online)
{
	struct envelope_moment m;
	int length;

	if (d->goodbye && is_online)
		return -ESHUTDOWN; /* it would cover the goodbye, and no will comes after it */
	if (!link_is_connected(d->link))
		return -ENOTCONN;
	length = make_state(d, is_online, false, &m);
	return length < 0 ? length
			  : link_publish(d->link, d->topic[TOPIC_AT_STATE], d->record.payload,
					 (size_t)length, 1, true);
}

void device_beat(struct device *d)
{
	struct envelope_moment m;
	int length = make_state(d, true, true, &m);

	if (length >= 0 && link_is_connected(d->link))
		(void)link_publish(d->link, d->topic[TOPIC_AT_HEARTBEAT], d->record.payload,
				   (size_t)length, 0, false); /* the next one comes */
	else
		(void)put(d, &m, TOPIC_HEARTBEAT, length);
}

static void say_alarm(struct device *d, const struct tally_note *n)
{
	const struct tally_episode *o = n->episode;
	const char *domain = o && o->domain[0] ? o->domain : "the system";
	char text[256] = "over";

	if (n->is_raised)
		switch (n->alarm) {
		case TOPIC_ALARM_IMMINENT:
			(void)snprintf(text, sizeof(text), "memory of %s is about to run out",
				       domain);
			break;
		case TOPIC_ALARM_SHUTDOWN:
			(void)snprintf(text, sizeof(text),
				       "programs of %s are about to be ended for lack of memory",
				       domain);
			break;
		case TOPIC_ALARM_OOM_KILL:
			(void)snprintf(text, sizeof(text),
				       "the kernel ended %s (process %" PRIu64
				       ") for lack of memory",
				       o ? o->victim : "a program", o ? o->victim_pid : 0);
			break;
		case TOPIC_ALARM_BROKER_LOST:
			(void)snprintf(
				text, sizeof(text),
				"failsoftd is not there: nobody is asked before memory runs out");
			break;
		case TOPIC_ALARM_COUNT:
			break;
		}
	device_alarm(d, n->alarm, n->is_raised, o, text);
}

/* What the way of the alarms took, once an episode. */
static void say_latency(struct device *d, const struct tally_episode *o)
{
	if (d->met)
		tell(TELL_INFO,
		     "episode %" PRIu64 ": the server acknowledged the alarm %" PRIu64
		     " us after the order, %" PRIu64 " us before the deadline (the slowest of %u)",
		     o->number, d->slowest_us, d->left_us, d->met);
	if (d->missed)
		tell(TELL_WARNING,
		     "episode %" PRIu64
		     ": %u orders were answered before the server had the alarm; it is in "
		     "the spool",
		     o->number, d->missed);
	d->met = d->missed = 0;
	d->slowest_us = d->left_us = 0;
}

/* The way of an alarm is gone once, to nowhere: its code is in memory, and locked, before the crisis. */
void device_rehearse(struct device *d)
{
	const struct envelope_moment m = {.sequence = 1, .boottime_us = device_boot_us()};
	struct tally_episode o = {.number = 1, .domain = "system", .total_bytes = 1};
	struct feed_event e = {.kind = FEED_STAGE, .word = "stage", .domain = "system"};

	/* what it would say is thrown away */
	(void)envelope_alarm(&d->envelope, &m, TOPIC_ALARM_IMMINENT, true, &o, 1, "", d->record.payload);
	(void)envelope_report(&d->envelope, &m, &o, NULL, NULL, d->record.payload);
	(void)envelope_event(&d->envelope, &m, &e, d->record.payload);
	(void)spool_next(d->spool, SPOOL_HEARTBEAT, 0);
	(void)identity_clock_is_synchronised();
}

/* The first that is told: it may be the last word. */
static void say_expected(struct device *d)
{
	const char *expect = d->tally.ending == TALLY_REBOOT   ? "reboot"
			     : d->tally.ending == TALLY_POWEROFF ? "poweroff"
								 : "";

	if (d->goodbye || !strcmp(expect, d->expect))
		return;
	d->expect = expect;
	(void)device_state(d, true); /* not connected: the birth says it */
	device_keep(d, true);
}

void device_tell(struct device *d, const struct tally_note *note, uint32_t notes,
		 const struct feed_event *e)
{
	bool is_state_due = false;

	say_expected(d);
	for (uint32_t i = 0; i < notes; i++)
		switch (note[i].kind) {
		case TALLY_NOTE_ALARM:
			say_alarm(d, &note[i]);
			break;
		case TALLY_NOTE_REPORT:
			say_latency(d, note[i].episode);
			(void)device_report(d, note[i].episode, NULL, NULL); /* it has been told */
			break;
		case TALLY_NOTE_EVENT:
			if (e)
				say_event(d, e);
			break;
		case TALLY_NOTE_STATE:
			is_state_due = true;
			break;
		}
	if (is_state_due)
		(void)device_state(d, true); /* not connected: the birth says it */
	device_send(d);
	if (notes) /* before a disk is waited for: who is killed then must not tell it all again */
		device_keep(d, false);
	if (!d->order.sequence)
		device_sync(d);
}
