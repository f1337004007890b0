/* SPDX-License-Identifier: MIT */
/*
 * Parse: text of kernel files into plain structs. Pure: bounded input that needs no NUL, no
 * allocation. The only place where units are converted: kB to bytes, seconds to microseconds,
 * percent to permyriad; watermarks stay in pages. Structs hold copies, nothing is borrowed.
 *
 * All return 0, -ENODATA (a figure that we need is not there) or -EINVAL (a figure that we know is
 * not a number, does not fit into 64 bit, or was cut), and leave *ret alone on failure. Lines and
 * fields that are not known are ignored.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scan.h"

#define PARSE_UNLIMITED	UINT64_MAX	/* "max" */
#define PARSE_PATH_MAX	256		/* with NUL; longer cgroup and mount paths: -ENAMETOOLONG */

/* /proc/meminfo */
struct parse_meminfo {
	uint64_t total_bytes, free_bytes, available_bytes;	/* available 0: before Linux 3.14 */
	uint64_t active_file_bytes, inactive_file_bytes;
	uint64_t swap_total_bytes, swap_free_bytes;		/* 0: built without swap */
};
int parse_meminfo(const char *text, size_t size, struct parse_meminfo *ret);

/* /proc/meminfo again: who has the memory. What a kernel does not tell is 0. */
struct parse_pools {
	uint64_t anon_bytes;
	uint64_t shmem_bytes;		/* tmpfs and shared memory, part of what the kernel calls cached */
	uint64_t kernel_bytes;		/* slab that cannot be reclaimed, stacks, page tables, per-CPU */
	uint64_t unseen_bytes;		/* the rest: pipes, sockets, drivers, zram */
};
int parse_pools(const char *text, size_t size, struct parse_pools *ret);

/* /sys/block/zramN/mm_stat: what was stored, before compression, what that takes, and what it may
 * take at most (0: not limited). */
struct parse_zram {
	uint64_t stored_bytes, used_bytes, limit_bytes;
};
int parse_zram(const char *text, size_t size, struct parse_zram *ret);

/* /proc/spl/kstat/zfs/arcstats: how much ZFS's cache can still shrink. */
struct parse_arc {
	uint64_t droppable_bytes;
};
int parse_arc(const char *text, size_t size, struct parse_arc *ret);

/* /proc/zoneinfo, sums over all zones, in pages. */
struct parse_zoneinfo {
	uint32_t zones;
	uint64_t free, min, low, high, managed;
	/*
	 * What user memory can never get: per zone the min watermark and the protection against
	 * users that may also take from higher zones, at most the zone's free pages. So a DMA zone
	 * that a big machine holds back altogether does not look like headroom.
	 */
	uint64_t reserve;
};
int parse_zoneinfo(const char *text, size_t size, struct parse_zoneinfo *ret);

/* One zone of it, in pages. -ENODATA: no further zone. */
#define PARSE_ZONES_MAX	8
struct parse_zone {
	char name[16];
	uint64_t free, min, low, high, managed;
	uint64_t protection[PARSE_ZONES_MAX];	/* against allocations from zone number i */
	uint32_t protection_count;
};
int parse_zone_next(struct scan *text, struct parse_zone *ret);

/* /proc/vmstat, counters since boot. */
struct parse_vmstat {
	uint64_t allocstall;		/* sum of allocstall_* */
	uint64_t pgscan_direct;
	uint64_t oom_kill; /* also counts kills by cgroup limits; 0 before Linux 4.13 */
};
int parse_vmstat(const char *text, size_t size, struct parse_vmstat *ret);

/* /proc/loadavg: the 1 min average, 10000 is one runnable task. */
int parse_loadavg(const char *text, size_t size, uint64_t *ret_permyriad);

/* /proc/uptime */
int parse_uptime(const char *text, size_t size, uint64_t *ret_us);

/* /proc/pressure/, memory.pressure. */
struct parse_pressure {
	uint64_t some_avg10_permyriad, full_avg10_permyriad;
	uint64_t some_total_us, full_total_us;
	bool has_full;			/* cpu before Linux 5.13 has none */
};
int parse_pressure(const char *text, size_t size, struct parse_pressure *ret);

/* A cgroup file with one figure, or "max". */
int parse_value(const char *text, size_t size, uint64_t *ret);

/* A line "key figure" of a cgroup file. */
int parse_key(const struct scan *text, const char *key, uint64_t *ret);

/* /proc/mounts, the next mount of cgroup2, or of v1 with that controller. -ENODATA: none left. */
struct parse_mount {
	bool is_v2;
	char path[PARSE_PATH_MAX];
};
int parse_mount_next(struct scan *text, const char *controller, struct parse_mount *ret);
