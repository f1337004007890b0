/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "act/worker.h"
#include "base/file.h"

static struct worker worker;

static int start(void **state)
{
	(void)state;
	return worker_start(&worker);
}

static int stop(void **state)
{
	(void)state;
	worker_stop(&worker);
	return 0;
}

static int make_file(void)
{
	char path[] = "/tmp/failsoft-worker-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

static struct worker_result next_result(void)
{
	struct worker_result result;

	while (!worker_result(&worker, &result))
		assert_true(worker_wait(&worker, 5000));
	return result;
}

static void expect_text(int fd, const char *text)
{
	char room[32];

	assert_true(file_reread(fd, room, sizeof(room)) >= 0);
	assert_string_equal(room, text);
}

/* In order, each at the file's beginning, as kernfs wants it. The caller may close its descriptor. */
static void writes(void **state)
{
	int fd = make_file(), theirs = dup(fd);
	struct worker_result result;

	assert_true(worker_write(&worker, theirs, "FROZEN", 7));
	assert_true(worker_write(&worker, theirs, "THAWED", 8));
	close(theirs);
	assert_int_equal(next_result().token, 7);
	result = next_result();
	assert_int_equal(result.token, 8);
	assert_int_equal(result.kind, WORKER_WRITE);
	assert_int_equal(result.error, 0);
	expect_text(fd, "THAWED");
	assert_false(worker_result(&worker, &result));
	assert_false(worker_wait(&worker, 0));
	close(fd);
	(void)state;
}

static void failures_come_back(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(worker_write(&worker, fd, "1", 3));
	assert_int_equal(next_result().error, -EBADF);
	close(fd);
	assert_false(worker_write(&worker, fd, "1", 3)); /* no descriptor: nothing was taken */
	(void)state;
}

/* Results that nobody took count, so that there is always room for the next one. */
static void room_for_so_many(void **state)
{
	int fd = make_file();

	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < WORKER_ROOM; i++)
			assert_true(worker_write(&worker, fd, "1", i));
		assert_false(worker_write(&worker, fd, "0", 99));
		for (uint32_t i = 0; i < WORKER_ROOM; i++)
			assert_int_equal(next_result().token, i);
	}
	close(fd);
	(void)state;
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	assert_true(pid > 0);
	return pid;
}

/* Of a process that got SIGKILL it takes the memory; a living one is none of its business. */
static void takes_memory_back(void **state)
{
	pid_t child = start_child();
	int fd = (int)syscall(SYS_pidfd_open, child, 0), error;

	assert_true(worker_mrelease(&worker, fd, 1));
	error = next_result().error;
	if (error == -ENOSYS || error == -EPERM) {
		print_message("# process_mrelease: %s\n", strerror(-error)); /* before Linux 5.15 */
	} else {
		assert_int_equal(error, -EINVAL);
		kill(child, SIGKILL);
		assert_true(worker_mrelease(&worker, fd, 2));
		error = next_result().error;
		assert_true(error == 0 || error == -ESRCH); /* -ESRCH: the end was quicker */
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(fd);
	(void)state;
}

static void ends_with_its_work_done(void **state)
{
	int fd = make_file();

	for (uint32_t i = 0; i + 1 < WORKER_ROOM; i++)
		assert_true(worker_write(&worker, fd, "1", i));
	assert_true(worker_write(&worker, fd, "0", 0));
	worker_stop(&worker);
	expect_text(fd, "0");
	assert_false(worker_write(&worker, fd, "1", 0));
	worker_stop(&worker); /* once more, by the teardown, too */
	close(fd);
	(void)state;
}

/* The thread that is not the first one. */
static pid_t thread_id(void)
{
	DIR *d = opendir("/proc/self/task");
	pid_t found = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		if (atoi(e->d_name) > 0 && atoi(e->d_name) != getpid())
			found = atoi(e->d_name);
	closedir(d);
	return found;
}

/* Under a broker of real-time priority a freeze and an unmapping must not take its CPU. */
static void normal_priority(void **state)
{
	struct sched_param p = { .sched_priority = 1 };

	worker_stop(&worker);
	if (sched_setscheduler(0, SCHED_FIFO, &p) < 0)
		print_message("# without the right to real-time priority\n");
	assert_int_equal(worker_start(&worker), 0);
	p.sched_priority = 0;
	assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &p), 0);
	assert_true(thread_id() > 0);
	assert_int_equal(sched_getscheduler(thread_id()), SCHED_OTHER);
	(void)state;
}

/* The loop waits for it with signalfd; taken by another thread it would end the program. */
static void signals_are_the_loops(void **state)
{
	sigset_t set;
	int taken = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	worker_stop(&worker);
	assert_int_equal(worker_start(&worker), 0); /* started while nothing was blocked */
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	usleep(5000);
	assert_int_equal(sigwait(&set, &taken), 0);
	assert_int_equal(taken, SIGUSR1);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
	(void)state;
}

static void one_that_was_not_started(void **state)
{
	struct worker none = { .wake_fd = -1, .done_fd = -1 };

	assert_false(worker_write(&none, 0, "1", 0));
	worker_stop(&none);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes, start, stop),
		cmocka_unit_test_setup_teardown(failures_come_back, start, stop),
		cmocka_unit_test_setup_teardown(room_for_so_many, start, stop),
		cmocka_unit_test_setup_teardown(takes_memory_back, start, stop),
		cmocka_unit_test_setup_teardown(ends_with_its_work_done, start, stop),
		cmocka_unit_test_setup_teardown(normal_priority, start, stop),
		cmocka_unit_test_setup_teardown(signals_are_the_loops, start, stop),
		cmocka_unit_test(one_that_was_not_started),
	};

	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
