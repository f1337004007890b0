/* SPDX-License-Identifier: MIT */
#include "keep/record.h"

#include <stddef.h>

void record_init(struct record *r, struct event *ring, uint32_t size)
{
	*r = (struct record){ .ring = ring, .size = size };
}

const struct event *record_add(struct record *r, const struct event *e)
{
	struct event *slot = &r->ring[r->last % r->size];

	*slot = *e;
	slot->number = ++r->last;
	return slot;
}

const struct event *record_next(const struct record *r, uint64_t *number, uint64_t *ret_lost)
{
	uint64_t first = r->last > r->size ? r->last - r->size + 1 : 1;
	uint64_t next = *number + 1;

	if (next > r->last)
		return NULL;
	*ret_lost = next < first ? first - next : 0;
	if (next < first)
		next = first;
	*number = next;
	return &r->ring[(next - 1) % r->size];
}
