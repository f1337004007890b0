/* SPDX-License-Identifier: MIT */
/*
 * Tally story: a line of words becomes what the broker said, and what the tally tells becomes words:
 *   "stage ep=1 dom=a from=1 to=2"  ->  "+imminent state event"
 * Numbers and times of events grow by themselves unless n= or t= is given. For the tests of tally.c.
 */
#pragma once

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tally.h"

#define STORY_HOLD_US	1000000u
#define STORY_STEPS_MAX	16u

struct story {
	struct tally tally;
	uint64_t number, time_us;
};

static const struct {
	const char *word;
	enum feed_kind kind;
} story_kinds[] = {
	{ "stage", FEED_STAGE }, { "opened", FEED_EPISODE_OPENED }, { "closed", FEED_EPISODE_CLOSED },
	{ "taken", FEED_EPISODE_TAKEN_OVER }, { "request", FEED_REQUEST }, { "answer", FEED_ANSWER },
	{ "ended", FEED_ENDED }, { "oom", FEED_KERNEL_OOM }, { "brake", FEED_BRAKE }, { "guard", FEED_GUARD },
	{ "tripped", FEED_TRIPPED }, { "freed", FEED_FREED }, { "killed", FEED_CLIENT_KILLED },
	{ "last", FEED_LAST }, { "last_ended", FEED_LAST_ENDED }, { "rebooted", FEED_REBOOTED },
	{ "drill", FEED_DRILL }, { "started", FEED_BROKER_STARTED }, { "lost", FEED_LOST_EVENTS },
	{ "settled", FEED_SETTLED }, { "other", FEED_OTHER }, { "action", FEED_ACTION },
};

static void story_set(struct feed_event *e, const char *key, const char *value)
{
	const struct {
		const char *key;
		uint64_t *figure;
	} figures[] = {
		{ "ep", &e->episode }, { "n", &e->number }, { "t", &e->time_us }, { "pid", &e->pid },
		{ "duration", &e->duration_us }, { "freed", &e->freed_bytes }, { "victims", &e->victims },
		{ "missed", &e->missed }, { "policy", &e->policy }, { "count", &e->count },
		{ "processes", &e->processes }, { "outcome", &e->outcome }, { "total", &e->total_bytes },
		{ "headroom", &e->headroom_bytes }, { "tte", &e->tte_us }, { "early", &e->tte_early_us },
		{ "late", &e->tte_late_us },
	};
	const struct {
		const char *key;
		uint32_t *word;
	} words[] = { { "from", &e->from }, { "to", &e->to }, { "step", &e->step } };

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		if (!strcmp(key, figures[i].key))
			*figures[i].figure = strtoull(value, NULL, 10);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(key, words[i].key))
			*words[i].word = (uint32_t)strtoul(value, NULL, 10);
	if (!strcmp(key, "dom"))
		snprintf(e->domain, sizeof(e->domain), "%s", value);
	if (!strcmp(key, "name"))
		snprintf(e->name, sizeof(e->name), "%s", value);
}

static struct feed_event story_event(struct story *s, const char *line)
{
	struct feed_event e = {
		.number = ++s->number, .time_us = s->time_us += 1000, .tte_us = UINT64_MAX,
		.tte_low_us = UINT64_MAX, .tte_early_us = UINT64_MAX, .tte_late_us = UINT64_MAX, .step = 1,
	};
	char copy[256], *rest = copy, *word;

	snprintf(copy, sizeof(copy), "%s", line);
	while ((word = strsep(&rest, " "))) {
		char *equal = strchr(word, '=');

		for (size_t i = 0; i < sizeof(story_kinds) / sizeof(story_kinds[0]); i++)
			if (word == copy && !strcmp(word, story_kinds[i].word))
				e.kind = story_kinds[i].kind;
		e.is_dry_run |= !strcmp(word, "dry");
		e.is_drill |= !strcmp(word, "drill");
		e.is_late |= !strcmp(word, "missed");
		if (equal) {
			*equal = '\0';
			story_set(&e, word, equal + 1);
		}
	}
	s->number = e.number;
	if (e.time_us > s->time_us)
		s->time_us = e.time_us;
	return e;
}

static struct failsoft_order story_order(const struct feed_event *e)
{
	struct failsoft_order o = {
		.stage = e->to, .step = e->step, .episode = e->episode, .sequence = 1,
		.issued_us = e->time_us, .headroom_bytes = e->headroom_bytes, .exhaustion_us = e->tte_us,
		.flags = e->is_dry_run ? FAILSOFT_ORDER_DRY_RUN : 0,
	};

	o.flags |= e->is_drill ? FAILSOFT_ORDER_DRILL : 0;
	snprintf(o.domain, sizeof(o.domain), "%.63s", e->domain);
	return o;
}

/* Returns how many notes; any line that tally.h knows. */
static uint32_t story_step(struct story *s, const char *line, struct tally_note notes[TALLY_NOTES_MAX])
{
	const uint64_t number = s->number;
	const struct feed_event e = story_event(s, line);
	struct failsoft_order order;

	if (e.kind != FEED_OTHER && e.kind != FEED_LOST_EVENTS && e.kind != FEED_SETTLED)
		return tally_step(&s->tally, &e, notes);
	s->number = number;
	if (e.kind == FEED_LOST_EVENTS || e.kind == FEED_SETTLED) {
		struct feed_event unnumbered = e;

		unnumbered.number = 0;
		return tally_step(&s->tally, &unnumbered, notes);
	}
	if (!strncmp(line, "up", 2) || !strncmp(line, "down", 4))
		return tally_broker(&s->tally, *line == 'u', notes);
	if (!strncmp(line, "time", 4))
		return tally_time(&s->tally, e.time_us, STORY_HOLD_US, notes);
	if (strncmp(line, "order", 5))
		return tally_step(&s->tally, &e, notes);
	order = story_order(&e);
	return tally_order(&s->tally, &order, notes);
}

static void story_say(const struct tally_note *note, char *ret, size_t size)
{
	const size_t used = strlen(ret);
	const char *const between = used && ret[used - 1] != ' ' ? " " : "";

	ret += used;
	size -= used;
	switch (note->kind) {
	case TALLY_NOTE_ALARM:
		snprintf(ret, size, "%s%c%s", between, note->is_raised ? '+' : '-',
			 topic_alarm_name(note->alarm));
		break;
	case TALLY_NOTE_REPORT:
		snprintf(ret, size, "%s%" PRIu64 ":%s%s%s", between, note->episode->number,
			 tally_end_name((enum tally_end)note->episode->end),
			 note->episode->is_near_miss ? "/near" : "",
				 note->episode->is_false_alarm ? "/false" : "");
		break;
	case TALLY_NOTE_EVENT:
		snprintf(ret, size, "%sevent", between);
		break;
	case TALLY_NOTE_STATE:
		snprintf(ret, size, "%sstate", between);
		break;
	}
}

/* All lines of a row: what is told of each, "|" between. */
static inline void story_run(struct story *s, const char *const given[STORY_STEPS_MAX], char *told,
			     size_t size)
{
	struct tally_note notes[TALLY_NOTES_MAX];

	for (size_t i = 0; i < STORY_STEPS_MAX && given[i]; i++) {
		uint32_t count = story_step(s, given[i], notes);
		char step[256] = "";

		for (uint32_t n = 0; n < count; n++)
			story_say(&notes[n], step, sizeof(step));
		snprintf(told + strlen(told), size - strlen(told), "%s%s", i ? "|" : "", step);
	}
}

/* Episodes, near misses, false alarms, missed deadlines, oom kills, victims, lost events. */
static inline void story_count(const struct story *s, char *ret, size_t size)
{
	const struct tally_counts *c = &s->tally.counts;

	snprintf(ret, size, "%d %d %d %d %d %d %d", (int)c->episodes, (int)c->near_misses,
		 (int)c->false_alarms, (int)c->missed_deadlines, (int)c->oom_kills, (int)c->victims,
		 (int)c->lost_events);
}
