/* SPDX-License-Identifier: MIT */
/* What the tests of growth share: one table, one clock, and readings of old processes. */
#pragma once

#include "rig.h"

#include <errno.h>
#include <stdio.h>

#include "judge/growth.h"

#define PLACES	4096u
#define START	(100 * US_PER_S)
#define TOP	8u

static struct growth_entry entries[PLACES];
static struct growth_node nodes[PLACES];
static struct growth table;
static struct grower top[TOP];
static uint64_t now_us;

static inline int reset(void **state)
{
	(void)state;
	assert_int_equal(growth_init(&table, entries, nodes, PLACES), 0);
	memset(top, 0, sizeof(top));
	now_us = START;
	return 0;
}

/* Old processes: they started long before the table did. */
static inline struct growth_reading reading(int32_t pid, int32_t parent, const char *name, uint64_t bytes)
{
	struct growth_reading r = {
		.pid = pid, .parent = parent, .bytes = bytes, .time_us = now_us,
		.start_ticks = 1000 + (uint64_t)pid,
	};

	strcpy(r.name, name);
	return r;
}

static inline void see(int32_t pid, int32_t parent, const char *name, uint64_t bytes)
{
	struct growth_reading r = reading(pid, parent, name, bytes);

	growth_see(&table, &r);
}

static inline uint32_t count_top(void)
{
	return growth_top(&table, now_us, top, TOP);
}

static inline void assert_near(uint64_t figure, uint64_t expect, unsigned percent)
{
	if (figure > expect + expect * percent / 100 || figure + expect * percent / 100 < expect)
		fail_msg("%llu instead of %llu", (unsigned long long)figure,
			 (unsigned long long)expect);
}
