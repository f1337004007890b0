/* SPDX-License-Identifier: MIT */
#include "sense/feeders.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/units.h"

/* 9-13 us each and 2 more for each open file: a call takes less than 1 ms. Half: a round of 2000
 * processes takes twice the calls; double: a turn of the loop is 1 ms longer. */
#define SLICE		32u
/* Of one process; who feeds a watchdog opens it early. Half: a server that also does is overlooked. */
#define FILES_MAX	64u
/* In the middle of a round, and between two. Half: twice the CPU at rest (0.1 %); double: who has just
 * begun to feed is not known for two minutes. */
#define PIECE_US	(100 * US_PER_MS)
#define ROUND_US	(60 * US_PER_S)
#define WATCHDOG	"/dev/watchdog"

void feeders_open(struct feeders *f, int root_fd)
{
	*f = (struct feeders){ .dev_fd = -1 };
	f->proc_fd = openat(root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->dev_fd = openat(root_fd, "dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pidwalk_init(&f->walk, f->proc_fd);
}

void feeders_close(struct feeders *f)
{
	pidwalk_fini(&f->walk);
	f->proc_fd = file_close(f->proc_fd);
	f->dev_fd = file_close(f->dev_fd);
}

/* A machine without one has nobody to look for. */
static bool has_watchdog(const struct feeders *f)
{
	return f->dev_fd >= 0 && (faccessat(f->dev_fd, "watchdog", F_OK, 0) == 0 ||
				  faccessat(f->dev_fd, "watchdog0", F_OK, 0) == 0);
}

static bool holds_watchdog(const struct feeders *f, int32_t pid)
{
	char path[32], link[64];
	struct pidwalk files;
	_cleanup_close_ int fd = -1;
	bool is_found = false;
	int32_t file;

	(void)snprintf(path, sizeof(path), "%d/fd", (int)pid); /* 14 bytes at most */
	fd = openat(f->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	pidwalk_init(&files, fd); /* names of files are numbers, as pids are */
	for (unsigned i = 0; !is_found && i < FILES_MAX && pidwalk_next(&files, &file) > 0; i++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "%d", (int)file); /* the same */
		n = readlinkat(fd, path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		is_found = strncmp(link, WATCHDOG, strlen(WATCHDOG)) == 0;
	}
	pidwalk_fini(&files);
	return is_found;
}

static bool end_round(struct feeders *f, uint64_t now_us)
{
	memcpy(f->pids, f->finding, sizeof(f->pids));
	f->count = f->found;
	f->found = 0;
	f->due_us = now_us + ROUND_US;
	return true;
}

bool feeders_step(struct feeders *f, uint64_t now_us)
{
	int32_t pid;

	if (f->proc_fd < 0 || now_us < f->due_us)
		return false;
	if (!f->walk.is_running && !has_watchdog(f))
		return end_round(f, now_us);
	for (unsigned i = 0; i < SLICE; i++) {
		if (pidwalk_next(&f->walk, &pid) <= 0)
			return end_round(f, now_us);
		if (f->found < FEEDERS_MAX && holds_watchdog(f, pid))
			f->finding[f->found++] = pid;
	}
	f->due_us = now_us + PIECE_US;
	return false;
}
