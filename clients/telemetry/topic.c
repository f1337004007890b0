/* SPDX-License-Identifier: MIT */
#include "topic.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOT_LENGTH	(TOPIC_BOOT_MAX - 1)
#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

static const char *const types[TOPIC_TYPE_COUNT] = {
	[TOPIC_STATE] = "org.failsoft.state.v1",
	[TOPIC_HEARTBEAT] = "org.failsoft.heartbeat.v1",
	[TOPIC_EVENT] = "org.failsoft.event.v1",
	[TOPIC_ALARM] = "org.failsoft.alarm.v1",
	[TOPIC_REPORT] = "org.failsoft.report.v1",
};

static const char *const alarms[TOPIC_ALARM_COUNT] = {
	[TOPIC_ALARM_IMMINENT] = "imminent",
	[TOPIC_ALARM_SHUTDOWN] = "shutdown",
	[TOPIC_ALARM_OOM_KILL] = "oom-kill",
	[TOPIC_ALARM_BROKER_LOST] = "broker-lost",
};

static const char *const places[TOPIC_PLACE_COUNT] = {
	[TOPIC_AT_STATE] = "state",
	[TOPIC_AT_HEARTBEAT] = "heartbeat",
	[TOPIC_AT_EVENT] = "event",
	[TOPIC_AT_REPORT] = "report",
	[TOPIC_AT_ALARM] = "alarm/",
	[TOPIC_AT_COMMAND] = "cmd",
};

static bool find(const char *const *words, size_t count, const char *text, int *ret)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(words[i], text)) {
			*ret = (int)i;
			return true;
		}
	return false;
}

static bool is_name(const char *text, size_t length)
{
	if (length == 0 || length >= TOPIC_NAME_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isascii(text[i]) || !(isalnum((unsigned char)text[i]) || strchr("_-", text[i])))
			return false;
	return true;
}

bool topic_name_is_valid(const char *name)
{
	return is_name(name, strnlen(name, TOPIC_NAME_MAX));
}

void topic_format(const struct topic *t, char ret[TOPIC_MAX])
{
	const bool is_alarm = t->place == TOPIC_AT_ALARM;

	snprintf(ret, TOPIC_MAX, TOPIC_ROOT "/%s/%s/%s%s", t->fleet, t->device, places[t->place],
		 is_alarm ? alarms[t->alarm] : "");
}

/* Takes one level off `*text` into a name. */
static bool take_name(const char **text, char ret[TOPIC_NAME_MAX])
{
	const char *end = strchr(*text, '/');

	if (!end || !is_name(*text, (size_t)(end - *text)))
		return false;
	memcpy(ret, *text, (size_t)(end - *text));
	ret[end - *text] = '\0';
	*text = end + 1;
	return true;
}

static bool parse_place(const char *text, struct topic *t)
{
	const char *const alarm_prefix = places[TOPIC_AT_ALARM];
	int found;

	if (!strncmp(text, alarm_prefix, strlen(alarm_prefix))) {
		t->place = TOPIC_AT_ALARM;
		return topic_alarm_parse(text + strlen(alarm_prefix), &t->alarm);
	}
	if (!find(places, COUNT(places), text, &found))
		return false;
	t->place = (enum topic_place)found;
	return true;
}

bool topic_parse(const char *text, struct topic *ret)
{
	struct topic t = { 0 };

	if (strncmp(text, TOPIC_ROOT "/", strlen(TOPIC_ROOT) + 1))
		return false;
	text += strlen(TOPIC_ROOT) + 1;
	if (!take_name(&text, t.fleet) || !take_name(&text, t.device) || !parse_place(text, &t))
		return false;
	*ret = t;
	return true;
}

const char *topic_type_name(enum topic_type type)
{
	return types[type];
}

bool topic_type_parse(const char *text, enum topic_type *ret)
{
	int found;

	if (!find(types, COUNT(types), text, &found))
		return false;
	*ret = (enum topic_type)found;
	return true;
}

const char *topic_alarm_name(enum topic_alarm alarm)
{
	return alarms[alarm];
}

bool topic_alarm_parse(const char *text, enum topic_alarm *ret)
{
	int found;

	if (!find(alarms, COUNT(alarms), text, &found))
		return false;
	*ret = (enum topic_alarm)found;
	return true;
}

void topic_id_format(const char *boot, uint64_t sequence, char ret[TOPIC_ID_MAX])
{
	snprintf(ret, TOPIC_ID_MAX, "%.*s-%" PRIu64, BOOT_LENGTH, boot, sequence);
}

bool topic_id_parse(const char *text, char ret_boot[TOPIC_BOOT_MAX], uint64_t *ret_sequence)
{
	const char *number = text + BOOT_LENGTH + 1;
	uint64_t sequence = 0;

	if (strspn(text, "0123456789abcdef") != BOOT_LENGTH || text[BOOT_LENGTH] != '-')
		return false;
	if (*number < '1' || *number > '9')
		return false;
	for (; isdigit((unsigned char)*number); number++) {
		if (sequence > (INT64_MAX - (uint64_t)(*number - '0')) / 10)
			return false;
		sequence = sequence * 10 + (uint64_t)(*number - '0');
	}
	if (*number)
		return false;
	memcpy(ret_boot, text, BOOT_LENGTH);
	ret_boot[BOOT_LENGTH] = '\0';
	*ret_sequence = sequence;
	return true;
}
