/* SPDX-License-Identifier: MIT */
#include "memory_now.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool figure(const char *text, const char *key, uint64_t *ret_bytes)
{
	const char *at = strstr(text, key);

	if (!at)
		return false;
	*ret_bytes = strtoull(at + strlen(key), NULL, 10) << 10;
	return true;
}

bool memory_now(int root_fd, uint64_t *ret_available_bytes, uint64_t *ret_total_bytes)
{
	char text[512]; /* both stand in the first three lines */
	int fd = openat(root_fd, "proc/meminfo", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	uint64_t available_bytes, total_bytes;

	if (fd >= 0)
		close(fd);
	text[length < 0 ? 0 : length] = '\0';
	if (!figure(text, "MemTotal:", &total_bytes) ||
	    !figure(text, "MemAvailable:", &available_bytes))
		return false;
	*ret_available_bytes = available_bytes;
	*ret_total_bytes = total_bytes;
	return true;
}
