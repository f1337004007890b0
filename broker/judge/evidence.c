/* SPDX-License-Identifier: MIT */
/*
 * Witnesses that read the same figures are one group: level and forecast both live on meminfo, so
 * they cannot corroborate each other; what programs and pools hold is counted elsewhere, and what
 * the kernel complains of elsewhere again.
 */
#include "judge/evidence.h"

#include "base/units.h"

enum group { GROUP_FIGURES, GROUP_GROWTH, GROUP_KERNEL, GROUP_KILL, GROUP_COUNT };

/* What grew must explain so much of what headroom lost: the rest may be cache, or come too late. */
#define EXPLAINED_SHARE		4u
/* Less than that is noise. Source: victim.c, resting programs moved by less than 1 MiB. */
#define GROWTH_MIN_BYTES	(2 * MIB)

static bool level_speaks(const struct evidence_view *v)
{
	return v->e->headroom_bytes < v->floor_bytes || v->memory_is_short;
}

static bool forecast_speaks(const struct evidence_view *v)
{
	return v->e->tte_low_us < v->lead_us;
}

static bool growth_speaks(const struct evidence_view *v)
{
	return v->growth_bytes >= GROWTH_MIN_BYTES &&
	       v->growth_bytes >= v->e->fallen_bytes / EXPLAINED_SHARE;
}

static bool distress_speaks(const struct evidence_view *v, uint32_t bits)
{
	return v->e->distress & bits;
}

static bool stall_speaks(const struct evidence_view *v)
{
	return distress_speaks(v, DISTRESS_PSI_SOME | DISTRESS_PSI_FULL | DISTRESS_PRESSURE_LEVEL |
				  DISTRESS_STALL);
}

static bool reclaim_speaks(const struct evidence_view *v)
{
	return distress_speaks(v, DISTRESS_DIRECT_RECLAIM | DISTRESS_TASK_DELAY);
}

static bool limit_speaks(const struct evidence_view *v)
{
	return distress_speaks(v, DISTRESS_CGROUP_HIGH | DISTRESS_CGROUP_MAX | DISTRESS_TRIPWIRE);
}

static bool kill_speaks(const struct evidence_view *v)
{
	return distress_speaks(v, DISTRESS_OOM);
}

/*
 * Weights: how surely each has meant the end in the recordings (docs: failsoftd(8), EVIDENCE). A
 * kill is the end itself. Figures are early and sure, except that a burst looks like a leak. PSI
 * and reclaim are late or silent without swap, and speak on mere I/O with it.
 */
static const struct {
	const char *name;
	enum group group;
	unsigned weight;
	bool (*speaks)(const struct evidence_view *v);
} witnesses[WITNESS_COUNT] = {
	[WITNESS_LEVEL] = { "headroom", GROUP_FIGURES, 30, level_speaks },
	[WITNESS_FORECAST] = { "forecast", GROUP_FIGURES, 30, forecast_speaks },
	[WITNESS_GROWTH] = { "growth", GROUP_GROWTH, 30, growth_speaks },
	[WITNESS_STALL] = { "stall", GROUP_KERNEL, 15, stall_speaks },
	[WITNESS_RECLAIM] = { "reclaim", GROUP_KERNEL, 15, reclaim_speaks },
	[WITNESS_LIMIT] = { "limit", GROUP_KERNEL, 30, limit_speaks },
	[WITNESS_KILL] = { "kernel's kill", GROUP_KILL, 60, kill_speaks },
};

const char *evidence_name(enum witness w)
{
	return witnesses[w].name;
}

struct evidence evidence_weigh(const struct evidence_view *v)
{
	struct evidence e = { { 0 } };
	unsigned sum = 0, rest = 100, last = WITNESS_COUNT;

	for (unsigned w = 0; w < WITNESS_COUNT; w++)
		sum += witnesses[w].speaks(v) ? witnesses[w].weight : 0;
	for (unsigned w = 0; w < WITNESS_COUNT; w++) {
		if (!witnesses[w].speaks(v))
			continue;
		e.percent[w] = (uint8_t)(100 * witnesses[w].weight / sum);
		rest -= e.percent[w];
		last = w;
	}
	if (last < WITNESS_COUNT)
		e.percent[last] = (uint8_t)(e.percent[last] + rest);
	return e;
}

unsigned evidence_groups(const struct evidence *e)
{
	bool speaks[GROUP_COUNT] = { false };
	unsigned count = 0;

	for (unsigned w = 0; w < WITNESS_COUNT; w++)
		speaks[witnesses[w].group] |= e->percent[w] > 0;
	for (unsigned g = 0; g < GROUP_COUNT; g++)
		count += speaks[g];
	return count;
}

bool evidence_is_enough(const struct evidence *e)
{
	/* the kernel's kill is no hint but the thing itself */
	return e->percent[WITNESS_KILL] || evidence_groups(e) >= 2;
}
