/* SPDX-License-Identifier: MIT */
#include "sense/feeders.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "tree.h"

#define NOW	(100 * US_PER_S)

static struct tree tree;
static int root_fd;

static void make(const char *format, int pid, const char *link)
{
	char path[256], rest[128];

	snprintf(rest, sizeof(rest), format, pid);
	snprintf(path, sizeof(path), "%s/%s", tree.root, rest);
	assert_int_equal(link ? symlink(link, path) : mkdir(path, 0755), 0);
}

static void process(int pid, const char *holds)
{
	make("proc/%d", pid, NULL);
	make("proc/%d/fd", pid, NULL);
	make("proc/%d/fd/0", pid, "/dev/null");
	make("proc/%d/fd/7", pid, holds);
}

static int open_tree(void **state)
{
	(void)state;
	strcpy(tree.root, "/tmp/failsoft-tree-XXXXXX");
	assert_non_null(mkdtemp(tree.root));
	make("proc", 0, NULL);
	make("dev", 0, NULL);
	root_fd = open(tree.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root_fd < 0;
}

static int close_tree(void **state)
{
	(void)state;
	close(root_fd);
	tree_close(&tree);
	return 0;
}

/* How many calls a round takes. */
static unsigned round_of(struct feeders *f, uint64_t *now_us)
{
	unsigned calls = 1;

	while (!feeders_step(f, *now_us)) {
		*now_us += US_PER_S;
		assert_true(calls++ < 100);
	}
	return calls;
}

static void who_holds_it(void **state)
{
	struct feeders f;
	uint64_t now_us = NOW;

	(void)state;
	tree_write(&tree, "dev/watchdog0", "");
	process(100, "/dev/watchdog0");
	process(101, "/dev/null");
	process(102, "/tmp/dev/watchdog");
	for (int pid = 200; pid < 300; pid++)
		process(pid, pid == 290 ? "/dev/watchdog" : "socket:[1]");
	feeders_open(&f, root_fd);
	assert_true(round_of(&f, &now_us) >= 4);	/* never all at once */
	assert_int_equal(f.count, 2);
	assert_true(f.pids[0] + f.pids[1] == 390);
	assert_false(feeders_step(&f, now_us + 59 * US_PER_S)); /* and not again at once */
	tree_remove(&tree, "proc/100");
	now_us += 60 * US_PER_S;
	round_of(&f, &now_us);
	assert_int_equal(f.count, 1);
	assert_int_equal(f.pids[0], 290);
	feeders_close(&f);
}

static void without_a_watchdog(void **state)
{
	struct feeders f;

	(void)state;
	process(100, "/dev/watchdog0");
	feeders_open(&f, root_fd);
	assert_true(feeders_step(&f, NOW));	/* nothing was read */
	assert_int_equal(f.count, 0);
	feeders_close(&f);
	tree_remove(&tree, "proc");
	feeders_open(&f, root_fd);
	assert_false(feeders_step(&f, NOW));
	feeders_close(&f);
}

static void many_hold_one(void **state)
{
	struct feeders f;
	uint64_t now_us = NOW;

	(void)state;
	tree_write(&tree, "dev/watchdog", "");
	for (int pid = 100; pid < 120; pid++)
		process(pid, "/dev/watchdog");
	feeders_open(&f, root_fd);
	round_of(&f, &now_us);
	assert_int_equal(f.count, FEEDERS_MAX);
	feeders_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_holds_it, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(without_a_watchdog, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(many_hold_one, open_tree, close_tree),
	};

	return cmocka_run_group_tests_name("feeders", tests, NULL, NULL);
}
