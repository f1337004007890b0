/* SPDX-License-Identifier: MIT */
/*
 * Tripwire: where the limit of the cgroup that ordinary programs live in has to stand, so that the
 * kernel itself slows a leak before the machine has nothing left, and tells us. Pure; bytes and
 * CLOCK_MONOTONIC microseconds. What is written where is act/wire.h.
 *
 * The limit is what the cgroup holds and cannot drop, plus all that the machine has left, less what
 * is to be kept. Growth inside takes from one as much as it adds to the other, so that it stands
 * still while the cgroup grows, and follows what lives outside, locked memory and total memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TRIPWIRE_NONE	UINT64_MAX	/* no limit: "max" */

/* Of one moment. */
struct tripwire_reading {
	uint64_t total_bytes;		/* of the machine */
	uint64_t left_bytes;		/* MemFree and file pages above the reserve, without swap */
	uint64_t low_bytes;		/* from there on the kernel's own reclaim is awake */
	uint64_t usage_bytes, file_bytes; /* of the cgroup; file: can be dropped, part of usage */
	uint64_t before_bytes;		/* the limit that stood there before ours, or NONE */
	uint64_t trips;			/* so often was it reached; a counter */
	bool has_clients;		/* clients live in it */
};

enum tripwire_phase {
	TRIPWIRE_OFF,			/* no cgroup */
	TRIPWIRE_DRY,			/* --dry-run: what stood before stands */
	TRIPWIRE_ARMED,
	TRIPWIRE_OPEN,			/* taken away for clients in it, while they save */
	TRIPWIRE_PHASE_COUNT
};

struct tripwire {
	enum tripwire_phase phase;
	uint64_t limit_bytes;		/* where it stands, or would, dry */
	uint64_t moved_us;		/* when it was last moved */
	uint64_t before_bytes;
	uint64_t kept_bytes;		/* of the machine, when it is reached */
	uint64_t trips;
	uint64_t said_us;		/* when a trip was last on record; 0: never */
};

struct tripwire_view {
	const struct tripwire_reading *reading;
	uint64_t now_us;
	uint64_t floor_bytes;		/* below it a program may be ended */
	bool is_dry;
	bool is_pressed;		/* stage imminent or shutdown */
	bool is_saving;			/* clients owe an answer, and the brake has done what it can */
};

void tripwire_init(struct tripwire *t);

/* true: the cgroup's limit is to be tripwire_wanted_bytes() from now on. */
bool tripwire_step(struct tripwire *t, const struct tripwire_view *v);

/* What is to stand in the cgroup's file: the limit, or what stood there before. */
uint64_t tripwire_wanted_bytes(const struct tripwire *t);

/*
 * The kernel says that the limit was reached. true: by what cannot be dropped, and it is ours; false
 * when only files were read through the page cache, and for what was told before.
 */
bool tripwire_trip(struct tripwire *t, const struct tripwire_reading *r);

/*
 * cgroup v1: may programs go on waiting at the limit? Not for longer than it takes to end one of them:
 * then the kernel ends one, as it does without us, until nobody waits any more.
 */
struct tripwire_wait {
	uint64_t since_us;		/* 0: nobody waits */
};
bool tripwire_may_wait(struct tripwire_wait *w, bool is_stuck, uint64_t now_us);

/* "off", "dry-run", "armed", "open"; static. */
const char *tripwire_phase_name(enum tripwire_phase phase);
