/* SPDX-License-Identifier: MIT */
/* How long it takes from SIGKILL until nine tenths of a program's memory are back, with and without
 * process_mrelease(), alternating: on a calm CPU, and where the program hardly ever gets one. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/worker.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/units.h"

#define ROUNDS		15u
#define HELD_BYTES	(48 * MIB)
#define SPINNERS	8u
#define GIVE_UP_US	(10 * US_PER_S)

static struct worker worker;

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The last one: ours and the worker's is the first, where there are two. */
static void take_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fprintf(stderr, "not on a CPU of its own\n");
}

static pid_t start(bool is_spinner, int cpu)
{
	pid_t pid = fork();
	char *held;

	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	take_cpu(cpu);
	while (is_spinner)
		;
	held = mmap(NULL, HELD_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (held == MAP_FAILED)
		_exit(1);
	memset(held, 1, HELD_BYTES);
	(void)setpriority(PRIO_PROCESS, 0, 19);
	raise(SIGSTOP); /* ready */
	for (;;)
		held[0]++;
}

static uint64_t resident_bytes(int statm)
{
	char text[64] = "";
	unsigned long size, resident = 0;

	if (pread(statm, text, sizeof(text) - 1, 0) <= 0 || sscanf(text, "%lu %lu", &size, &resident) != 2)
		return 0;
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double once(bool is_helped, int cpu)
{
	pid_t pid = start(false, cpu);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), statm;
	struct worker_result result;
	char path[40];
	uint64_t from_us, now_us;

	if (pid < 0 || pidfd < 0 || waitpid(pid, NULL, WUNTRACED) != pid)
		exit(1);
	(void)kill(pid, SIGCONT);
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	statm = open(path, O_RDONLY | O_CLOEXEC);
	usleep(20000);
	from_us = clock_now_us();
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	if (is_helped && !worker_mrelease(&worker, pidfd, 0))
		exit(1);
	do {
		usleep(20);
		now_us = clock_now_us();
	} while (resident_bytes(statm) > HELD_BYTES / 10 && now_us < from_us + GIVE_UP_US);
	(void)waitpid(pid, NULL, 0);
	while (is_helped && !worker_result(&worker, &result))
		usleep(100);
	(void)file_close(statm);
	(void)file_close(pidfd);
	return (double)(now_us - from_us);
}

static void run(const char *what, int cpu)
{
	double plain[ROUNDS], helped[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++) {
		plain[i] = once(false, cpu);
		helped[i] = once(true, cpu);
	}
	qsort(plain, ROUNDS, sizeof(*plain), compare);
	qsort(helped, ROUNDS, sizeof(*helped), compare);
	printf("%s: 48 MiB are back after %.1f ms (at most %.1f), with process_mrelease %.1f ms (%.1f), "
	       "ratio %.1f\n", what, plain[ROUNDS / 2] / 1e3, plain[ROUNDS - 1] / 1e3,
	       helped[ROUNDS / 2] / 1e3, helped[ROUNDS - 1] / 1e3, plain[ROUNDS / 2] / helped[ROUNDS / 2]);
}

int main(void)
{
	int cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	pid_t spinner[SPINNERS];

	take_cpu(0);
	if (worker_start(&worker) < 0)
		return 1;
	run("calm", cpu);
	for (unsigned i = 0; i < SPINNERS; i++)
		spinner[i] = start(true, cpu);
	run("beside 8 programs that want its CPU, at nice 19", cpu);
	for (unsigned i = 0; i < SPINNERS; i++) {
		(void)kill(spinner[i], SIGKILL);
		(void)waitpid(spinner[i], NULL, 0);
	}
	worker_stop(&worker);
	return 0;
}
