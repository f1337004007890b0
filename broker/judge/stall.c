/* SPDX-License-Identifier: MIT */
/*
 * PSI memory "full" counts the time in which nobody that wanted to run could, because all of them
 * waited for memory. Two more witnesses, because it is blind where the kernel has no PSI: a reader
 * that is locked into memory and of real-time priority and yet late; and what clients themselves
 * lost. None of them alone means harm to the machine (a job behind its own memory.high waits all
 * day), so that stage.c wants little memory beside it.
 */
#include "judge/stall.h"

#include <string.h>

#include "base/units.h"

/* A turn of the loop beside a look at 2000 processes. Half: such looks count; double: a machine that
 * stands still for 0.2 s at a time is not seen by this witness. */
#define LATE_LEAST_US	(100 * US_PER_MS)

void stall_init(struct stall *s)
{
	memset(s, 0, sizeof(*s));
}

static uint64_t slot_length_us(const struct stall_policy *p)
{
	return MAX_OF(p->window_us / STALL_SLOTS, 1);
}

static void next_slot(struct stall *s, uint64_t length_us)
{
	s->slot = (s->slot + 1) % STALL_SLOTS;
	s->slot_us += length_us;
	s->stalled_us[s->slot] = 0;
}

/* Spread evenly over the time in which it came together. */
static void add(struct stall *s, const struct stall_policy *p, uint64_t until_us, uint64_t stalled_us)
{
	uint64_t length_us = slot_length_us(p), all_us = until_us - s->seen_us;

	if (until_us - s->slot_us > 2 * length_us * STALL_SLOTS) { /* nothing of before is left */
		s->slot_us = until_us - length_us * STALL_SLOTS;
		s->seen_us = MAX_OF(s->seen_us, s->slot_us);
		memset(s->stalled_us, 0, sizeof(s->stalled_us));
	}
	while (s->seen_us < until_us) {
		uint64_t end_us = MIN_OF(s->slot_us + length_us, until_us);

		if (end_us > s->seen_us) {
			double share = (double)(end_us - s->seen_us) / (double)all_us;

			s->stalled_us[s->slot] += (uint64_t)((double)stalled_us * share);
			s->seen_us = end_us;
		}
		if (s->seen_us >= s->slot_us + length_us)
			next_slot(s, length_us);
	}
}

static uint64_t worst_us(const struct stall *s, const struct stall_reading *r)
{
	uint64_t all_us = r->now_us - s->seen_us, worst = 0;

	if (r->has_full && s->full_us && r->full_us > s->full_us)
		worst = r->full_us - s->full_us;
	if (r->late_us >= LATE_LEAST_US)
		worst = MAX_OF(worst, r->late_us);
	worst = MAX_OF(worst, all_us / PERMYRIAD * MIN_OF(r->delay_permyriad, PERMYRIAD));
	return MIN_OF(worst, all_us);
}

void stall_step(struct stall *s, const struct stall_policy *p, const struct stall_reading *r)
{
	if (!r->has_full && r->late_us < LATE_LEAST_US && !r->delay_permyriad)
		return;
	if (!s->seen_us)
		s->seen_us = s->slot_us = r->now_us;
	else if (r->now_us > s->seen_us)
		add(s, p, r->now_us, worst_us(s, r));
	if (r->has_full)
		s->full_us = r->full_us;
}

uint32_t stall_permyriad(const struct stall *s, const struct stall_policy *p)
{
	uint64_t sum_us = 0;

	for (unsigned i = 0; i < STALL_SLOTS; i++)
		sum_us += s->stalled_us[i];
	if (!p->window_us)
		return 0;
	return (uint32_t)MIN_OF((double)sum_us / (double)p->window_us * PERMYRIAD, PERMYRIAD);
}

bool stall_is(const struct stall *s, const struct stall_policy *p)
{
	return p->permyriad && stall_permyriad(s, p) >= p->permyriad;
}
