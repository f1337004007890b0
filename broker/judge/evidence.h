/* SPDX-License-Identifier: MIT */
/*
 * Evidence: which witnesses speak for running out of memory, what each of them weighs, and how many
 * that are independent of each other agree. Pure. One may start what can be taken back; two are
 * needed before a program is ended.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "judge/estimate.h"

enum witness {
	WITNESS_LEVEL,			/* headroom is below the stage's floor */
	WITNESS_FORECAST,		/* the end comes before the clients can be done */
	WITNESS_GROWTH,			/* who grows explains what headroom lost */
	WITNESS_STALL,			/* PSI triggers, cgroup v1 pressure level */
	WITNESS_RECLAIM,		/* allocations reclaim for themselves; taskstats delays */
	WITNESS_LIMIT,			/* a cgroup was throttled, or hit its limit */
	WITNESS_KILL,			/* the kernel has killed for lack of memory */
	WITNESS_COUNT
};

/* Percent of all that was said; the speaking ones add up to 100, or nobody spoke. */
struct evidence {
	uint8_t percent[WITNESS_COUNT];
};

struct evidence_view {
	const struct estimate *e;
	uint64_t floor_bytes, lead_us;	/* of the stage */
	uint64_t growth_bytes;		/* what is known to have grown since the fall began */
	bool memory_is_short;		/* without swap, on a machine that stands still */
};

struct evidence evidence_weigh(const struct evidence_view *v);

/* How many independent groups of witnesses speak. */
unsigned evidence_groups(const struct evidence *e);

/* May a program be ended on it? */
bool evidence_is_enough(const struct evidence *e);

/* "headroom", "forecast", "growth", ...; static. */
const char *evidence_name(enum witness w);
