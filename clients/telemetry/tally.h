/* SPDX-License-Identifier: MIT */
/*
 * Tally: follows the broker's events and says what the fleet must know: which alarms are raised, which
 * episode ended how, and the counts that an operator compares between firmwares. Pure: events in, notes
 * out; fixed memory. Times are CLOCK_MONOTONIC of the boot, microseconds.
 *
 * A near miss is an episode that reached imminent or shutdown and ended without a program ended by
 * anybody. A false alarm is a near miss in which nothing was done that could have changed its course:
 * nobody was stopped, and no client said it freed anything. A missed deadline is an order of the broker
 * that was not answered in time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "feed.h"
#include "topic.h"

#define TALLY_EPISODES	32u		/* open at once: one per domain */
#define TALLY_NOTES_MAX	4u		/* of one event */

/* Since the device's spool was made. */
struct tally_counts {
	uint64_t episodes, near_misses, missed_deadlines, false_alarms, oom_kills, victims, lost_events;
	uint64_t resets;		/* boots that followed an end nobody ordered */
	uint64_t observed_s;		/* seconds watched: what a rate is divided by */
};

enum tally_end {
	TALLY_END_CLEARED,
	TALLY_END_VICTIM,		/* programs were ended by failsoft */
	TALLY_END_OOM_KILL,		/* by the kernel */
	TALLY_END_LAST_POLICY,		/* reboot, power off, ...: by failsoft */
	TALLY_END_PANIC,
	TALLY_END_WATCHDOG,
	TALLY_END_POWER_LOSS,		/* or a reset from outside: nothing was left behind, and something
					 * is kept over resets on this machine */
	TALLY_END_UNKNOWN,		/* panic, watchdog or power: nothing is kept over a reset here */
	TALLY_END_SHUTDOWN,		/* the machine was shut down in order */
	TALLY_END_COUNT
};

const char *tally_end_name(enum tally_end end);		/* "oom-kill" */
bool tally_end_parse(const char *text, enum tally_end *ret);

/* One episode, open or ended. What a reset must not erase; the crumb keeps the worst open one. */
struct tally_episode {
	uint64_t number;		/* 0: none */
	char domain[FEED_DOMAIN_MAX];
	uint32_t highest;		/* enum failsoft_stage */
	uint64_t began_us, duration_us;	/* duration: of an ended one */
	/* The forecast when `highest` was entered, and how long after it the end came. */
	uint64_t forecast_at_us, tte_us, tte_early_us, tte_late_us, headroom_bytes, total_bytes;
	uint64_t lowest_headroom_bytes;
	uint32_t asked, missed, victims, oom_kills, stopped;
	uint64_t freed_bytes;
	char victim[FEED_NAME_MAX];	/* the last program that was ended, by whomever */
	uint64_t victim_pid;
	bool is_near_miss, is_false_alarm; /* of an ended one */
	uint32_t end;			/* enum tally_end */
};

enum tally_note_kind {
	TALLY_NOTE_ALARM,		/* raised or cleared */
	TALLY_NOTE_REPORT,		/* an episode ended */
	TALLY_NOTE_EVENT,		/* worth telling as it is */
	TALLY_NOTE_STATE		/* the stage of the device is another */
};

struct tally_note {
	enum tally_note_kind kind;
	enum topic_alarm alarm;
	bool is_raised;
	const struct tally_episode *episode; /* of the alarm or report; valid until the next call */
};

struct tally {
	struct tally_counts counts;
	struct tally_episode open[TALLY_EPISODES], closed;
	uint32_t stage;			/* highest of all domains: enum failsoft_stage */
	bool is_raised[TOPIC_ALARM_COUNT];
	uint64_t oom_us;		/* when the last program was ended by the kernel */
	uint64_t last_number;		/* of the broker's events; a broker that restarts begins anew */
};

/* Returns how many notes were made, in the order in which they are to be told. */
uint32_t tally_step(struct tally *t, const struct feed_event *e, struct tally_note ret[TALLY_NOTES_MAX]);

/* The same for an order on the lifeline: it is there before Monitor's line. The alarm is raised once. */
uint32_t tally_order(struct tally *t, const struct failsoft_order *order,
		     struct tally_note ret[TALLY_NOTES_MAX]);

/* The broker is there or gone; time passes (an oom-kill alarm clears after `hold_us`). */
uint32_t tally_broker(struct tally *t, bool is_up, struct tally_note ret[TALLY_NOTES_MAX]);
uint32_t tally_time(struct tally *t, uint64_t now_us, uint64_t hold_us,
		    struct tally_note ret[TALLY_NOTES_MAX]);

/* The open episode that stands worst; NULL: none. */
const struct tally_episode *tally_worst(const struct tally *t);
