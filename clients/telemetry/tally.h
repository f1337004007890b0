/* SPDX-License-Identifier: MIT */
/*
 * Tally: follows the broker's events and says what the fleet must know: which alarms are raised, which
 * episode ended how, and the counts that an operator compares between firmwares. Pure: events in, notes
 * out; fixed memory. Times are CLOCK_MONOTONIC of the boot, microseconds.
 *
 * A near miss is an episode that reached imminent or shutdown and ended without a program ended by
 * anybody. A false alarm is a near miss in which nothing was done that could have changed its course:
 * nobody was stopped, and no client said it freed anything. A missed deadline is an order of the broker
 * that was not answered in time; of a drill it is none.
 *
 * An alarm of a stage is raised while the highest stage of all domains is that or worse. A broker that runs
 * dry raises none, for nothing will be done; its episodes are counted, for memory was short all the same.
 * What an alarm or episode was told twice is told once here: by the lifeline and by Monitor, or by Monitor
 * before and after a broker was lost. A broker that is gone leaves its alarms as they are: nobody knows.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "feed.h"
#include "topic.h"

#define TALLY_EPISODES	32u		/* open at once: one per domain */
#define TALLY_PIDS	8u	/* ended by the kernel last: failsoft did not end them */
#define TALLY_NOTES_MAX	8u		/* of one event: one episode ends and the next begins */
#define TALLY_REBOOT	2u		/* Monitor's numbers of policies, see failsoftd(8) */
#define TALLY_POWEROFF	3u

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
	uint64_t lowest_headroom_bytes;	/* UINT64_MAX: not known */
	uint32_t asked, missed, victims, oom_kills;
	uint32_t stopped;		/* times that a program was held, or slowed at the tripwire */
	uint64_t freed_bytes;		/* as clients said, and files that were deleted */
	char victim[FEED_NAME_MAX];	/* the last program that was ended, by whomever */
	uint64_t victim_pid;
	bool is_near_miss, is_false_alarm; /* of an ended one */
	uint32_t end;			/* enum tally_end; of an open one: if it ended now */
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
	const struct tally_episode *episode; /* of the alarm or report; valid until the next call. NULL: the
					      * alarm is of none */
};

/* What is known of an open episode beyond what is reported; beside it in the table. */
struct tally_now {
	uint32_t stage;			/* now; `highest` only grows */
	uint64_t stage_us;
	uint32_t ended;			/* programs that the broker said are gone */
	uint32_t end_before_last;	/* enum tally_end, should the last policy be called off */
	bool is_forecast_rough;		/* Monitor's line, when it comes, knows it better */
	bool is_confirmed;		/* by the broker that is there */
};

/* Zeroed, with the counts of the past, it is ready. */
struct tally {
	struct tally_counts counts;
	struct tally_episode open[TALLY_EPISODES], closed;
	struct tally_episode outside;	/* of an oom-kill alarm without an episode */
	struct tally_now now[TALLY_EPISODES];
	uint64_t past[TALLY_EPISODES];	/* numbers of those that ended last: no late order opens one again */
	uint32_t past_next;
	uint32_t stage;			/* highest of all domains: enum failsoft_stage */
	bool is_raised[TOPIC_ALARM_COUNT];
	bool is_up, is_dry_run, is_settled;
	uint64_t oom_us;		/* when the last program was ended by the kernel */
	uint64_t oom_pid[TALLY_PIDS];
	uint64_t time_us;		/* of the last tally_time() */
	uint64_t watched_us;		/* less than a second, not in counts.observed_s yet */
	uint64_t last_number, newest_us; /* of the broker's events; a broker that restarts begins anew */
	uint64_t ending;		/* the machine is about to end: TALLY_REBOOT, TALLY_POWEROFF; 0: no */
	uint64_t ending_episode;	/* for which one */
	uint64_t ending_until_us;	/* then it was none; 0: as long as the episode is open */
	uint64_t lost;			/* said to be lost, before the next event tells how many were new */
};

/* How far the broker's events of this boot have been followed: what a process leaves to the next. */
struct tally_mark {
	uint64_t last_number, newest_us; /* newest_us 0: no event has come yet */
	uint32_t ended;			/* of the worst open episode: programs said to be gone */
};

struct tally_mark tally_mark(const struct tally *t);

/* Goes on where the process before was, with the worst episode that it had open (number 0: none) and the
 * alarms in is_raised[]. What was said since then comes by tally_step(), and what was said before is known;
 * of other episodes that were open, what comes. */
void tally_resume(struct tally *t, const struct tally_mark *mark, const struct tally_episode *worst);

/* Returns how many notes were made, in the order in which they are to be told. */
uint32_t tally_step(struct tally *t, const struct feed_event *e, struct tally_note ret[TALLY_NOTES_MAX]);

/* The same for an order on the lifeline: it is there before Monitor's line. The alarm is raised once. */
uint32_t tally_order(struct tally *t, const struct failsoft_order *order,
		     struct tally_note ret[TALLY_NOTES_MAX]);

/* The broker is there or gone. */
uint32_t tally_broker(struct tally *t, bool is_up, struct tally_note ret[TALLY_NOTES_MAX]);
/* Time passes, told once a second or so: an oom-kill alarm clears `hold_us` after the last one, and an
 * episode that no broker has open any more is reported. */
uint32_t tally_time(struct tally *t, uint64_t now_us, uint64_t hold_us,
		    struct tally_note ret[TALLY_NOTES_MAX]);

/* The open episode that stands worst; NULL: none. */
const struct tally_episode *tally_worst(const struct tally *t);
