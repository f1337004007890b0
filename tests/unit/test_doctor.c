/* SPDX-License-Identifier: MIT */
/* What doctor says of a kernel's files: each check both ways, and files that no kernel writes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tree.h"

#include "doctor_tree.h"

#define VM     "proc/sys/vm/"
#define CG     "sys/fs/cgroup/"
#define X10    "xxxxxxxxxx"
#define X100   X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1000  X100 X100 X100 X100 X100 X100 X100 X100 X100 X100
#define X10000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000

/* Each changes one row only, unless its name begins with '*'. */
static const struct doctor_case cases[] = {
	{"nothing is missing", {{NULL}}, "psi", CHECKUP_OK, "counts stalls", NULL},
	{"no PSI",
	 {{"proc/pressure/memory", NULL}},
	 "psi",
	 CHECKUP_MISSING,
	 "does not count",
	 "psi=1"},
	{"PSI is empty",
	 {{"proc/pressure/memory", ""}},
	 "psi",
	 CHECKUP_UNSEEN,
	 "nothing that a kernel",
	 NULL},
	{"PSI is another file",
	 {{"proc/pressure/memory", X10000}},
	 "psi",
	 CHECKUP_UNSEEN,
	 "nothing that a kernel",
	 NULL},

	{"tripwire", {{NULL}}, "tripwire", CHECKUP_OK, "with its memory controller", NULL},
	{"v2 without memory",
	 {{CG "cgroup.controllers", "cpu pids\n"}},
	 "tripwire",
	 CHECKUP_MISSING,
	 "without its memory",
	 "cgroup_enable=memory"},
	{"memory is a whole word",
	 {{CG "cgroup.controllers", "memory2 xmemory\n"}},
	 "tripwire",
	 CHECKUP_MISSING,
	 "without its memory",
	 NULL},
	{"controllers are not there",
	 {{CG "cgroup.controllers", NULL}},
	 "tripwire",
	 CHECKUP_UNSEEN,
	 "there is no sys/fs/cgroup/cgroup.controllers",
	 NULL},
	{"*v1 only",
	 {{"proc/mounts", "none /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"}},
	 "tripwire",
	 CHECKUP_MISSING,
	 "not mounted",
	 "unified_cgroup_hierarchy"},
	{"*no mounts",
	 {{"proc/mounts", NULL}},
	 "tripwire",
	 CHECKUP_UNSEEN,
	 "there is no proc/mounts",
	 NULL},
	{"*mounts of nobody",
	 {{"proc/mounts", X10000 "\n\n \n0\n"}},
	 "tripwire",
	 CHECKUP_MISSING,
	 "not mounted",
	 NULL},

	{"freeze", {{NULL}}, "freeze", CHECKUP_OK, "cgroup.freeze", NULL},
	{"no freezer",
	 {{CG "system.slice/cgroup.freeze", NULL}},
	 "freeze",
	 CHECKUP_MISSING,
	 "no cgroup can",
	 "5.2"},
	{"the v1 freezer",
	 {{CG "system.slice/cgroup.freeze", NULL},
	  {"proc/mounts", MOUNTS "none /sys/fs/cgroup/freezer cgroup rw,freezer 0 0\n"}},
	 "freeze",
	 CHECKUP_WARN,
	 "v1 freezer",
	 NULL},
	{"*no cgroup yet, new kernel",
	 {{CG "system.slice", NULL}},
	 "freeze",
	 CHECKUP_OK,
	 "cgroup.freeze",
	 NULL},
	{"*no cgroup yet, old kernel",
	 {{CG "system.slice", NULL}, {"proc/sys/kernel/osrelease", "5.1.9\n"}},
	 "freeze",
	 CHECKUP_MISSING,
	 "no cgroup",
	 NULL},

	{"cgroup.kill", {{NULL}}, "cgroup-kill", CHECKUP_OK, "cgroup.kill", NULL},
	{"no cgroup.kill",
	 {{CG "system.slice/cgroup.kill", NULL}},
	 "cgroup-kill",
	 CHECKUP_WARN,
	 "no cgroup has",
	 "5.14"},

	{"pidfd", {{NULL}}, "pidfd", CHECKUP_OK, "by pidfd", NULL},
	{"*no pidfd_open",
	 {{"proc/sys/kernel/osrelease", "5.2.21-rt\n"}},
	 "pidfd",
	 CHECKUP_MISSING,
	 "no signals",
	 "5.3"},
	{"*a release of nobody",
	 {{"proc/sys/kernel/osrelease", "six\n"}},
	 "pidfd",
	 CHECKUP_UNSEEN,
	 "osrelease",
	 NULL},
	{"*an empty release",
	 {{"proc/sys/kernel/osrelease", ""}},
	 "process-mrelease",
	 CHECKUP_UNSEEN,
	 "osrelease",
	 NULL},
	{"process_mrelease", {{NULL}}, "process-mrelease", CHECKUP_OK, "process_mrelease()", NULL},
	{"no process_mrelease",
	 {{"proc/sys/kernel/osrelease", "5.14.0\n"}},
	 "process-mrelease",
	 CHECKUP_WARN,
	 "no process_mrelease",
	 "5.15"},

	{"boost is 0", {{NULL}}, "watermark-boost", CHECKUP_OK, "factor=0", NULL},
	{"boost",
	 {{VM "watermark_boost_factor", "15000\n"}},
	 "watermark-boost",
	 CHECKUP_MISSING,
	 "factor=15000",
	 "vm.watermark_boost_factor=0"},
	{"before Linux 5.0",
	 {{VM "watermark_boost_factor", NULL}},
	 "watermark-boost",
	 CHECKUP_OK,
	 "boosts no watermarks",
	 NULL},
	{"boost is empty",
	 {{VM "watermark_boost_factor", ""}},
	 "watermark-boost",
	 CHECKUP_UNSEEN,
	 "nothing that a kernel",
	 NULL},
	{"boost is a word",
	 {{VM "watermark_boost_factor", "\033[31mred\n"}},
	 "watermark-boost",
	 CHECKUP_UNSEEN,
	 "nothing that a kernel",
	 NULL},
	{"boost is too much",
	 {{VM "watermark_boost_factor", "99999999999999999999\n"}},
	 "watermark-boost",
	 CHECKUP_UNSEEN,
	 "nothing that a kernel",
	 NULL},
	{"boost has two figures",
	 {{VM "watermark_boost_factor", "0 1\n"}},
	 "watermark-boost",
	 CHECKUP_UNSEEN,
	 "nothing that a kernel",
	 NULL},
	{"boost is huge",
	 {{VM "watermark_boost_factor", X10000}},
	 "watermark-boost",
	 CHECKUP_UNSEEN,
	 "nothing that a kernel",
	 NULL},
	{"boost is a directory",
	 {{VM "watermark_boost_factor", NULL}, {VM "watermark_boost_factor/x", "0\n"}},
	 "watermark-boost",
	 CHECKUP_UNSEEN,
	 "nothing that",
	 NULL},

	{"min_free", {{NULL}}, "min-free", CHECKUP_OK, "is about 1330", NULL},
	{"half of it", {{VM "min_free_kbytes", "665\n"}}, "min-free", CHECKUP_OK, "665", NULL},
	{"less",
	 {{VM "min_free_kbytes", "664\n"}},
	 "min-free",
	 CHECKUP_MISSING,
	 "664",
	 "vm.min_free_kbytes=1330"},
	{"5 %", {{VM "min_free_kbytes", "5525\n"}}, "min-free", CHECKUP_OK, "5525", NULL},
	{"more", {{VM "min_free_kbytes", "8192\n"}}, "min-free", CHECKUP_WARN, "8192", "=1330"},
	{"min_free is negative",
	 {{VM "min_free_kbytes", "-1\n"}},
	 "min-free",
	 CHECKUP_MISSING,
	 "-1",
	 NULL},
	{"min_free is not there",
	 {{VM "min_free_kbytes", NULL}},
	 "min-free",
	 CHECKUP_UNSEEN,
	 "there is no",
	 NULL},
	{"*no total",
	 {{"proc/meminfo", "MemFree: 1 kB\n"}},
	 "min-free",
	 CHECKUP_UNSEEN,
	 "proc/meminfo holds nothing",
	 NULL},
	{"*a total of nothing",
	 {{"proc/meminfo", "MemTotal: 0 kB\nSwapTotal: 0 kB\n"}},
	 "min-free",
	 CHECKUP_UNSEEN,
	 "proc/meminfo",
	 NULL},

	{"overcommit", {{NULL}}, "overcommit", CHECKUP_OK, "=0", NULL},
	{"overcommit always",
	 {{VM "overcommit_memory", "1\n"}},
	 "overcommit",
	 CHECKUP_OK,
	 "=1",
	 NULL},
	{"overcommit never",
	 {{VM "overcommit_memory", "2\n"}},
	 "overcommit",
	 CHECKUP_WARN,
	 "14.9 MiB are left",
	 "=0"},
	{"*overcommit never, nothing left",
	 {{VM "overcommit_memory", "2\n"},
	  {"proc/meminfo",
	   "MemTotal: 110592 kB\nSwapTotal: 0 kB\nCommitLimit: 5 kB\nCommitted_AS: 9 kB\n"}},
	 "overcommit",
	 CHECKUP_WARN,
	 "0 B are left",
	 NULL},

	{"no panic", {{NULL}}, "panic-on-oom", CHECKUP_OK, "=0", NULL},
	{"panic", {{VM "panic_on_oom", "1\n"}}, "panic-on-oom", CHECKUP_MISSING, "=1", "=0"},
	{"panic always", {{VM "panic_on_oom", "2\n"}}, "panic-on-oom", CHECKUP_MISSING, "=2", "=0"},
	{"by badness", {{NULL}}, "kills-who-asks", CHECKUP_OK, "=0", NULL},
	{"who asks",
	 {{VM "oom_kill_allocating_task", "1\n"}},
	 "kills-who-asks",
	 CHECKUP_MISSING,
	 "=1",
	 "=0"},

	{"no swap", {{NULL}}, "swap", CHECKUP_OK, "none", NULL},
	{"zram",
	 {{"proc/meminfo", "MemTotal: 110592 kB\nSwapTotal: 49152 kB\n"},
	  {"proc/swaps", "Filename Type\n/dev/zram0 partition 49152 0 100\n"}},
	 "swap",
	 CHECKUP_OK,
	 "48.0 MiB of zram",
	 NULL},
	{"a disk",
	 {{"proc/meminfo", "MemTotal: 110592 kB\nSwapTotal: 49152 kB\n"},
	  {"proc/swaps",
	   "Filename Type\n/dev/zram0 partition 9 0 100\n/dev/mmcblk0p2 partition 9 0 1\n"}},
	 "swap",
	 CHECKUP_WARN,
	 "on a disk",
	 "MemorySwapMax=0"},
	{"*no line of swap",
	 {{"proc/meminfo", "MemTotal: 110592 kB\n"}},
	 "swap",
	 CHECKUP_UNSEEN,
	 "proc/meminfo",
	 NULL},
};

static void rows(void **state)
{
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct doctor_case *k = &cases[i];
		struct facts f;
		struct tree t;

		print_message("# %s\n", k->name);
		doctor_open(&t);
		for (unsigned n = 0; n < 3 && k->file[n].path; n++)
			doctor_write(&t, &k->file[n]);
		facts_read(&f, t.root, NULL);
		doctor_judge(k, &f, k->name[0] != '*');
		tree_close(&t);
	}
	(void)state;
}

/* Not as root: it can read all. */
static void hidden_file(void **state)
{
	static const struct doctor_case hidden = {"hidden",
						  {{NULL}},
						  "watermark-boost",
						  CHECKUP_UNSEEN,
						  "cannot be read: Permission denied",
						  "as root"};
	struct facts f = {0};
	struct tree t;

	doctor_open(&t);
	facts_read(&f, t.root, NULL);
	f.boost = figure_of(-EACCES, 0);
	doctor_judge(&hidden, &f, true);
	tree_close(&t);
	(void)state;
}

static void no_tree(void **state)
{
	struct checkup_row have[CHECKUP_MAX];
	struct facts f;

	facts_read(&f, "/nonexistent/failsoft", NULL);
	assert_int_equal(f.proc.state, FIGURE_ABSENT);
	assert_int_equal(checkup_run(&f, have), 0);
	(void)state;
}

/* This very machine, whatever it is: each row says something. */
static void here(void **state)
{
	struct checkup_row have[CHECKUP_MAX];
	struct facts f;
	uint32_t count;

	facts_read(&f, NULL, NULL);
	count = checkup_run(&f, have);
	assert_true(count >= 15);
	for (uint32_t i = 0; i < count; i++)
		assert_true(have[i].found[0] &&
			    (have[i].state != CHECKUP_MISSING || have[i].fix[0]));
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(hidden_file),
		cmocka_unit_test(no_tree),
		cmocka_unit_test(here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
