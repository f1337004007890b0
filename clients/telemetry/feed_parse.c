/* SPDX-License-Identifier: MIT */
/* One line of Monitor to a struct. Pure but for json-c's memory. */
#include <json-c/json.h>
#include <stddef.h>
#include <string.h>

#include "feed.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

/* The broker's words, see the table in broker/keep/event.c. */
static const struct {
	const char *word;
	enum feed_kind kind;
} kinds[] = {
	{ "stage", FEED_STAGE },
	{ "episode_opened", FEED_EPISODE_OPENED },
	{ "episode_closed", FEED_EPISODE_CLOSED },
	{ "episode_taken_over", FEED_EPISODE_TAKEN_OVER },
	{ "request", FEED_REQUEST },
	{ "answer", FEED_ANSWER },
	{ "victim", FEED_VICTIM },
	{ "action", FEED_ACTION },
	{ "ended", FEED_ENDED },
	{ "kernel_oom", FEED_KERNEL_OOM },
	{ "brake", FEED_BRAKE },
	{ "client_killed", FEED_CLIENT_KILLED },
	{ "last", FEED_LAST },
	{ "last_ended", FEED_LAST_ENDED },
	{ "rebooted", FEED_REBOOTED },
	{ "drill", FEED_DRILL },
	{ "broker_started", FEED_BROKER_STARTED },
	{ "lost", FEED_LOST_EVENTS },
	{ "guard", FEED_GUARD },
	{ "tripped", FEED_TRIPPED },
	{ "freed", FEED_FREED },
	{ "config_reloaded", FEED_CONFIG_RELOADED },
};

/* Key, where it goes, and what stands there when it is absent. "bytes" is of "freed" alone. */
static const struct {
	const char *key;
	size_t offset;
	uint64_t absent;
} figures[] = {
	{ "number", offsetof(struct feed_event, number), 0 },
	{ "time_us", offsetof(struct feed_event, time_us), UINT64_MAX },
	{ "episode", offsetof(struct feed_event, episode), 0 },
	{ "headroom_bytes", offsetof(struct feed_event, headroom_bytes), 0 },
	{ "total_bytes", offsetof(struct feed_event, total_bytes), 0 },
	{ "tte_us", offsetof(struct feed_event, tte_us), UINT64_MAX },
	{ "tte_low_us", offsetof(struct feed_event, tte_low_us), UINT64_MAX },
	{ "tte_early_us", offsetof(struct feed_event, tte_early_us), UINT64_MAX },
	{ "tte_late_us", offsetof(struct feed_event, tte_late_us), UINT64_MAX },
	{ "pid", offsetof(struct feed_event, pid), 0 },
	{ "duration_us", offsetof(struct feed_event, duration_us), 0 },
	{ "freed_bytes", offsetof(struct feed_event, freed_bytes), 0 },
	{ "victims", offsetof(struct feed_event, victims), 0 },
	{ "missed", offsetof(struct feed_event, missed), 0 },
	{ "policy", offsetof(struct feed_event, policy), 0 },
	{ "count", offsetof(struct feed_event, count), 0 },
	{ "processes", offsetof(struct feed_event, processes), 0 },
	{ "outcome", offsetof(struct feed_event, outcome), 0 },
};

static const char *const stages[] = { "normal", "warning", "imminent", "shutdown" };
static const char *const steps[] = { "resume", "flush", "degrade", "shutdown" };

static uint64_t figure_of(struct json_object *o, const char *key, uint64_t absent)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value) || !json_object_is_type(value, json_type_int))
		return absent;
	return json_object_get_uint64(value); /* negative: 0 */
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value) || !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

/* Bytes of the character there, 0: none. No surrogates, no long forms, as every receiver checks. */
static size_t utf8_length(const unsigned char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 :
			      s[0] < 0xf5 ? 4 : 0;
	uint32_t point = length > 1 ? s[0] & (0xffu >> (length + 1)) : s[0];

	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (s[i] & 0x3fu);
	}
	if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0;
	return length && point >= least[length] ? length : 0;
}

/* A program's name may be any bytes; what is sent is text. What is too long ends before a character. */
static void put_text(char *ret, size_t size, const char *text)
{
	size_t used = 0;

	while (*text) {
		size_t length = utf8_length((const unsigned char *)text);

		if (used + (length ? length : 1) >= size)
			break;
		memcpy(ret + used, length ? text : "?", length ? length : 1);
		used += length ? length : 1;
		text += length ? length : 1;
	}
	ret[used] = '\0';
}

static uint32_t word_of(const char *const words[4], const char *text)
{
	for (uint32_t i = 0; i < 4; i++)
		if (!strcmp(words[i], text))
			return i;
	return 0;
}

static void take_figures(struct json_object *o, struct feed_event *e)
{
	for (size_t i = 0; i < COUNT(figures); i++) {
		uint64_t figure = figure_of(o, figures[i].key, figures[i].absent);

		memcpy((char *)e + figures[i].offset, &figure, sizeof(figure));
	}
	if (e->kind == FEED_FREED)
		e->freed_bytes = figure_of(o, "bytes", 0);
	e->is_drill = e->kind == FEED_DRILL || figure_of(o, "drill", 0);
	e->is_dry_run = figure_of(o, "dry_run", 0);
}

static void take_words(struct json_object *o, struct feed_event *e)
{
	put_text(e->domain, sizeof(e->domain), text_of(o, "domain"));
	put_text(e->name, sizeof(e->name), text_of(o, "name"));
	put_text(e->text, sizeof(e->text), text_of(o, "text"));
	e->from = word_of(stages, text_of(o, "from"));
	e->to = word_of(stages, text_of(o, "to"));
	e->step = word_of(steps, text_of(o, "step"));
	/* an answer that comes after that is "late", and the same deadline */
	e->is_late = e->kind == FEED_ANSWER && !strcmp(text_of(o, "result"), "missed");
}

bool feed_parse(const char *line, struct feed_event *ret)
{
	struct json_object *o = json_tokener_parse(line);
	struct feed_event e = { .kind = FEED_OTHER };

	if (json_object_is_type(o, json_type_object))
		put_text(e.word, sizeof(e.word), text_of(o, "event"));
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (!strcmp(e.word, kinds[i].word))
			e.kind = kinds[i].kind;
	if (e.word[0]) {
		take_figures(o, &e);
		take_words(o, &e);
		*ret = e;
	}
	json_object_put(o);
	return e.word[0];
}
