/* SPDX-License-Identifier: MIT */
/*
 * Feed: what the broker says, as plain structs. Edge. A plain client of the bus: it registers with
 * libfailsoft (the lifeline tells imminent and shutdown first, with a deadline) and reads Monitor's JSON
 * Lines for all the rest. No broker: feed_lost, and it comes back by itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <failsoft/client.h>

struct sd_event;
struct feed;

#define FEED_DOMAIN_MAX	128
#define FEED_NAME_MAX	64
#define FEED_TEXT_MAX	512

enum feed_kind {
	FEED_OTHER,			/* passed on only if `is_told` */
	FEED_STAGE,
	FEED_EPISODE_OPENED, FEED_EPISODE_CLOSED, FEED_EPISODE_TAKEN_OVER,
	FEED_REQUEST, FEED_ANSWER, FEED_VICTIM, FEED_ACTION, FEED_ENDED, FEED_KERNEL_OOM, FEED_BRAKE,
	FEED_CLIENT_KILLED, FEED_LAST, FEED_REBOOTED, FEED_DRILL, FEED_BROKER_STARTED, FEED_LOST_EVENTS,
	FEED_KIND_COUNT
};

/* One line of Monitor. Absent figures are 0, absent times UINT64_MAX, absent texts "". */
struct feed_event {
	enum feed_kind kind;
	char word[24];			/* the broker's own: "stage" */
	uint64_t number, time_us, episode;
	char domain[FEED_DOMAIN_MAX];
	char name[FEED_NAME_MAX];
	char text[FEED_TEXT_MAX];
	uint32_t from, to;		/* enum failsoft_stage */
	uint64_t headroom_bytes, total_bytes, tte_us, tte_low_us, tte_early_us, tte_late_us;
	uint64_t pid, duration_us, freed_bytes, victims, missed, policy, count;
	bool is_late;			/* of an answer: the deadline was missed */
	bool is_drill, is_dry_run;
};

/* Pure but for json-c's memory: one line to a struct. false: no JSON, or no event. */
bool feed_parse(const char *line, struct feed_event *ret);

struct feed_handlers {
	void (*event)(void *userdata, const struct feed_event *e);
	/* An order on the lifeline; answer with feed_answer() before its deadline. */
	void (*order)(void *userdata, const struct failsoft_order *order);
	void (*up)(void *userdata);	/* the broker is there */
	void (*down)(void *userdata);	/* and gone */
	void *userdata;
};

struct feed_options {
	const char *bus_address;	/* NULL: the system bus */
	uint64_t budget_us;		/* that it needs for an alarm to leave */
};

int feed_new(struct feed **ret, struct sd_event *event, const struct feed_options *options,
	     const struct feed_handlers *handlers);
struct feed *feed_free(struct feed *f);
int feed_answer(struct feed *f, uint64_t sequence, enum failsoft_result result);
bool feed_is_up(const struct feed *f);
