/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parse_rows.h"
#include "sense/parse.h"
#include "sense/parse_cgroup.h"

#define MEMINFO							\
	"MemTotal:         106948 kB\n"				\
	"MemFree:           71612 kB\n"				\
	"Active(anon):       1100 kB\n"				\
	"Active(file):         20 kB\n"				\
	"Inactive(file):       60 kB\n"				\
	"SwapTotal:         49148 kB\n"				\
	"SwapFree:          48476 kB\n"

#define ZONE(free, min, protection)					\
	"Node 0, zone      DMA\n  per-node stats\n      nr_dirty 0\n"	\
	"  pages free     " free "\n        boost    0\n        min      " min "\n" \
	"        low      68\n        high     81\n        managed  3840\n" \
	"        protection: " protection "\n"				\
	"              high:  240\n  start_pfn:           1\n"

#define VMSTAT "pgscan_direct 31995\nallocstall_dma 2\nallocstall_movable 50\noom_kill 28\n"
#define PRESSURE "some avg10=0.05 avg60=0.06 avg300=0.12 total=10751858\n" \
	"full avg10=12.34 avg60=0.00 avg300=0.00 total=7\n"
#define STAT_V2 "anon 4096\ninactive_file 4096\nactive_file 163840\n"
#define STAT_V1 "inactive_file 8192\nactive_file 163840\n" \
	"total_inactive_file 41947136\ntotal_active_file 100925440\n"
#define POOLS_V2 "anon 1000\nfile 200\nkernel 99\nkernel_stack 3\npagetables 5\npercpu 7\n" \
	"sock 9\nshmem 150\n" \
	"zswap 20\ninactive_file 30\nactive_file 20\nslab_reclaimable 11\nslab_unreclaimable 13\n"
#define POOLS_V1 "cache 1\nrss 1\nshmem 1\n" STAT_V1 "total_cache 200\ntotal_rss 1000\ntotal_shmem 150\n"
#define EVENTS "low 0\nhigh 3\nmax 2\noom 1\noom_kill 9\noom_group_kill 0\n"

static int meminfo(const char *text, size_t size, uint64_t *f)
{
	struct parse_meminfo m;
	int r = parse_meminfo(text, size, &m);

	if (r == 0) {
		f[0] = m.total_bytes, f[1] = m.free_bytes, f[2] = m.active_file_bytes;
		f[3] = m.inactive_file_bytes, f[4] = m.swap_total_bytes, f[5] = m.swap_free_bytes;
	}
	return r;
}

static int pools(const char *text, size_t size, uint64_t *f)
{
	struct parse_pools p;
	int r = parse_pools(text, size, &p);

	if (r == 0) {
		f[0] = p.anon_bytes, f[1] = p.shmem_bytes, f[2] = p.kernel_bytes;
		f[3] = p.unseen_bytes;
	}
	return r;
}

static int zram(const char *text, size_t size, uint64_t *f)
{
	struct parse_zram z;
	int r = parse_zram(text, size, &z);

	if (r == 0)
		f[0] = z.stored_bytes, f[1] = z.used_bytes, f[2] = z.limit_bytes;
	return r;
}

static int arc(const char *text, size_t size, uint64_t *f)
{
	struct parse_arc a;
	int r = parse_arc(text, size, &a);

	if (r == 0)
		f[0] = a.droppable_bytes;
	return r;
}

static int zoneinfo(const char *text, size_t size, uint64_t *f)
{
	struct parse_zoneinfo z;
	int r = parse_zoneinfo(text, size, &z);

	if (r == 0)
		f[0] = z.zones, f[1] = z.free, f[2] = z.min, f[3] = z.high, f[4] = z.reserve;
	return r;
}

static int vmstat(const char *text, size_t size, uint64_t *f)
{
	struct parse_vmstat v;
	int r = parse_vmstat(text, size, &v);

	if (r == 0)
		f[0] = v.allocstall, f[1] = v.pgscan_direct, f[2] = v.oom_kill;
	return r;
}

static int pressure(const char *text, size_t size, uint64_t *f)
{
	struct parse_pressure p;
	int r = parse_pressure(text, size, &p);

	if (r == 0) {
		f[0] = p.some_avg10_permyriad, f[1] = p.some_total_us;
		f[2] = p.full_avg10_permyriad, f[3] = p.full_total_us, f[4] = p.has_full;
	}
	return r;
}

static int events(const char *text, size_t size, uint64_t *f)
{
	struct parse_cgroup_events e;
	int r = parse_cgroup_events(text, size, &e);

	if (r == 0)
		f[0] = e.high, f[1] = e.max, f[2] = e.oom, f[3] = e.oom_kill;
	return r;
}

static int cgroup_stat(const char *text, size_t size, uint64_t *f)
{
	struct parse_cgroup_stat s;
	int r = parse_cgroup_stat(text, size, &s);

	if (r == 0)
		f[0] = s.file_bytes, f[1] = s.anon_bytes, f[2] = s.shmem_bytes, f[3] = s.kernel_bytes,
		f[4] = s.seen_bytes, f[5] = s.has_pools;
	return r;
}

static int mount(const char *text, size_t size, uint64_t *f)
{
	struct scan s = scan_of(text, size);
	struct parse_mount m;
	int r = parse_mount_next(&s, "memory", &m);

	if (r == 0)
		f[0] = m.is_v2, f[1] = strlen(m.path), f[2] = (unsigned char)m.path[0];
	return r;
}

static const struct row rows[] = {
	{"meminfo",
	 meminfo,
	 MEMINFO,
	 0,
	 {106948 * KIB, 71612 * KIB, 20 * KIB, 60 * KIB, 49148 * KIB, 48476 * KIB}},
	{"meminfo without file pages", meminfo, "MemTotal: 1 kB\nMemFree: 1 kB\n", -ENODATA, {0}},
	{"meminfo overflows in bytes",
	 meminfo,
	 "MemTotal: 18446744073709551615 kB\n",
	 -EINVAL,
	 {0}},
	{"meminfo overflows in kB", meminfo, "MemFree: 18446744073709551616 kB\n", -EINVAL, {0}},
	{"meminfo negative", meminfo, "MemFree: -5 kB\n", -EINVAL, {0}},
	{"meminfo in pages", meminfo, "MemFree: 5\n", -EINVAL, {0}},
	{"meminfo empty", meminfo, "", -ENODATA, {0}},
	{"pools",
	 pools,
	 "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 10 kB\nCached: 200 kB\nAnonPages: 300 kB\n"
	 "Shmem: 50 kB\nSReclaimable: 20 kB\nSUnreclaim: 30 kB\nKernelStack: 5 kB\n"
	 "PageTables: 6 kB\nPercpu: 7 kB\n",
	 0,
	 {300 * KIB, 50 * KIB, (30 + 5 + 6 + 7) * KIB,
	  (1000 - 100 - 10 - 200 - 300 - 20 - 30 - 5 - 6 - 7) * KIB}},
	{"pools that are more than there is",
	 pools,
	 "MemTotal: 10 kB\nMemFree: 8 kB\nAnonPages: 8 kB\n",
	 0,
	 {8 * KIB, 0, 0, 0}},
	{"pools of an old kernel", pools, "MemTotal: 1 kB\nMemFree: 1 kB\n", -ENODATA, {0}},
	{"zram", zram, "  8192 4000 4096 0 4096 1 0 0\n", 0, {8192, 4096}},
	{"zram with a limit", zram, "8192 4000 4096 65536 4096 1 0 0\n", 0, {8192, 4096, 65536}},
	{"zram without its limit", zram, "8192 4000 4096\n", -EINVAL, {0}},
	{"arc", arc, "13 1 0x01 2 9 8 7\nname type data\nc_min 4 1000\nc_max 4 9\nsize 4 5000\n", 0, {4000}},
	{"arc, as small as it gets", arc, "size 4 1000\nc_min 4 1001\n", 0, {0}},
	{"arc without its least size", arc, "size 4 1000\n", -ENODATA, {0}},
	{"arc, not a figure", arc, "size 4 x\nc_min 4 1\n", -EINVAL, {0}},
	{"zram cut", zram, "8192 4000\n", -EINVAL, {0}},
	{"zram without figures", zram, "a b c\n", -EINVAL, {0}},
	{"zram empty", zram, "", -ENODATA, {0}},
	{"zone, held back altogether",
	 zoneinfo,
	 ZONE("3840", "55", "(0, 3019, 4555, 4555)"),
	 0,
	 {1, 3840, 55, 81, 3840}},
	{"zone, partly", zoneinfo, ZONE("3840", "55", "(0, 87, 87)"), 0, {1, 3840, 55, 81, 142}},
	{"two zones",
	 zoneinfo,
	 ZONE("3840", "55", "(0, 87)") ZONE("20", "30", "(0, 0)"),
	 0,
	 {2, 3860, 85, 162, 162}},
	{"ten zones' protection",
	 zoneinfo,
	 ZONE("9", "1", "(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"),
	 0,
	 {1, 9, 1, 81, 8}},
	{"zone without its end", zoneinfo, "Node 0, zone DMA\n  pages free 3\n", -EINVAL, {0}},
	{"zone overflows", zoneinfo, ZONE("9", "18446744073709551615", "(0, 1)"), -EINVAL, {0}},
	{"zone, broken protection", zoneinfo, ZONE("9", "1", "(0, x)"), -EINVAL, {0}},
	{"no zone", zoneinfo, "hello\n", -ENODATA, {0}},
	{"vmstat", vmstat, VMSTAT, 0, {52, 31995, 28}},
	{"vmstat, old name", vmstat, "allocstall 7\n", 0, {7, 0, 0}},
	{"vmstat, sum overflows",
	 vmstat,
	 "allocstall_a 18446744073709551615\nallocstall_b 1\n",
	 -EINVAL,
	 {0}},
	{"vmstat without counters", vmstat, "nr_free_pages 5\n", -ENODATA, {0}},
	{"vmstat, no figure", vmstat, "allocstall x\n", -EINVAL, {0}},
	{"loadavg", parse_loadavg, "0.75 0.52 0.39 2/101 7\n", 0, {7500}},
	{"loadavg, high", parse_loadavg, "1234.5 1 1\n", 0, {12345000}},
	{"loadavg, garbage", parse_loadavg, "x.y\n", -EINVAL, {0}},
	{"loadavg overflows", parse_loadavg, "1844674407370955161.00\n", -EINVAL, {0}},
	{"uptime", parse_uptime, "1000.50 3900.00\n", 0, {1000500000}},
	{"pressure", pressure, PRESSURE, 0, {5, 10751858, 1234, 7, 1}},
	{"pressure, some only", pressure, "some avg10=100.00 total=3\n", 0, {10000, 3}},
	{"pressure without total", pressure, "some avg10=1.00\n", -EINVAL, {0}},
	{"pressure empty", pressure, "\n", -ENODATA, {0}},
	{"value", parse_value, "4096\n", 0, {4096}},
	{"value max", parse_value, "max\n", 0, {PARSE_UNLIMITED}},
	{"value, maxi", parse_value, "maxi\n", -EINVAL, {0}},
	{"value overflows", parse_value, "18446744073709551616\n", -EINVAL, {0}},
	{"value cut", parse_value, "409", -ENODATA, {0}},
	{"memory.stat v2", cgroup_stat, STAT_V2, 0, {167936}},
	{"memory.stat v1", cgroup_stat, STAT_V1, 0, {142872576}},
	{"memory.stat v2, pools", cgroup_stat, POOLS_V2, 0, {50, 1000, 150, 28, 1259, 1}},
	{"memory.stat v1, pools", cgroup_stat, POOLS_V1, 0, {142872576, 1000, 150, 0, 1200, 1}},
	{"memory.stat without", cgroup_stat, "anon 1\n", -ENODATA, {0}},
	{"memory.stat, pools overflow",
	 cgroup_stat,
	 STAT_V2 "file 9223372036854775807\n",
	 -EINVAL,
	 {0}},
	{"memory.stat overflows",
	 cgroup_stat,
	 "active_file 18446744073709551615\ninactive_file 1\n",
	 -EINVAL,
	 {0}},
	{"memory.events", events, EVENTS, 0, {3, 2, 1, 9}},
	{"memory.events without oom_kill", events, "high 3\nmax 2\noom 1\n", 0, {3, 2, 1, 0}},
	{"memory.events broken", events, "high 3\nmax\n", -EINVAL, {0}},
	{"mount v2", mount, "c /sys/fs/cgroup cgroup2 rw 0 0\n", 0, {1, 14, '/'}},
	{"mount v1",
	 mount,
	 "tmpfs /sys tmpfs rw 0 0\nc /m cgroup rw,cpu,memory 0 0\n",
	 0,
	 {0, 2, '/'}},
	{"mount v1 of another", mount, "c /m cgroup rw,memory2 0 0\n", -ENODATA, {0}},
	{"mount v1 of all but memory", mount, "c /m cgroup rw,freezer 0 0\n", -ENODATA, {0}},
	{"mount with blank", mount, "c /a\\040b cgroup2 rw 0 0\n", 0, {1, 4, '/'}},
};

static void figures(void **state)
{
	rows_whole(rows, ARRAY_LEN(rows));
	(void)state;
}

static void cut_at_every_byte(void **state)
{
	rows_cut(rows, ARRAY_LEN(rows));
	(void)state;
}

static void damaged(void **state)
{
	rows_damaged(rows, ARRAY_LEN(rows));
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures),
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
