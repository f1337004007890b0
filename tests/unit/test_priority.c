/* SPDX-License-Identifier: MIT */
/* A child that turns without waiting, in the real-time class. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/priority.h"
#include "base/units.h"

enum { GOOD, NO_RIGHT, NOT_TAKEN, NEVER_LOST, NOT_SAID_ONCE, REGAINED_AT_ONCE, NOT_REGAINED, LOST_AT_REST,
       NOT_PAUSED };

static int class_now(void)
{
	return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

/* Bounded: a kernel that never says anything must not hold the machine. */
static bool turns_until_lost(void)
{
	uint64_t end_us = clock_now_us() + 3 * US_PER_S;

	while (clock_now_us() < end_us)
		if (class_now() == SCHED_OTHER)
			return true;
	return false;
}

static int in_child(void)
{
	uint64_t now_us = 5 * US_PER_S;

	if (priority_take(1) < 0)
		return NO_RIGHT;
	if (class_now() != SCHED_FIFO || priority_step(now_us))
		return NOT_TAKEN;
	for (int i = 0; i < 30; i++) /* longer in all than it may turn at once, but it waits */
		usleep(10000);
	if (class_now() != SCHED_FIFO)
		return LOST_AT_REST;
	priority_pause(true);
	if (class_now() != SCHED_OTHER)
		return NOT_PAUSED;
	priority_pause(false);
	if (class_now() != SCHED_FIFO)
		return NOT_PAUSED;
	if (!turns_until_lost())
		return NEVER_LOST;
	priority_pause(false); /* what was lost does not come back by it */
	if (!priority_step(now_us) || priority_step(now_us + 1))
		return NOT_SAID_ONCE;
	if (class_now() != SCHED_OTHER || priority_step(now_us + US_PER_S - 1) || class_now() != SCHED_OTHER)
		return REGAINED_AT_ONCE;
	if (priority_step(now_us + US_PER_S) || class_now() != SCHED_FIFO)
		return NOT_REGAINED;
	return turns_until_lost() ? GOOD : NEVER_LOST; /* and the bound is there again */
}

static void a_loop_that_turns_gives_way(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(in_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_RIGHT) {
		print_message("# SKIP no right to a real-time class (CAP_SYS_NICE)\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), GOOD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_that_turns_gives_way),
	};

	return cmocka_run_group_tests_name("priority", tests, NULL, NULL);
}
