/* SPDX-License-Identifier: MIT */
/* On real processes: the children of this test. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "act/terminate.h"
#include "ask/shield.h"
#include "base/units.h"

struct scene {
	int root_fd;
	struct terminate t;
	pid_t child[4];
};

static pid_t start_child(bool ignores_term)
{
	int ready[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (ignores_term)
			signal(SIGTERM, SIG_IGN);
		(void)!write(ready[1], &byte, 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void scene_open(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->root_fd = open("/", O_PATH | O_DIRECTORY);
	assert_int_equal(terminate_init(&s->t, s->root_fd), 0);
	for (size_t i = 0; i < ARRAY_LEN(s->child); i++)
		s->child[i] = start_child(i == 3); /* the last one is stubborn */
}

/* Status of a child that must have ended by that signal by now. */
static void expect_ended(struct scene *s, size_t i, int signal)
{
	int status = 0;

	assert_int_equal(waitpid(s->child[i], &status, 0), s->child[i]);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signal);
	s->child[i] = 0;
}

static void expect_alive(const struct scene *s, size_t i)
{
	assert_int_equal(waitpid(s->child[i], NULL, WNOHANG), 0);
}

static void scene_close(struct scene *s)
{
	terminate_fini(&s->t);
	assert_int_equal(s->t.poll_fd, -1);
	for (size_t i = 0; i < ARRAY_LEN(s->child); i++) {
		if (!s->child[i])
			continue;
		kill(s->child[i], SIGKILL);
		waitpid(s->child[i], NULL, 0);
	}
	close(s->root_fd);
}

static uint64_t ticks_of(const struct scene *s, pid_t pid)
{
	uint64_t ticks = 0;
	int fd = shield_open(s->root_fd, pid, &ticks);

	assert_true(fd >= 0);
	close(fd);
	return ticks;
}

static struct victim victim_of(const struct scene *s, size_t first, size_t count)
{
	struct victim v = { .kind = VICTIM_NAMESAKES };

	for (size_t i = first; i < first + count; i++) {
		v.pids[v.pids_count] = s->child[i];
		v.start_ticks[v.pids_count++] = ticks_of(s, s->child[i]);
	}
	return v;
}

/* Within five seconds; a signal that was sent takes a moment to end its process. */
static bool becomes_gone(struct terminate *t, uint32_t domain)
{
	for (int i = 0; i < 5000; i++) {
		if (terminate_is_gone(t, domain))
			return true;
		usleep(1000);
	}
	return false;
}

static bool is_readable(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, wait_ms) > 0;
}

static void ended_as_a_group(void **state)
{
	struct victim v;
	struct scene s;

	scene_open(&s);
	v = victim_of(&s, 0, 2);
	assert_true(terminate_is_gone(&s.t, 0)); /* nobody is held */
	assert_int_equal(terminate_hold(&s.t, 0, &v), 2);
	assert_int_equal(terminate_hold(&s.t, 0, &v), 2); /* none twice */
	assert_false(terminate_is_gone(&s.t, 0));
	assert_false(is_readable(s.t.poll_fd, 0));
	assert_int_equal(terminate_signal(&s.t, 0, SIGTERM), 2);
	assert_true(is_readable(s.t.poll_fd, 5000));
	assert_true(becomes_gone(&s.t, 0));
	assert_false(is_readable(s.t.poll_fd, 0)); /* else the loop would spin */
	expect_ended(&s, 0, SIGTERM);
	expect_ended(&s, 1, SIGTERM);
	expect_alive(&s, 2);
	expect_alive(&s, 3);
	scene_close(&s);
	(void)state;
}

static void stubborn_until_killed(void **state)
{
	struct victim v;
	struct scene s;

	scene_open(&s);
	v = victim_of(&s, 2, 2);
	assert_int_equal(terminate_hold(&s.t, 7, &v), 2);
	assert_int_equal(terminate_signal(&s.t, 7, SIGTERM), 2);
	expect_ended(&s, 2, SIGTERM);
	usleep(20000);
	assert_false(terminate_is_gone(&s.t, 7)); /* one of two is not all */
	assert_int_equal(terminate_signal(&s.t, 7, SIGKILL), 1); /* not to the one that has ended */
	assert_true(becomes_gone(&s.t, 7));
	expect_ended(&s, 3, SIGKILL);
	scene_close(&s);
	(void)state;
}

/* A process that its parent has not yet waited for has ended: its memory is back. */
static void a_zombie_is_gone(void **state)
{
	struct victim v;
	struct scene s;

	scene_open(&s);
	v = victim_of(&s, 0, 1);
	assert_int_equal(terminate_hold(&s.t, 0, &v), 1);
	assert_int_equal(kill(s.child[0], SIGKILL), 0);
	assert_true(becomes_gone(&s.t, 0));
	assert_int_equal(terminate_hold(&s.t, 0, &v), 0); /* nor is it taken hold of again */
	expect_ended(&s, 0, SIGKILL);
	scene_close(&s);
	(void)state;
}

/* As the worker keeps one until the memory is back: the set is level-triggered, the loop would spin. */
static void a_copy_of_the_pidfd_keeps_nothing_readable(void **state)
{
	struct victim v;
	struct scene s;
	int copy = -1;

	scene_open(&s);
	v = victim_of(&s, 0, 1);
	assert_int_equal(terminate_hold(&s.t, 0, &v), 1);
	for (size_t i = 0; i < TERMINATE_MAX; i++)
		if (s.t.target[i].pid == s.child[0])
			copy = dup(s.t.target[i].fd);
	assert_true(copy >= 0);
	assert_int_equal(terminate_signal(&s.t, 0, SIGKILL), 1);
	assert_true(becomes_gone(&s.t, 0));
	assert_false(is_readable(s.t.poll_fd, 0));
	close(copy);
	expect_ended(&s, 0, SIGKILL);
	scene_close(&s);
	(void)state;
}

/* The survey is older than the hold: what it saw may be gone, and its pid another's. */
static void not_the_process_that_was_seen(void **state)
{
	struct victim v;
	struct scene s;

	scene_open(&s);
	v = victim_of(&s, 0, 2);
	v.start_ticks[0]++;
	assert_int_equal(terminate_hold(&s.t, 0, &v), 1);
	assert_int_equal(terminate_signal(&s.t, 0, SIGTERM), 1);
	assert_true(becomes_gone(&s.t, 0));
	expect_ended(&s, 1, SIGTERM);
	expect_alive(&s, 0);

	v.pids[0] = s.child[2];
	v.start_ticks[0] = ticks_of(&s, s.child[2]);
	v.pids[1] = 0x7ffffff0; /* above every pid_max */
	assert_int_equal(kill(s.child[2], SIGKILL), 0);
	expect_ended(&s, 2, SIGKILL);
	assert_int_equal(terminate_hold(&s.t, 0, &v), 0);
	assert_int_equal(terminate_signal(&s.t, 0, SIGKILL), 0);
	scene_close(&s);
	(void)state;
}

/* Held, ended and waited for: a signal goes to nobody, whoever has the pid now. */
/* Beyond the list: killed if it is that very process, and not waited for. */
static void passed_by(void **state)
{
	struct victim v;
	struct scene s;

	scene_open(&s);
	v = victim_of(&s, 0, 2);
	assert_false(terminate_pass_by(&s.t, 0, v.pids[0], v.start_ticks[0] + 1));
	expect_alive(&s, 0);
	assert_true(terminate_pass_by(&s.t, 0, v.pids[0], v.start_ticks[0]));
	expect_ended(&s, 0, SIGKILL);
	v.pids_count = 2;
	assert_int_equal(terminate_hold(&s.t, 0, &v), 1);
	assert_false(terminate_pass_by(&s.t, 0, v.pids[1], v.start_ticks[1])); /* it is in the list */
	expect_alive(&s, 1);
	assert_true(terminate_is_gone(&s.t, 1));
	scene_close(&s);
	(void)state;
}

static void ended_between_hold_and_signal(void **state)
{
	struct victim v;
	struct scene s;

	scene_open(&s);
	v = victim_of(&s, 0, 1);
	assert_int_equal(terminate_hold(&s.t, 0, &v), 1);
	assert_int_equal(kill(s.child[0], SIGKILL), 0);
	expect_ended(&s, 0, SIGKILL);
	assert_int_equal(terminate_signal(&s.t, 0, SIGKILL), 0);
	assert_true(terminate_is_gone(&s.t, 0));
	scene_close(&s);
	(void)state;
}

/* One that was found and not taken is let go when the next one is held: the signal is for that alone. */
static void the_newest_victim_alone(void **state)
{
	struct scene s;
	struct victim first, second;

	(void)state;
	scene_open(&s);
	first = victim_of(&s, 0, 2);
	second = victim_of(&s, 1, 2);
	assert_int_equal(terminate_hold(&s.t, 0, &first), 2);
	assert_int_equal(terminate_hold(&s.t, 0, &second), 2);
	assert_int_equal(terminate_signal(&s.t, 0, SIGTERM), 2);
	expect_ended(&s, 1, SIGTERM);
	expect_ended(&s, 2, SIGTERM);
	expect_alive(&s, 0);
	scene_close(&s);
}

static void domains_are_apart(void **state)
{
	struct victim one, two;
	struct scene s;

	scene_open(&s);
	one = victim_of(&s, 0, 1);
	two = victim_of(&s, 1, 1);
	assert_int_equal(terminate_hold(&s.t, 0, &one), 1);
	assert_int_equal(terminate_hold(&s.t, 31, &two), 1);
	assert_int_equal(terminate_signal(&s.t, 31, SIGTERM), 1);
	assert_true(becomes_gone(&s.t, 31));
	assert_false(terminate_is_gone(&s.t, 0));
	terminate_release(&s.t, 0);
	assert_int_equal(terminate_signal(&s.t, 0, SIGKILL), 0);
	expect_ended(&s, 1, SIGTERM);
	expect_alive(&s, 0);
	scene_close(&s);
	(void)state;
}

static unsigned open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(d);
	while (readdir(d))
		count++;
	closedir(d);
	return count;
}

/* More than there is room for wait for the next pass; what was let go makes room. */
static void room_for_so_many(void **state)
{
	unsigned before;
	struct victim v;
	struct scene s;

	scene_open(&s);
	v = victim_of(&s, 0, 1);
	before = open_descriptors();
	for (uint32_t domain = 0; domain < TERMINATE_MAX; domain++)
		assert_int_equal(terminate_hold(&s.t, domain, &v), 1);
	assert_int_equal(terminate_hold(&s.t, TERMINATE_MAX, &v), 0);
	assert_int_equal(open_descriptors(), before + TERMINATE_MAX);
	terminate_release(&s.t, 5);
	assert_int_equal(terminate_hold(&s.t, TERMINATE_MAX, &v), 1);
	for (uint32_t domain = 0; domain <= TERMINATE_MAX; domain++)
		terminate_release(&s.t, domain);
	assert_int_equal(open_descriptors(), before);
	expect_alive(&s, 0);
	scene_close(&s);
	(void)state;
}

/* What the broker starts, should it ever, must not inherit the right to signal. */
static void descriptors_are_not_inherited(void **state)
{
	struct victim v;
	struct scene s;

	scene_open(&s);
	v = victim_of(&s, 0, 1);
	assert_int_equal(terminate_hold(&s.t, 0, &v), 1);
	assert_true(fcntl(s.t.poll_fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(s.t.target[0].fd, F_GETFD) & FD_CLOEXEC);
	scene_close(&s);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ended_as_a_group),
		cmocka_unit_test(stubborn_until_killed),
		cmocka_unit_test(a_zombie_is_gone),
		cmocka_unit_test(a_copy_of_the_pidfd_keeps_nothing_readable),
		cmocka_unit_test(not_the_process_that_was_seen),
		cmocka_unit_test(passed_by), cmocka_unit_test(ended_between_hold_and_signal),
		cmocka_unit_test(the_newest_victim_alone),
		cmocka_unit_test(domains_are_apart),
		cmocka_unit_test(room_for_so_many),
		cmocka_unit_test(descriptors_are_not_inherited),
	};

	return cmocka_run_group_tests_name("terminate", tests, NULL, NULL);
}
