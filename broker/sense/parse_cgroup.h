/* SPDX-License-Identifier: MIT */
/* Parse cgroup: what the memory controller's files say. Pure, with the rules of parse.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* memory.stat; v1's total_* (with descendants) where there are. */
struct parse_cgroup_stat {
	uint64_t file_bytes;		/* what can be dropped: LRU lists of files, without tmpfs */
	uint64_t anon_bytes, shmem_bytes;
	uint64_t kernel_bytes;		/* slab that cannot be reclaimed, stacks, page tables, per-CPU */
	uint64_t seen_bytes;		/* of the usage so much is explained; the rest: pipes, sockets, and
					 * with v1 all of the kernel's */
	bool has_pools;			/* the kernel gave all but the first */
};
int parse_cgroup_stat(const char *text, size_t size, struct parse_cgroup_stat *ret);

/* memory.events, memory.events.local: counters. */
struct parse_cgroup_events {
	uint64_t high, max, oom, oom_kill;
};
int parse_cgroup_events(const char *text, size_t size, struct parse_cgroup_events *ret);
