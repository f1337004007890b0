/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "glance.h"

#define FLAGS	(JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

static void add_text(struct json_object *to, const char *name, const char *text)
{
	if (text && *text)
		json_object_object_add(to, name, json_object_new_string(text));
}

static void add_number(struct json_object *to, const char *name, uint64_t number)
{
	json_object_object_add(to, name, json_object_new_uint64(number));
}

/* Absent rather than the largest number there is. */
static void add_time(struct json_object *to, const char *name, uint64_t us)
{
	if (us != INGEST_NEVER_US)
		add_number(to, name, us);
}

static void add_truth(struct json_object *to, const char *name, bool is_true)
{
	if (is_true)
		json_object_object_add(to, name, json_object_new_boolean(true));
}

static char *text_of(struct json_object *object)
{
	char *text = strdup(json_object_to_json_string_ext(object, FLAGS));

	json_object_put(object);
	return text;
}

static struct json_object *counts_of(const struct tally_counts *counts)
{
	struct json_object *object = json_object_new_object();

	for (unsigned i = 0; i < GROUP_FIGURES; i++)
		add_number(object, group_figures[i].name, group_figure(counts, i));
	return object;
}

/* ---- devices ---- */

static void add_alarms(struct json_object *to, const struct roster_device *d)
{
	struct json_object *alarms = NULL;

	for (unsigned i = 0; i < TOPIC_ALARM_COUNT; i++) {
		const struct roster_alarm *a = &d->alarm[i];
		struct json_object *alarm;

		if (!a->is_raised)
			continue;
		if (!alarms)
			alarms = json_object_new_array();
		alarm = json_object_new_object();
		add_text(alarm, "kind", topic_alarm_name(i));
		add_number(alarm, "since_s", (uint64_t)a->since_s);
		add_text(alarm, "text", a->text);
		json_object_array_add(alarms, alarm);
	}
	if (alarms)
		json_object_object_add(to, "alarms", alarms);
}

static struct json_object *brief(const struct roster_device *d)
{
	struct json_object *object = json_object_new_object();

	add_number(object, "number", d->number);
	add_text(object, "fleet", d->fleet);
	add_text(object, "device", d->device);
	add_text(object, "stage", roster_face_name(roster_face(d)));
	add_text(object, "firmware", d->firmware);
	add_text(object, "domain", d->domain);
	add_number(object, "headroom_bytes", d->headroom_bytes);
	add_number(object, "limit_bytes", d->limit_bytes);
	add_time(object, "tte_usec", d->tte_us);
	add_text(object, "expect", d->expect);
	add_text(object, "conflict", roster_conflict_name(d->conflict));
	add_truth(object, "no_broker", roster_has_no_broker(d));
	add_truth(object, "silent", d->is_silent);
	add_number(object, "seen_s", (uint64_t)d->seen_s);
	add_number(object, "since_s", (uint64_t)d->since_s);
	add_alarms(object, d);
	return object;
}

static struct json_object *totals_of(const struct roster *r)
{
	const struct roster_totals *t = roster_totals(r);
	struct glance look = glance_at(r, NULL);
	struct json_object *object = json_object_new_object(), *faces = json_object_new_object();
	struct json_object *refused = json_object_new_object();

	for (unsigned i = 0; i < ROSTER_FACE_COUNT; i++)
		add_number(faces, roster_face_name(i), look.face[i]);
	for (unsigned i = INGEST_OK + 1; i < INGEST_REFUSAL_COUNT; i++)
		if (t->refused[i])
			add_number(refused, ingest_refusal_name(i), t->refused[i]);
	add_number(object, "devices", look.devices);
	json_object_object_add(object, "by_stage", faces);
	add_number(object, "alarms", look.alarms);
	add_number(object, "conflicts", look.conflicts);
	add_number(object, "no_broker", look.no_broker);
	add_number(object, "silent", look.silent);
	add_number(object, "waiting", look.waiting);
	json_object_object_add(object, "counts", counts_of(&look.counts));
	add_number(object, "messages", t->messages);
	add_number(object, "duplicates", t->duplicates);
	add_number(object, "late_wills", t->late_wills);
	add_number(object, "out_of_order", t->out_of_order);
	add_number(object, "implausible_figures", t->refused_figures);
	add_number(object, "evicted", t->evicted);
	json_object_object_add(object, "refused", refused);
	return object;
}

char *api_devices(const struct api *a, uint64_t run, uint64_t since)
{
	const struct roster *r = a->roster;
	bool is_full = run != a->run || since > roster_version(r) || since < roster_removed(r);
	struct json_object *object = json_object_new_object(), *devices = json_object_new_array();

	for (uint32_t i = 0; i < roster_count(r); i++)
		if (is_full || roster_at(r, i)->version > since)
			json_object_array_add(devices, brief(roster_at(r, i)));
	add_number(object, "run", a->run);
	add_number(object, "version", roster_version(r));
	json_object_object_add(object, "full", json_object_new_boolean(is_full));
	json_object_object_add(object, "connected", json_object_new_boolean(a->is_connected));
	add_text(object, "server", a->server);
	add_number(object, "now_s", (uint64_t)a->now.real_s);
	json_object_object_add(object, "totals", totals_of(r));
	json_object_object_add(object, "devices", devices);
	return text_of(object);
}

/* ---- firmwares ---- */

static struct json_object *group_json(const struct group *g)
{
	struct json_object *object = json_object_new_object(), *rates = json_object_new_object();
	struct json_object *alarms = json_object_new_object(), *reports = json_object_new_object();

	add_text(object, "fleet", g->fleet);
	add_text(object, "firmware", g->firmware);
	add_number(object, "devices", g->devices);
	json_object_object_add(object, "counts", counts_of(&g->counts));
	for (unsigned i = 0; g->counts.observed_s && i + 1 < GROUP_FIGURES; i++) /* the last: the divisor */
		json_object_object_add(rates, group_figures[i].name,
				       json_object_new_double(glance_rate(group_figure(&g->counts, i),
									  g->counts.observed_s)));
	if (g->counts.observed_s)
		json_object_object_add(object, "per_device_day", rates);
	else
		json_object_put(rates);
	for (unsigned i = 0; i < TOPIC_ALARM_COUNT; i++)
		add_number(alarms, topic_alarm_name(i), g->raised[i]);
	for (unsigned i = 0; i < TALLY_END_COUNT; i++)
		add_number(reports, tally_end_name(i), g->reports[i]);
	json_object_object_add(object, "alarms", alarms);
	json_object_object_add(object, "reports", reports);
	add_number(object, "events", g->events);
	return object;
}

char *api_firmware(const struct api *a)
{
	const struct groups *groups = roster_groups(a->roster);
	struct json_object *object = json_object_new_object(), *list = json_object_new_array();

	for (uint32_t i = 0; i <= GROUPS_MAX; i++)
		if (groups->group[i].fleet[0])
			json_object_array_add(list, group_json(&groups->group[i]));
	json_object_object_add(object, "firmware", list);
	return text_of(object);
}

/* ---- one device ---- */

static void add_figures(struct json_object *to, const struct roster_moment *m)
{
	add_text(to, "domain", m->domain);
	add_text(to, "name", m->name);
	if (m->pid)
		add_number(to, "pid", m->pid);
	if (m->limit_bytes || m->headroom_bytes)
		add_number(to, "headroom_bytes", m->headroom_bytes);
	if (m->limit_bytes)
		add_number(to, "limit_bytes", m->limit_bytes);
	add_time(to, "tte_usec", m->tte_us);
	add_time(to, "tte_early_usec", m->tte_early_us);
	add_time(to, "tte_late_usec", m->tte_late_us);
	add_time(to, "came_after_usec", m->came_after_us);
	add_truth(to, "drill", m->is_drill);
	add_text(to, "text", m->text);
}

static struct json_object *moment_json(const struct roster_moment *m)
{
	struct json_object *object = json_object_new_object();

	add_number(object, "sequence", m->sequence);
	add_text(object, "bootid", m->boot);
	add_number(object, "boottime_usec", m->boottime_us);
	if (m->time_s)
		add_number(object, "time_s", (uint64_t)m->time_s);
	add_number(object, "seen_s", (uint64_t)m->seen_s);
	add_number(object, "episode", m->episode);
	if (m->type == TOPIC_ALARM) {
		add_text(object, "what", m->is_raised ? "alarm raised" : "alarm cleared");
		add_text(object, "kind", topic_alarm_name((enum topic_alarm)m->kind));
	} else if (m->type == TOPIC_REPORT) {
		add_text(object, "what", "report");
		add_text(object, "ended_by", tally_end_name((enum tally_end)m->end));
		add_truth(object, "near_miss", m->is_near_miss);
		add_truth(object, "false_alarm", m->is_false_alarm);
	} else {
		add_text(object, "what", "event");
		add_text(object, "event", m->event);
	}
	if (m->has_change) {
		add_text(object, "from", ingest_stage_name(m->from));
		add_text(object, "to", ingest_stage_name(m->to));
	}
	add_figures(object, m);
	return object;
}

static struct json_object *whole(const struct roster_device *d)
{
	struct json_object *object = brief(d), *timeline = json_object_new_array();
	const struct roster_moment *m;
	char instance[9];

	snprintf(instance, sizeof(instance), "%08x", d->instance);
	add_text(object, "instance", instance);
	add_text(object, "bootid", d->boot);
	add_number(object, "session", d->session);
	json_object_object_add(object, "counts", counts_of(&d->counts));
	add_number(object, "spool_waiting", d->spool.waiting);
	add_number(object, "spool_evicted_alarms", d->spool.evicted_alarms);
	add_number(object, "spool_damaged", d->spool.damaged);
	for (uint32_t i = 0; (m = roster_moment(d, i)); i++)
		json_object_array_add(timeline, moment_json(m));
	json_object_object_add(object, "timeline", timeline);
	return object;
}

char *api_device(const struct api *a, const char *fleet, const char *device, bool *ret_is_there)
{
	struct json_object *object = json_object_new_object(), *list = json_object_new_array();
	const struct roster_device *d;

	for (uint32_t i = 0; (d = roster_find(a->roster, fleet, device, i)); i++)
		json_object_array_add(list, whole(d));
	*ret_is_there = json_object_array_length(list) > 0;
	json_object_object_add(object, "devices", list);
	return text_of(object);
}
