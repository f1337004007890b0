/* SPDX-License-Identifier: MIT */
#include "group.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define AT(member)	offsetof(struct tally_counts, member)

const struct group_figure group_figures[GROUP_FIGURES] = {
	{"episodes", "Episodes that ended.", AT(episodes)},
	{"near_misses",
	 "Episodes that reached imminent or shutdown and ended without a program ended by anybody.",
	 AT(near_misses)},
	{"missed_deadlines", "Orders of failsoftd that were not answered in time.",
	 AT(missed_deadlines)},
	{"false_alarms",
	 "Near misses in which nothing was done that could have changed their course.",
	 AT(false_alarms)},
	{"oom_kills", "Programs that the kernel ended for lack of memory.", AT(oom_kills)},
	{"victims", "Programs that failsoftd ended.", AT(victims)},
	{"lost_events", "Events of failsoftd that devices could not read in time.",
	 AT(lost_events)},
	{"resets", "Boots that followed an end which nobody ordered.", AT(resets)},
	{"observed_s", "Seconds that devices watched: what a rate is divided by.", AT(observed_s)},
};

/* Every member is a figure. */
_Static_assert(sizeof(struct tally_counts) == GROUP_FIGURES * sizeof(uint64_t), "a count has no name");

uint64_t group_figure(const struct tally_counts *counts, unsigned i)
{
	return *(const uint64_t *)((const char *)counts + group_figures[i].offset);
}

uint64_t *group_figure_of(struct tally_counts *counts, unsigned i)
{
	return (uint64_t *)((char *)counts + group_figures[i].offset);
}

bool group_is_rest(const struct groups *g, const struct group *group)
{
	return group == &g->group[GROUPS_MAX];
}

/* One that nobody is in: past firmwares, and what a device that changes its name for ever left behind. */
static struct group *find_unused(struct groups *g)
{
	struct group *best = NULL;

	for (uint32_t i = 0; i < g->count; i++)
		if (!g->group[i].devices && (!best || g->group[i].used < best->used))
			best = &g->group[i];
	return best;
}

struct group *group_of(struct groups *g, const char *fleet, const char *firmware)
{
	struct group *rest = &g->group[GROUPS_MAX], *fresh;

	for (uint32_t i = 0; i < g->count; i++)
		if (!strcmp(g->group[i].firmware, firmware) && !strcmp(g->group[i].fleet, fleet)) {
			g->group[i].used = ++g->uses;
			return &g->group[i];
		}
	fresh = g->count < GROUPS_MAX ? &g->group[g->count++] : find_unused(g);
	if (fresh) {
		*fresh = (struct group){ .used = ++g->uses };
		snprintf(fresh->fleet, sizeof(fresh->fleet), "%s", fleet);
		snprintf(fresh->firmware, sizeof(fresh->firmware), "%s", firmware);
		return fresh;
	}
	g->overflows++;
	snprintf(rest->fleet, sizeof(rest->fleet), GROUP_REST);
	snprintf(rest->firmware, sizeof(rest->firmware), GROUP_REST);
	return rest;
}

bool group_grown(const struct tally_counts *before, const struct tally_counts *after,
		 struct tally_counts *ret)
{
	for (unsigned i = 0; i < GROUP_FIGURES; i++) {
		if (group_figure(after, i) < group_figure(before, i))
			return false;
		*group_figure_of(ret, i) = group_figure(after, i) - group_figure(before, i);
	}
	return true;
}

void group_add(struct tally_counts *to, const struct tally_counts *what)
{
	for (unsigned i = 0; i < GROUP_FIGURES; i++) {
		uint64_t *sum = group_figure_of(to, i);

		if (__builtin_add_overflow(*sum, group_figure(what, i), sum))
			*sum = UINT64_MAX;
	}
}
