/* SPDX-License-Identifier: MIT */
/* Who gives way when there is no room for another device. */
#include "roster_part.h"

/* 0: stays. What is raised or online is never given up: it is what this program is for. */
static unsigned worth_leaving(const struct roster_device *d)
{
	for (unsigned k = 0; k < TOPIC_ALARM_COUNT; k++)
		if (d->alarm[k].is_raised)
			return d->seen_us ? 0 : 3; /* of the state file, not heard since */
	if (!d->seen_us)
		return 4;
	if (!d->has_state)
		return 2;
	return d->was_online ? 0 : 1;
}

bool roster_make_room(struct roster *r)
{
	struct roster_device *best = NULL;
	unsigned best_worth = 0;

	if (r->count < r->limits.devices)
		return true;
	for (uint32_t i = 0; i < r->count; i++) {
		struct roster_device *d = r->list[i];
		const unsigned worth = worth_leaving(d);

		if (worth > best_worth || (best && worth == best_worth && d->seen_us < best->seen_us)) {
			best = d;
			best_worth = worth;
		}
	}
	if (!best)
		return false;
	roster_forget(r, best);
	r->totals.evicted++;
	return true;
}
