/* SPDX-License-Identifier: MIT */
#include "ingest.h"

#include <ctype.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../ctl/ctl.h"
#include "fields.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define DEPTH_MAX	6	/* ours have 3; a parser needs memory for each */
#define AT(member)	.offset = offsetof(struct head, member), \
			.size = sizeof(((struct head *)0)->member)

static const char *const names[INGEST_REFUSAL_COUNT] = {
	[INGEST_OK] = "ok", [INGEST_TOO_LONG] = "too-long", [INGEST_TOPIC] = "topic",
	[INGEST_EMPTY] = "empty", [INGEST_UTF8] = "utf-8", [INGEST_JSON] = "json",
	[INGEST_VERSION] = "version", [INGEST_TYPE] = "type", [INGEST_ENVELOPE] = "envelope",
	[INGEST_SOURCE] = "source", [INGEST_ID] = "id", [INGEST_CLOCK] = "clock",
	[INGEST_DATA] = "data", [INGEST_KIND] = "kind", [INGEST_FULL] = "roster-full",
	[INGEST_INSTANCES] = "instances",
};

const char *ingest_refusal_name(enum ingest_refusal refusal)
{
	return names[refusal];
}

/* The envelope, member by member. */
struct head {
	uint32_t unused;		/* at 0: "no such member" for the tables */
	uint32_t clock;
	bool has_time;
	char id[TOPIC_ID_MAX], boot[TOPIC_BOOT_MAX], instance[9], sequence[24], boottime[24], time[40];
	char source[160], version[8], type[64], content[24], firmware[INGEST_FIRMWARE_MAX];
};

static const char *const versions[] = { "1.0", NULL };
static const char *const contents[] = { "application/json", NULL };
static const char *const clocks[] = { "synced", "unsynced", NULL };

static const struct field head_rows[] = {
	{ "specversion", FIELD_CHOICE, true, AT(version), .words = versions },
	{ "id", FIELD_TEXT, true, TOPIC_ID_MAX - 1, AT(id) },
	{ "source", FIELD_TEXT, true, 150, AT(source) },
	{ "type", FIELD_TEXT, true, 60, AT(type) },
	{ "time", FIELD_TEXT, false, 35, AT(time), .has = offsetof(struct head, has_time) },
	{ "datacontenttype", FIELD_CHOICE, true, AT(content), .words = contents },
	{ "bootid", FIELD_DIGITS, true, TOPIC_BOOT_MAX - 1, AT(boot) },
	{ "sequence", FIELD_TEXT, true, 20, AT(sequence) },
	{ "boottimeusec", FIELD_TEXT, true, 20, AT(boottime) },
	{ "clock", FIELD_WORD, true, AT(clock), .words = clocks },
	{ "firmware", FIELD_TEXT, true, 64, AT(firmware) },
	{ "instance", FIELD_DIGITS, true, 8, AT(instance) },
	{ "data", FIELD_ANY, true },
};
static const struct fields head_fields = { "the envelope", head_rows, COUNT(head_rows) };

static enum ingest_refusal refuse(enum ingest_refusal refusal, char *why, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static enum ingest_refusal refuse(enum ingest_refusal refusal, char *why, const char *format, ...)
{
	char text[INGEST_WHY_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args); /* the end of a long sentence is no loss */
	va_end(args);
	print_clean(why, INGEST_WHY_MAX, text);
	return refusal;
}

/* ---- texts that are numbers ---- */

static bool parse_digits(const char *text, uint64_t *ret)
{
	uint64_t number = 0;

	if (!*text)
		return false;
	for (; isdigit((unsigned char)*text); text++) {
		if (number > (UINT64_MAX - (uint64_t)(*text - '0')) / 10)
			return false;
		number = number * 10 + (uint64_t)(*text - '0');
	}
	*ret = number;
	return !*text;
}

/* "Z", "+01:00": seconds east. */
static bool parse_zone(const char *text, int *ret_s)
{
	int hours, minutes, end = 0;

	*ret_s = 0;
	if (!strcmp(text, "Z"))
		return true;
	if ((*text != '+' && *text != '-') ||
	    sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 || end != 5 || text[6] ||
	    !isdigit((unsigned char)text[1]) || !isdigit((unsigned char)text[4]) || hours > 23 ||
	    minutes > 59)
		return false;
	*ret_s = (hours * 3600 + minutes * 60) * (*text == '-' ? -1 : 1);
	return true;
}

/* RFC 3339, in the form that says the zone. */
static bool parse_time(const char *text, int64_t *ret_s)
{
	static const char form[] = "0000-00-00T00:00:00";
	struct tm tm = { 0 };
	int zone_s;

	for (size_t i = 0; form[i]; i++)
		if (form[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
			return false;
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec) != 6 || tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 ||
	    tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	text += strlen(form);
	if (*text == '.')
		text += 1 + strspn(text + 1, "0123456789");
	if (!parse_zone(text, &zone_s))
		return false;
	*ret_s = (int64_t)timegm(&tm) - zone_s;
	return true;
}

/* ---- the envelope ---- */

static enum ingest_refusal check_id(const struct head *head, struct ingest_message *m, char *why)
{
	uint64_t sequence;

	if (!topic_id_parse(head->id, m->boot, &m->sequence))
		return refuse(INGEST_ID, why, "id \"%s\" is not BOOTID-SEQUENCE", head->id);
	if (strcmp(head->boot, m->boot) || strlen(head->sequence) != 20 ||
	    !parse_digits(head->sequence, &sequence) || sequence != m->sequence)
		return refuse(INGEST_ID, why, "id %s, but bootid %s and sequence \"%s\"", head->id,
			      head->boot, head->sequence);
	snprintf(m->id, sizeof(m->id), "%s", head->id);
	return INGEST_OK;
}

static enum ingest_refusal check_moment(const struct head *head, struct ingest_message *m, char *why)
{
	if (!parse_digits(head->boottime, &m->boottime_us))
		return refuse(INGEST_ENVELOPE, why,
			      "boottimeusec \"%s\" is no number of microseconds", head->boottime);
	m->is_synchronised = head->clock == 0;
	if (!head->has_time)
		return INGEST_OK;
	if (!m->is_synchronised)
		return refuse(INGEST_CLOCK, why, "says a time, but that its clock is not synchronised");
	if (!parse_time(head->time, &m->time_s))
		return refuse(INGEST_CLOCK, why, "time \"%s\" is not as in RFC 3339", head->time);
	return INGEST_OK;
}

static enum ingest_refusal check_source(const struct head *head, const struct topic *topic, char *why)
{
	char expected[160];

	snprintf(expected, sizeof(expected), "/failsoft/%s/%s", topic->fleet, topic->device);
	if (strcmp(expected, head->source))
		return refuse(INGEST_SOURCE, why, "on the topic of %s, but says it is from \"%s\"",
			      expected, head->source);
	return INGEST_OK;
}

static enum ingest_refusal take_head(struct json_object *object, struct ingest_message *m, char *why)
{
	struct head head = { 0 };
	enum ingest_refusal r;

	if (!fields_take(&head_fields, object, &head, why))
		return INGEST_ENVELOPE;
	r = check_source(&head, &m->topic, why);
	if (!r)
		r = check_id(&head, m, why);
	if (!r)
		r = check_moment(&head, m, why);
	snprintf(m->firmware, sizeof(m->firmware), "%s", head.firmware);
	m->instance = (uint32_t)strtoul(head.instance, NULL, 16);
	if (!r && !m->firmware[0])
		return refuse(INGEST_ENVELOPE, why, "firmware is empty");
	return r;
}

/* ---- what it says ---- */

static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

/* Before all else is looked at: a newer message may well look different. */
static enum ingest_refusal take_type(struct json_object *object, struct ingest_message *m, char *why)
{
	static const char prefix[] = "org.failsoft.";
	const char *type = text_of(object, "type"), *spec = text_of(object, "specversion");
	const char *version = strrchr(type, '.');

	if (strcmp(spec, "1.0"))
		return refuse(INGEST_VERSION, why, "specversion \"%.20s\": this program knows 1.0", spec);
	if (topic_type_parse(type, &m->type))
		return INGEST_OK;
	if (!strncmp(type, prefix, strlen(prefix)) && version && version[1] == 'v' &&
	    isdigit((unsigned char)version[2]) && strcmp(version, ".v1"))
		return refuse(INGEST_VERSION, why, "type \"%.60s\": this program knows version 1", type);
	return refuse(INGEST_TYPE, why, "type \"%.60s\" is unknown", type);
}

static enum ingest_refusal check_type(const struct ingest_message *m, char *why)
{
	static const unsigned allowed[TOPIC_PLACE_COUNT] = {
		[TOPIC_AT_STATE] = 1u << TOPIC_STATE,
		[TOPIC_AT_HEARTBEAT] = 1u << TOPIC_HEARTBEAT,
		[TOPIC_AT_EVENT] = 1u << TOPIC_EVENT | 1u << TOPIC_ALARM,
		[TOPIC_AT_REPORT] = 1u << TOPIC_REPORT,
		[TOPIC_AT_ALARM] = 1u << TOPIC_ALARM,
	};

	if (!(allowed[m->topic.place] & 1u << m->type))
		return refuse(INGEST_TYPE, why, "type %s does not belong on this topic",
			      topic_type_name(m->type));
	return INGEST_OK;
}

static enum ingest_refusal take_data(struct json_object *object, struct ingest_message *m, char *why)
{
	struct ingest_data *d = &m->data;
	struct json_object *data;

	d->tte_us = d->tte_early_us = d->tte_late_us = d->deadline_us = INGEST_NEVER_US;
	d->forecast = (struct ingest_forecast){ 0, INGEST_NEVER_US, INGEST_NEVER_US, INGEST_NEVER_US,
						INGEST_NEVER_US };
	if (!json_object_object_get_ex(object, "data", &data) ||
	    !fields_take(fields_of(m->type), data, d, why))
		return INGEST_DATA;
	if (m->topic.place == TOPIC_AT_ALARM && d->kind != (uint32_t)m->topic.alarm)
		return refuse(INGEST_KIND, why, "on the topic of alarm %s, but says it is %s",
			      topic_alarm_name(m->topic.alarm),
			      topic_alarm_name((enum topic_alarm)d->kind));
	return INGEST_OK;
}

static enum ingest_refusal take_object(struct json_object *object, struct ingest_message *m, char *why)
{
	enum ingest_refusal r;

	if (!json_object_is_type(object, json_type_object))
		return refuse(INGEST_JSON, why, "is no JSON object");
	r = take_type(object, m, why);
	if (!r)
		r = check_type(m, why);
	if (!r)
		r = take_head(object, m, why);
	if (!r)
		r = take_data(object, m, why);
	return r;
}

/* ---- the message ---- */

/* The bytes of the character at `b`, 0: it is none. Unicode 15, table 3-7; json-c lets surrogates pass. */
static size_t character(const unsigned char *b, size_t left)
{
	const size_t length = b[0] < 0x80   ? 1
			      : b[0] < 0xc2 ? 0
			      : b[0] < 0xe0 ? 2
			      : b[0] < 0xf0 ? 3
			      : b[0] < 0xf5 ? 4
					    : 0;

	if (length == 0 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] >= 0xa0) ||
	    (b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] >= 0x90))
		return 0;
	return length;
}

/* Where it stops to be UTF-8; its length: nowhere. */
static size_t utf8_until(const unsigned char *bytes, size_t length)
{
	size_t at = 0, step;

	while (at < length && (step = character(bytes + at, length - at)))
		at += step;
	return at;
}

static enum ingest_refusal parse(const struct ingest_raw *raw, struct ingest_message *m, char *why)
{
	struct json_tokener *tokener;
	struct json_object *object;
	size_t utf8 = utf8_until(raw->payload, raw->length);
	enum ingest_refusal r;
	enum json_tokener_error error;

	if (utf8 < raw->length)
		return refuse(INGEST_UTF8, why, "is not UTF-8 at byte %zu", utf8);
	tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return refuse(INGEST_JSON, why, "no memory to read it");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(tokener, raw->payload, (int)raw->length);
	error = json_tokener_get_error(tokener);
	if (error == json_tokener_success && json_tokener_get_parse_end(tokener) == raw->length)
		r = take_object(object, m, why);
	else
		r = refuse(INGEST_JSON, why, "is no JSON text: %s at byte %zu",
			   error == json_tokener_continue  ? "it ends too early"
			   : error == json_tokener_success ? "something follows"
							   : json_tokener_error_desc(error),
			   json_tokener_get_parse_end(tokener));
	json_object_put(object);
	json_tokener_free(tokener);
	return r;
}

static enum ingest_refusal refuse_topic(const char *topic, char *why)
{
	if (!strncmp(topic, "failsoft/v", strlen("failsoft/v")) && isdigit((unsigned char)topic[10]) &&
	    strncmp(topic, TOPIC_ROOT "/", strlen(TOPIC_ROOT "/")))
		return refuse(INGEST_VERSION, why,
			      "topic \"%.100s\": this program knows " TOPIC_ROOT, topic);
	return refuse(INGEST_TOPIC, why, "topic \"%.100s\" is not " TOPIC_ROOT
		      "/FLEET/DEVICE/(state|heartbeat|event|report|alarm/KIND)", topic);
}

enum ingest_refusal ingest_message(const struct ingest_raw *raw, struct ingest_message *ret,
				   char why[INGEST_WHY_MAX])
{
	memset(ret, 0, sizeof(*ret));
	why[0] = '\0';
	if (!topic_parse(raw->topic, &ret->topic) || ret->topic.place == TOPIC_AT_COMMAND) {
		ret->topic = (struct topic){ 0 };
		return refuse_topic(raw->topic, why);
	}
	ret->is_retained = raw->is_retained;
	if (raw->length > TOPIC_PAYLOAD_MAX)
		return refuse(INGEST_TOO_LONG, why, "%zu bytes, at most %d: not read", raw->length,
			      TOPIC_PAYLOAD_MAX);
	if (raw->length == 0) {
		ret->is_empty = true;
		if (ret->topic.place == TOPIC_AT_ALARM || ret->topic.place == TOPIC_AT_STATE)
			return INGEST_OK;
		return refuse(INGEST_EMPTY, why, "is empty");
	}
	return parse(raw, ret, why);
}
