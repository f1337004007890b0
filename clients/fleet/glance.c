/* SPDX-License-Identifier: MIT */
#include "glance.h"

#include <string.h>

#define DAY_S	86400.0

static void add_device(struct glance *g, const struct roster_device *d)
{
	g->devices++;
	g->face[roster_face(d)]++;
	g->silent += d->is_silent;
	g->no_broker += roster_has_no_broker(d);
	g->conflicts += d->conflict != ROSTER_ALONE;
	if (__builtin_add_overflow(g->waiting, d->spool.waiting, &g->waiting))
		g->waiting = UINT64_MAX;
	for (unsigned i = 0; i < TOPIC_ALARM_COUNT; i++) {
		g->raised[i] += d->alarm[i].is_raised;
		g->alarms += d->alarm[i].is_raised;
	}
}

struct glance glance_at(const struct roster *r, const char *fleet)
{
	const struct groups *groups = roster_groups(r);
	struct glance g = { 0 };

	for (uint32_t i = 0; i < roster_count(r); i++)
		if (!fleet || !strcmp(fleet, roster_at(r, i)->fleet))
			add_device(&g, roster_at(r, i));
	for (uint32_t i = 0; i <= GROUPS_MAX; i++)
		if (!fleet || !strcmp(fleet, groups->group[i].fleet))
			group_add(&g.counts, &groups->group[i].counts);
	return g;
}

double glance_rate(uint64_t count, uint64_t observed_s)
{
	return observed_s ? (double)count * DAY_S / (double)observed_s : 0;
}
