/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "sense/pidwalk.h"
#include "tree.h"

#define MAX	8192
#define APPS	"sys/fs/cgroup/demo/apps"

struct place {
	struct tree tree;
	struct pidwalk walk;
	int proc_fd, cgroup_fd;
};

static int open_below(const struct place *p, const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", p->tree.root, path);
	return open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int place_open(void **state)
{
	static struct place p;

	tree_open(&p.tree, "root-v2");
	p.proc_fd = open_below(&p, "proc");
	p.cgroup_fd = open_below(&p, APPS);
	pidwalk_init(&p.walk, p.proc_fd);
	*state = &p;
	return p.proc_fd < 0 || p.cgroup_fd < 0;
}

static int place_close(void **state)
{
	struct place *p = *state;

	pidwalk_fini(&p->walk);
	close(p->proc_fd);
	close(p->cgroup_fd);
	tree_close(&p->tree);
	return 0;
}

static void make(const struct place *p, const char *below, const char *procs)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/" APPS "/%s", p->tree.root, below);
	tree_run("mkdir -p '%s'%s", path, "");
	if (!procs)
		return;
	snprintf(path, sizeof(path), APPS "/%s/cgroup.procs", below);
	tree_write(&p->tree, path, procs);
}

/* A whole round as a set; *ret_count with those that came twice. */
static const bool *walk(struct place *p, uint32_t *ret_count)
{
	static bool seen[MAX];
	int32_t pid;
	int r;

	memset(seen, 0, sizeof(seen));
	*ret_count = 0;
	while ((r = pidwalk_next(&p->walk, &pid)) > 0) {
		assert_in_range(pid, 1, MAX - 1);
		seen[pid] = true;
		assert_true(++*ret_count < 10 * MAX);
	}
	assert_int_equal(r, 0);
	return seen;
}

static unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void the_machine(void **state)
{
	struct place *p = *state;
	const bool *seen;
	uint32_t count;

	for (int again = 0; again < 3; again++) {
		seen = walk(p, &count);
		assert_int_equal(count, 7);
		assert_true(seen[1] && seen[2] && seen[200] && seen[204]);
	}
	/* More than one piece; and names that are no pids. */
	for (int pid = 1000; pid < 1600; pid += 2) {
		char path[128];

		snprintf(path, sizeof(path), "%s/proc/%d", p->tree.root, pid);
		assert_int_equal(mkdir(path, 0755), 0);
		snprintf(path, sizeof(path), "%s/proc/%dx", p->tree.root, pid);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	make(p, "../../../../../proc/0", NULL);
	make(p, "../../../../../proc/99999999999", NULL);
	seen = walk(p, &count);
	assert_int_equal(count, 307);
	assert_true(seen[1000] && seen[1598] && !seen[1001]);
}

static void all_below(void **state)
{
	struct place *p = *state;
	const bool *seen;
	uint32_t count;
	char deep[256] = "deep";
	unsigned before = open_files();

	make(p, "aside", "");
	make(p, "aside/more", "");
	make(p, "aside/more/yet", "300\n301\n");
	make(p, "aside/second", "302\n");
	make(p, "no-cgroup", NULL);
	make(p, ".hidden", "666\n");
	for (int i = 0; i < 20; i++) {
		char procs[16];

		snprintf(procs, sizeof(procs), "%d\n", 400 + i);
		make(p, deep, procs);
		strcat(deep, "/d");
	}
	for (int i = 0; i < 100; i++) {
		char name[32], procs[16];

		snprintf(name, sizeof(name), "many-%d.service", i);
		snprintf(procs, sizeof(procs), "%d\n", 500 + i);
		make(p, name, procs);
	}
	pidwalk_within(&p->walk, p->cgroup_fd);
	for (int again = 0; again < 3; again++) {
		seen = walk(p, &count);
		/* Its own three, and one per depth as far as we go: 16 with apps itself. */
		assert_int_equal(count, 3 + 3 + PIDWALK_DEPTH_MAX - 1 + 100);
		assert_true(seen[200] && seen[201] && seen[202] && seen[301] && seen[302]);
		assert_true(seen[400] && seen[414] && !seen[415] && seen[500] && seen[599]);
		assert_false(seen[666]);
	}
	assert_int_equal(open_files(), before);
}

static void long_and_odd_lists(void **state)
{
	struct place *p = *state;
	static char procs[40000];
	const bool *seen;
	uint32_t count;
	size_t used = 0;

	for (int pid = 1000; pid < 7000; pid++)
		used += (size_t)snprintf(procs + used, sizeof(procs) - used, "%d\n", pid);
	snprintf(procs + used, sizeof(procs) - used, "0\n99999999999999999999\n4294967386\n\n8000\n81");
	tree_write(&p->tree, APPS "/cgroup.procs", procs);
	pidwalk_within(&p->walk, p->cgroup_fd);
	seen = walk(p, &count);
	for (int pid = 1000; pid < 7000; pid++)
		assert_true(seen[pid]);
	assert_true(seen[8000]);
	assert_false(seen[81]); /* cut */
	assert_false(seen[90]); /* 2^32 + 90 */
}

static void changes(void **state)
{
	struct place *p = *state;
	unsigned before = open_files();
	uint32_t count;
	int32_t pid = 77;

	pidwalk_within(&p->walk, p->cgroup_fd);
	assert_int_equal(pidwalk_next(&p->walk, &pid), 1);
	pidwalk_within(&p->walk, -1); /* in the middle of it */
	assert_int_equal(open_files(), before);
	(void)walk(p, &count);
	assert_int_equal(count, 7);
	assert_int_equal(pidwalk_next(&p->walk, &pid), 1);
	pidwalk_within(&p->walk, p->cgroup_fd);
	(void)walk(p, &count);
	assert_int_equal(count, 3);
	assert_int_equal(pidwalk_next(&p->walk, &pid), 1);
	tree_remove(&p->tree, APPS);
	while (pidwalk_next(&p->walk, &pid) > 0)
		continue;
	pid = 77;
	assert_int_equal(pidwalk_next(&p->walk, &pid), -ENODEV);
	assert_int_equal(pid, 77);
	assert_int_equal(open_files(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_machine, place_open, place_close),
		cmocka_unit_test_setup_teardown(all_below, place_open, place_close),
		cmocka_unit_test_setup_teardown(long_and_odd_lists, place_open, place_close),
		cmocka_unit_test_setup_teardown(changes, place_open, place_close),
	};

	return cmocka_run_group_tests_name("pidwalk", tests, NULL, NULL);
}
