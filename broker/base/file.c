/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int file_open_at(int dir_fd, const char *path)
{
	int fd;

	do
		fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

ssize_t file_read_at(int dir_fd, const char *path, char *buffer, size_t size)
{
	_cleanup_close_ int fd = file_open_at(dir_fd, path);

	return fd < 0 ? fd : file_reread(fd, buffer, size);
}

ssize_t file_reread(int fd, char *buffer, size_t size)
{
	size_t used = 0;

	if (!size)
		return -EINVAL;
	/* seq_file hands out about a page per call (fs/seq_file.c), so only 0 means the end. */
	while (used < size) {
		ssize_t n = pread(fd, buffer + used, size - used, (off_t)used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			buffer[used] = '\0';
			return (ssize_t)used;
		}
		used += (size_t)n;
	}
	return -EFBIG;
}

int file_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		(void)close(fd); /* nothing was written through it that could still fail */
	errno = saved;
	return -1;
}
