/* SPDX-License-Identifier: MIT */
/*
 * Roster: the fleet as its messages tell it. Pure but for its memory, which is bounded: devices by the
 * limit, a device by WINDOW_RANGES_MAX and ROSTER_MOMENTS_MAX. The caller brings the time: `now_us`
 * CLOCK_MONOTONIC, `real_s` seconds since 1970.
 *
 * States, retained alarms and the log's alarms are what is now, the highest sequence wins; events, alarms
 * and reports of the log are counted, each id once. A state of an older session than the last birth says
 * nothing. Devices with one name and different spools are two devices; a boot that comes back after another
 * one was there is a copied spool: said, and its states are not mixed with the other's.
 */
#pragma once

#include "group.h"
#include "ingest.h"
#include "window.h"

#define ROSTER_DEVICES_DEFAULT	20000u	/* 15 MB without incidents */
#define ROSTER_MOMENTS_MAX	64u	/* of a device's timeline: an incident has some 10 to 40 */
#define ROSTER_BOOTS		4u	/* of a device, each with its window; older ones share one */
#define ROSTER_TWINS_MAX	4u	/* devices with one name */
#define ROSTER_PAST_MAX		4u	/* spools that a device had before */
#define ROSTER_NOTES_MAX	8u	/* of one message: 4, and 4 alarms that stand */
#define ROSTER_TEXT_MAX		400
/* A conflict that shows no more sign for so long has ended: four heartbeats of the default. */
#define ROSTER_CONFLICT_US	UINT64_C(3600000000)
/* That the kept alarms of a device come after its kept state: 10 000 devices' took 1 s (mosquitto, 2 CPUs).
 * Half: on a slow line one is cleared and raised again; double: one that has ended is shown for longer. */
#define ROSTER_EXPIRE_US	UINT64_C(20000000)

struct roster_now {
	uint64_t now_us;
	int64_t real_s;
};

/* What is known of an incident: one message of the log. */
struct roster_moment {
	uint64_t sequence, boottime_us, episode, pid;
	int64_t time_s, seen_s;
	char boot[TOPIC_BOOT_MAX];
	enum topic_type type;
	uint32_t kind, end, from, to;
	bool is_raised, has_change, has_forecast, is_drill;
	bool is_near_miss, is_false_alarm;
	uint64_t headroom_bytes, limit_bytes, tte_us, tte_early_us, tte_late_us, came_after_us;
	char event[24], domain[64], name[64], text[ROSTER_TEXT_MAX];
};

struct roster_alarm {
	bool is_raised;
	uint64_t sequence;		/* the highest of the messages that raised or cleared it */
	uint64_t said_us;		/* that it is raised, last; as roster_intake_us() counts */
	int64_t since_s;		/* as the device says it, or when it was seen */
	char *text;			/* NULL: none */
};

enum roster_conflict {
	ROSTER_ALONE,
	ROSTER_TWO_SPOOLS,
	ROSTER_COPIED_SPOOL
};

struct roster_boot {
	char boot[TOPIC_BOOT_MAX];	/* "": free */
	bool is_past;			/* another one followed */
	bool is_live;			/* its own state said so: what it logs is new */
	uint32_t instance;		/* of the spool that counted */
	uint64_t used_us;
	struct window window;
};

struct roster_device {
	struct roster_device *next;	/* in its slot of the table */
	uint32_t place;			/* in the list */
	uint32_t number;		/* never given again */
	uint64_t version;		/* of the roster, when this one changed last */
	char fleet[TOPIC_NAME_MAX], device[TOPIC_NAME_MAX];
	uint32_t instance;
	uint32_t past[ROSTER_PAST_MAX], pasts; /* instances that it had before; a ring */
	struct group *group;
	char *firmware;
	bool has_state, is_online, is_broker_there, has_counts, is_silent;
	uint32_t stage;
	uint64_t session, state_sequence;
	char boot[TOPIC_BOOT_MAX];
	char domain[64], expect[12];
	uint64_t headroom_bytes, limit_bytes, tte_us;
	struct tally_counts counts, counted; /* as it said last; what was added to its groups */
	uint64_t counting_us;		/* since when */
	bool has_kept_counts;		/* the first of them may be older than counting_us */
	bool is_implausible, was_online;
	struct ingest_spool spool;
	uint64_t seen_us;
	uint64_t state_us;		/* on its topic, also a kept one; as roster_intake_us() counts */
	uint64_t covers;		/* that one is newer than the device's messages up to this sequence */
	int64_t seen_s, since_s;	/* since: online or offline */
	enum roster_conflict conflict;
	uint64_t conflict_us;		/* its last sign */
	struct roster_alarm alarm[TOPIC_ALARM_COUNT];
	struct roster_boot boots[ROSTER_BOOTS];
	struct window older;		/* this instance's sequences of boots that have no place any more */
	struct roster_moment *moment;	/* a ring once it has ROSTER_MOMENTS_MAX */
	uint32_t moments, moment_room, moment_next;
	uint64_t near_misses, missed;	/* counted from the log's reports */
};

/* What a device shows itself as. */
enum roster_face {
	ROSTER_NORMAL, ROSTER_WARNING, ROSTER_IMMINENT, ROSTER_SHUTDOWN,
	ROSTER_OFFLINE,
	ROSTER_UNKNOWN,			/* no state yet */
	ROSTER_FACE_COUNT
};

/* Online, but failsoftd is not there: what it shows is the last stage that was known. */
bool roster_has_no_broker(const struct roster_device *d);

enum roster_note_kind {
	ROSTER_LOGGED,			/* an event, alarm or report, for the first time */
	ROSTER_ONLINE, ROSTER_GONE,
	ROSTER_RAISED, ROSTER_CLEARED,	/* the present state of an alarm */
	ROSTER_IN_CONFLICT,
	ROSTER_FORGOTTEN,		/* the operator emptied its state; valid until the next message */
	ROSTER_STANDS,			/* raised in the state file, and its device was heard; no news */
	ROSTER_IMPLAUSIBLE,		/* it says more than can be; once a device */
	ROSTER_NOTE_COUNT
};

struct roster_note {
	enum roster_note_kind kind;
	const struct roster_device *device;
	enum topic_alarm alarm;
	bool is_again;			/* set by who shows it: perhaps it was shown before */
};

struct roster_limits {
	uint32_t devices;
	uint32_t partition, partitions;	/* 0 of 1: all; counts the log of its own devices */
	uint64_t silent_us;		/* online, and nothing heard for so long */
	bool is_log_shared;		/* others get a part of it: who clears what the log raised? */
};

struct roster_totals {
	uint64_t messages, duplicates, late_wills, out_of_order, conflicts, not_mine, unremembered,
		replaced, evicted,
		refused_figures;	/* counts that grew faster than can be */
	uint64_t refused[INGEST_REFUSAL_COUNT];
};

struct roster;

struct roster *roster_new(const struct roster_limits *limits);	/* NULL: no memory */
struct roster *roster_free(struct roster *r);

/* INGEST_OK, INGEST_FULL or INGEST_INSTANCES; *ret_notes: how many of `ret` are set. */
enum ingest_refusal roster_apply(struct roster *r, const struct ingest_message *m,
				 const struct roster_now *now, struct roster_note ret[ROSTER_NOTES_MAX],
				 uint32_t *ret_notes);
void roster_refuse(struct roster *r, enum ingest_refusal refusal);

/* Subscribed anew, and the server has kept nothing of what came in between: it tells its kept states and
 * alarms again. What was cleared meanwhile is not among them, and shows by that: roster_expire() clears
 * one such alarm a call, false: there is none. It waits for a state of the device that is newer than the
 * alarm: a server that was killed has lost what it kept last, or all, and has not cleared anything. A twin
 * that has gone and is about to be forgotten has its alarms cleared by it, too. */
void roster_connected(struct roster *r, const struct roster_now *now);
bool roster_expire(struct roster *r, const struct roster_now *now, struct roster_note *ret);
/* No messages are taken from now on, or they are again: what the server keeps cannot come meanwhile. */
void roster_halt(struct roster *r, const struct roster_now *now, bool is_halted);

/* Some seconds passed: who is silent, which conflict is over. */
void roster_tick(struct roster *r, const struct roster_now *now);

uint32_t roster_count(const struct roster *r);
const struct roster_device *roster_at(const struct roster *r, uint32_t place);	/* below roster_count */
/* The nth of that name, 0..; NULL: none. The one that spoke last comes first. */
const struct roster_device *roster_find(const struct roster *r, const char *fleet, const char *device,
					uint32_t nth);
/* The oldest moment first. NULL: no more. */
const struct roster_moment *roster_moment(const struct roster_device *d, uint32_t i);
const struct groups *roster_groups(const struct roster *r);
const struct roster_totals *roster_totals(const struct roster *r);
const struct roster_limits *roster_limits(const struct roster *r);
uint64_t roster_version(const struct roster *r);	/* grows with every change that is seen */
uint64_t roster_removed(const struct roster *r);	/* the version of the last removal */

enum roster_face roster_face(const struct roster_device *d);
const char *roster_face_name(enum roster_face face);
const char *roster_conflict_name(enum roster_conflict conflict);	/* "", "two-spools" */
