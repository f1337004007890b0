/* SPDX-License-Identifier: MIT */
#include "lines.h"

#include <json-c/json.h>
#include <string.h>
#include <time.h>

#include "../ctl/ctl.h"
#include "moment.h"

#define TOPIC_SHOWN	192

static const char *word_of(const struct roster_note *note, const struct ingest_message *m)
{
	static const char *const logged[TOPIC_TYPE_COUNT] = {
		[TOPIC_STATE] = "state", [TOPIC_HEARTBEAT] = "heartbeat", [TOPIC_EVENT] = "event",
		[TOPIC_ALARM] = "alarm", [TOPIC_REPORT] = "report",
	};
	static const char *const words[ROSTER_NOTE_COUNT] = {
		[ROSTER_ONLINE] = "online", [ROSTER_GONE] = "offline", [ROSTER_RAISED] = "raised",
		[ROSTER_CLEARED] = "cleared", [ROSTER_IN_CONFLICT] = "conflict",
		[ROSTER_FORGOTTEN] = "forgotten", [ROSTER_IMPLAUSIBLE] = "implausible",
	};

	return note->kind == ROSTER_LOGGED ? logged[m->type] : words[note->kind];
}

/* Seen by this machine's clock, microseconds. */
static const char *seen_now(char text[48])
{
	struct timespec now;
	char second[MOMENT_MAX];

	clock_gettime(CLOCK_REALTIME, &now);
	moment_format(now.tv_sec, second);
	snprintf(text, 48, "%.19s.%06ldZ", second, now.tv_nsec / 1000);
	return text;
}

static void add(struct json_object *to, const char *name, const char *text)
{
	json_object_object_add(to, name, json_object_new_string(text));
}

/* json-c escapes what JSON must have escaped. What else steers a terminal (DEL, C1, the direction
 * of writing) is in texts alone, and escaped here: a person may look at the lines, too. Returns the
 * bytes taken. */
static size_t put_escaped(FILE *out, const char *at)
{
	uint32_t code = 0;
	size_t length = print_character(at, &code);

	if (length == 0)
		length = 1; /* cannot be: ingest has looked */
	if (length < 4 && print_is_harmful(code))
		fprintf(out, "\\u%04x", code);
	else
		fwrite(at, 1, length, out);
	return length;
}

static bool put(const struct lines *l, struct json_object *line)
{
	const char *text = json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN |
							  JSON_C_TO_STRING_NOSLASHESCAPE);

	for (const char *at = text; *at;)
		at += put_escaped(l->out, at);
	fputc('\n', l->out);
	json_object_put(line);
	return fflush(l->out) == 0;
}

static struct json_object *begin(const char *what)
{
	struct json_object *line = json_object_new_object();
	char seen[48];

	add(line, "seen", seen_now(seen));
	add(line, "what", what);
	return line;
}

/* As it came, member by member; its texts are JSON's own escapes and cannot end the line. */
static struct json_object *original(const struct ingest_raw *raw)
{
	struct json_tokener *tokener = raw->length ? json_tokener_new() : NULL;
	struct json_object *object =
		tokener ? json_tokener_parse_ex(tokener, raw->payload, (int)raw->length) : NULL;

	if (tokener)
		json_tokener_free(tokener);
	return object;
}

static bool note_json(const struct lines *l, const struct roster_note *note, const struct ingest_message *m,
		      const struct ingest_raw *raw)
{
	struct json_object *line = begin(word_of(note, m)), *message = original(raw);

	add(line, "fleet", note->device->fleet);
	add(line, "device", note->device->device);
	if (note->kind == ROSTER_RAISED || note->kind == ROSTER_CLEARED)
		add(line, "kind", topic_alarm_name(note->alarm));
	if (note->kind == ROSTER_IN_CONFLICT)
		add(line, "conflict", roster_conflict_name(note->device->conflict));
	if (note->is_again)
		json_object_object_add(line, "again", json_object_new_boolean(true));
	if (message)
		json_object_object_add(line, "message", message);
	return put(l, line);
}

static const char *sentence_of(const struct roster_note *note, const struct ingest_message *m)
{
	switch (note->kind) {
	case ROSTER_LOGGED:
		return m->data.text;
	case ROSTER_RAISED:
	case ROSTER_CLEARED:
		return topic_alarm_name(note->alarm);
	case ROSTER_GONE:
		return note->device->expect[0] ? note->device->expect : "nobody said it would";
	case ROSTER_IN_CONFLICT:
		return note->device->conflict == ROSTER_TWO_SPOOLS
			       ? "two devices have this name: give one of them another"
			       : "two devices have this name and a copy of one spool: remove it on "
				 "one, and rename that";
	case ROSTER_FORGOTTEN:
		return "its state was emptied";
	case ROSTER_IMPLAUSIBLE:
		return "its counts grow faster than can be: the excess is not added";
	case ROSTER_ONLINE:
	case ROSTER_STANDS: /* is no line */
	case ROSTER_NOTE_COUNT:
		break;
	}
	return m->firmware;
}

bool lines_note(const struct lines *l, const struct roster_note *note, const struct ingest_message *m,
		const struct ingest_raw *raw)
{
	char seen[48];

	if (l->is_json)
		return note_json(l, note, m, raw);
	fprintf(l->out, "%s %s/%s %s%s%s: %s\n", seen_now(seen), note->device->fleet, note->device->device,
		word_of(note, m), note->kind == ROSTER_LOGGED && m->type == TOPIC_ALARM ?
		m->data.is_raised ? " raised" : " cleared" : "",
		note->is_again ? " (perhaps shown before)" : "", sentence_of(note, m));
	return fflush(l->out) == 0;
}

bool lines_refused(const struct lines *l, const struct ingest_raw *raw, enum ingest_refusal refusal,
		   const char *why)
{
	struct json_object *line;
	char topic[TOPIC_SHOWN], seen[48];

	print_clean(topic, sizeof(topic), raw->topic);
	if (!l->is_json) {
		fprintf(l->out, "%s %s refused (%s): %s\n", seen_now(seen), topic,
			ingest_refusal_name(refusal), why);
		return fflush(l->out) == 0;
	}
	line = begin("refused");
	add(line, "reason", ingest_refusal_name(refusal));
	add(line, "why", why);
	add(line, "topic", topic);
	json_object_object_add(line, "bytes", json_object_new_int64((int64_t)raw->length));
	return put(l, line);
}
