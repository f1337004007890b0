/* SPDX-License-Identifier: MIT */
/*
 * failsoft-loop: a 20 ms control loop that notes how late it is, every round, in a file that is
 * mapped and of full size before it begins. On a file system with DAX a note is on the disk at
 * once, so that the notes outlive the machine; judge.py reads them.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../clients/examples/options.h"

#define MAGIC		UINT64_C(0x31706f6f6c736661) /* "afsloop1" */
#define PERIOD_US	20000u
#define ROUNDS_MAX	8192u		/* 164 s; the longest run of the machine is 60 s */
#define PAGE		4096u
#define WORK_PAGES	64u		/* what a small controller touches in turn: 256 KiB */

struct round {
	uint64_t due_us, done_us;	/* of CLOCK_BOOTTIME, as /proc/uptime has it */
};

struct notes {
	uint64_t magic, period_us, count;
	uint64_t unused;
	struct round round[ROUNDS_MAX];
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void sleep_until(uint64_t at_us)
{
	const struct timespec t = { (time_t)(at_us / 1000000), (long)(at_us % 1000000) * 1000 };

	while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &t, NULL))
		continue;
}

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

/* Written, not only given a size: its blocks are there before memory is short. */
static struct notes *open_notes(const char *path)
{
	static const char zeros[PAGE];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct notes *n;

	if (fd < 0)
		fail(path);
	for (size_t done = 0; done < sizeof(*n); done += PAGE)
		if (write(fd, zeros, PAGE) != PAGE)
			fail(path);
	n = mmap(NULL, sizeof(*n), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (n == MAP_FAILED || fsync(fd) < 0)
		fail(path);
	memset(n->round, 0, sizeof(n->round));
	n->period_us = PERIOD_US;
	return n;
}

/* A little of what a controller does: its own data, one page of it after the other, and a text. */
static void work(uint8_t *data, uint64_t count)
{
	char *page = (char *)data + count % WORK_PAGES * PAGE;

	(void)snprintf(page, PAGE, "round %llu of %g", (unsigned long long)count, (double)count / 50);
}

/* A round counts as done when its work is, not when it has begun. */
static void loop(struct notes *n, uint8_t *data)
{
	uint64_t due_us = now_us();

	n->magic = MAGIC;
	while (n->count < ROUNDS_MAX) {
		struct round *r = &n->round[n->count];

		due_us += PERIOD_US;
		r->due_us = due_us;
		sleep_until(due_us);
		work(data, n->count);
		r->done_us = now_us();
		n->count++;
		if (r->done_us > due_us + PERIOD_US) /* what was missed is not made up for */
			due_us = r->done_us;
	}
}

int main(int argc, char **argv)
{
	static uint8_t data[WORK_PAGES * PAGE];
	const char *file = NULL;
	bool locked = false;
	const struct example_option options[] = {
		{ "file", "where it notes its rounds (required)", &file, NULL, NULL },
		{ "locked", "keep all of it in memory", NULL, NULL, &locked },
		{ NULL, NULL, NULL, NULL, NULL },
	};

	options_read(options, "a 20 ms control loop that notes how late it is", argc, argv);
	if (!file) {
		fprintf(stderr, "failsoft-loop: give --file=PATH; see --help\n");
		return 2;
	}
	struct notes *notes = open_notes(file);

	memset(data, 1, sizeof(data));
	if (locked && mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		fail("mlockall");
	loop(notes, data);
	return 0;
}
