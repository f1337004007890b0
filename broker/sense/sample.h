/* SPDX-License-Identifier: MIT */
/*
 * A sample: all readings of one domain at one moment. Pure, a plain struct.
 * The readers of sense/ fill it in, the judge reads it. A reading whose bit is not in `has` is 0
 * and must not be used.
 */
#pragma once

#include <stdint.h>

/* Which readings a sample holds. */
enum sample_has {
	SAMPLE_HAS_MEMORY = 1 << 0,	/* total, free, file, available */
	SAMPLE_HAS_RESERVE = 1 << 1,	/* reserve_bytes */
	SAMPLE_HAS_SWAP = 1 << 2,	/* swap_* */
	SAMPLE_HAS_VMSTAT = 1 << 3,	/* direct_reclaims, oom_kills */
	SAMPLE_HAS_LOAD = 1 << 4,	/* load_permyriad */
	SAMPLE_HAS_CPU_PRESSURE = 1 << 5, /* cpu_some_permyriad */
};

/* The kernel's own cries since the previous sample of this domain. */
enum sample_distress {
	DISTRESS_PSI_SOME = 1 << 0,	/* a PSI trigger on "some" fired */
	DISTRESS_PSI_FULL = 1 << 1,	/* a PSI trigger on "full" fired */
	DISTRESS_DIRECT_RECLAIM = 1 << 2, /* allocations had to reclaim for themselves */
	DISTRESS_CGROUP_HIGH = 1 << 3,	/* memory.events high: being throttled */
	DISTRESS_CGROUP_MAX = 1 << 4,	/* memory.events max, v1 failcnt: the limit was hit */
	DISTRESS_OOM = 1 << 5,		/* the kernel killed for lack of memory in this domain */
	DISTRESS_PRESSURE_LEVEL = 1 << 6, /* cgroup v1 memory.pressure_level medium or critical */
};

struct sample {
	uint64_t time_us;
	uint32_t domain;		/* index in the core's table, 0 is the system */
	uint32_t has;			/* enum sample_has */
	uint32_t distress;		/* enum sample_distress */
	uint32_t load_permyriad;	/* 1 min load average per CPU, 10000 = one runnable task each */
	uint32_t cpu_some_permyriad;	/* PSI cpu some avg10 */
	uint64_t total_bytes;		/* system: MemTotal; cgroup: its limit */
	uint64_t free_bytes;		/* system: MemFree; cgroup: limit - usage, 0 when above */
	uint64_t file_bytes;		/* Active(file) + Inactive(file): can be dropped */
	uint64_t reserve_bytes;		/* what the kernel never hands out: per zone min watermark and
					 * lowmem protection, at most the zone's free pages */
	uint64_t available_bytes;	/* MemAvailable, shown only: never reaches 0 at the cliff */
	uint64_t swap_total_bytes;
	uint64_t swap_free_bytes;
	uint64_t direct_reclaims;	/* vmstat allocstall_*: counter since boot */
	uint64_t oom_kills;		/* vmstat oom_kill, memory.events oom_kill: counter */
};
