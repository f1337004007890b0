/* SPDX-License-Identifier: MIT */
/*
 * Facts, all of mm/oom_kill.c unless another file is named; Linux 5.9 to 6.18 agree.
 *   - oom_badness(): rss (file and shared pages, too) + swap + page tables, in pages, plus
 *     oom_score_adj * (totalpages / 1000), divided first. -1000 is never chosen, nor are pid 1 and
 *     kernel threads (oom_unkillable_task), who has no memory left, whom the reaper is done with
 *     (MMF_OOM_SKIP) and children in vfork(); the last two are not seen from outside.
 *   - select_bad_process(): the largest; walks all processes from the oldest to the newest and
 *     takes an equal one anew, so of equals the newest. (Before 4.17 the first, if it led its
 *     threads.)
 *   - constrained_alloc(): totalpages is all RAM and swap, or the limit of the cgroup.
 *   - oom_evaluate_task(): while an earlier victim still holds memory nobody else is chosen, and
 *     who runs swapoff is chosen first.
 *   - out_of_memory(): with vm.oom_kill_allocating_task=1, whoever asks is ended; none of this.
 *   - proc_oom_score(), fs/proc/base.c: (1000 + badness * 1000 / totalpages) * 2 / 3.
 */
#include "judge/badness.h"

#define NEVER_ADJ	(-1000)		/* OOM_SCORE_ADJ_MIN, uapi/linux/oom.h */

int64_t badness_points(const struct badness_reading *r, uint64_t total_pages)
{
	uint64_t pages = r->rss_pages + r->swap_pages + r->page_table_pages;

	if (r->pid == 1 || r->is_kernel || r->oom_score_adj <= NEVER_ADJ)
		return BADNESS_NEVER;
	return (int64_t)pages + r->oom_score_adj * (int64_t)(total_pages / 1000);
}

uint32_t badness_score(int64_t points, uint64_t total_pages)
{
	int64_t score;

	if (points == BADNESS_NEVER || !total_pages)
		return 0;
	score = (1000 + points * 1000 / (int64_t)total_pages) * 2 / 3;
	return score > 0 ? (uint32_t)score : 0;
}

uint32_t badness_choose(const struct badness_reading *readings, uint32_t count,
			uint64_t total_pages)
{
	int64_t most = BADNESS_NEVER;
	uint32_t chosen = count;

	for (uint32_t i = 0; i < count; i++) {
		int64_t points = badness_points(&readings[i], total_pages);

		if (points == BADNESS_NEVER || points < most)
			continue;
		most = points;
		chosen = i;
	}
	return chosen;
}
