/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "sense/survey.h"
#include "tree.h"

#define MAX 16

struct seen {
	uint32_t count;
	struct process process[MAX];
};

static struct seen take(struct survey *s, int cgroup_fd, const struct survey_protect *protect)
{
	const struct survey_request q = { cgroup_fd, protect };
	struct seen seen = { 0 };

	assert_int_equal(survey_take(s, &q, seen.process, MAX, &seen.count), 0);
	return seen;
}

static const struct process *find(const struct seen *seen, int32_t pid)
{
	for (uint32_t i = 0; i < seen->count; i++)
		if (seen->process[i].pid == pid)
			return &seen->process[i];
	return NULL;
}

static void whole_machine(void **state)
{
	static const int32_t pids[] = { 204 };
	static const char *const names[] = { "mon*" };
	const struct survey_protect protect = { pids, 1, names, 1, NULL, 0 };
	static const struct process expect[] = {
		{1, 0, 0, 0, 5, 400 * KIB, 0, true, true, "init"},
		{2, 0, 0, 0, 0, 0, 0, true, true, "kthreadd"},
		{200, 1, 1000, 0, 50000, 2816 * KIB, 0, true, true, "monitor"},
		{201, 200, 1001, -500, 60000, 8192 * KIB, 0, false, true, "a) (b S 1"},
		/* Started 20 s ago, and no baseline was ever taken: all it has. */
		{202, 201, 4294967294, 1000, 98000, 1024 * KIB, 1024 * KIB, false, true,
		 "new?line"},
		{203, 201, 0, 0, 0, 0, 0, true, true, "zombie"},
		{204, 1, 100, -900, 900, 3000 * KIB, 0, true, true, "dbus-daemon"},
	};
	struct survey *s = NULL;
	struct seen seen;
	struct tree t;

	tree_open(&t, "root-v2");
	assert_int_equal(survey_open(t.root, 64, &s), 0);
	seen = take(s, -1, &protect);
	assert_int_equal(seen.count, ARRAY_LEN(expect));
	for (size_t i = 0; i < ARRAY_LEN(expect); i++) {
		const struct process *p = find(&seen, expect[i].pid), *e = &expect[i];
		uint64_t kernel_bytes;

		assert_non_null(p);
		kernel_bytes = e->memory_bytes ? SURVEY_KERNEL_BYTES + p->page_table_bytes : 0;
		assert_int_equal(p->kernel_bytes, kernel_bytes);
		assert_string_equal(p->name, e->name);
		assert_int_equal(p->parent, e->parent);
		assert_int_equal(p->uid, e->uid);
		assert_int_equal(p->oom_score_adj, e->oom_score_adj);
		assert_int_equal(p->start_ticks, e->start_ticks);
		assert_int_equal(p->memory_bytes, e->memory_bytes + kernel_bytes);
		assert_int_equal(p->kernel_growth_bytes, e->growth_bytes ? kernel_bytes : 0);
		assert_int_equal(p->growth_bytes, e->growth_bytes + p->kernel_growth_bytes);
		assert_int_equal(p->is_protected, e->is_protected);
		assert_true(p->in_domain);
	}
	survey_close(s);
	tree_close(&t);
	(void)state;
}

/* By path and cgroup, which are read for it alone; who cannot be read is in no such list. */
static void lists_by_path_and_cgroup(void **state)
{
	static const char *const picks[] = { "/usr/bin/mon*", "unit:logger.service" };
	static const char *const preferred[] = { "cgroup:/apps", "uid:1001" };
	const struct survey_protect protect = { .picks = picks, .picks_count = 2,
						.preferred = preferred, .preferred_count = 2 };
	struct survey *s = NULL;
	struct seen seen;
	char link[96];
	struct tree t;

	tree_open(&t, "root-v2");
	snprintf(link, sizeof(link), "%s/proc/200/exe", t.root);
	(void)unlink(link);
	assert_int_equal(symlink("/usr/bin/monitor", link), 0);
	tree_write(&t, "proc/204/cgroup", "0::/system.slice/logger.service\n");
	tree_write(&t, "proc/202/cgroup", "0::/apps/x\n");
	assert_int_equal(survey_open(t.root, 64, &s), 0);
	seen = take(s, -1, &protect);
	assert_true(find(&seen, 200)->is_protected);
	assert_true(find(&seen, 204)->is_protected);
	assert_false(find(&seen, 201)->is_protected);
	assert_true(find(&seen, 201)->is_preferred); /* its user */
	assert_true(find(&seen, 202)->is_preferred);
	assert_false(find(&seen, 200)->is_preferred);
	survey_close(s);
	tree_close(&t);
	(void)state;
}

static void write_memory(const struct tree *t, int32_t pid, uint64_t kib)
{
	char path[64], content[256];

	snprintf(path, sizeof(path), "proc/%d/status", pid);
	snprintf(content, sizeof(content),
		 "Name:\tx\nPPid:\t1\nUid:\t0\t0\nVmRSS:\t1 kB\nRssAnon:\t%llu kB\n",
		 (unsigned long long)kib);
	tree_write(t, path, content);
}

static void write_threads(const struct tree *t, int32_t pid, const char *count)
{
	char path[64], content[256];

	snprintf(path, sizeof(path), "proc/%d/status", pid);
	snprintf(content, sizeof(content),
		 "Name:\tx\nPPid:\t1\nUid:\t0\t0\n"
		 "VmRSS:\t4096 kB\nRssAnon:\t4096 kB\nThreads:\t%s\n", count);
	tree_write(t, path, content);
}

static void write_start(const struct tree *t, int32_t pid, uint64_t ticks)
{
	char path[64], content[256];

	snprintf(path, sizeof(path), "proc/%d/stat", pid);
	snprintf(content, sizeof(content),
		 "%d (x) S 1 1 1 0 -1 4194304 101 0 0 0 0 0 0 0 20 0 1 0 %llu 1 1\n", pid,
		 (unsigned long long)ticks);
	tree_write(t, path, content);
}

/* Threads are the kernel's memory: their stacks stand in no figure of the process. */
static void threads_are_growth(void **state)
{
	static const struct {
		const char *name, *before, *after;
		uint64_t expect_kib;
	} rows[] = {
		{ "one more", "1", "2", SURVEY_THREAD_BYTES / KIB },
		{ "a thousand more", "3", "1003", 1000 * SURVEY_THREAD_BYTES / KIB },
		{ "as many", "1003", "1003", 0 },
		{ "fewer", "1003", "3", 0 },
		{ "0, which the kernel never says", "1", "0", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct process *p;
		struct survey *s = NULL;
		struct seen seen;
		struct tree t;

		tree_open(&t, "root-v2");
		assert_int_equal(survey_open(t.root, 64, &s), 0);
		write_threads(&t, 201, rows[i].before);
		assert_int_equal(survey_baseline_reset(s), 0);
		write_threads(&t, 201, rows[i].after);
		seen = take(s, -1, NULL);
		p = find(&seen, 201);
		if (p->growth_bytes != rows[i].expect_kib * KIB || p->kernel_growth_bytes != p->growth_bytes)
			fail_msg("%s: %llu, of it the kernel's %llu", rows[i].name,
				 (unsigned long long)p->growth_bytes,
				 (unsigned long long)p->kernel_growth_bytes);
		survey_close(s);
		tree_close(&t);
	}
	(void)state;
}

/* A count that cannot be is no process of ours: it is left out, not believed. */
static void threads_without_end(void **state)
{
	struct survey *s = NULL;
	struct seen seen;
	struct tree t;

	tree_open(&t, "root-v2");
	write_threads(&t, 201, "18446744073709551615");
	assert_int_equal(survey_open(t.root, 64, &s), 0);
	seen = take(s, -1, NULL);
	assert_null(find(&seen, 201));
	assert_non_null(find(&seen, 202));
	survey_close(s);
	tree_close(&t);
	(void)state;
}

static void write_files(const struct tree *t, int32_t pid, unsigned room, unsigned open_files)
{
	char path[PATH_MAX], content[256];

	snprintf(path, sizeof(path), "proc/%d/status", pid);
	snprintf(content, sizeof(content),
		 "Name:\tx\nPPid:\t1\nUid:\t0\t0\nFDSize:\t%u\nVmRSS:\t4096 kB\n", room);
	tree_write(t, path, content);
	snprintf(path, sizeof(path), "%s/proc/%d/fd", t->root, pid);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	for (unsigned i = 0; i < open_files; i++) {
		snprintf(path, sizeof(path), "%s/proc/%d/fd/%u", t->root, pid, i);
		assert_true(symlink("socket:[1]", path) == 0 || errno == EEXIST);
	}
}

/* Row: the table's room and what is open in it, and how many of them count. */
static void files_are_growth(void **state)
{
	static const struct {
		const char *name;
		unsigned room, open_files, expect;
	} rows[] = {
		{ "few", 256, 200, 0 },
		{ "just below what is looked at", SURVEY_FILES_LEAST, SURVEY_FILES_LEAST, 0 },
		{ "many", 1024, 700, 700 },
		{ "a high number, but few files", 1 << 20, 5, 5 },
		{ "more than is counted", 65536, SURVEY_FILES_MOST + 1, 65536 / 2 },
		{ "more than is counted, in a table that is not twice as large", 4096,
		  SURVEY_FILES_MOST, SURVEY_FILES_MOST },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct process *p;
		struct survey *s = NULL;
		uint64_t counted;
		struct seen seen;
		struct tree t;

		tree_open(&t, "root-v2");
		write_files(&t, 201, 64, 0);
		assert_int_equal(survey_open(t.root, 64, &s), 0);
		assert_int_equal(survey_baseline_reset(s), 0);
		write_files(&t, 201, rows[i].room, rows[i].open_files);
		seen = take(s, -1, NULL);
		p = find(&seen, 201);
		counted = p->growth_bytes / SURVEY_FILE_BYTES;
		/* the directory is listed in pieces: the last one is counted whole */
		if (counted < rows[i].expect || counted > rows[i].expect + 200 ||
		    (rows[i].open_files < SURVEY_FILES_MOST && counted != rows[i].expect))
			fail_msg("%s: %llu", rows[i].name, (unsigned long long)counted);
		survey_close(s);
		tree_close(&t);
	}
	(void)state;
}

/* Row: what a process becomes after the baseline, and how much it then has grown. */
static void growth_since_baseline(void **state)
{
	static const struct {
		const char *name;
		uint64_t kib, start_ticks, expect_kib;
	} rows[] = {
		{ "unchanged", 8192, 60000, 0 },
		{ "grown", 10000, 60000, 1808 },
		{ "shrunk", 100, 60000, 0 },
		{ "another one of the same pid, young", 10000, 99000, 10000 },
		{ "another one of the same pid, old", 10000, 60001, 0 },
		{ "started in the future (clock of a container)", 10000, 999999999, 10000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct survey *s = NULL;
		uint64_t grown_bytes;
		struct seen seen;
		struct tree t;

		tree_open(&t, "root-v2");
		assert_int_equal(survey_open(t.root, 64, &s), 0);
		assert_int_equal(survey_baseline_reset(s), 0);
		write_memory(&t, 201, rows[i].kib);
		write_start(&t, 201, rows[i].start_ticks);
		seen = take(s, -1, NULL);
		grown_bytes = find(&seen, 201)->growth_bytes - find(&seen, 201)->kernel_growth_bytes;
		if (grown_bytes != rows[i].expect_kib * KIB)
			fail_msg("%s: %llu", rows[i].name, (unsigned long long)grown_bytes);
		assert_int_equal(find(&seen, 202)->growth_bytes, 0); /* young, but was there */
		survey_close(s);
		tree_close(&t);
	}
	(void)state;
}

/* Who comes between the baseline and a new fall has not grown; who was there keeps what is known of it. */
static void newcomers(void **state)
{
	const struct process *old, *newcomer;
	struct survey *s = NULL;
	struct seen seen;
	struct tree t;

	tree_open(&t, "root-v2");
	assert_int_equal(survey_open(t.root, 64, &s), 0);
	write_memory(&t, 201, 1000);
	write_memory(&t, 202, 1000);
	assert_int_equal(survey_baseline_reset(s), 0);
	write_memory(&t, 201, 5000);
	write_start(&t, 202, 99000); /* another one has the pid */
	write_memory(&t, 202, 7000);
	assert_int_equal(survey_baseline_extend(s), 0);
	write_memory(&t, 202, 7300);
	seen = take(s, -1, NULL);
	old = find(&seen, 201);
	newcomer = find(&seen, 202);
	assert_int_equal(old->growth_bytes, 4000 * KIB);
	assert_int_equal(newcomer->growth_bytes, 300 * KIB);
	assert_false(newcomer->is_new);
	survey_close(s);
	tree_close(&t);
	(void)state;
}

/* Who cannot be read for a new baseline, or all when there is no time to be had, is no newcomer for it. */
static void a_baseline_that_fails(void **state)
{
	struct survey *s = NULL;
	struct seen seen;
	struct tree t;

	tree_open(&t, "root-v2");
	assert_int_equal(survey_open(t.root, 64, &s), 0);
	write_memory(&t, 201, 1000);
	assert_int_equal(survey_baseline_reset(s), 0);
	write_memory(&t, 201, 1300);
	tree_write(&t, "proc/uptime", "");
	assert_true(survey_baseline_reset(s) < 0);
	tree_write(&t, "proc/uptime", "1000.00 0.00\n");
	seen = take(s, -1, NULL);
	assert_int_equal(find(&seen, 201)->growth_bytes, 300 * KIB);
	tree_write(&t, "proc/201/oom_score_adj", "");
	assert_int_equal(survey_baseline_reset(s), 0);
	tree_write(&t, "proc/201/oom_score_adj", "0\n");
	seen = take(s, -1, NULL);
	assert_int_equal(find(&seen, 201)->growth_bytes, 300 * KIB);
	survey_close(s);
	tree_close(&t);
	(void)state;
}

/* More processes than can be remembered: some have no baseline, none has a wrong one. */
static void small_memory(void **state)
{
	struct survey *s = NULL;
	struct seen seen;
	struct tree t;

	for (uint32_t max = 0; max < 4; max++) {
		tree_open(&t, "root-v2");
		assert_int_equal(survey_open(t.root, max, &s), 0);
		for (int again = 0; again < 3; again++)
			assert_int_equal(survey_baseline_reset(s), 0);
		seen = take(s, -1, NULL);
		for (uint32_t i = 0; i < seen.count; i++)
			assert_int_equal((seen.process[i].growth_bytes -
					  seen.process[i].kernel_growth_bytes) % (1024 * KIB), 0);
		assert_int_equal(find(&seen, 201)->growth_bytes, 0);
		survey_close(s);
		tree_close(&t);
	}
	(void)state;
}

static void one_cgroup(void **state)
{
	struct survey *s = NULL;
	struct seen seen;
	struct tree t;
	char path[128], procs[60000] = "";
	size_t used = 0;
	int fd;

	tree_open(&t, "root-v2");
	assert_int_equal(survey_open(t.root, 64, &s), 0);
	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/demo/apps", t.root);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	for (int again = 0; again < 2; again++) {
		seen = take(s, fd, NULL);
		assert_int_equal(seen.count, 3); /* its own, and those of the cgroup below */
		assert_non_null(find(&seen, 200));
		assert_non_null(find(&seen, 201));
		assert_non_null(find(&seen, 202));
	}
	/* Longer than one piece, with pids that are no more, and things that are no pids. */
	for (int pid = 100000; pid < 106000; pid++)
		used += (size_t)snprintf(procs + used, sizeof(procs) - used, "%d\n", pid);
	snprintf(procs + used, sizeof(procs) - used,
		 "0\n-7\n99999999999999999999\n4294967497\n204\n");
	tree_write(&t, "sys/fs/cgroup/demo/apps/cgroup.procs", procs);
	seen = take(s, fd, NULL);
	assert_int_equal(seen.count, 3);
	assert_non_null(find(&seen, 204));
	close(fd);
	survey_close(s);
	tree_close(&t);
	(void)state;
}

static void bad_input(void **state)
{
	const struct survey_request whole = { .cgroup_fd = -1 };
	struct survey *s = NULL;
	struct process process[MAX];
	uint32_t count = 77;
	struct seen seen;
	struct tree t;

	assert_int_equal(survey_open("/does/not/exist", 64, &s), -ENOENT);
	assert_int_equal(survey_open("/dev", 64, &s), -ENOENT);
	tree_open(&t, "root-v2");
	assert_int_equal(survey_open(t.root, 64, &s), 0);
	/* Full: what fits is there. */
	assert_int_equal(survey_take(s, &whole, process, 3, &count), -ENOBUFS);
	assert_int_equal(count, 3);
	/* A process that ends in mid-survey, or whose files are not understood, is left out. */
	tree_remove(&t, "proc/201/stat");
	tree_write(&t, "proc/202/status", "Name:\tx\nPPid:\t-1\n");
	tree_write(&t, "proc/204/oom_score_adj", "");
	seen = take(s, -1, NULL);
	assert_int_equal(seen.count, 4);
	tree_remove(&t, "proc/uptime");
	count = 77;
	assert_int_equal(survey_take(s, &whole, process, MAX, &count), -ENOENT);
	assert_int_equal(count, 77);
	survey_close(s);
	tree_close(&t);
	(void)state;
}

/* The real /proc: this process is there, protected, with the memory that it has. */
static void this_machine(void **state)
{
	const struct survey_request whole = { .cgroup_fd = -1 };
	static struct process process[32768];
	struct survey *s = NULL;
	uint32_t count = 0;
	bool found = false;

	assert_int_equal(survey_open(NULL, 32768, &s), 0);
	assert_int_equal(survey_baseline_reset(s), 0);
	memset(process, 0, sizeof(process)); /* grow */
	assert_int_equal(survey_take(s, &whole, process, ARRAY_LEN(process), &count), 0);
	for (uint32_t i = 0; i < count; i++) {
		if (process[i].pid != getpid())
			continue;
		found = true;
		assert_true(process[i].is_protected);
		assert_int_equal(process[i].parent, getppid());
		assert_int_equal(process[i].uid, getuid());
		assert_true(process[i].memory_bytes >= sizeof(process));
		assert_true(process[i].growth_bytes >= sizeof(process) / 2);
	}
	assert_true(found);
	survey_close(s);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_machine),
		cmocka_unit_test(lists_by_path_and_cgroup),
		cmocka_unit_test(growth_since_baseline),
		cmocka_unit_test(newcomers),
		cmocka_unit_test(a_baseline_that_fails),
		cmocka_unit_test(threads_are_growth),
		cmocka_unit_test(threads_without_end),
		cmocka_unit_test(files_are_growth),
		cmocka_unit_test(small_memory),
		cmocka_unit_test(one_cgroup),
		cmocka_unit_test(bad_input),
		cmocka_unit_test(this_machine),
	};

	return cmocka_run_group_tests_name("survey", tests, NULL, NULL);
}
