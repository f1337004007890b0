/* SPDX-License-Identifier: MIT */
/*
 * Feed and tally as the telemetry process drives them, for the tests: a JSON line for each thing that is
 * told. usage: story-client BUS ANSWER
 *   ANSWER: done | silent
 * An oom-kill alarm is held for 1 s. Budgets are 500 ms. Ends when its standard input does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include <systemd/sd-event.h>

#include "feed.h"
#include "tally.h"

#define HOLD_US	1000000u
#define TICK_US	100000u

static struct {
	struct feed *feed;
	struct tally tally;
	bool is_silent;
} now;

static const char *stage_name(uint32_t stage)
{
	static const char *const names[] = { "normal", "warning", "imminent", "shutdown" };

	return stage < 4 ? names[stage] : "?";
}

struct figure {
	const char *key;
	uint64_t value;
};

static void print_figures(const struct figure *f, size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf(",\"%s\":%" PRIu64, f[i].key, f[i].value);
}

static void print_episode(const struct tally_episode *e)
{
	const struct figure figures[] = {
		{ "episode", e->number }, { "near_miss", e->is_near_miss },
		{ "false_alarm", e->is_false_alarm },
		{ "asked", e->asked }, { "missed", e->missed }, { "victims", e->victims },
		{ "oom_kills", e->oom_kills }, { "freed_bytes", e->freed_bytes },
		{ "lowest_bytes", e->lowest_headroom_bytes }, { "limit_bytes", e->total_bytes },
		{ "duration_us", e->duration_us }, { "victim_pid", e->victim_pid },
	};

	printf(",\"domain\":\"%s\",\"highest\":\"%s\",\"end\":\"%s\"", e->domain,
	       stage_name(e->highest), tally_end_name((enum tally_end)e->end));
	print_figures(figures, sizeof(figures) / sizeof(figures[0]));
}

static void print_notes(const char *by, const struct tally_note *notes, uint32_t count,
			const struct feed_event *e)
{
	static const char *const kinds[] = { "alarm", "report", "event", "state" };

	for (uint32_t i = 0; i < count; i++) {
		const struct tally_note *n = &notes[i];

		printf("{\"note\":\"%s\",\"by\":\"%s\",\"stage\":\"%s\"", kinds[n->kind], by,
		       stage_name(now.tally.stage));
		if (n->kind == TALLY_NOTE_ALARM)
			printf(",\"kind\":\"%s\",\"raised\":%d", topic_alarm_name(n->alarm), n->is_raised);
		if (n->kind == TALLY_NOTE_EVENT)
			printf(",\"event\":\"%s\",\"drill\":%d,\"dry_run\":%d", e->word, e->is_drill,
			       e->is_dry_run);
		if (n->kind != TALLY_NOTE_EVENT && n->episode)
			print_episode(n->episode);
		printf("}\n");
	}
}

static void print_counts(void)
{
	const struct tally_counts *c = &now.tally.counts;
	const struct figure figures[] = {
		{ "episodes", c->episodes }, { "near_misses", c->near_misses },
		{ "missed_deadlines", c->missed_deadlines }, { "false_alarms", c->false_alarms },
		{ "oom_kills", c->oom_kills }, { "victims", c->victims }, { "lost_events", c->lost_events },
		{ "open", tally_worst(&now.tally) != NULL },
	};

	printf("{\"note\":\"counts\"");
	print_figures(figures, sizeof(figures) / sizeof(figures[0]));
	printf("}\n");
}

static void on_event(void *userdata, const struct feed_event *e)
{
	struct tally_note notes[TALLY_NOTES_MAX];
	uint32_t count = tally_step(&now.tally, e, notes);

	(void)userdata;
	print_notes("monitor", notes, count, e);
	if (e->kind == FEED_SETTLED)
		printf("{\"note\":\"settled\"}\n");
}

static void on_order(void *userdata, const struct failsoft_order *order)
{
	struct tally_note notes[TALLY_NOTES_MAX];
	uint32_t count = tally_order(&now.tally, order, notes);

	(void)userdata;
	print_notes("order", notes, count, NULL);
	printf("{\"note\":\"order\",\"drill\":%d}\n", !!(order->flags & FAILSOFT_ORDER_DRILL));
	if (!now.is_silent)
		(void)feed_answer(now.feed, order->sequence,
				  FAILSOFT_RESULT_DONE); /* a broker that is gone needs none */
}

static void on_broker(bool is_up)
{
	struct tally_note notes[TALLY_NOTES_MAX];
	uint32_t count = tally_broker(&now.tally, is_up, notes);

	printf("{\"note\":\"%s\"}\n", is_up ? "up" : "down");
	print_notes("broker", notes, count, NULL);
}

static void on_up(void *userdata)
{
	(void)userdata;
	on_broker(true);
}

static void on_down(void *userdata)
{
	(void)userdata;
	on_broker(false);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct tally_note notes[TALLY_NOTES_MAX];
	struct timespec t;
	uint32_t count;

	(void)userdata;
	clock_gettime(CLOCK_MONOTONIC, &t);
	count = tally_time(&now.tally, (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000,
			   HOLD_US, notes);
	print_notes("time", notes, count, NULL);
	sd_event_source_set_time(source, usec + TICK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* A line asks for the counts, the end for the end. */
static int on_input(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	char line[64];

	(void)fd, (void)revents, (void)userdata;
	if (!fgets(line, sizeof(line), stdin))
		return sd_event_exit(sd_event_source_get_event(source), 0);
	print_counts();
	return 0;
}

int main(int argc, char **argv)
{
	static const struct feed_handlers handlers = { on_event, on_order, on_up, on_down, NULL };
	struct feed_options options = { .budget_us = 500000 };
	sd_event *event;
	int r;

	if (argc != 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	options.bus_address = argv[1];
	now.is_silent = !strcmp(argv[2], "silent");
	if (sd_event_new(&event) < 0 || feed_new(&now.feed, event, &options, &handlers) < 0 ||
	    sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, 0, 0, on_tick, NULL) < 0 ||
	    sd_event_add_io(event, NULL, 0, EPOLLIN, on_input, NULL) < 0)
		return 2;
	r = sd_event_loop(event);
	now.feed = feed_free(now.feed);
	sd_event_unref(event);
	return r < 0 ? 2 : 0;
}
