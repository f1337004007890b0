/* SPDX-License-Identifier: MIT */
/*
 * Estimate: headroom (the distance to the cliff) and time to exhaustion with a pessimistic bound,
 * from samples of one domain. Pure; one struct estimator per domain, fixed memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "judge/fall.h"
#include "judge/saw.h"
#include "judge/stall.h"
#include "judge/trend.h"
#include "sense/sample.h"

/* From the configuration. */
struct estimate_policy {
	uint32_t swap_weight_permyriad;	/* what a free byte of swap counts as headroom */
	uint64_t plausible_bytes_per_s;	/* the fastest that memory can be eaten on this machine */
	struct stall_policy stall;
};

/* What runs out first: free memory, or the swap that stretches it. */
enum estimate_limit {
	ESTIMATE_LIMIT_MEMORY, ESTIMATE_LIMIT_SWAP, ESTIMATE_LIMIT_ZRAM, ESTIMATE_LIMIT_CGROUP,
	ESTIMATE_LIMIT_COUNT
};

struct estimate {
	uint64_t time_us;
	uint32_t domain;
	uint32_t distress;		/* enum sample_distress, of the last 2 s */
	uint64_t total_bytes;
	uint64_t headroom_bytes;	/* 0 at the cliff */
	uint64_t memory_bytes;		/* of that without swap */
	uint64_t tte_us;		/* NEVER_US: not falling */
	uint64_t tte_low_us;		/* pessimistic bound, <= tte_us: what stages are decided on */
	uint64_t tte_early_us, tte_late_us; /* the end comes between with 80 % probability */
	uint64_t guaranteed_us;		/* headroom / plausible rate: the figure that never lies */
	int64_t fall_bytes_per_s;	/* positive: headroom shrinks */
	int64_t fall_high_bytes_per_s;	/* the steepest of the windows */
	uint64_t falling_us;		/* from its beginning to its newest low; 0: it does not fall */
	uint64_t fallen_bytes;		/* by so much in that time */
	uint64_t pools_grown_bytes;	/* by so much tmpfs and kernel memory grew in that time */
	uint32_t stretch_permyriad;	/* CPU load stretches budgets: >= 10000 */
	bool is_suspect;		/* fell at once by what may be a burst: look again soon */
	uint32_t limit;			/* enum estimate_limit */
};

struct estimator {
	struct trend trend;
	struct fall fall;
	struct saw saw;
	uint64_t swap_doubt_bytes;	/* of the newest sample */
	uint64_t distress_us[10];	/* when each distress bit was last seen, by bit number */
	uint64_t direct_reclaims, oom_kills; /* newest counters */
	bool have_counters;
	uint32_t stretch_permyriad;	/* kept when a sample has no load */
	struct stall stall;
	uint64_t late_us;		/* the caller came so late with this sample */
	bool is_ours;			/* what comes back with this sample may be the caller's doing */
	uint64_t shmem_bytes, kernel_bytes, unseen_bytes; /* newest: what no process shows */
	struct estimate last;
};

void estimate_init(struct estimator *e);

/* Takes the next sample of the domain. A sample without SAMPLE_HAS_MEMORY only adds distress. */
void estimate_step(struct estimator *e, const struct estimate_policy *p, const struct sample *s,
		   struct estimate *ret);

/* Somebody has ended: whether the machine still stands without it is to be seen anew. */
void estimate_forget_stall(struct estimator *e, struct estimate *now);

/* Did the sample of that time say that the kernel has killed, by its log or by a counter? */
bool estimate_heard_kill(const struct estimator *e, uint64_t sample_us);
/* Or one since then? */
bool estimate_heard_kill_since(const struct estimator *e, uint64_t since_us);

/* "memory", "swap", "zram", "cgroup"; static. */
const char *estimate_limit_name(enum estimate_limit limit);

/* Headroom of a sample alone, in bytes; never negative. */
uint64_t estimate_headroom_bytes(const struct estimate_policy *p, const struct sample *s);
