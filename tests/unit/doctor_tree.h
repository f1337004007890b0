/* SPDX-License-Identifier: MIT */
/*
 * Doctor tree: a machine on which nothing is missing, as files, and one change to it. Include after
 * cmocka.h and tree.h.
 */
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include "checkup.h"

#define MEMINFO                                                                                    \
	"MemTotal:         110592 kB\nMemFree:           50000 kB\nSwapTotal:              0 kB\n" \
	"CommitLimit:       55296 kB\nCommitted_AS:      40000 kB\n"
#define MOUNTS "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"
#define STAT(name, priority, policy)                                                               \
	"7 (" name ") S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 5 "                            \
	"9 9 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 " priority " " policy " 0 0 0 0\n"
#define STATUS(locked) "Name:\tx\nPid:\t7\nVmLck:\t    " locked " kB\nVmSwap:\t       0 kB\n"
#define BUS	       "system.slice/dbus.service"

/* content NULL: the file is taken away. */
struct doctor_file {
	const char *path, *content;
};

static const struct doctor_file doctor_good[] = {
	{"proc/meminfo", MEMINFO},
	{"proc/swaps", "Filename Type Size Used Priority\n"},
	{"proc/mounts", MOUNTS},
	{"proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"},
	{"proc/sys/kernel/osrelease", "6.1.0-9-arm64\n"},
	{"proc/sys/vm/watermark_boost_factor", "0\n"},
	{"proc/sys/vm/min_free_kbytes", "1330\n"},
	{"proc/sys/vm/overcommit_memory", "0\n"},
	{"proc/sys/vm/panic_on_oom", "0\n"},
	{"proc/sys/vm/oom_kill_allocating_task", "0\n"},
	{"sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"},
	{"sys/fs/cgroup/system.slice/cgroup.freeze", "0\n"},
	{"sys/fs/cgroup/system.slice/cgroup.kill", ""},
	{"sys/fs/cgroup/system.slice/memory.min", "8388608\n"},
	{"sys/fs/cgroup/" BUS "/memory.min", "8388608\n"},
	{"sys/fs/cgroup/" BUS "/memory.swap.max", "0\n"},
	{"sys/class/watchdog/watchdog0/state", "active\n"},
	{"proc/1/comm", "systemd\n"},
	{"proc/7/comm", "dbus-daemon\n"},
	{"proc/7/cmdline", "/usr/bin/dbus-daemon --system --nofork"},
	{"proc/7/status", STATUS("0")},
	{"proc/7/stat", STAT("dbus-daemon", "0", "0")},
	{"proc/7/oom_score_adj", "-900\n"},
	{"proc/7/cgroup", "0::/" BUS "\n"},
	{"proc/8/comm", "failsoftd\n"},
	{"proc/8/cmdline", "/usr/sbin/failsoftd"},
	{"proc/8/status", STATUS("5120")},
	{"proc/8/stat", STAT("fail) (softd", "10", "1")},
	{"proc/8/oom_score_adj", "-900\n"},
	{"proc/8/cgroup", "0::/failsoftd.service\n"},
	{"proc/9/comm", "failsoft-hold\n"},
	{"proc/9/cmdline",
	 "/usr/libexec/failsoft/failsoft-hold /usr/bin/dbus-daemon /usr/bin/dbus-broker"},
	{"proc/9/status", STATUS("4157")},
	{"proc/20/comm", "ordinary\n"},
};

/* Not by a shell: a machine has 40 files, and there are a hundred machines. */
static inline void doctor_folders(const struct tree *t, const char *path)
{
	char folder[256];

	assert_true(snprintf(folder, sizeof(folder), "%s/%s", t->root, path) < (int)sizeof(folder));
	for (char *at = strchr(folder + strlen(t->root) + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = 0;
		(void)mkdir(folder, 0755); /* most are there */
		*at = '/';
	}
}

static inline void doctor_write(const struct tree *t, const struct doctor_file *f)
{
	if (!f->content) {
		tree_remove(t, f->path);
		return;
	}
	doctor_folders(t, f->path);
	tree_write(t, f->path, f->content);
}

static inline void doctor_open(struct tree *t)
{
	strcpy(t->root, "/tmp/failsoft-tree-XXXXXX");
	assert_non_null(mkdtemp(t->root));
	for (unsigned i = 0; i < sizeof(doctor_good) / sizeof(doctor_good[0]); i++)
		doctor_write(t, &doctor_good[i]);
}

static inline const struct checkup_row *doctor_row(const struct checkup_row *rows, uint32_t count,
						   const char *name)
{
	for (uint32_t i = 0; i < count; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

struct doctor_case {
	const char *name;
	struct doctor_file file[3]; /* up to path NULL */
	const char *check;
	enum checkup_state state;
	const char *found; /* part of what is said */
	const char *fix;   /* part of it, or NULL */
};

/* All other rows stay ok where `alone`. */
static inline void doctor_judge(const struct doctor_case *k, const struct facts *f, bool alone)
{
	struct checkup_row rows[CHECKUP_MAX];
	uint32_t count = checkup_run(f, rows);
	const struct checkup_row *row = doctor_row(rows, count, k->check);

	assert_non_null(row);
	if (row->state != k->state)
		print_error("%s: %s: %s\n", row->name, checkup_state_name(row->state), row->found);
	assert_int_equal(row->state, k->state);
	if (!strstr(row->found, k->found))
		fail_msg("\"%s\" is not in: %s", k->found, row->found);
	if (k->fix && !strstr(row->fix, k->fix))
		fail_msg("\"%s\" is not in: %s", k->fix, row->fix);
	if (k->state == CHECKUP_WARN || k->state == CHECKUP_MISSING)
		assert_true(row->fix[0] && row->why[0]);
	for (uint32_t i = 0; alone && i < count; i++)
		if (&rows[i] != row && rows[i].state != CHECKUP_OK)
			fail_msg("%s, too: %s", rows[i].name, rows[i].found);
}
