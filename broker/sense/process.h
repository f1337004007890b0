/* SPDX-License-Identifier: MIT */
/*
 * A process as the survey saw it: what the victim rule needs. Pure, a plain struct; the survey
 * itself is survey.[ch].
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct process {
	int32_t pid;
	int32_t parent;
	uint32_t uid;
	int32_t oom_score_adj;
	uint64_t start_ticks;		/* field 22 of /proc/PID/stat: with pid names a process for good */
	uint64_t memory_bytes;		/* RssAnon + RssShmem + VmSwap + locked file pages, and what it
					 * costs in the kernel */
	uint64_t growth_bytes;		/* memory_bytes now minus at the baseline; all of it if younger */
	bool is_protected;		/* pid 1, kernel thread, broker, bus, configured */
	bool in_domain;			/* belongs to the domain that was surveyed */
	char name[16];			/* comm, NUL-terminated */
	uint64_t kernel_bytes;		/* so much of memory_bytes is the kernel's */
	uint64_t resident_bytes, swap_bytes, page_table_bytes; /* what the kernel's own rule weighs */
	uint64_t written_bytes;		/* by write(2) and its like since the baseline, to no disk, and what
					 * was filled of shared memory that it made; 0: not known */
	uint64_t kernel_growth_bytes;	/* so much of growth_bytes is the kernel's: stacks, page tables */
	bool is_preferred;		/* configured: ended before others */
	bool is_new;			/* started since the baseline */
	bool is_newborn;		/* ... a moment ago: SURVEY_NEWBORN_US */
};
