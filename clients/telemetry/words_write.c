/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "words.h"

#define DRAFT WORDS_FILE ".new"

static int may_write(int directory_fd)
{
	struct stat s;

	if (fstat(directory_fd, &s) < 0)
		return -errno;
	if (!S_ISDIR(s.st_mode))
		return -ENOTDIR;
	/* in another's directory a name may become a link between two calls */
	return s.st_uid == geteuid() && !(s.st_mode & (S_IWGRP | S_IWOTH)) ? 0 : -EPERM;
}

static int write_draft(int directory_fd, const char *text, size_t length)
{
	int fd, r;
	ssize_t n;

	if (unlinkat(directory_fd, DRAFT, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(directory_fd, DRAFT, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	n = write(fd, text, length);
	r = n < 0 ? -errno : (size_t)n < length ? -ENOSPC : 0;
	/* for the service, whose user is not known yet; in it is what the service tells everybody
	 */
	if (r == 0 && fchmod(fd, 0644) < 0)
		r = -errno;
	close(fd);
	return r;
}

int words_write(int directory_fd, const struct words *w)
{
	int r = may_write(directory_fd), length;
	char *text;

	if (r < 0)
		return r;
	text = malloc(WORDS_FILE_MAX);
	if (!text)
		return -ENOMEM;
	length = words_format(w, text, WORDS_FILE_MAX);
	r = length < 0 ? length : write_draft(directory_fd, text, (size_t)length);
	if (r == 0 && renameat(directory_fd, DRAFT, directory_fd, WORDS_FILE) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(directory_fd, DRAFT, 0); /* else the next one does it */
	free(text);
	return r;
}
