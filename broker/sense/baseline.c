/* SPDX-License-Identifier: MIT */
#include "sense/baseline.h"

#include <stdlib.h>
#include <string.h>

struct baseline_entry {
	int32_t pid;			/* 0: empty */
	uint64_t start_ticks;
	struct baseline_figures figures;
};

struct baseline {
	uint32_t max, count;
	uint32_t mask;			/* size of the table - 1; at most half of it is used */
	struct baseline_entry entry[];
};

struct baseline *baseline_new(uint32_t max_processes)
{
	struct baseline *b;
	uint64_t size = 2;

	while (size < 2 * (uint64_t)max_processes)
		size *= 2;
	b = calloc(1, sizeof(*b) + size * sizeof(b->entry[0]));
	if (!b)
		return NULL;
	b->max = max_processes;
	b->mask = (uint32_t)(size - 1);
	return b;
}

struct baseline *baseline_free(struct baseline *b)
{
	free(b);
	return NULL;
}

void baseline_renew(struct baseline *b)
{
	if (b->count <= b->max / 2)
		return;
	memset(b->entry, 0, ((size_t)b->mask + 1) * sizeof(b->entry[0]));
	b->count = 0;
}

/* Pids count up, so they are their own hash. The table is never full: an empty place ends it. */
static uint32_t place_of(const struct baseline *b, int32_t pid)
{
	uint32_t i = (uint32_t)pid & b->mask;

	while (b->entry[i].pid && b->entry[i].pid != pid)
		i = (i + 1) & b->mask;
	return i;
}

void baseline_set(struct baseline *b, int32_t pid, uint64_t start_ticks, struct baseline_figures f)
{
	struct baseline_entry *e = &b->entry[place_of(b, pid)];

	if (!e->pid && b->count == b->max)
		return;
	b->count += !e->pid;
	*e = (struct baseline_entry){ pid, start_ticks, f };
}

bool baseline_get(const struct baseline *b, int32_t pid, uint64_t start_ticks,
		  struct baseline_figures *ret)
{
	const struct baseline_entry *e = &b->entry[place_of(b, pid)];

	if (e->pid != pid || e->start_ticks != start_ticks)
		return false;
	*ret = e->figures;
	return true;
}
