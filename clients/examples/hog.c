/* SPDX-License-Identifier: MIT */
/* The villain of tests and demo: takes memory in several ways, never heard of failsoft. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "options.h"

#define CHUNK	(64u << 10)
#define MIB	(1u << 20)
#define SHARED	(256u << 10)

struct hog {
	double rate, after_s, limit, free_after_s, fork, each;
	const char *tmpfs, *shm;
	int file;			/* -1: anonymous memory */
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pause_s(double seconds)
{
	const struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

	nanosleep(&t, NULL);
}

static void take_chunk(const struct hog *h)
{
	static char page[CHUNK];
	void *p;

	if (h->file >= 0) {
		memset(page, 0x5a, sizeof(page));
		if (write(h->file, page, sizeof(page)) < 0)
			pause_s(0.1); /* full: hold what there is */
		return;
	}
	p = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p != MAP_FAILED)
		memset(p, 0x5a, CHUNK);
}

/* Takes `bytes` (0: without end) at the rate. */
static void take(const struct hog *h, uint64_t bytes)
{
	double start = now_s();
	uint64_t taken = 0;

	while (!bytes || taken < bytes) {
		double due = h->rate < 0 ? 1e18 : (now_s() - start) * h->rate * MIB;

		if ((double)taken + CHUNK > due) {
			pause_s(0.002);
			continue;
		}
		take_chunk(h);
		taken += CHUNK;
	}
}

/* Each process takes a little and has a child that does the same: none of them is large. */
static void fork_tree(const struct hog *h)
{
	for (int generation = 1; generation < (int)h->fork; generation++) {
		pid_t child;

		take(h, (uint64_t)(h->each * 1024));
		pause_s(0.06);
		child = fork();
		if (child < 0)
			pause_s(0.1);
		if (child != 0)
			break;
	}
	for (;;)
		pause();
}

/* A parent that waits would be a tree of its own; this one forks on for ever. */
static void storm(const struct hog *h)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		pid_t child = fork();

		if (child == 0)
			fork_tree(h);
		pause_s(0.06);
	}
}

/* For who saves what it shares before it is ended. */
static bool share(const char *name)
{
	char path[256];
	void *p = MAP_FAILED;
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/%s", name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, SHARED) == 0)
		p = mmap(NULL, SHARED, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return false;
	memset(p, 0x5a, SHARED);
	return true;
}

int main(int argc, char **argv)
{
	struct hog h = { .rate = 10, .each = 512, .file = -1 };
	bool ignore_term = false;
	const struct example_option options[] = {
		{ "rate", "MiB/s, or max", NULL, &h.rate, NULL },
		{ "after", "seconds before it begins", NULL, &h.after_s, NULL },
		{ "limit", "MiB to take, then hold them", NULL, &h.limit, NULL },
		{ "free-after", "seconds to hold, then free all and end", NULL, &h.free_after_s, NULL },
		{ "fork", "endless tree of small processes, so deep", NULL, &h.fork, NULL },
		{ "each", "KiB that each of them takes", NULL, &h.each, NULL },
		{ "tmpfs", "write this file instead", &h.tmpfs, NULL, NULL },
		{ "shm", "share 256 KiB of this name in /dev/shm beside it", &h.shm, NULL, NULL },
		{ "ignore-term", "ignore SIGTERM", NULL, NULL, &ignore_term },
		{ NULL, NULL, NULL, NULL, NULL },
	};

	options_read(options, "takes memory, for tests", argc, argv);
	if (ignore_term)
		signal(SIGTERM, SIG_IGN);
	if (h.tmpfs) {
		h.file = open(h.tmpfs, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (h.file < 0) {
			perror(h.tmpfs);
			return 2;
		}
	}
	if (h.shm && !share(h.shm)) {
		perror(h.shm);
		return 2;
	}
	pause_s(h.after_s);
	if (h.fork > 0)
		storm(&h);
	take(&h, (uint64_t)(h.limit * MIB));
	if (h.free_after_s > 0) {
		pause_s(h.free_after_s);
		return 0;
	}
	for (;;)
		pause();
}
