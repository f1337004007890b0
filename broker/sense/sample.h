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
	SAMPLE_HAS_PRESSURE = 1 << 6,	/* memory_some_*, memory_full_* */
	SAMPLE_HAS_POOLS = 1 << 7,	/* anon, shmem, kernel, unseen */
	SAMPLE_HAS_ZRAM = 1 << 8,	/* zram_* */
	SAMPLE_HAS_DELAYS = 1 << 9,	/* delay_*_permyriad */
	SAMPLE_HAS_RIVALS = 1 << 10,	/* rival_triggers were armed */
	SAMPLE_HAS_ARC = 1 << 11,	/* arc_bytes */
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
	DISTRESS_TASK_DELAY = 1 << 7,	/* clients or growers lose time in reclaim and thrashing */
	DISTRESS_TRIPWIRE = 1 << 8,	/* programs are slowed at the limit that is our tripwire */
	DISTRESS_STALL = 1 << 9,	/* the machine has stood still for a good part of the last seconds */
};

/* PSI triggers as low-memory-monitor arms them; only a stand-alone recording has them. */
enum sample_rival_trigger {
	RIVAL_TRIGGER_LOW = 1 << 0,	/* some 70 ms in 1 s */
	RIVAL_TRIGGER_MEDIUM = 1 << 1,	/* some 100 ms in 1 s */
	RIVAL_TRIGGER_CRITICAL = 1 << 2, /* full 70 ms in 1 s */
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
	uint64_t low_bytes;		/* so far above its min watermarks the kernel reclaims by itself */
	uint64_t available_bytes;	/* MemAvailable, shown only: never reaches 0 at the cliff */
	uint64_t swap_total_bytes;
	uint64_t swap_free_bytes;
	uint64_t direct_reclaims;	/* vmstat allocstall_*: counter since boot */
	uint64_t oom_kills;		/* vmstat oom_kill, memory.events oom_kill: counter */
	uint32_t memory_some_permyriad, memory_full_permyriad; /* PSI memory avg10 */
	uint64_t memory_some_us, memory_full_us; /* PSI memory totals: counters */
	uint64_t anon_bytes;		/* of programs: private memory, without swap */
	uint64_t shmem_bytes;		/* tmpfs, shared memory: counted as cache, cannot be dropped */
	uint64_t kernel_bytes;		/* slab that cannot be reclaimed, stacks, page tables, per-CPU */
	uint64_t unseen_bytes;		/* in no figure of meminfo: pipes, sockets, drivers, zram */
	uint64_t zram_stored_bytes;	/* what was swapped to zram, before compression */
	uint64_t zram_used_bytes;	/* what it takes of memory */
	uint64_t zram_limit_bytes;	/* what it may take at most; 0: not limited */
	uint64_t arc_bytes;		/* of ZFS's cache can be dropped; no figure of meminfo has it */
	uint32_t delay_reclaim_permyriad; /* time that clients and growers lost in reclaim and thrashing */
	uint32_t delay_cpu_permyriad;	/* ... waiting for a CPU, of the time they wanted one */
	uint32_t rival_triggers;	/* enum sample_rival_trigger, since the previous sample */
};
