/* SPDX-License-Identifier: MIT */
/* The schemas of interfaces/telemetry/ as tables; tests/fleet/ holds both against the same messages. */
#include <stddef.h>

#include "fields.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define AT(member)	.offset = offsetof(struct ingest_data, member), \
			.size = sizeof(((struct ingest_data *)0)->member)
#define HAS(member)	.has = offsetof(struct ingest_data, member)
#define NUMBER(word, member)	{ word, FIELD_NUMBER, false, AT(member) }
#define NEEDED(word, member)	{ word, FIELD_NUMBER, true, AT(member) }
#define TEXT(word, member, letters)	{ word, FIELD_TEXT, false, letters, AT(member) }
#define FIELDS(what, rows)	{ what, rows, COUNT(rows) }

static const char *const stages[] = { "normal", "warning", "imminent", "shutdown", NULL };
static const char *const alarms[] = { "imminent", "shutdown", "oom-kill", "broker-lost", NULL };
static const char *const expects[] = { "", "reboot", "poweroff", "shutdown", NULL };
static const char *const ends[] = { "cleared", "victim", "oom-kill", "last-policy", "panic", "watchdog",
	"power-loss", "unknown", "shutdown", NULL };

_Static_assert(COUNT(stages) == INGEST_STAGES + 1, "a stage has no word");
_Static_assert(COUNT(alarms) == TOPIC_ALARM_COUNT + 1, "an alarm has no word");
_Static_assert(COUNT(ends) == TALLY_END_COUNT + 1, "an end has no word");

static const struct field counts[] = {
	NEEDED("episodes", counts.episodes), NEEDED("near_misses", counts.near_misses),
	NEEDED("missed_deadlines", counts.missed_deadlines), NEEDED("false_alarms", counts.false_alarms),
	NEEDED("oom_kills", counts.oom_kills), NEEDED("victims", counts.victims),
	NEEDED("lost_events", counts.lost_events), NEEDED("resets", counts.resets),
	NEEDED("observed_s", counts.observed_s),
};

static const struct field spool[] = {
	NEEDED("slots", spool.slots),
	NEEDED("waiting", spool.waiting),
	NEEDED("sent", spool.sent),
	NEEDED("evicted_heartbeats", spool.evicted_heartbeats),
	NEEDED("evicted_events", spool.evicted_events),
	NEEDED("evicted_alarms", spool.evicted_alarms),
	NEEDED("damaged", spool.damaged),
};

static const struct field forecast[] = {
	NEEDED("headroom_bytes", forecast.headroom_bytes), NUMBER("tte_usec", forecast.tte_us),
	NUMBER("tte_early_usec", forecast.tte_early_us), NUMBER("tte_late_usec", forecast.tte_late_us),
	NUMBER("came_after_usec", forecast.came_after_us),
};

static const struct fields counts_fields = FIELDS("data.counts", counts);
static const struct fields spool_fields = FIELDS("data.spool", spool);
static const struct fields forecast_fields = FIELDS("data.forecast", forecast);

/* `full`: what a will need not say. */
#define STATE_ROWS(full) \
	{ "online", FIELD_TRUTH, true, AT(is_online) }, \
	{ "session", FIELD_NUMBER, true, 1, AT(session) }, \
	{ "stage", FIELD_WORD, full, AT(stage), HAS(has_stage), stages }, \
	{ "broker", FIELD_TRUTH, full, AT(is_broker_there), HAS(has_broker) }, \
	TEXT("domain", domain, 127), \
	NUMBER("headroom_bytes", headroom_bytes), NUMBER("limit_bytes", limit_bytes), \
	NUMBER("tte_usec", tte_us), \
	{ "expect", FIELD_CHOICE, full, AT(expect), .words = expects }, \
	{ "counts", FIELD_OBJECT, full, HAS(has_counts), .inner = &counts_fields }, \
	{ "spool", FIELD_OBJECT, full, .inner = &spool_fields }

static const struct field state[] = { STATE_ROWS(false) };
static const struct field heartbeat[] = { STATE_ROWS(true) };

static const struct field alarm[] = {
	{ "kind", FIELD_WORD, true, AT(kind), .words = alarms },
	{ "raised", FIELD_TRUTH, true, AT(is_raised) },
	NUMBER("episode", episode), TEXT("domain", domain, 127),
	{ "stage", FIELD_WORD, false, AT(stage), HAS(has_stage), stages },
	NUMBER("headroom_bytes", headroom_bytes), NUMBER("limit_bytes", limit_bytes),
	NUMBER("tte_usec", tte_us), NUMBER("tte_early_usec", tte_early_us),
	NUMBER("tte_late_usec", tte_late_us), NUMBER("deadline_usec", deadline_us),
	TEXT("name", name, 64), NUMBER("pid", pid), TEXT("text", text, 600),
};

static const struct field event[] = {
	{ "event", FIELD_TEXT, true, 23, AT(event) },
	NEEDED("number", number), NEEDED("time_usec", time_us),
	TEXT("domain", domain, 127), NUMBER("episode", episode), TEXT("name", name, 64),
	NUMBER("pid", pid),
	{ "from", FIELD_WORD, false, AT(from), .words = stages },
	{ "to", FIELD_WORD, false, AT(to), HAS(has_change), stages },
	NUMBER("headroom_bytes", headroom_bytes), NUMBER("limit_bytes", limit_bytes),
	NUMBER("tte_usec", tte_us),
	{ "drill", FIELD_TRUE, false, AT(is_drill) }, { "dry_run", FIELD_TRUE, false, AT(is_dry_run) },
	{ "text", FIELD_TEXT, true, 600, AT(text) },
};

static const struct field report[] = {
	NEEDED("episode", episode), TEXT("domain", domain, 127),
	{ "highest", FIELD_WORD, true, AT(highest), .words = stages },
	{ "ended_by", FIELD_WORD, true, AT(end), .words = ends },
	TEXT("of", name, 160), NUMBER("pid", pid), NUMBER("duration_usec", duration_us),
	{ "near_miss", FIELD_TRUTH, true, AT(is_near_miss) },
	{ "false_alarm", FIELD_TRUTH, true, AT(is_false_alarm) },
	NUMBER("asked", asked), NUMBER("missed", missed), NUMBER("victims", victims),
	NUMBER("oom_kills", oom_kills), NUMBER("stopped", stopped), NUMBER("freed_bytes", freed_bytes),
	NUMBER("lowest_headroom_bytes", lowest_headroom_bytes), NUMBER("limit_bytes", limit_bytes),
	{ "forecast", FIELD_OBJECT, false, HAS(has_forecast), .inner = &forecast_fields },
	{ "past_boot", FIELD_DIGITS, false, 32, AT(past_boot) },
	TEXT("past_firmware", past_firmware, 64),
	{ "text", FIELD_TEXT, true, 600, AT(text) },
};

static const struct fields types[TOPIC_TYPE_COUNT] = {
	[TOPIC_STATE] = FIELDS("data", state),
	[TOPIC_HEARTBEAT] = FIELDS("data", heartbeat),
	[TOPIC_EVENT] = FIELDS("data", event),
	[TOPIC_ALARM] = FIELDS("data", alarm),
	[TOPIC_REPORT] = FIELDS("data", report),
};

const struct fields *fields_of(enum topic_type type)
{
	return &types[type];
}

const char *ingest_stage_name(uint32_t stage)
{
	return stage < INGEST_STAGES ? stages[stage] : "unknown";
}
