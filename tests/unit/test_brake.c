/* SPDX-License-Identifier: MIT */
/* On real processes, the children of this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "brake_scene.h"

static void stops_and_goes_on(void **state)
{
	struct scene *s = scene_open(4);
	const struct victim v = hogs_victim(&s->hogs, 0, 3);
	unsigned before = open_descriptors();

	for (int round = 0; round < 3; round++) {
		assert_false(brake_is_on(&s->brake, DOMAIN));
		assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 3);
		assert_true(brake_is_on(&s->brake, DOMAIN));
		assert_false(brake_is_on(&s->brake, DOMAIN + 1));
		expect_still(s, 0, 3);
		expect_running(s, 3, 1);
		assert_int_equal(in_ledger(s), 3);
		brake_release(&s->brake, DOMAIN);
		assert_false(brake_is_on(&s->brake, DOMAIN));
		expect_running(s, 0, 4);
		assert_int_equal(in_ledger(s), 0);
		settle(s);
		assert_int_equal(open_descriptors(), before);
	}
	brake_release(&s->brake, DOMAIN); /* nothing to do */
	scene_close(s);
	(void)state;
}

/* Its owner's stop, not ours: it is not ours to continue. */
static void stopped_before(void **state)
{
	struct scene *s = scene_open(2);
	const struct victim v = hogs_victim(&s->hogs, 0, 2);

	assert_int_equal(kill(s->hogs.pid[0], SIGSTOP), 0);
	expect_still(s, 0, 1);
	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 1);
	assert_int_equal(in_ledger(s), 1);
	brake_release(&s->brake, DOMAIN);
	expect_running(s, 1, 1);
	expect_still(s, 0, 1);
	/* continued by its owner while the brake is on: now it is stopped, too */
	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 1);
	assert_int_equal(kill(s->hogs.pid[0], SIGCONT), 0);
	expect_running(s, 0, 1);
	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 2);
	expect_still(s, 0, 2);
	brake_release(&s->brake, DOMAIN);
	expect_running(s, 0, 2);
	scene_close(s);
	(void)state;
}

/* The start time tells that the pid is another's now. */
static void a_reused_pid(void **state)
{
	struct scene *s = scene_open(2);
	struct victim v = hogs_victim(&s->hogs, 0, 2);
	unsigned before = open_descriptors();

	v.start_ticks[0]++;
	assert_int_equal(brake_aim(&s->brake, DOMAIN, &v), 1);
	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 1);
	expect_still(s, 1, 1);
	expect_running(s, 0, 1);
	assert_int_equal(in_ledger(s), 1);
	brake_release(&s->brake, DOMAIN);
	assert_int_equal(open_descriptors(), before);
	scene_close(s);
	(void)state;
}

static void forked_meanwhile(void **state)
{
	struct scene *s = scene_open(3);
	const struct victim one = hogs_victim(&s->hogs, 0, 1), three = hogs_victim(&s->hogs, 0, 3);

	assert_int_equal(brake_stop(&s->brake, DOMAIN, &one), 1);
	expect_running(s, 1, 2);
	assert_int_equal(brake_stop(&s->brake, DOMAIN, &three), 3);
	expect_still(s, 0, 3);
	assert_int_equal(in_ledger(s), 3);
	brake_release(&s->brake, DOMAIN);
	expect_running(s, 0, 3);
	scene_close(s);
	(void)state;
}

static void ended_meanwhile(void **state)
{
	struct scene *s = scene_open(2);
	const struct victim v = hogs_victim(&s->hogs, 0, 2);
	unsigned before = open_descriptors();

	assert_int_equal(brake_aim(&s->brake, DOMAIN, &v), 2);
	assert_int_equal(kill(s->hogs.pid[0], SIGKILL), 0);
	assert_int_equal(waitpid(s->hogs.pid[0], NULL, 0), s->hogs.pid[0]);
	s->hogs.pid[0] = 0;
	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 1);
	assert_int_equal(in_ledger(s), 1);
	assert_int_equal(kill(s->hogs.pid[1], SIGKILL), 0); /* ends a stopped one */
	assert_int_equal(waitpid(s->hogs.pid[1], NULL, 0), s->hogs.pid[1]);
	s->hogs.pid[1] = 0;
	brake_release(&s->brake, DOMAIN);
	assert_int_equal(in_ledger(s), 0);
	assert_int_equal(open_descriptors(), before);
	scene_close(s);
	(void)state;
}

static void *count_on(void *counter)
{
	hog_count(counter);
	return NULL;
}

/* Only its first thread has ended: it is a zombie, and the process grows on. */
static void without_its_first_thread(void **state)
{
	struct scene *s = scene_open(0);
	struct victim v;
	pthread_t thread;

	s->hogs.count = 1;
	s->hogs.pid[0] = fork();
	if (s->hogs.pid[0] == 0) {
		(void)pthread_create(&thread, NULL, count_on, (void *)&s->hogs.counter[0]);
		pthread_exit(NULL);
	}
	assert_true(hog_becomes(s->hogs.pid[0], 'Z'));
	v = hogs_victim(&s->hogs, 0, 1);
	expect_running(s, 0, 1);
	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 1);
	usleep(1000);
	assert_true(hog_stands_still(&s->hogs, 0));
	brake_release(&s->brake, DOMAIN);
	expect_running(s, 0, 1);
	scene_close(s);
	(void)state;
}

/* Held ahead; who is not the victim any more is let go. */
static void aimed(void **state)
{
	struct scene *s = scene_open(3);
	const struct victim two = hogs_victim(&s->hogs, 0, 2), other = hogs_victim(&s->hogs, 2, 1);
	unsigned before = open_descriptors();

	assert_int_equal(brake_aim(&s->brake, DOMAIN, &two), 2);
	assert_int_equal(open_descriptors(), before + 4);
	assert_int_equal(brake_aim(&s->brake, DOMAIN, &other), 1);
	assert_int_equal(open_descriptors(), before + 2);
	assert_false(brake_is_on(&s->brake, DOMAIN));
	assert_int_equal(in_ledger(s), 0);
	assert_int_equal(brake_stop(&s->brake, DOMAIN, &other), 1);
	assert_int_equal(brake_aim(&s->brake, DOMAIN, &two), 2); /* what is stopped stays so */
	expect_still(s, 2, 1);
	expect_running(s, 0, 2);
	brake_release(&s->brake, DOMAIN);
	expect_running(s, 2, 1);
	assert_int_equal(open_descriptors(), before);
	scene_close(s);
	(void)state;
}

static void domains_are_apart(void **state)
{
	struct scene *s = scene_open(2);
	const struct victim one = hogs_victim(&s->hogs, 0, 1), two = hogs_victim(&s->hogs, 1, 1);

	assert_int_equal(brake_stop(&s->brake, 0, &one), 1);
	assert_int_equal(brake_stop(&s->brake, BRAKE_DOMAINS_MAX - 1, &two), 1);
	assert_int_equal(brake_stop(&s->brake, BRAKE_DOMAINS_MAX, &two), 0);
	brake_release(&s->brake, 0);
	expect_running(s, 0, 1);
	expect_still(s, 1, 1);
	brake_release(&s->brake, BRAKE_DOMAINS_MAX - 1);
	expect_running(s, 1, 1);
	scene_close(s);
	(void)state;
}

/* The broker ends in good order. */
static void the_end_lets_go(void **state)
{
	struct scene *s = scene_open(2);
	const struct victim v = hogs_victim(&s->hogs, 0, 2);

	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 2);
	brake_fini(&s->brake);
	expect_running(s, 0, 2);
	assert_int_equal(in_ledger(s), 0);
	scene_close(s);
	(void)state;
}

static void left_stopped(void **state)
{
	struct scene *s = scene_open(3);
	const struct victim v = hogs_victim(&s->hogs, 0, 3);
	struct brake_past past;

	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 3);
	expect_still(s, 0, 3);
	assert_int_equal(kill(s->hogs.pid[0], SIGKILL), 0);
	assert_int_equal(waitpid(s->hogs.pid[0], NULL, 0), s->hogs.pid[0]);
	s->hogs.pid[0] = 0;
	lose(s);
	lose(s); /* a broker that ended before it looked */
	past = brake_past(s->root_fd, state_ledger(&s->state), NULL);
	assert_true(past.continued == 2 && past.thawed == 0 && past.failed == 0);
	expect_running(s, 1, 2);
	past = brake_past(s->root_fd, state_ledger(&s->state), tell);
	assert_true(past.continued == 0 && past.failed == 0);
	scene_close(s);
	(void)state;
}

/* The pid of a ledger is another's now; it was stopped by somebody else. */
static void left_and_reused(void **state)
{
	struct scene *s = scene_open(1);
	const struct victim v = hogs_victim(&s->hogs, 0, 1);
	struct brake_past past;

	assert_int_equal(kill(v.pids[0], SIGSTOP), 0);
	expect_still(s, 0, 1);
	ledger_stop_set(state_ledger(&s->state), 0, v.pids[0], v.start_ticks[0] - 1);
	past = brake_past(s->root_fd, state_ledger(&s->state), tell);
	assert_true(past.continued == 0 && past.failed == 0);
	expect_still(s, 0, 1);
	assert_int_equal(in_ledger(s), 0);
	scene_close(s);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops_and_goes_on),
		cmocka_unit_test(stopped_before),
		cmocka_unit_test(a_reused_pid),
		cmocka_unit_test(forked_meanwhile),
		cmocka_unit_test(ended_meanwhile),
		cmocka_unit_test(without_its_first_thread),
		cmocka_unit_test(aimed),
		cmocka_unit_test(domains_are_apart),
		cmocka_unit_test(the_end_lets_go),
		cmocka_unit_test(left_stopped),
		cmocka_unit_test(left_and_reused),
	};

	return cmocka_run_group_tests_name("brake", tests, NULL, NULL);
}
