/* SPDX-License-Identifier: MIT */
/*
 * Topic: the words that device and fleet share: message types, alarm kinds, topic names, ids. Pure.
 * failsoft-fleet(7) has the whole contract, interfaces/telemetry/ a JSON Schema for every type.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOPIC_ROOT		"failsoft/v1"
#define TOPIC_NAME_MAX		65	/* fleet or device, with NUL: 1..64 of [A-Za-z0-9_-] */
#define TOPIC_MAX		192	/* a whole topic, with NUL */
#define TOPIC_BOOT_MAX		33	/* a boot id, 32 hexadecimal digits, with NUL */
#define TOPIC_ID_MAX		56	/* "BOOTID-SEQUENCE", with NUL */
/* One message: an event's sentence has at most 512 bytes, all the rest of it less than 1000. A
 * receiver takes no longer one for ours. */
#define TOPIC_PAYLOAD_MAX	1984

/* CloudEvents type: "org.failsoft.WORD.v1". */
enum topic_type {
	TOPIC_STATE,			/* retained, and the last will */
	TOPIC_HEARTBEAT,
	TOPIC_EVENT,
	TOPIC_ALARM,			/* logged on .../event, kept on .../alarm/KIND */
	TOPIC_REPORT,
	TOPIC_TYPE_COUNT
};

enum topic_alarm {
	TOPIC_ALARM_IMMINENT,		/* stage imminent or later */
	TOPIC_ALARM_SHUTDOWN,		/* stage shutdown: programs are about to be ended */
	TOPIC_ALARM_OOM_KILL,		/* the kernel ended a program for lack of memory */
	TOPIC_ALARM_BROKER_LOST,	/* failsoftd is not there: nobody is asked */
	TOPIC_ALARM_COUNT
};

/* What a topic says it is. */
struct topic {
	char fleet[TOPIC_NAME_MAX], device[TOPIC_NAME_MAX];
	enum topic_place {
		TOPIC_AT_STATE, TOPIC_AT_HEARTBEAT, TOPIC_AT_EVENT, TOPIC_AT_REPORT, TOPIC_AT_ALARM,
		TOPIC_AT_COMMAND, TOPIC_PLACE_COUNT
	} place;
	enum topic_alarm alarm;		/* of TOPIC_AT_ALARM */
};

bool topic_name_is_valid(const char *name);

/* "failsoft/v1/FLEET/DEVICE/..."; both names are valid. */
void topic_format(const struct topic *t, char ret[TOPIC_MAX]);

/* false: none of ours; *ret is untouched. */
bool topic_parse(const char *text, struct topic *ret);

const char *topic_type_name(enum topic_type type);	/* "org.failsoft.alarm.v1" */
bool topic_type_parse(const char *text, enum topic_type *ret);
const char *topic_alarm_name(enum topic_alarm alarm);	/* "imminent", "oom-kill" */
bool topic_alarm_parse(const char *text, enum topic_alarm *ret);

/* "BOOTID-SEQUENCE"; boot: 32 hexadecimal digits. sequence: 1 to 2^63-1, grows by one with each message
 * of a device and never again begins at 1, also not after a boot. */
void topic_id_format(const char *boot, uint64_t sequence, char ret[TOPIC_ID_MAX]);
bool topic_id_parse(const char *text, char ret_boot[TOPIC_BOOT_MAX], uint64_t *ret_sequence);
