/* SPDX-License-Identifier: MIT */
/*
 * Feed: what the broker says, as plain structs. Edge. A plain client of the bus: it registers with
 * libfailsoft (the lifeline tells imminent and shutdown first, with a deadline) and reads Monitor's JSON
 * Lines for all the rest. No broker: `down` is called, and it comes back by itself.
 *
 * The first time it tells what comes from then on, and of the past only FEED_REBOOTED; all of it if a process
 * before this one has begun with it (has_past). After a loss it reads what the broker still remembers, too:
 * the tally knows by number and time what it has seen. A moment after
 * each connect follow the episodes that are open, as FEED_EPISODE_TAKEN_OVER with number 0, and then
 * FEED_SETTLED: no other one is open any more.
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
	FEED_OTHER,			/* nothing that the fleet must know */
	FEED_STAGE,
	FEED_EPISODE_OPENED, FEED_EPISODE_CLOSED, FEED_EPISODE_TAKEN_OVER,
	FEED_REQUEST, FEED_ANSWER, FEED_VICTIM, FEED_ACTION, FEED_ENDED, FEED_KERNEL_OOM, FEED_BRAKE,
	FEED_CLIENT_KILLED, FEED_LAST, FEED_LAST_ENDED, FEED_REBOOTED, FEED_DRILL, FEED_BROKER_STARTED,
	FEED_LOST_EVENTS, FEED_GUARD, FEED_TRIPPED, FEED_FREED, FEED_CONFIG_RELOADED,
	FEED_SETTLED,			/* of the feed itself, see above */
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
	uint64_t processes;		/* stopped by the brake or the guard */
	uint64_t outcome;		/* of FEED_LAST_ENDED: 0 called off, 1 failed, 2 and more: it ran */
	uint32_t step;			/* of a request or answer: enum failsoft_step */
	bool is_late;			/* of an answer: the deadline was missed */
	bool is_drill;
	bool is_dry_run;		/* the broker only says what it would do */
};

/* Pure but for json-c's memory: one line to a struct. false: no JSON, or no event. */
bool feed_parse(const char *line, struct feed_event *ret);

struct feed_handlers {
	void (*event)(void *userdata, const struct feed_event *e);
	/* An order on the lifeline: flush, degrade or shutdown (resume is answered here); answer with
	 * feed_answer() before its deadline. */
	void (*order)(void *userdata, const struct failsoft_order *order);
	void (*up)(void *userdata);	/* the broker is there */
	void (*down)(void *userdata);	/* and gone; also when none came within 3 s of feed_new() */
	void *userdata;
};

struct feed_options {
	const char *bus_address;	/* NULL: the system bus */
	bool has_past;			/* tell it, too: tally_resume() knows how much of it is news */
	uint64_t budget_us;		/* that it needs for an alarm to leave, 1000..60000000; 0: 1 s */
};

/* 0 or -errno: -EINVAL budget; -ENOMEM. That there is no bus or no broker is no error. */
int feed_new(struct feed **ret, struct sd_event *event, const struct feed_options *options,
	     const struct feed_handlers *handlers);
struct feed *feed_free(struct feed *f);
/* 0 or -errno: see failsoft_answer(). */
int feed_answer(struct feed *f, uint64_t sequence, enum failsoft_result result);
bool feed_is_up(const struct feed *f);
