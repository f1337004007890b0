/* SPDX-License-Identifier: MIT */
#include "base/priority.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/units.h"

/*
 * Without a wait. The longest work in one piece is a survey: 0.1 ms per process on a slow CPU, 60 ms
 * for 600 of them. Half: a fork bomb costs the loop its class; double: the machine stands still for
 * so much longer, if this ever happens.
 */
#define TURN_MOST_US	(200 * US_PER_MS)
/* Half: a loop that still turns has the CPU for a third of the time; double: orders are late for so
 * long in a crisis. */
#define REGAIN_US	(US_PER_S)

static volatile sig_atomic_t was_lost;
static pid_t loop_tid;
static int taken;			/* priority; 0: none */
static uint64_t lost_us;

static int set_class(int policy, int priority)
{
	const struct sched_param p = { .sched_priority = priority };

	return sched_setscheduler(loop_tid, policy | SCHED_RESET_ON_FORK, &p) < 0 ? -errno : 0;
}

static void on_too_long(int signal)
{
	int before = errno;

	(void)signal;
	(void)set_class(SCHED_OTHER, 0); /* asking for less is never refused */
	was_lost = 1;
	errno = before;
}

int priority_take(int priority)
{
	const struct sigaction act = { .sa_handler = on_too_long, .sa_flags = SA_RESTART };
	struct rlimit most;
	int r;

	loop_tid = gettid();
	/* Only a bound: without it the class is as good. */
	if (getrlimit(RLIMIT_RTTIME, &most) == 0 && sigaction(SIGXCPU, &act, NULL) == 0) {
		most.rlim_cur = most.rlim_max < TURN_MOST_US ? most.rlim_max : TURN_MOST_US;
		(void)setrlimit(RLIMIT_RTTIME, &most);
	}
	r = set_class(SCHED_FIFO, priority);
	if (r == 0)
		taken = priority;
	return r;
}

void priority_pause(bool is_paused)
{
	if (taken && !was_lost)
		(void)set_class(is_paused ? SCHED_OTHER : SCHED_FIFO,
				is_paused ? 0 : taken); /* was granted before */
}

/* The kernel has moved its limit up by a second: it is set anew with the class. */
bool priority_step(uint64_t now_us)
{
	if (!was_lost || !taken)
		return false;
	if (!lost_us) {
		lost_us = now_us;
		return true;
	}
	if (now_us < lost_us + REGAIN_US)
		return false;
	lost_us = 0;
	was_lost = 0;
	(void)priority_take(taken); /* was granted before */
	return false;
}
