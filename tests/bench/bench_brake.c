/* SPDX-License-Identifier: MIT */
/* How long it takes from the call of brake_stop() until a group of processes stands still. The
 * processes write down the time all the while, so the last time is when they really stopped. Ours
 * is of real-time priority, as failsoftd is, and they are on another CPU, where there is one. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/brake.h"
#include "ask/shield.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/units.h"

#define ROUNDS	51u

static struct brake brake;
static struct worker worker;
static struct ledger ledger;
static volatile uint64_t *alive_us;	/* by child */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const char *what, double *us)
{
	qsort(us, ROUNDS, sizeof(*us), compare);
	printf("  %-44s %7.0f us, at most %.0f us\n", what, us[ROUNDS / 2], us[ROUNDS - 1]);
}

/* Ours is the first CPU, theirs the last. */
static void take_cpu(bool is_ours)
{
	cpu_set_t set;
	int cpu = is_ours ? 0 : (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fprintf(stderr, "not on a CPU of its own\n");
}

static void be_child(uint32_t i)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	take_cpu(false);
	for (;;)
		alive_us[i] = clock_now_us();
}

static struct victim start(uint32_t count)
{
	struct victim v = { .kind = VICTIM_TREE };

	for (uint32_t i = 0; i < count; i++) {
		pid_t pid = fork();
		int fd;

		if (pid < 0)
			exit(1);
		if (pid == 0)
			be_child(i);
		fd = shield_open(brake.setup.root_fd, pid, &v.start_ticks[i]);
		(void)file_close(fd);
		v.pids[v.pids_count++] = pid;
	}
	v.pid = v.pids[0];
	return v;
}

static double newest_us(uint32_t count, uint64_t from_us)
{
	uint64_t newest_us = from_us;

	usleep(2000); /* whatever was still running has stopped by then */
	for (uint32_t i = 0; i < count; i++)
		newest_us = MAX_OF(newest_us, alive_us[i]);
	return (double)(newest_us - from_us);
}

/* One round. The times are from the call. */
static void stop_once(const struct victim *v, double *ret_call_us, double *ret_still_us)
{
	uint64_t from_us = clock_now_us();

	if (brake_stop(&brake, 0, v) != v->pids_count)
		exit(1);
	*ret_call_us = (double)(clock_now_us() - from_us);
	*ret_still_us = newest_us(v->pids_count, from_us);
}

static void run(uint32_t count)
{
	double call[ROUNDS], still[ROUNDS], aimed[ROUNDS], aimed_still[ROUNDS], released[ROUNDS];
	const struct victim v = start(count);

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t from_us;

		usleep(1000);
		stop_once(&v, &call[i], &still[i]);
		from_us = clock_now_us();
		brake_release(&brake, 0);
		released[i] = (double)(clock_now_us() - from_us);
		usleep(1000);
		(void)brake_aim(&brake, 0, &v); /* all of them, or stop_once() says so */
		stop_once(&v, &aimed[i], &aimed_still[i]);
		brake_release(&brake, 0);
	}
	printf("%u processes that never wait:\n", count);
	print("brake_stop()", call);
	print("until the last one stood still", still);
	print("brake_stop(), held before by brake_aim()", aimed);
	print("until the last one stood still", aimed_still);
	print("brake_release()", released);
	for (uint32_t i = 0; i < count; i++)
		(void)kill(v.pids[i], SIGKILL);
	for (uint32_t i = 0; i < count; i++)
		(void)waitpid(v.pids[i], NULL, 0);
}

int main(void)
{
	struct brake_setup setup = { .root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC),
				     .ledger = &ledger, .worker = &worker };

	alive_us = mmap(NULL, VICTIM_PIDS_MAX * sizeof(*alive_us), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (alive_us == MAP_FAILED || worker_start(&worker) < 0)
		return 1;
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK,
			       &(struct sched_param){ .sched_priority = 1 }) < 0)
		printf("without real-time priority: the processes take its CPU\n");
	take_cpu(true);
	brake_init(&brake, &setup);
	run(1);
	run(16);
	run(64);
	brake_fini(&brake);
	worker_stop(&worker);
	return 0;
}
