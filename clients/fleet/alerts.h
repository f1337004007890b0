/* SPDX-License-Identifier: MIT */
/*
 * Alerts: what Alertmanager must be told, and when: raised, once a minute again while raised, cleared.
 * Pure but for its memory, which is bounded: all that the roster's devices can raise have room, as one
 * that is over gives way and is counted as lost. Microseconds of CLOCK_MONOTONIC; starts and ends in
 * seconds since 1970.
 */
#pragma once

#include "roster.h"

#define ALERTS_BATCH	64u		/* of one POST: 40 KiB */
/* Alertmanager forgets what it was not told for 5 min (its resolve_timeout); so five times within it. */
#define ALERTS_AGAIN_US	UINT64_C(60000000)

struct alert {
	uint32_t number;		/* of the device; 0: free */
	enum topic_alarm kind;
	char fleet[TOPIC_NAME_MAX], device[TOPIC_NAME_MAX], firmware[INGEST_FIRMWARE_MAX];
	char text[ROSTER_TEXT_MAX];
	int64_t starts_s, ends_s;	/* ends 0: raised */
	uint64_t due_us;
	bool is_told;			/* as raised */
	bool is_away;			/* in a POST that has not ended */
	bool is_changed;		/* since then */
	bool is_alone;			/* was among some that were refused: each goes by itself */
	uint32_t next;			/* in its slot, or of the free ones; 0: none */
};

#define ALERTS_SLOTS	32768u		/* 20 000 devices with all alarms: 2.4 a slot */

/* Who is told first: who waits longest for people. */
enum alerts_turn {
	ALERTS_NEW,
	ALERTS_END,
	ALERTS_AGAIN,
	ALERTS_TURN_COUNT
};

struct alerts {
	struct alert *list;		/* from 1 to room; moves as it grows */
	uint32_t room, limit, given;	/* given: the last that gave way */
	uint32_t slot[ALERTS_SLOTS], free;
	uint32_t count;			/* entries ever used: all in use are up to it */
	uint32_t used;
	uint32_t last[ALERTS_TURN_COUNT]; /* entry that was taken in that turn */
	uint64_t lost;
};

int alerts_init(struct alerts *a, uint32_t devices);	/* 0 or -ENOMEM */
void alerts_fini(struct alerts *a);

/* false: no memory. */
bool alerts_raise(struct alerts *a, const struct roster_device *d, enum topic_alarm kind,
		  const struct roster_now *now);
void alerts_clear(struct alerts *a, uint32_t number, enum topic_alarm kind, const struct roster_now *now);

/* What is due, in its turn; marked as away until one of the next three. */
uint32_t alerts_take(struct alerts *a, uint64_t now_us, struct alert *ret[ALERTS_BATCH]);
void alerts_told(struct alerts *a, uint64_t now_us);
void alerts_failed(struct alerts *a);
/* Something of it cannot be taken, whenever it is told. false: there were several, and each is due by itself
 * now, so that the good ones do not wait for the bad one. true: it was one, copied to *ret: it is tried in a
 * minute again, or dropped if it has ended. */
bool alerts_refused(struct alerts *a, const struct roster_now *now, struct alert *ret);
uint64_t alerts_due_us(const struct alerts *a);	/* INGEST_NEVER_US: none */

/* Its end is to be told: a short one is told as raised first. */
bool alerts_is_end(const struct alert *a);
const char *alerts_severity(enum topic_alarm kind);
