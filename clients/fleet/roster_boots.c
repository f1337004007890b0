/* SPDX-License-Identifier: MIT */
/* Which boots of a device are remembered, and what stays of the others: a device sends the alarms and
 * reports of all its boots again until their slots are needed, so what was seen outlives a boot's place. */
#include <string.h>

#include "roster_part.h"

static struct roster_boot *find(const struct roster_device *d, const char *boot)
{
	for (unsigned i = 0; i < ROSTER_BOOTS; i++)
		if (!strcmp(d->boots[i].boot, boot))
			return (struct roster_boot *)&d->boots[i];
	return NULL;
}

/* A free one, else the least used; the present boot stays, whatever old ones are told of. */
static struct roster_boot *find_place(struct roster_device *d)
{
	struct roster_boot *oldest = NULL;

	for (unsigned i = 0; i < ROSTER_BOOTS; i++) {
		struct roster_boot *b = &d->boots[i];

		if (!b->boot[0])
			return b;
		if (strcmp(b->boot, d->boot) && (!oldest || b->used_us < oldest->used_us))
			oldest = b;
	}
	return oldest;
}

/* A spool numbers on over all its boots, so one window holds them all. Not the highest number alone: what
 * an old boot could never send is lower, and new. */
static void keep_sequences(struct roster_device *d, const struct roster_boot *b)
{
	if (b->instance != d->instance)
		return;
	for (uint32_t i = 0; i < b->window.count; i++)
		(void)window_add_range(&d->older, b->window.range[i]); /* no memory: shown again */
}

struct roster_boot *roster_boot(struct roster_device *d, const char *boot, uint32_t instance, uint64_t now_us)
{
	struct roster_boot *b = find(d, boot);

	if (!b) {
		b = find_place(d);
		keep_sequences(d, b);
		window_fini(&b->window);
		*b = (struct roster_boot){ .instance = instance };
		memcpy(b->boot, boot, sizeof(b->boot));
	}
	if (instance == d->instance)
		b->instance = instance; /* a spool made anew within a boot */
	b->used_us = now_us;
	return b;
}

/* Not asked of a boot whose state was heard: a spool that was put back to an old copy of it counts from
 * there, and what it says is new. */
bool roster_is_of_older_boot(const struct roster_device *d, const struct ingest_message *m)
{
	const struct roster_boot *b = find(d, m->boot);

	return !(b && b->is_live) && m->instance == d->instance && d->conflict != ROSTER_COPIED_SPOOL &&
	       window_find(&d->older, m->sequence);
}
