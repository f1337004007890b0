/* SPDX-License-Identifier: MIT */
/*
 * Stall: what share of the last seconds the machine has stood still for lack of memory. Pure, fixed
 * memory. Most runs that go wrong end in a machine that lives and does nothing, not in a kill, and
 * with swap its figures of free memory may look well all the time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define STALL_SLOTS	8u		/* the window moves on by eighths */

struct stall_policy {
	uint32_t permyriad;		/* of the window; 0: nothing is a stall */
	uint64_t window_us;
};

struct stall {
	uint64_t seen_us;		/* newest reading; 0: none */
	uint64_t full_us;		/* its PSI counter */
	uint64_t slot_us;		/* beginning of the present slot */
	uint64_t slot;			/* its index */
	uint64_t stalled_us[STALL_SLOTS];
};

/* What is known of the time since the reading before. */
struct stall_reading {
	uint64_t now_us;
	bool has_full;
	uint64_t full_us;		/* PSI memory full, the counter */
	uint64_t late_us;		/* the reader itself came so late */
	uint32_t delay_permyriad;	/* what clients and growers lost in reclaim and thrashing */
};

void stall_init(struct stall *s);

/* The worst of the witnesses counts for each interval; without any, nothing happens. */
void stall_step(struct stall *s, const struct stall_policy *p, const struct stall_reading *r);

/* Of the window; what is not known counts as not stalled. */
uint32_t stall_permyriad(const struct stall *s, const struct stall_policy *p);
bool stall_is(const struct stall *s, const struct stall_policy *p);
