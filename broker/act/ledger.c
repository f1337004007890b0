/* SPDX-License-Identifier: MIT */
#include "act/ledger.h"

#include <stdatomic.h>
#include <string.h>

#include "base/slot.h"

/* A SIGKILL sees the stores of one thread in their order, once the compiler keeps it. */
static void keep_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

static bool is_path(const char path[LEDGER_PATH_MAX])
{
	return path[0] == '/' && memchr(path, 0, LEDGER_PATH_MAX);
}

void ledger_stop_set(struct ledger *l, uint32_t slot, int32_t pid, uint64_t start_ticks)
{
	struct ledger_stop stop = { .pid = pid, .start_ticks = start_ticks };

	if (slot >= LEDGER_STOPS_MAX)
		return;
	stop.check = slot_check(&stop, sizeof(stop));
	l->stops[slot] = stop;
	keep_order();
}

void ledger_stop_clear(struct ledger *l, uint32_t slot)
{
	if (slot >= LEDGER_STOPS_MAX)
		return;
	keep_order();
	l->stops[slot].check = 0;
}

void ledger_freeze_set(struct ledger *l, uint32_t slot, const struct ledger_freeze *freeze)
{
	struct ledger_freeze copy = *freeze;

	if (slot >= LEDGER_FREEZES_MAX)
		return;
	copy.check = slot_check(&copy, sizeof(copy));
	l->freezes[slot] = copy;
	keep_order();
}

void ledger_freeze_clear(struct ledger *l, uint32_t slot)
{
	if (slot >= LEDGER_FREEZES_MAX)
		return;
	keep_order();
	l->freezes[slot].check = 0;
}

const struct ledger_stop *ledger_stop_get(const struct ledger *l, uint32_t slot)
{
	const struct ledger_stop *stop;

	if (slot >= LEDGER_STOPS_MAX)
		return NULL;
	stop = &l->stops[slot];
	return slot_is_whole(stop, sizeof(*stop)) && stop->pid > 0 ? stop : NULL;
}

const struct ledger_freeze *ledger_freeze_get(const struct ledger *l, uint32_t slot)
{
	const struct ledger_freeze *freeze;

	if (slot >= LEDGER_FREEZES_MAX)
		return NULL;
	freeze = &l->freezes[slot];
	return slot_is_whole(freeze, sizeof(*freeze)) && is_path(freeze->path) ? freeze : NULL;
}

void ledger_limit_set(struct ledger *l, const struct ledger_limit *limit)
{
	struct ledger_limit copy = *limit;

	copy.check = slot_check(&copy, sizeof(copy));
	l->limit = copy;
	keep_order();
}

void ledger_limit_clear(struct ledger *l)
{
	keep_order();
	l->limit.check = 0;
}

const struct ledger_limit *ledger_limit_get(const struct ledger *l)
{
	return slot_is_whole(&l->limit, sizeof(l->limit)) && is_path(l->limit.path) ? &l->limit : NULL;
}
