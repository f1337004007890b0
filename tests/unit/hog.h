/* SPDX-License-Identifier: MIT */
/*
 * Hog: children that count in shared memory, so that a test sees whether they run. Include after
 * cmocka.h.
 */
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/victim.h"
#include "sense/parse_census.h"

#define HOGS_MAX	16

struct hogs {
	unsigned count;
	pid_t pid[HOGS_MAX];
	volatile uint64_t *counter;
};

static inline void hog_count(volatile uint64_t *counter)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		(*counter)++;
		usleep(100);
	}
}

static inline void hogs_start(struct hogs *h, unsigned count)
{
	h->count = count;
	h->counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(h->counter != MAP_FAILED);
	for (unsigned i = 0; i < count; i++) {
		h->pid[i] = fork();
		assert_true(h->pid[i] >= 0);
		if (h->pid[i] == 0)
			hog_count(&h->counter[i]);
		while (!h->counter[i])
			usleep(100);
	}
}

static inline void hogs_end(struct hogs *h)
{
	for (unsigned i = 0; i < h->count; i++) {
		if (h->pid[i] <= 0)
			continue;
		kill(h->pid[i], SIGKILL);
		waitpid(h->pid[i], NULL, 0);
	}
	munmap((void *)h->counter, 4096);
}

static inline struct parse_census_stat hog_stat(pid_t pid)
{
	struct parse_census_stat stat = { 0 };
	char path[40], text[1024];
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (size > 0)
		assert_int_equal(parse_census_stat(text, (size_t)size, &stat), 0);
	close(fd);
	return stat;
}

/* Within five seconds. */
static inline bool hog_becomes(pid_t pid, char state)
{
	for (int i = 0; i < 5000; i++) {
		if (hog_stat(pid).state == state)
			return true;
		usleep(1000);
	}
	return false;
}

static inline bool hog_runs(const struct hogs *h, unsigned i)
{
	uint64_t before = h->counter[i];

	for (int wait = 0; wait < 5000; wait++) {
		if (h->counter[i] > before + 1)
			return true;
		usleep(1000);
	}
	return false;
}

/* From now on; 50 times the time between two counts. */
static inline bool hog_stands_still(const struct hogs *h, unsigned i)
{
	uint64_t before = h->counter[i];

	usleep(5000);
	return h->counter[i] == before;
}

static inline struct victim hogs_victim(const struct hogs *h, unsigned first, unsigned count)
{
	struct victim v = { .kind = VICTIM_NAMESAKES, .pid = h->pid[first] };

	for (unsigned i = first; i < first + count; i++) {
		v.pids[v.pids_count] = h->pid[i];
		v.start_ticks[v.pids_count++] = hog_stat(h->pid[i]).start_ticks;
	}
	return v;
}
