/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "glance.h"

/* A label's value: backslash, quote and newline are escaped; ingest has cleaned all else. */
static void put_value(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP failsoft_fleet_%s %s\n# TYPE failsoft_fleet_%s %s\n", name, help, name, type);
}

static void put_group(FILE *out, const char *name, const struct group *g)
{
	fprintf(out, "failsoft_fleet_%s{fleet=", name);
	put_value(out, g->fleet);
	fputs(",firmware=", out);
	put_value(out, g->firmware);
}

static const struct group *next_group(const struct roster *r, uint32_t *i)
{
	const struct groups *g = roster_groups(r);

	while (*i <= GROUPS_MAX)
		if (g->group[(*i)++].fleet[0])
			return &g->group[*i - 1];
	return NULL;
}

static void put_simple(FILE *out, const struct roster *r, const char *name, const char *help, size_t offset)
{
	const struct group *g;

	head(out, name, strcmp(name, "devices") ? "counter" : "gauge", help);
	for (uint32_t i = 0; (g = next_group(r, &i));) {
		put_group(out, name, g);
		fprintf(out, "} %" PRIu64 "\n", *(const uint64_t *)((const char *)g + offset));
	}
}

static void put_figures(FILE *out, const struct roster *r)
{
	char name[64];

	for (unsigned f = 0; f < GROUP_FIGURES; f++) {
		const char *word = group_figures[f].name;

		snprintf(name, sizeof(name), "%s_total",
			 strcmp(word, "observed_s") ? word : "observed_seconds");
		put_simple(out, r, name, group_figures[f].help,
			   offsetof(struct group, counts) + group_figures[f].offset);
	}
}

static void put_log(FILE *out, const struct roster *r)
{
	const struct group *g;

	head(out, "alarms_total", "counter", "Alarms that were raised, each counted once, from the log.");
	for (uint32_t i = 0; (g = next_group(r, &i));)
		for (unsigned k = 0; k < TOPIC_ALARM_COUNT; k++) {
			put_group(out, "alarms_total", g);
			fprintf(out, ",kind=\"%s\"} %" PRIu64 "\n", topic_alarm_name(k), g->raised[k]);
		}
	head(out, "reports_total", "counter",
	     "Episodes and boots that ended, by what ended them, from the log.");
	for (uint32_t i = 0; (g = next_group(r, &i));)
		for (unsigned k = 0; k < TALLY_END_COUNT; k++) {
			put_group(out, "reports_total", g);
			fprintf(out, ",ended_by=\"%s\"} %" PRIu64 "\n", tally_end_name(k), g->reports[k]);
		}
}

/* Fleets are the groups' fleets: their number is bounded with them. */
static bool is_first_of_fleet(const struct groups *g, uint32_t at)
{
	for (uint32_t i = 0; i < at; i++)
		if (!strcmp(g->group[i].fleet, g->group[at].fleet))
			return false;
	return g->group[at].fleet[0];
}

static void put_fleet(FILE *out, const char *name, const char *fleet)
{
	fprintf(out, "failsoft_fleet_%s{fleet=", name);
	put_value(out, fleet);
}

static void put_stages(FILE *out, const struct roster *r)
{
	const struct groups *g = roster_groups(r);

	head(out, "devices_by_stage", "gauge", "Devices by what they show: a stage, offline, or unknown.");
	for (uint32_t i = 0; i < g->count; i++) {
		struct glance look;

		if (!is_first_of_fleet(g, i))
			continue;
		look = glance_at(r, g->group[i].fleet);
		for (unsigned f = 0; f < ROSTER_FACE_COUNT; f++) {
			put_fleet(out, "devices_by_stage", g->group[i].fleet);
			fprintf(out, ",stage=\"%s\"} %" PRIu64 "\n", roster_face_name(f), look.face[f]);
		}
	}
	head(out, "alarms_raised", "gauge", "Alarms that are raised now.");
	for (uint32_t i = 0; i < g->count; i++) {
		struct glance look;

		if (!is_first_of_fleet(g, i))
			continue;
		look = glance_at(r, g->group[i].fleet);
		for (unsigned k = 0; k < TOPIC_ALARM_COUNT; k++) {
			put_fleet(out, "alarms_raised", g->group[i].fleet);
			fprintf(out, ",kind=\"%s\"} %" PRIu64 "\n", topic_alarm_name(k), look.raised[k]);
		}
	}
}

static void put_devices(FILE *out, const struct roster *r)
{
	uint64_t shown = 0, omitted = 0;

	head(out, "device_stage", "gauge",
	     "Devices that are online and not normal: 1 warning, 2 imminent, 3 shutdown.");
	/* the worst first: of the rest only the number is told */
	for (unsigned face = ROSTER_SHUTDOWN; face > ROSTER_NORMAL; face--)
		for (uint32_t i = 0; i < roster_count(r); i++) {
			const struct roster_device *d = roster_at(r, i);

			if ((unsigned)roster_face(d) != face || roster_find(r, d->fleet, d->device, 0) != d)
				continue; /* of two with one name the last that spoke: a series must
					     be one */
			if (shown == METRICS_DEVICES_MAX) {
				omitted++;
				continue;
			}
			shown++;
			put_fleet(out, "device_stage", d->fleet);
			fputs(",device=", out);
			put_value(out, d->device);
			fprintf(out, "} %u\n", face);
		}
	head(out, "device_stage_omitted", "gauge",
	     "Devices that are not normal and not listed one by one.");
	fprintf(out, "failsoft_fleet_device_stage_omitted %" PRIu64 "\n", omitted);
}

static void put_one(FILE *out, const char *name, const char *help, uint64_t value)
{
	bool is_counter = strlen(name) > 6 && !strcmp(name + strlen(name) - 6, "_total");

	head(out, name, is_counter ? "counter" : "gauge", help);
	fprintf(out, "failsoft_fleet_%s %" PRIu64 "\n", name, value);
}

static void put_self(FILE *out, const struct metrics *m)
{
	const struct roster_totals *t = roster_totals(m->roster);
	struct glance look = glance_at(m->roster, NULL);

	put_one(out, "connected", "1: to the MQTT server.", m->is_connected);
	put_one(out, "messages_total", "Messages that came.", t->messages);
	put_one(out, "duplicates_total", "Messages of the log that came once more, and were not counted.",
		t->duplicates);
	put_one(out, "late_wills_total", "Last wills of sessions that were over.", t->late_wills);
	put_one(out, "out_of_order_total", "States and alarms older than what was known.", t->out_of_order);
	put_one(out, "not_mine_total", "Messages of the log of another partition.", t->not_mine);
	put_one(out, "implausible_figures_total",
		"Counts of devices that grew faster than can be: the excess was not added.",
		t->refused_figures);
	put_one(out, "evicted_total", "Devices that gave way to others: see --devices.", t->evicted);
	put_one(out, "identity_conflicts", "Devices whose name another one has, too.", look.conflicts);
	put_one(out, "devices_without_broker",
		"Devices that are online, but no failsoftd is there: their stage is the last known.",
		look.no_broker);
	put_one(out, "silent_devices", "Devices that are online, but were not heard for long.",
		look.silent);
	put_one(out, "spools_waiting",
		"Messages that wait in the devices' spools, as they last said.", look.waiting);
	head(out, "refused_total", "counter", "Messages that were refused, by the reason.");
	for (unsigned i = INGEST_OK + 1; i < INGEST_REFUSAL_COUNT; i++)
		fprintf(out, "failsoft_fleet_refused_total{reason=\"%s\"} %" PRIu64 "\n",
			ingest_refusal_name(i), t->refused[i]);
	if (!m->pager)
		return;
	put_one(out, "alerts", "Alerts that Alertmanager is to know.", m->pager->alerts);
	put_one(out, "alerts_lost_total", "Alerts there was no room for.", m->pager->lost);
	put_one(out, "alert_posts_total", "Posts to Alertmanager.", m->pager->posts);
	put_one(out, "alert_failures_total", "Posts to Alertmanager that failed.", m->pager->failures);
}

void metrics_print(const struct metrics *m, FILE *out)
{
	put_simple(out, m->roster, "devices", "Devices that run that firmware.",
		   offsetof(struct group, devices));
	put_figures(out, m->roster);
	put_log(out, m->roster);
	put_simple(out, m->roster, "events_total", "Events of failsoftd, from the log.",
		   offsetof(struct group, events));
	put_stages(out, m->roster);
	put_devices(out, m->roster);
	put_self(out, m);
}
