/* SPDX-License-Identifier: MIT */
/* What the process before this one left: of this boot, or of one that is over and wants a report.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "tell.h"
#include "words.h"

static bool is_same_boot(const struct device *d)
{
	return !strcmp(d->past.boot, d->identity.boot);
}

/* An alarm of a boot that is over is over, too; one of this boot is still raised and not told
 * again. */
static void take_alarms(struct device *d)
{
	/* an order is about what still waits, whoever put it there */
	for (const struct spool_record *r = spool_next(d->spool, SPOOL_ALARM, 0); r;
	     r = spool_next(d->spool, SPOOL_ALARM, r->sequence))
		if (r->type == TOPIC_ALARM)
			d->last_alarm = r->sequence;
	for (enum topic_alarm a = 0; a < TOPIC_ALARM_COUNT; a++) {
		const struct spool_record *r = spool_alarm(d->spool, a);

		if (!r || !r->is_raised)
			continue;
		if (is_same_boot(d))
			d->tally.is_raised[a] = true;
		else
			device_alarm(d, a, false, NULL, "the machine has booted since");
	}
	d->tally.oom_us = device_now_us(); /* of the one before: its time begins anew */
}

/* As with the spool: what is no crumb is set aside, and where there is no room it is in memory. */
static int open_crumb(struct device *d, const char *path)
{
	int r = crumb_open(&d->crumb, path, &d->past);
	char bad[520];

	if (r == -EPROTO || r == -ELOOP) {
		(void)snprintf(bad, sizeof(bad), "%s.bad", path);
		tell(TELL_ERROR, "%s is no crumb of ours: it is set aside as %s", path, bad);
		r = rename(path, bad) < 0 ? r : crumb_open(&d->crumb, path, &d->past);
	}
	if (r < 0 && r != -ENOMEM) {
		tell(TELL_ERROR, "%s: %s: the next boot will not be told how this one ended", path,
		     strerror(-r));
		r = crumb_open(&d->crumb, NULL, &d->past);
	}
	return r;
}

int device_past_open(struct device *d, char complaint[256])
{
	char path[512];
	int r;

	(void)snprintf(path, sizeof(path), "%s/crumb", d->options.state_directory);
	r = open_crumb(d, path);
	if (r < 0) {
		(void)snprintf(complaint, 256, "cannot keep %.150s: %s", path, strerror(-r));
		return r;
	}
	d->tally.counts = d->past.counts;
	outcome_gather(d->root_fd, &d->past, &d->facts);
	d->facts.is_other_boot = d->past.boot[0] && !is_same_boot(d);
	d->is_past_open = d->facts.is_other_boot;
	if (d->is_past_open && d->facts.refused[0])
		tell(TELL_WARNING, "%s cannot be read, and /" WORDS_PATH " is not used: %s",
		     d->facts.closed, d->facts.refused);
	take_alarms(d);
	if (is_same_boot(d))
		tally_resume(&d->tally, &d->past.mark, &d->past.episode);
	return 0;
}

/* Made before this process was killed between the spool and the crumb? Then it still waits: nothing
 * is sent before the crumb is written. */
static bool is_reported(const struct device *d)
{
	for (const struct spool_record *r = spool_next(d->spool, SPOOL_ALARM, 0); r;
	     r = spool_next(d->spool, SPOOL_ALARM, r->sequence))
		if (r->type == TOPIC_REPORT &&
		    memmem(r->payload, r->length, d->past.boot, strlen(d->past.boot)) &&
		    memmem(r->payload, r->length, d->identity.boot, strlen(d->identity.boot)))
			return true;
	return false;
}

void device_past_conclude(struct device *d)
{
	struct outcome outcome = {0};

	if (!d->is_past_open)
		return;
	outcome_judge(&d->past, &d->facts, &outcome);
	if (outcome.is_known && !is_reported(d)) {
		d->tally.counts.resets += outcome_is_reset(outcome.end, &d->past);
		tell(TELL_INFO, "the last boot ended: %s: %s", tally_end_name(outcome.end),
		     outcome.text);
		(void)device_report(d, &d->past.episode, &outcome, &d->past); /* it has been told */
	}
	device_sync(d); /* the crumb still says what it said */
	d->is_past_open = false;
	device_keep(d, true);
	device_send(d);
}

/* A stage's alarm that was raised by the process before, and the broker has nothing open: nobody
 * clears it. */
static void clear_stale(struct device *d)
{
	static const struct {
		enum topic_alarm alarm;
		uint32_t stage;
	} rows[] = {{TOPIC_ALARM_SHUTDOWN, FAILSOFT_STAGE_SHUTDOWN},
		    {TOPIC_ALARM_IMMINENT, FAILSOFT_STAGE_IMMINENT}};
	bool is_any = false;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (d->tally.is_raised[rows[i].alarm] && d->tally.stage < rows[i].stage) {
			d->tally.is_raised[rows[i].alarm] = false;
			device_alarm(d, rows[i].alarm, false, NULL, "over while nobody watched");
			is_any = true;
		}
	if (is_any)
		(void)device_state(d, true); /* not connected: the birth says it */
}

void device_past_event(struct device *d, const struct feed_event *e)
{
	if (e->kind == FEED_REBOOTED)
		d->facts.has_reboot = true;
	if (e->kind != FEED_SETTLED)
		return;
	device_past_conclude(d);
	clear_stale(d);
	device_sync(d);
}
