/* SPDX-License-Identifier: MIT */
#include "logfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static struct status *open_status(const char *path)
{
	static struct status own;
	struct status *s;
	int fd;

	if (!path)
		return &own;
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(*s)) < 0)
		fail(path);
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		fail(path);
	close(fd);
	s->magic = STATUS_MAGIC;
	return s;
}

void logfile_open(struct logfile *l, const char *path, const char *status_path, size_t room)
{
	*l = (struct logfile){ .room = room };
	l->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (l->fd < 0)
		fail(path);
	l->buffer = malloc(room * sizeof(*l->buffer));
	if (!l->buffer)
		fail("the buffer");
	memset(l->buffer, 0, room * sizeof(*l->buffer)); /* the pages are ours from now on */
	l->status = open_status(status_path);
}

/* The counter comes first: a record that was counted and then lost is lost, not forgotten. */
void logfile_add(struct logfile *l, uint64_t time_us)
{
	struct record *r;

	if (l->used == l->room)
		(void)logfile_write(l, false); /* if even this fails the newest record is lost, counted */
	l->status->produced = ++l->produced;
	if (l->used == l->room)
		return;
	r = &l->buffer[l->used++];
	*r = (struct record){ .magic = RECORD_MAGIC, .sequence = l->produced, .time_us = time_us };
	memset(r->payload, (int)(l->produced & 0xff), sizeof(r->payload));
	r->check = record_check(r);
}

bool logfile_write(struct logfile *l, bool is_durable)
{
	const char *at = (const char *)l->buffer;
	size_t left = l->used * sizeof(*l->buffer);

	while (left) {
		ssize_t n = write(l->fd, at, left);

		if (n <= 0)
			return false;
		at += n;
		left -= (size_t)n;
	}
	l->used = 0;
	if (is_durable && fdatasync(l->fd) < 0)
		return false;
	if (is_durable)
		l->status->durable = l->produced;
	return true;
}

size_t logfile_exposed_bytes(const struct logfile *l)
{
	return l->used * sizeof(*l->buffer);
}
