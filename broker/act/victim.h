/* SPDX-License-Identifier: MIT */
/*
 * Victim: which program caused it. Pure. One stated rule over a survey of processes: the smallest
 * group (one process, a tree of descendants, all processes of one name, several that grew alike)
 * that explains most of the growth; the rule is spelled out at the top of victim.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ask/session.h"
#include "sense/process.h"

#define VICTIM_PIDS_MAX	256
#define VICTIM_PARENTS_MAX 8

enum victim_kind {
	VICTIM_NONE, VICTIM_PROCESS, VICTIM_TREE, VICTIM_NAMESAKES, VICTIM_SEVERAL, VICTIM_KIND_COUNT
};

struct victim {
	enum victim_kind kind;
	uint64_t client;		/* id of the session it is; 0: never heard of failsoft */
	int32_t pid;			/* the process, the root of the tree, the largest of several */
	uint32_t uid;			/* of that process */
	char name[16];
	uint64_t newest_ticks;		/* of all processes when it was chosen, the latest start */
	uint64_t memory_bytes, growth_bytes; /* growth: what it wrote, of a writer */
	bool is_writer;			/* of what grew in memory that no process shows */
	bool is_preferred;		/* by the configuration, whoever grew */
	bool is_by_size;		/* nobody grew */
	uint64_t seen_us;		/* when the survey began; filled in by who takes it. 0: unknown */
	uint64_t all_growth_bytes;	/* of the whole survey, for the share */
	uint32_t pids_count;		/* processes to end; more than the array: the next pass */
	int32_t pids[VICTIM_PIDS_MAX];
	uint64_t start_ticks[VICTIM_PIDS_MAX];
	/* Who started them, but is none of them, when it was chosen: the first few */
	uint32_t parents_count;
	int32_t parents[VICTIM_PARENTS_MAX];
	/* What runs before it is ended, see procedure.h; filled in by who looks that up. */
	uint32_t procedure;		/* id; 0: nothing */
	int32_t procedure_pid;		/* of which process of it */
	uint64_t procedure_us;		/* how long, at most */
	char procedure_name[32];	/* tail of the program's path */
};

/* Is the process one of it? */
bool victim_has(const struct victim *v, int32_t pid);

/* How many uint64_t of scratch victim_choose() needs for a survey of `count` processes. */
#define VICTIM_SCRATCH(count)	(5u * (count))

struct victim_view {
	const struct process *processes;	/* the survey */
	uint32_t count;
	uint64_t *scratch;		/* VICTIM_SCRATCH(count) elements, used inside */
	struct session_table *clients;
	uint64_t pools_bytes;		/* so much grew meanwhile in memory that no process shows */
	uint64_t pools_done_bytes;	/* so much of it when a writer had been ended for it, or nobody was
					 * found to be, and a new baseline was taken; 0: not yet */
	uint64_t total_bytes;		/* of the domain: what a point of oom_score_adj is a share of */
	uint64_t wanted_bytes;		/* so much is to come back; several are ended at once for it */
};

/* Returns false and VICTIM_NONE when nobody may be ended. */
bool victim_choose(const struct victim_view *view, struct victim *ret);
