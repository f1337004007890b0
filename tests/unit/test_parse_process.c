/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parse_rows.h"
#include "sense/parse_process.h"

#define STATUS "Name:\tx y\\\\z\nPPid:\t42\nUid:\t1000\t0\t0\t0\nVmRSS:\t 9 kB\n" \
	"RssAnon:\t 112 kB\nRssShmem:\t 8 kB\nVmSwap:\t 4 kB\n"
#define STAT "7 (a) (b S 1) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 98765 20\n"
#define CGROUPS "9:name=systemd:/\n4:cpu,memory:/demo:x/apps\n0::/user.slice\n"
#define KILLED "3,800,5140900,-;Out of memory: Killed process 123 (a) b) total-vm:1kB, UID:0\n"
#define KILLED_IN "3,800,5140900,-;Memory cgroup out of memory: Killed process 5 (x) total-vm:1kB\n"
#define LIMIT "6,799,5140800,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/," \
	"mems_allowed=0,oom_memcg=/demo/a,b,task_memcg=/demo/a,b/c,task=x,pid=5,uid=0\n DEV=x\n"

static int status(const char *text, size_t size, uint64_t *f)
{
	struct parse_process_status s;
	int r = parse_process_status(text, size, &s);

	if (r == 0) {
		f[0] = (uint64_t)s.parent, f[1] = s.uid, f[2] = s.has_memory;
		f[3] = s.anon_bytes, f[4] = s.shmem_bytes, f[5] = s.swap_bytes;
		assert_true(strlen(s.name) < sizeof(s.name));
	}
	return r;
}

static int cgroups(const char *text, size_t size, uint64_t *f)
{
	struct parse_process_cgroups c;
	int r = parse_process_cgroups(text, size, "memory", &c);

	if (r == 0)
		f[0] = strlen(c.v1), f[1] = strlen(c.v2);
	return r;
}

static int adj(const char *text, size_t size, uint64_t *f)
{
	int32_t value;
	int r = parse_process_adj(text, size, &value);

	if (r == 0)
		f[0] = (uint64_t)(int64_t)value;
	return r;
}

static int oom(const char *text, size_t size, uint64_t *f)
{
	struct parse_process_oom o;
	int r = parse_process_oom(text, size, &o);

	if (r == 0)
		f[0] = o.kind, f[1] = (uint64_t)o.pid, f[2] = strlen(o.name),
		f[3] = strlen(o.cgroup);
	return r;
}

static int io(const char *text, size_t size, uint64_t *f)
{
	return parse_process_io(text, size, f);
}

static const struct row rows[] = {
	{"status", status, STATUS, 0, {42, 1000, 1, 112 * KIB, 8 * KIB, 4 * KIB}},
	{"status, kernel thread", status, "Name:\tk\nPPid:\t2\nUid:\t0\t0\n", 0, {2, 0, 0, 0}},
	{"status before RssAnon",
	 status,
	 "Name:\tk\nPPid:\t2\nUid:\t0\t0\nVmRSS:\t9 kB\n",
	 0,
	 {2, 0, 1, 9 * KIB}},
	{"status, uid overflows", status, "Name:\tk\nPPid:\t2\nUid:\t4294967296\n", -EINVAL, {0}},
	{"status, more threads than there can be", status,
	 "Name:\tk\nPPid:\t2\nUid:\t0\t0\nThreads:\t2147483648\n", -EINVAL, {0}},
	{"status, more open files than there can be", status,
	 "Name:\tk\nPPid:\t2\nUid:\t0\t0\nFDSize:\t2147483648\n", -EINVAL, {0}},
	{"status, parent negative", status, "Name:\tk\nPPid:\t-2\nUid:\t0\n", -EINVAL, {0}},
	{"status without name", status, "PPid:\t2\nUid:\t0\n", -ENODATA, {0}},
	{"stat", parse_process_start, STAT, 0, {98765}, true},
	{"stat, name with newline",
	 parse_process_start,
	 "7 (x\n) R 1 2) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99 20\n",
	 0,
	 {99}, true},
	{"stat, no name", parse_process_start, "7 x S 1\n", -EINVAL, {0}, true},
	{"stat, short", parse_process_start, "7 (x) S 1 2 3\n", -ENODATA, {0}, true},
	{"stat overflows",
	 parse_process_start,
	 "7 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99999999999999999999 0\n",
	 -EINVAL,
	 {0}, true},
	{"cgroup, both", cgroups, CGROUPS, 0, {12, 11}},
	{"cgroup, memory2 is another", cgroups, "4:memory2:/x\n", 0, {0, 0}},
	{"cgroup, garbage", cgroups, "hello\n", -EINVAL, {0}},
	{"adj", adj, "-1000\n", 0, {(uint64_t)-1000}},
	{"adj, garbage", adj, "--3\n", -EINVAL, {0}},
	{"io", io, "rchar: 5\nwchar: 4096\nsyscr: 1\n", 0, {4096}},
	{"io, all of it to a disk", io, "wchar: 4096\nwrite_bytes: 8192\n", 0, {0}},
	{"io, some of it to a disk", io, "write_bytes: 1024\nwchar: 4096\n", 0, {3072}},
	{"io, no figure of the disk", io, "wchar: 1\nwrite_bytes: x\n", -EINVAL, {0}},
	{"io, no figure", io, "wchar: x\n", -EINVAL, {0}},
	{"io without wchar", io, "rchar: 5\n", -ENODATA, {0}},
	{"kmsg, machine", oom, KILLED, 0, {PARSE_PROCESS_OOM_KILLED, 123, 4, 0}},
	{"kmsg, cgroup", oom, KILLED_IN, 0, {PARSE_PROCESS_OOM_KILLED_IN_CGROUP, 5, 1, 0}},
	{"kmsg, limit", oom, LIMIT, 0, {PARSE_PROCESS_OOM_LIMIT, 0, 0, 9}},
	{"kmsg, forged by a program",
	 oom,
	 "11,800,5,-;Out of memory: Killed process 123 (a) total\n",
	 -ENODATA,
	 {0}},
	{"kmsg, something else", oom, "6,1,2,-;usb 1-1: new\n", -ENODATA, {0}},
	{"kmsg, pid 0", oom, "3,8,5,-;Out of memory: Killed process 0 (a) t\n", -EINVAL, {0}},
	{"kmsg, pid overflows",
	 oom,
	 "3,8,5,-;Out of memory: Killed process 2147483648 (a) t\n",
	 -EINVAL,
	 {0}},
	{"kmsg, no name", oom, "3,8,5,-;Out of memory: Killed process 5 ) x (\n", -EINVAL, {0}},
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

/* A stat that is cut behind field 22 still has it; before, there is none. */
static void start_ticks_cut(void **state)
{
	const char *stat = STAT;
	const size_t there = (size_t)(strstr(stat, "98765") - stat) + strlen("98765");

	for (size_t size = 0; size <= strlen(stat); size++) {
		uint64_t ticks = 0;
		int r = parse_process_start(stat, size, &ticks);

		assert_int_equal(r == 0, size > there);
		assert_int_equal(ticks, size > there ? 98765 : 0);
	}
	(void)state;
}

static void names(void **state)
{
	struct parse_process_status s;
	struct parse_process_oom o;
	struct parse_process_cgroups c;
	const char *given = "Name:\ta\\nUid:\t0\nPPid:\t1\nUid:\t7\t0\n";
	char longer[400];

	/* An escaped newline in a name cannot forge a line. */
	assert_int_equal(parse_process_status(given, strlen(given), &s), 0);
	assert_string_equal(s.name, "a?Uid:?0");
	assert_int_equal(s.uid, 7);
	assert_int_equal(parse_process_status(STATUS, strlen(STATUS), &s), 0);
	assert_string_equal(s.name, "x y\\z");
	assert_int_equal(parse_process_oom(KILLED, strlen(KILLED), &o), 0);
	assert_string_equal(o.name, "a) b");
	assert_int_equal(o.time_us, 5140900);
	assert_int_equal(parse_process_oom(LIMIT, strlen(LIMIT), &o), 0);
	assert_string_equal(o.cgroup, "/demo/a,b");
	assert_int_equal(parse_process_cgroups(CGROUPS, strlen(CGROUPS), "memory", &c), 0);
	assert_string_equal(c.v1, "/demo:x/apps");
	assert_string_equal(c.v2, "/user.slice");
	assert_int_equal(parse_process_cgroups(CGROUPS, strlen(CGROUPS), "cpu", &c), 0);
	assert_string_equal(c.v1, "/demo:x/apps");
	assert_int_equal(parse_process_cgroups(CGROUPS, strlen(CGROUPS), "freezer", &c), 0);
	assert_string_equal(c.v1, "");
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "0::/", 4);
	longer[sizeof(longer) - 1] = '\n';
	assert_int_equal(parse_process_cgroups(longer, sizeof(longer), "memory", &c), -ENAMETOOLONG);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures),
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(damaged),
		cmocka_unit_test(start_ticks_cut),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("parse_process", tests, NULL, NULL);
}
