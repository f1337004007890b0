/* SPDX-License-Identifier: MIT */
/*
 * Settle: the kernel has killed in a domain, and what it killed gives its memory back: until that is
 * there nobody is chosen, as after a victim of the ladder's own. Pure; one per domain.
 *
 * It is a delay, never a reprieve: it ends early when half of what came back is gone again, and the
 * next kill brings no other before the ladder had a turn, and settle_us, to itself. So a leak that
 * goes on, or a fork tree whose members the kernel ends one by one, is met half of the time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct settle {
	uint64_t until_us;		/* of the newest wait; 0: there was none */
	uint64_t peak_bytes;		/* of headroom since it began */
	bool is_cut;			/* it falls again: over before that time */
	bool is_owed;			/* the ladder had no turn since */
};

struct settle_view {
	uint64_t now_us;
	uint64_t settle_us;		/* of the ladder */
	bool is_killed;			/* the kernel killed in the domain since the last step */
	bool has_headroom;		/* ... was read now */
	uint64_t headroom_bytes;
};

/* With every sample and every kill, before the ladder. */
void settle_step(struct settle *s, const struct settle_view *v);
/* Memory is on its way back: nobody is to be chosen. */
bool settle_is_on(const struct settle *s, uint64_t now_us);
