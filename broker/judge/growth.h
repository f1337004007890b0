/* SPDX-License-Identifier: MIT */
/*
 * Growth: who grows, live. Keeps what each process held and how fast that rises, in fixed memory and
 * constant time per reading, and names the few growers behind it: one process, a tree, namesakes,
 * or a pool of the system that is in no process. Pure. Bytes, bytes/s; times of CLOCK_MONOTONIC.
 * The memory is the caller's, borrowed as long as the table is used.
 *
 * The rule that groups is the victim's (act/victim.c), so that "who grows" and "who would be ended"
 * tell one story; it is spelled out at the top of growth.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sense/growth_reading.h"

/* Memory of the system that no process shows as its own. */
enum growth_pool {
	GROWTH_POOL_SHMEM,		/* sample.shmem_bytes: tmpfs, shared memory */
	GROWTH_POOL_KERNEL,		/* sample.kernel_bytes: slab, stacks, page tables */
	GROWTH_POOL_UNSEEN,		/* sample.unseen_bytes less zram_used_bytes: what lies in zram is
					 * counted at the process that it was swapped from */
	GROWTH_POOL_COUNT
};

/* Smoothed rise; negative falls. */
struct growth_rate {
	int64_t fast_bytes_per_s;	/* time constant 250 ms */
	int64_t slow_bytes_per_s;	/* 2 s */
};

/* What a process or a pool holds. */
struct growth_level {
	uint64_t bytes;
	uint64_t base_bytes;		/* held at the mark, or when first seen */
	uint64_t first_us;		/* known since */
	uint64_t last_us;		/* 0: never read */
	struct growth_rate rate;
};

struct growth_entry {
	int32_t pid;			/* 0: empty */
	int32_t parent;
	uint32_t uid;
	bool is_apart;
	char name[16];
	uint64_t start_ticks;		/* 0: known from its fork only */
	struct growth_level level;
};

/* Used inside of growth_top() only; tables may share them. */
struct growth_node {
	uint64_t weight;		/* 0: does not grow, or belongs to a grower already */
	uint64_t tree_weight, names_weight;
	uint32_t parent;		/* place, or none */
	uint32_t tree_size;
	uint32_t namesake;		/* the place that stands for all of the name */
	uint32_t named;			/* hash of names: the place that stands for it */
	uint32_t used, live;		/* lists of the places that are filled, and that count */
	bool is_tree, is_taken, is_live;
};

struct growth {
	struct growth_entry *entry;
	struct growth_node *node;
	uint32_t mask;			/* places - 1 */
	uint32_t count;			/* at most 3/4 of the places */
	uint32_t hand;			/* where the search for a resting entry goes on */
	uint64_t began_us;		/* the first reading; 0: none yet */
	bool is_calm;
	uint64_t untracked;		/* readings that found no room, since growth_clear() */
	struct growth_level pool[GROWTH_POOL_COUNT];
};

/*
 * places: elements of entry[] and of node[]; the largest power of two in it is used; below 4:
 * -EINVAL. Three quarters of them can be filled: 4096 hold 3072 processes.
 */
int growth_init(struct growth *t, struct growth_entry *entry, struct growth_node *node,
		uint32_t places);

/* Forgets everything; the domain is calm. */
void growth_clear(struct growth *t);

/*
 * Process events, where there are any; without them the readings alone suffice. A fork makes that
 * all the child has counts as grown since now_us.
 */
void growth_fork(struct growth *t, int32_t pid, int32_t parent, uint64_t now_us);
void growth_exit(struct growth *t, int32_t pid);

/*
 * One reading. Another start_ticks is another process. One that started after the table's first
 * reading grew from nothing, if it is younger than 60 s; any other that is new begins with what it
 * has. Readings that are not newer than the last one are ignored. When there is no room, one that
 * grew from nothing takes the place of one that rests; otherwise it is counted in `untracked`.
 */
void growth_see(struct growth *t, const struct growth_reading *r);

/* The same for a pool. */
void growth_pool(struct growth *t, enum growth_pool pool, uint64_t bytes, uint64_t now_us);

/* A full round was read that began at round_us: what it did not see is gone. */
void growth_sweep(struct growth *t, uint64_t round_us);

/*
 * What everybody holds now is what its growth is measured from. To be called whenever the survey
 * takes its baseline, so that both count from the same moment.
 */
void growth_mark(struct growth *t);

/*
 * Calm (as after growth_clear): who rises fastest is on top. Not calm: who has most more than at the
 * mark, as for the victim; below 2 MiB in all, which is noise, it is by rate again.
 */
void growth_calm(struct growth *t, bool is_calm);

enum grower_kind {
	GROWER_NONE, GROWER_PROCESS, GROWER_TREE, GROWER_NAMESAKES, GROWER_POOL, GROWER_KIND_COUNT
};

struct grower {
	enum grower_kind kind;
	enum growth_pool pool;		/* of GROWER_POOL */
	int32_t pid;			/* the process, root of the tree, the namesake that grew
					 * most; 0: pool */
	uint32_t uid;			/* of that process */
	uint32_t processes;		/* that belong to it and are in the table; 0: pool */
	uint32_t share_permyriad;	/* of the growth of all processes and pools */
	char name[32];			/* of that process, or of the pool in words */
	uint64_t bytes;			/* held by all of it */
	uint64_t since_bytes;		/* more than at the mark (without one: than when first seen) */
	uint64_t bytes_per_s;		/* over some 2 s */
	uint64_t recent_bytes_per_s;	/* over some 250 ms */
};

/*
 * Fills ret[max] with those that grow, whom the rule names first on top, no process in two. A pool
 * stands before those that grow less. Returns how many; 0: nobody grows. What was not read for 3 s
 * fades, by half every second: a round of readings should not take longer. Changes the nodes only.
 */
uint32_t growth_top(struct growth *t, uint64_t now_us, struct grower *ret, uint32_t max);

/* Its place in entry[], or GROWTH_NOWHERE. */
#define GROWTH_NOWHERE	UINT32_MAX
uint32_t growth_find(const struct growth *t, int32_t pid);

/* "tmpfs and shared memory"; static. */
const char *growth_pool_name(enum growth_pool pool);
