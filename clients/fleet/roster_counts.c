/* SPDX-License-Identifier: MIT */
/* What a device says of itself is added up only as far as it can be true: a liar must not spoil sums. */
#include "roster_part.h"

/* Of one device, at once and once; besides as many as seconds pass. Half: a device that comes back after a
 * storm may be cut; double: a liar adds as much more, once. */
#define COUNT_SLACK	1000u
/* A message may have waited on its way. */
#define OBSERVED_SLACK_S 3600u
/* How long ago a state that the server had kept may have been said. */
#define KEPT_S		(31u * 86400u)

static uint64_t limit_of(const struct roster_step *s, const struct roster_device *d, unsigned figure)
{
	const uint64_t passed_s =
		(s->now->now_us - d->counting_us) / 1000000 + (d->has_kept_counts ? KEPT_S : 0);

	return passed_s + (figure == GROUP_OBSERVED ? OBSERVED_SLACK_S : COUNT_SLACK);
}

/* What of `grown` is plausible stays in it. */
static void hold(struct roster_step *s, struct roster_device *d, struct tally_counts *grown)
{
	bool is_held = false;

	for (unsigned i = 0; i < GROUP_FIGURES; i++) {
		const uint64_t limit = limit_of(s, d, i), counted = group_figure(&d->counted, i);
		const uint64_t left = limit > counted ? limit - counted : 0;

		if (group_figure(grown, i) <= left)
			continue;
		*group_figure_of(grown, i) = left;
		s->roster->totals.refused_figures++;
		is_held = true;
	}
	if (is_held && !d->is_implausible) {
		d->is_implausible = true;
		roster_note(s, ROSTER_IMPLAUSIBLE, d);
	}
}

/* What happened between two messages, happened under the firmware of the first. */
void roster_counts(struct roster_step *s, struct roster_device *d)
{
	const struct tally_counts *counts = &s->m->data.counts;
	struct tally_counts grown;

	if (!d->counting_us)
		d->counting_us = s->now->now_us;
	if (!d->has_counts)
		d->has_kept_counts = s->m->is_retained;
	/* shrank: the device counts anew, and so do we */
	if (d->has_counts && d->group && d->conflict != ROSTER_COPIED_SPOOL &&
	    group_grown(&d->counts, counts, &grown)) {
		hold(s, d, &grown);
		group_add(&d->group->counts, &grown);
		group_add(&d->counted, &grown);
	}
	d->counts = *counts;
	d->has_counts = true;
}
