/* SPDX-License-Identifier: MIT */
/*
 * Kills: how often the machine as a whole was out of memory. Pure. vmstat's oom_kill rises for a
 * cgroup's limit, too (mm/oom_kill.c), which is no distress of the machine; the kernel's log tells
 * them apart.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct kills {
	bool has_base;
	uint64_t base;			/* vmstat at start */
	uint64_t global, in_cgroups;	/* told by the log since then; the caller counts them */
	uint64_t unexplained;		/* at the last kills_settle */
	uint64_t reported;
};

/* Has the log told of every kill that vmstat counts? */
bool kills_are_explained(const struct kills *k, uint64_t vmstat_oom_kill);

/*
 * The kills of the machine since boot; never falls. A kill's line comes into the log after the
 * counter, so one that the log does not explain counts only from the next call on; at once when
 * there is no log.
 */
uint64_t kills_settle(struct kills *k, uint64_t vmstat_oom_kill, bool has_log);
