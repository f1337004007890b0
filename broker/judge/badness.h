/* SPDX-License-Identifier: MIT */
/*
 * Badness: whom the kernel itself would end when memory runs out, by its own rule (mm/oom_kill.c of
 * Linux 5.9 to 6.18). Pure. Pages, since the kernel reckons in them; each figure below 2^50.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One process, in units of the page size. */
struct badness_reading {
	int32_t pid;
	int32_t oom_score_adj;		/* -1000 to 1000 */
	bool is_kernel;			/* kernel thread, or without memory of its own (zombie) */
	uint64_t rss_pages;		/* anonymous, file and shared: VmRSS */
	uint64_t swap_pages;		/* VmSwap */
	uint64_t page_table_pages;	/* VmPTE, which holds all levels */
};

/* Never chosen. Less than any points. */
#define BADNESS_NEVER	INT64_MIN

/*
 * total_pages: MemTotal + SwapTotal; for a kill by a cgroup's limit, that limit (with its swap).
 * May be negative: a process with a negative oom_score_adj.
 */
int64_t badness_points(const struct badness_reading *r, uint64_t total_pages);

/* What /proc/PID/oom_score shows for these points, 0 to 2000; 0 for BADNESS_NEVER. */
uint32_t badness_score(int64_t points, uint64_t total_pages);

/*
 * The index of whom the kernel chooses; `count`: nobody, the kernel panics or the allocation fails.
 * readings: in the order of their creation, oldest first (by start_ticks, then pid), as the kernel
 * walks them; of equals it takes the last.
 */
uint32_t badness_choose(const struct badness_reading *readings, uint32_t count,
			uint64_t total_pages);
