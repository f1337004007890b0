/* SPDX-License-Identifier: MIT */
/*
 * File: whole small kernel files into a buffer of the caller, and descriptors that close
 * themselves. Edge. No function allocates; EINTR is never returned.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Opens read-only and close-on-exec. `path` relative to dir_fd. A descriptor or a negative errno.
 */
int file_open_at(int dir_fd, const char *path);

/*
 * Reads the whole file and adds a NUL. Returns the number of bytes without NUL, or a negative
 * errno; -EFBIG when it does not fit: a half-read file is never returned.
 */
ssize_t file_read_at(int dir_fd, const char *path, char *buffer, size_t size);

/* The same from a descriptor that stays open, from its beginning; does not move its position. */
ssize_t file_reread(int fd, char *buffer, size_t size);

/* Closes fd unless it is negative, keeps errno. Returns -1, to be assigned to the variable. */
int file_close(int fd);

static inline void file_close_p(int *fd)
{
	*fd = file_close(*fd);
}

#define _cleanup_close_ __attribute__((cleanup(file_close_p)))
