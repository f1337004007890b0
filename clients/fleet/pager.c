/* SPDX-License-Identifier: MIT */
#include "pager.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "../telemetry/backoff.h"
#include "alerts.h"
#include "fetch.h"
#include "moment.h"

#define PAUSE_FIRST_US	UINT64_C(1000000)
#define PAUSE_LAST_US	UINT64_C(60000000)
#define PATH		"/api/v2/alerts"

struct pager {
	sd_event *event;
	sd_event_source *timer;
	struct fetch *fetch;
	struct alerts alerts;
	struct backoff backoff;
	uint64_t pause_until_us;
	bool is_failing, has_said_full, has_said_refused;
	uint64_t posts, failures;
	char url[];
};

static uint64_t now_us(const struct pager *p)
{
	uint64_t us = 0;

	(void)sd_event_now(p->event, CLOCK_MONOTONIC, &us); /* cannot fail on a valid clock */
	return us;
}

/* ---- what is posted ---- */

static void add_text(struct json_object *to, const char *name, const char *text)
{
	json_object_object_add(to, name, json_object_new_string(text));
}

static void add_time(struct json_object *to, const char *name, int64_t real_s)
{
	char text[MOMENT_MAX];

	add_text(to, name, moment_format(real_s, text));
}

static struct json_object *describe(const struct alert *a)
{
	struct json_object *alert = json_object_new_object(), *labels = json_object_new_object();
	struct json_object *notes = json_object_new_object();
	char summary[ROSTER_TEXT_MAX + 160];

	add_text(labels, "alertname", "FailsoftAlarm");
	add_text(labels, "fleet", a->fleet);
	add_text(labels, "device", a->device);
	add_text(labels, "kind", topic_alarm_name(a->kind));
	add_text(labels, "firmware", a->firmware);
	add_text(labels, "severity", alerts_severity(a->kind));
	snprintf(summary, sizeof(summary), "%s/%s: %s%s%s", a->fleet, a->device, topic_alarm_name(a->kind),
		 a->text[0] ? ": " : "", a->text);
	add_text(notes, "summary", summary);
	json_object_object_add(alert, "labels", labels);
	json_object_object_add(alert, "annotations", notes);
	add_time(alert, "startsAt", a->starts_s);
	if (alerts_is_end(a))
		add_time(alert, "endsAt", a->ends_s);
	return alert;
}

static char *body_of(struct alert *const *alert, uint32_t count)
{
	struct json_object *array = json_object_new_array();
	char *body;

	for (uint32_t i = 0; i < count; i++)
		json_object_array_add(array, describe(alert[i]));
	body = strdup(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PLAIN));
	json_object_put(array);
	return body;
}

/* ---- when ---- */

static void arm(struct pager *p, uint64_t due_us)
{
	if (due_us < p->pause_until_us)
		due_us = p->pause_until_us;
	if (fetch_is_busy(p->fetch) || due_us == INGEST_NEVER_US) {
		(void)sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
		return;
	}
	(void)sd_event_source_set_time(p->timer, due_us);
	(void)sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
}

static void fail(struct pager *p, const char *why)
{
	uint64_t random = 0;

	(void)getrandom(&random, sizeof(random), GRND_NONBLOCK); /* without it: the shortest pause */
	p->failures++;
	alerts_failed(&p->alerts);
	p->pause_until_us = now_us(p) + backoff_next(&p->backoff, random);
	if (!p->is_failing)
		fprintf(stderr, "failsoft-fleet: Alertmanager at %s: %s; alerts wait and are tried again\n",
			p->url, why);
	p->is_failing = true;
}

static struct roster_now now_of(const struct pager *p)
{
	uint64_t real_us = 0;

	(void)sd_event_now(p->event, CLOCK_REALTIME, &real_us); /* cannot fail on a valid clock */
	return (struct roster_now){ now_us(p), (int64_t)(real_us / 1000000) };
}

/* It is the content that is refused, not all that we might send. Alertmanager has taken the good ones of it,
 * but does not say which. */
static bool is_refusal(long status)
{
	return status == 400 || status == 413 || status == 422;
}

static void refuse(struct pager *p, const char *why)
{
	const struct roster_now now = now_of(p);
	struct alert one;

	p->failures++;
	p->pause_until_us = 0;
	backoff_reset(&p->backoff);
	if (!alerts_refused(&p->alerts, &now, &one) || p->has_said_refused)
		return;
	fprintf(stderr,
		"failsoft-fleet: Alertmanager at %s refuses the alert of %s/%s, %s: %s; it is tried again "
		"each minute, the others go on\n",
		p->url, one.fleet, one.device, topic_alarm_name(one.kind), why);
	p->has_said_refused = true;
}

static void post(struct pager *p)
{
	struct alert *batch[ALERTS_BATCH];
	uint32_t count = alerts_take(&p->alerts, now_us(p), batch);
	char *body = count ? body_of(batch, count) : NULL;
	int r = count ? body ? fetch_post(p->fetch, body) : -ENOMEM : 0;

	if (r < 0)
		fail(p, strerror(-r));
}

static int on_timer(sd_event_source *source, uint64_t us, void *userdata)
{
	struct pager *p = userdata;

	(void)source;
	(void)us;
	if (!fetch_is_busy(p->fetch))
		post(p);
	arm(p, alerts_due_us(&p->alerts));
	return 0;
}

static void on_done(void *userdata, const struct fetch_result *result)
{
	struct pager *p = userdata;

	p->posts++;
	if (result->status >= 200 && result->status < 300) {
		if (p->is_failing)
			fprintf(stderr, "failsoft-fleet: Alertmanager at %s takes alerts again\n", p->url);
		p->is_failing = false;
		p->pause_until_us = 0;
		backoff_reset(&p->backoff);
		alerts_told(&p->alerts, now_us(p));
	} else if (is_refusal(result->status)) {
		refuse(p, result->why);
	} else {
		fail(p, result->why);
	}
	arm(p, alerts_due_us(&p->alerts));
}

/* ---- life ---- */

int pager_new(struct pager **ret, struct sd_event *event, const char *url, uint32_t devices)
{
	size_t length = strlen(url);
	struct pager *p = calloc(1, sizeof(*p) + length + sizeof(PATH));
	int r;

	if (!p)
		return -ENOMEM;
	while (length && url[length - 1] == '/')
		length--;
	snprintf(p->url, length + sizeof(PATH), "%.*s%s", (int)length, url, PATH);
	p->event = sd_event_ref(event);
	p->backoff = (struct backoff){ PAUSE_FIRST_US, PAUSE_LAST_US, 0 };
	r = alerts_init(&p->alerts, devices);
	if (r >= 0)
		r = fetch_new(&p->fetch, event, p->url, on_done, p);
	if (r >= 0)
		r = sd_event_add_time(event, &p->timer, CLOCK_MONOTONIC, 0, 0, on_timer, p);
	if (r < 0) {
		pager_free(p);
		return r;
	}
	(void)sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
	*ret = p;
	return 0;
}

struct pager *pager_free(struct pager *p)
{
	if (!p)
		return NULL;
	fetch_free(p->fetch);
	sd_event_source_disable_unref(p->timer);
	sd_event_unref(p->event);
	alerts_fini(&p->alerts);
	free(p);
	return NULL;
}

void pager_raise(struct pager *p, const struct roster_device *d, enum topic_alarm kind)
{
	const struct roster_now now = now_of(p);

	if (!alerts_raise(&p->alerts, d, kind, &now) && !p->has_said_full) {
		fprintf(stderr, "failsoft-fleet: no memory: an alert is not told to Alertmanager\n");
		p->has_said_full = true;
	}
	arm(p, now_us(p));
}

void pager_clear(struct pager *p, const struct roster_device *d, enum topic_alarm kind,
		 const struct roster_now *now)
{
	alerts_clear(&p->alerts, d->number, kind, now);
	arm(p, now_us(p));
}

void pager_forget(struct pager *p, const struct roster_device *d, const struct roster_now *now)
{
	for (unsigned kind = 0; kind < TOPIC_ALARM_COUNT; kind++)
		pager_clear(p, d, (enum topic_alarm)kind, now);
}

struct pager_counts pager_counts(const struct pager *p)
{
	return (struct pager_counts){ p->alerts.used, p->alerts.lost, p->posts, p->failures };
}
