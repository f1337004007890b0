/* SPDX-License-Identifier: MIT */
/* On real processes of this machine, and on a written tree for what no kernel would say. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "ask/shield.h"
#include "base/units.h"
#include "tree.h"

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void end_sleeper(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int open_root(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void raised_and_restored(void **state)
{
	const int root = open_root("/");
	const pid_t pid = start_sleeper();
	uint64_t start_ticks = 0, again = 0;
	int32_t before = 12345, now = 12345;
	int fd = shield_open(root, pid, &start_ticks), other, r;

	assert_true(fd >= 0 && start_ticks > 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(shield_read(fd, &before), 0);
	r = shield_write(fd, 500); /* everybody may raise it */
	assert_int_equal(r, 0);
	assert_int_equal(shield_read(fd, &now), 0);
	assert_int_equal(now, 500);
	other = shield_open(root, pid, &again); /* another handle sees the same process */
	assert_int_equal(again, start_ticks);
	assert_int_equal(shield_read(other, &now), 0);
	assert_int_equal(now, 500);
	r = shield_write(fd, -999);
	if (r < 0) {
		assert_int_equal(r, -EACCES);
		print_message("# lowering needs CAP_SYS_RESOURCE, which this machine does not give\n");
	} else {
		assert_int_equal(shield_read(fd, &now), 0);
		assert_int_equal(now, -999);
		assert_int_equal(shield_write(fd, before), 0);
		assert_int_equal(shield_read(fd, &now), 0);
		assert_int_equal(now, before);
	}
	assert_int_equal(shield_write(fd, -1001), -EINVAL);
	close(other);
	close(fd);
	close(root);
	end_sleeper(pid);
	(void)state;
}

/* Without the right it is an error with its own number, and nothing has changed. */
static void without_the_right(void **state)
{
	const int root = open_root("/");
	int status;
	pid_t pid;

	if (getuid() != 0) {
		print_message("# skipped: only root can become somebody else\n");
		skip();
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		uint64_t start_ticks;
		int32_t before = 0, after = 1;
		int own, r;

		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(1);
		own = shield_open(root, getppid(), &start_ticks); /* root's process */
		if (own < 0 || shield_read(own, &before) < 0)
			_exit(2);
		r = shield_write(own, -999);
		if (r != -EACCES && r != -EPERM)
			_exit(3);
		_exit(shield_read(own, &after) == 0 && after == before ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(root);
	(void)state;
}

/* The handle names that process for good: once it has ended nobody else can be hit by it. */
static void a_process_that_has_ended(void **state)
{
	const int root = open_root("/");
	const pid_t pid = start_sleeper();
	uint64_t start_ticks = 7;
	int32_t adj = 7;
	int fd = shield_open(root, pid, &start_ticks), r;

	assert_true(fd >= 0);
	end_sleeper(pid);
	r = shield_read(fd, &adj);
	assert_true(r == -ESRCH || r == -ENOENT);
	assert_int_equal(adj, 7);
	r = shield_write(fd, 0);
	assert_true(r == -ESRCH || r == -ENOENT);
	close(fd);
	start_ticks = 7;
	assert_int_equal(shield_open(root, pid, &start_ticks), -ENOENT);
	assert_int_equal(start_ticks, 7);
	close(root);
	(void)state;
}

static void texts_that_are_no_answer(void **state)
{
	static const struct {
		const char *name, *file, *content;
	} rows[] = {
		{ "no start time", "proc/200/stat", "200 (logger) S 1 200\n" },
		{ "an empty stat", "proc/200/stat", "" },
		{ "an empty adj", "proc/200/oom_score_adj", "" },
		{ "a word for adj", "proc/200/oom_score_adj", "none\n" },
		{ "an adj longer than any", "proc/200/oom_score_adj", "-00000000000000000000000017\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t start_ticks = 7;
		int32_t adj = 7;
		struct tree t;
		int root, fd, r;

		tree_open(&t, "root-v2");
		root = open_root(t.root);
		tree_write(&t, rows[i].file, rows[i].content);
		fd = shield_open(root, 200, &start_ticks);
		r = fd < 0 ? fd : shield_read(fd, &adj);
		if (r >= 0 || adj != 7 || (fd < 0 && start_ticks != 7))
			fail_msg("%s: %d, adj %d", rows[i].name, r, (int)adj);
		if (fd >= 0)
			close(fd);
		close(root);
		tree_close(&t);
	}
	(void)state;
}

/* What is written is what the kernel parses: a number and a newline, whatever stood there. */
static void every_value(void **state)
{
	static const int32_t values[] = { -1000, -999, -1, 0, 1, 42, 1000 };
	uint64_t start_ticks;
	struct tree t;
	int root, fd;

	tree_open(&t, "root-v2");
	root = open_root(t.root);
	fd = shield_open(root, 200, &start_ticks);
	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		int32_t adj = 7;

		tree_write(&t, "proc/200/oom_score_adj", ""); /* a plain file is not cut by a write */
		assert_int_equal(shield_write(fd, values[i]), 0);
		assert_int_equal(shield_read(fd, &adj), 0);
		assert_int_equal(adj, values[i]);
	}
	tree_remove(&t, "proc/200");
	assert_int_equal(shield_write(fd, 0), -ENOENT);
	close(fd);
	close(root);
	tree_close(&t);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raised_and_restored),
		cmocka_unit_test(without_the_right),
		cmocka_unit_test(a_process_that_has_ended),
		cmocka_unit_test(texts_that_are_no_answer),
		cmocka_unit_test(every_value),
	};

	return cmocka_run_group_tests_name("shield", tests, NULL, NULL);
}
