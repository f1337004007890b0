/* SPDX-License-Identifier: MIT */
/* Busy, but harmless; and what a recording needs beside the load: whom to wait for. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

#define CHUNK		(256u << 10)
#define LOOK_S		0.02	/* until-kill: so late the recording's end may be */

static uint8_t chunk[CHUNK];

static bool goes_on(const struct load *l, double start_s)
{
	return load_now_s() - start_s < l->seconds;
}

static int open_path(const char *path, int flags)
{
	int fd = open(path ? path : "/data/load", flags | O_CLOEXEC, 0600);

	if (fd < 0)
		load_fail(path);
	return fd;
}

static void write_through(const struct load *l, double start_s)
{
	int fd = open_path(l->file, O_WRONLY | O_CREAT | O_TRUNC | O_SYNC);

	for (double done = 0; done < l->size * MIB && goes_on(l, start_s); done += CHUNK) {
		fill_page(chunk, (uint64_t)done / PAGE);
		if (write(fd, chunk, CHUNK) < 0)
			load_fail("write");
	}
	close(fd);
}

static void read_back(const struct load *l, double start_s)
{
	int fd = open_path(l->file, O_RDONLY);

	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	while (goes_on(l, start_s) && read(fd, chunk, CHUNK) > 0)
		continue;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

void load_storm(const struct load *l)
{
	double start_s = load_now_s();

	while (goes_on(l, start_s)) {
		write_through(l, start_s);
		read_back(l, start_s);
	}
}

void load_copy(const struct load *l)
{
	double start_s = load_now_s();
	char path[256];

	(void)snprintf(path, sizeof(path), "%s.copy", l->file ? l->file : "/data/load");
	while (goes_on(l, start_s)) {
		int from = open_path(l->file, O_RDONLY);
		int to = open_path(path, O_WRONLY | O_CREAT | O_TRUNC);
		ssize_t n;

		while (goes_on(l, start_s) && (n = read(from, chunk, CHUNK)) > 0)
			if (write(to, chunk, (size_t)n) < 0)
				load_fail("write");
		close(from);
		close(to);
	}
}

static const volatile uint8_t *map_file(const char *path, size_t *ret_pages)
{
	int fd = open_path(path, O_RDONLY);
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0 || st.st_size < PAGE) {
		errno = ENODATA;
		load_fail(path);
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		load_fail("mmap");
	close(fd);
	*ret_pages = (size_t)st.st_size / PAGE;
	return map;
}

void load_scan(const struct load *l)
{
	size_t pages, page = 0;
	const volatile uint8_t *map = map_file(l->file, &pages);
	double start_s = load_now_s();

	while (goes_on(l, start_s)) {
		for (int i = 0; i < 64; i++)
			(void)map[page++ % pages * PAGE];
		if (l->rate > 0)
			load_sleep_until(start_s + (double)page / MIB_PAGES / l->rate);
	}
}

/*
 * In a mapped file, so that it is true to the last page however this ends: pages in all, pages when
 * so little was free for the first time, and the least that was ever free, in KiB. Looked at after
 * every 16 pages: 2 us in 60.
 */
struct count {
	uint64_t pages, pages_at_mark, least_free_kib;
};

static struct count *open_count(const char *path)
{
	int fd = open_path(path, O_RDWR | O_CREAT | O_TRUNC);
	struct count *c = MAP_FAILED;

	if (ftruncate(fd, PAGE) == 0)
		c = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c == MAP_FAILED)
		load_fail(path);
	close(fd);
	c->least_free_kib = UINT64_MAX;
	return c;
}

void load_count(const struct load *l, uint64_t pages)
{
	static struct count *count;
	uint64_t free_kib;
	struct sysinfo now;

	if (!count)
		count = open_count(l->count);
	count->pages = pages;
	if (pages % 16 || sysinfo(&now) < 0)
		return;
	free_kib = (uint64_t)now.freeram * now.mem_unit / 1024;
	if (free_kib < count->least_free_kib)
		count->least_free_kib = free_kib;
	if (!count->pages_at_mark && (double)free_kib < l->mark * 1024)
		count->pages_at_mark = pages;
}

/* Each page as likely as any other, 1000 a second: a program whose code does not fit any more. */
void load_readers(const struct load *l)
{
	for (int reader = 0; reader < (int)l->readers; reader++) {
		uint64_t x = 88172645463325252u + (uint64_t)reader;
		double at_s = load_now_s();
		size_t pages;
		const volatile uint8_t *map;

		if (fork() != 0)
			continue;
		for (map = map_file(l->file, &pages);; load_sleep_until(at_s += 0.001)) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			(void)map[x % pages * PAGE];
		}
	}
}

/* ---- processes that come and go ---- */

static void compile_one(const struct load *l, unsigned number)
{
	double at_s = load_now_s(), size = 1 + (number * 7 % 8) * (l->size - 1) / 7;
	uint64_t pages = (uint64_t)(size * MIB_PAGES);
	uint8_t *memory = malloc(pages * PAGE);

	for (uint64_t i = 0; memory && i < pages; i++) {
		fill_page(memory + i * PAGE, i);
		if (i % 64 == 63) /* 250 KiB each 4 ms: it works on what it takes */
			load_sleep_until(at_s += 0.004);
	}
	_exit(0);
}

void load_compile(const struct load *l)
{
	double start_s = load_now_s();
	unsigned running = 0;

	for (unsigned number = 0; goes_on(l, start_s); number++) {
		pid_t child = fork();

		if (child == 0)
			compile_one(l, number);
		running += child > 0;
		if (running >= (unsigned)l->times && wait(NULL) > 0)
			running--;
	}
	while (wait(NULL) > 0)
		continue;
}

/* ---- the end of a recording ---- */

static uint64_t count_kills(int fd)
{
	static char text[16384];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	const char *at;

	if (n < 0)
		return 0;
	text[n] = 0;
	at = strstr(text, "\noom_kill ");
	return at ? strtoull(at + 10, NULL, 10) : 0;
}

void load_until_kill(const struct load *l)
{
	int fd = open_path("/proc/vmstat", O_RDONLY);
	double at_s = load_now_s(), end_s = at_s + l->seconds;
	uint64_t before = count_kills(fd);

	(void)mlockall(MCL_CURRENT | MCL_FUTURE); /* without it the end comes late */
	while (at_s < end_s && count_kills(fd) == before)
		load_sleep_until(at_s += LOOK_S);
	if (at_s < end_s)
		load_sleep_until(load_now_s() + l->hold_s);
	if (l->recorder > 1)
		(void)kill((pid_t)l->recorder, SIGINT); /* the shell may be among the dead */
}
