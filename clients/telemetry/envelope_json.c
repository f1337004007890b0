/* SPDX-License-Identifier: MIT */
#include "envelope_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "envelope_text.h"

#define TEXT_MAX	601	/* the longest text of any schema, with NUL */
#define CHARACTER_MAX	4	/* bytes of UTF-8 */
#define DOTS_ROOM	6	/* "...", also where each character that gives way takes two bytes */
#define TIME_MAX	32
#define FORMAT		(JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

static void add(struct envelope_json *j, struct json_object *in, const char *key, struct json_object *value)
{
	if (in && value && json_object_object_add(in, key, value) == 0)
		return;
	json_object_put(value);
	j->has_failed = true;
}

struct json_object *envelope_json_object(struct envelope_json *j, struct json_object *in, const char *key)
{
	struct json_object *o = json_object_new_object();

	add(j, in, key, o);
	return j->has_failed ? NULL : o;
}

void envelope_json_text(struct envelope_json *j, struct json_object *in, const char *key, const char *text)
{
	char clean[TEXT_MAX];
	const size_t bytes = envelope_text_clean(text, clean, sizeof(clean));

	add(j, in, key, json_object_new_string_len(clean, (int)bytes));
}

void envelope_json_flag(struct envelope_json *j, struct json_object *in, const char *key, bool is_set)
{
	add(j, in, key, json_object_new_boolean(is_set));
}

void envelope_json_stage(struct envelope_json *j, struct json_object *in, const char *key, uint32_t stage)
{
	static const char *const names[] = { "normal", "warning", "imminent", "shutdown" };
	const size_t known = sizeof(names) / sizeof(names[0]);

	envelope_json_text(j, in, key, names[stage < known ? stage : known - 1]);
}

void envelope_json_figures(struct envelope_json *j, struct json_object *in,
			   const struct envelope_figure *figures, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const uint64_t value = figures[i].value;

		if (value != figures[i].absent)
			add(j, in, figures[i].key,
			    json_object_new_int64(value > INT64_MAX ? INT64_MAX : (int64_t)value));
	}
}

/* ---- what every message has ---- */

static bool is_boot(const char *boot)
{
	return strspn(boot, "0123456789abcdef") == TOPIC_BOOT_MAX - 1 && !boot[TOPIC_BOOT_MAX - 1];
}

/* false: a year that RFC 3339 cannot write is no clock that anybody has set. */
static bool format_time(const struct envelope_moment *m, char ret[TIME_MAX])
{
	const time_t seconds = (time_t)m->real_s;
	struct tm tm;

	if (!m->is_synchronised || m->real_s < 0 || !gmtime_r(&seconds, &tm) || tm.tm_year > 9999 - 1900)
		return false;
	return strftime(ret, TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0;
}

static void add_moment(struct envelope_json *j, const struct envelope *v, const struct envelope_moment *m)
{
	char text[TOPIC_ID_MAX];
	const bool is_synchronised = format_time(m, text);

	if (is_synchronised)
		envelope_json_text(j, j->root, "time", text);
	topic_id_format(v->boot, m->sequence, text);
	envelope_json_text(j, j->root, "id", text);
	snprintf(text, sizeof(text), "%020" PRIu64, m->sequence);
	envelope_json_text(j, j->root, "sequence", text);
	snprintf(text, sizeof(text), "%" PRIu64, m->boottime_us);
	envelope_json_text(j, j->root, "boottimeusec", text);
	envelope_json_text(j, j->root, "clock", is_synchronised ? "synced" : "unsynced");
}

static void add_origin(struct envelope_json *j, const struct envelope *v)
{
	char text[TOPIC_MAX];

	snprintf(text, sizeof(text), "/failsoft/%s/%s", v->fleet, v->device);
	envelope_json_text(j, j->root, "source", text);
	envelope_json_text(j, j->root, "bootid", v->boot);
	envelope_json_text(j, j->root, "firmware", v->firmware[0] ? v->firmware : "unknown");
	snprintf(text, sizeof(text), "%08" PRIx32, v->instance);
	envelope_json_text(j, j->root, "instance", text);
}

int envelope_json_begin(struct envelope_json *j, enum topic_type type, const struct envelope *v,
			const struct envelope_moment *m)
{
	if (!topic_name_is_valid(v->fleet) || !topic_name_is_valid(v->device) || !is_boot(v->boot) ||
	    m->sequence == 0 || m->sequence > INT64_MAX)
		return -EINVAL;
	*j = (struct envelope_json){ .root = json_object_new_object() };
	if (!j->root)
		return -ENOMEM;
	envelope_json_text(j, j->root, "specversion", "1.0");
	envelope_json_text(j, j->root, "type", topic_type_name(type));
	add_moment(j, v, m);
	add_origin(j, v);
	envelope_json_text(j, j->root, "datacontenttype", "application/json");
	j->data = envelope_json_object(j, j->root, "data");
	return 0;
}

/* ---- the end ---- */

static void add_sentence(struct envelope_json *j, const char *sentence)
{
	char clean[TEXT_MAX];
	size_t bytes = 0;

	envelope_json_text(j, j->data, "text", "");
	if (j->has_failed || !json_object_to_json_string_length(j->root, FORMAT, &bytes)) {
		j->has_failed = true;
		return;
	}
	/* One that fills the buffer up to its last character was cut, or as good as. */
	if (envelope_text_clean(sentence, clean, sizeof(clean)) >= sizeof(clean) - CHARACTER_MAX)
		envelope_text_fit(clean, envelope_text_json_bytes(clean) - DOTS_ROOM);
	envelope_text_fit(clean, bytes < TOPIC_PAYLOAD_MAX ? TOPIC_PAYLOAD_MAX - 1 - bytes : 0);
	add(j, j->data, "text", json_object_new_string(clean));
}

static int write_out(struct envelope_json *j, char ret[TOPIC_PAYLOAD_MAX])
{
	size_t bytes = 0;
	const char *text = j->has_failed ? NULL : json_object_to_json_string_length(j->root, FORMAT, &bytes);

	if (!text)
		return -ENOMEM;
	if (bytes >= TOPIC_PAYLOAD_MAX)
		return -EMSGSIZE;
	memcpy(ret, text, bytes + 1);
	return (int)bytes;
}

int envelope_json_finish(struct envelope_json *j, const char *sentence, char ret[TOPIC_PAYLOAD_MAX])
{
	int r;

	if (sentence)
		add_sentence(j, sentence);
	r = write_out(j, ret);
	json_object_put(j->root);
	j->root = j->data = NULL;
	return r;
}
