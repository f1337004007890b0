/* SPDX-License-Identifier: MIT */
#include "sense/kills.h"

#include "base/units.h"

static uint64_t unexplained(const struct kills *k, uint64_t vmstat_oom_kill)
{
	uint64_t counted = vmstat_oom_kill > k->base ? vmstat_oom_kill - k->base : 0;
	uint64_t told = k->global + k->in_cgroups;

	return k->has_base && counted > told ? counted - told : 0;
}

bool kills_are_explained(const struct kills *k, uint64_t vmstat_oom_kill)
{
	return unexplained(k, vmstat_oom_kill) == 0;
}

uint64_t kills_settle(struct kills *k, uint64_t vmstat_oom_kill, bool has_log)
{
	uint64_t open, late;

	if (!k->has_base) {
		k->base = vmstat_oom_kill;
		k->has_base = true;
	}
	open = unexplained(k, vmstat_oom_kill);
	late = has_log ? MIN_OF(open, k->unexplained) : open;
	k->unexplained = open;
	k->reported = MAX_OF(k->reported, k->base + k->global + late);
	return k->reported;
}
