/* SPDX-License-Identifier: MIT */
/*
 * Ingest: one MQTT message to a checked plain struct, or a refusal with its reason. Pure but for json-c's
 * memory. It is the only place where bytes from the network are read: what has passed is UTF-8 without
 * anything that steers a terminal, within its lengths, and says the same in topic and text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../telemetry/tally.h"
#include "../telemetry/topic.h"

#define INGEST_FIRMWARE_MAX	(64 * 4 + 1)	/* letters of up to 4 bytes */
#define INGEST_DOMAIN_MAX	(127 * 4 + 1)
#define INGEST_NAME_MAX		(160 * 4 + 1)
#define INGEST_WORD_MAX		(23 * 4 + 1)
#define INGEST_TEXT_MAX		TOPIC_PAYLOAD_MAX /* 600 letters, of which not all can have 4 bytes */
#define INGEST_WHY_MAX		200
#define INGEST_NEVER_US		UINT64_MAX

enum ingest_refusal {
	INGEST_OK,
	INGEST_TOO_LONG,		/* than TOPIC_PAYLOAD_MAX: not read */
	INGEST_TOPIC,			/* none of ours */
	INGEST_EMPTY,			/* where an empty message means nothing */
	INGEST_UTF8, INGEST_JSON,
	INGEST_VERSION,			/* newer than this program */
	INGEST_TYPE,			/* unknown, or not on this topic */
	INGEST_ENVELOPE,		/* a member is missing, unknown or malformed */
	INGEST_SOURCE,			/* another device than the topic says */
	INGEST_ID,			/* is not BOOTID-SEQUENCE */
	INGEST_CLOCK,			/* a time, but no synchronised clock */
	INGEST_DATA,			/* violates the type's schema */
	INGEST_KIND,			/* another alarm than the topic says */
	INGEST_FULL,			/* the roster's: no room for another device */
	INGEST_INSTANCES,		/* the roster's: too many devices with one identity */
	INGEST_REFUSAL_COUNT
};

/* "too-long": in metrics and JSON. */
const char *ingest_refusal_name(enum ingest_refusal refusal);

struct ingest_forecast {
	uint64_t headroom_bytes, tte_us, tte_early_us, tte_late_us, came_after_us;
};

struct ingest_spool {
	uint64_t slots, waiting, sent, evicted_heartbeats, evicted_events, evicted_alarms, damaged;
};

/* What all types may have; absent numbers are 0, absent times INGEST_NEVER_US, absent texts "". */
struct ingest_data {
	uint32_t kind;			/* enum topic_alarm */
	uint32_t stage, from, to, highest; /* enum failsoft_stage */
	uint32_t end;			/* enum tally_end */
	bool has_stage, has_broker, has_counts, has_forecast, has_change;
	bool is_online, is_broker_there, is_raised, is_near_miss, is_false_alarm, is_drill, is_dry_run;
	uint64_t session, headroom_bytes, limit_bytes, tte_us, tte_early_us, tte_late_us, deadline_us;
	uint64_t episode, pid, number, time_us, duration_us;
	uint64_t asked, missed, victims, oom_kills, stopped, freed_bytes, lowest_headroom_bytes;
	struct tally_counts counts;
	struct ingest_spool spool;
	struct ingest_forecast forecast;
	char past_boot[TOPIC_BOOT_MAX], past_firmware[INGEST_FIRMWARE_MAX];
	char domain[INGEST_DOMAIN_MAX], name[INGEST_NAME_MAX], expect[16];
	char event[INGEST_WORD_MAX], text[INGEST_TEXT_MAX];
};

struct ingest_message {
	struct topic topic;
	bool is_retained;
	bool is_empty; /* on an alarm: cleared; on the state: forget it. Nothing below is set */
	enum topic_type type;
	char id[TOPIC_ID_MAX], boot[TOPIC_BOOT_MAX];
	uint64_t sequence, boottime_us;
	bool is_synchronised;
	int64_t time_s;			/* since 1970; 0: not said */
	char firmware[INGEST_FIRMWARE_MAX];
	uint32_t instance;
	struct ingest_data data;
};

/* What came: borrowed. */
struct ingest_raw {
	const char *topic;
	const void *payload;
	size_t length;
	bool is_retained;
};

/* INGEST_OK: *ret is filled in. Otherwise `why` has one sentence, safe to show, and *ret has the topic if
 * that could be read (else empty names). */
enum ingest_refusal ingest_message(const struct ingest_raw *raw, struct ingest_message *ret,
				   char why[INGEST_WHY_MAX]);

/* "normal", "warning", "imminent", "shutdown". */
const char *ingest_stage_name(uint32_t stage);
#define INGEST_STAGES	4u
