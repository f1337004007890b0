/* SPDX-License-Identifier: MIT */
#include "ask/shield.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "sense/parse_process.h"

int shield_open(int root_fd, int32_t pid, uint64_t *ret_start_ticks)
{
	char path[32], stat[1024];
	int fd, r;

	(void)snprintf(path, sizeof(path), "proc/%d", (int)pid); /* 16 bytes at most */
	fd = openat(root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = (int)file_read_at(fd, "stat", stat, sizeof(stat));
	if (r >= 0)
		r = parse_process_start(stat, (size_t)r, ret_start_ticks);
	if (r < 0) {
		(void)file_close(fd);
		return r;
	}
	return fd;
}

int shield_read(int proc_fd, int32_t *ret_adj)
{
	char text[16];
	ssize_t n = file_read_at(proc_fd, "oom_score_adj", text, sizeof(text));

	if (n < 0)
		return (int)n;
	return parse_process_adj(text, (size_t)n, ret_adj);
}

int shield_write(int proc_fd, int32_t adj)
{
	_cleanup_close_ int fd = openat(proc_fd, "oom_score_adj", O_WRONLY | O_CLOEXEC);
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)adj);

	if (fd < 0 || write(fd, text, (size_t)n) < 0)
		return -errno;
	return 0;
}
