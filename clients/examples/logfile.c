/* SPDX-License-Identifier: MIT */
#include "logfile.h"

#include <errno.h>
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
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(*s)) < 0)
		fail(path);
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		fail(path);
	close(fd);
	if (s->magic != STATUS_MAGIC)
		*s = (struct status){ .magic = STATUS_MAGIC };
	return s;
}

/* A log that is there already is gone on with: what a crash tore at its end is cut off. */
static uint64_t last_sequence(int fd, const char *path)
{
	struct record last = { 0 };
	off_t whole = lseek(fd, 0, SEEK_END) / (off_t)sizeof(last) * (off_t)sizeof(last);

	if (whole < 0 || ftruncate(fd, whole) < 0)
		fail(path);
	if (whole == 0)
		return 0;
	if (pread(fd, &last, sizeof(last), whole - (off_t)sizeof(last)) != (ssize_t)sizeof(last) ||
	    last.magic != RECORD_MAGIC || last.check != record_check(&last)) {
		fprintf(stderr, "%s does not end as a log of failsoft-logger: name another file\n", path);
		exit(2);
	}
	return last.sequence;
}

void logfile_open(struct logfile *l, const char *path, const char *status_path, size_t room)
{
	*l = (struct logfile){ .room = room };
	l->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (l->fd < 0)
		fail(path);
	l->buffer = malloc(room * sizeof(*l->buffer));
	if (!l->buffer)
		fail("the buffer");
	memset(l->buffer, 0, room * sizeof(*l->buffer)); /* the pages are ours from now on */
	l->status = open_status(status_path);
	l->status->durable = last_sequence(l->fd, path);
	if (l->status->produced < l->status->durable)
		l->status->produced = l->status->durable;
	l->produced = l->status->produced; /* what was lost before stays visible as a gap */
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

/* Takes `written` bytes out of the buffer; a record that went out in part is cut off the file. */
static void take_out(struct logfile *l, size_t written)
{
	size_t part = written % sizeof(*l->buffer), records = written / sizeof(*l->buffer);
	off_t end = lseek(l->fd, 0, SEEK_END);

	if (part && (end < 0 || ftruncate(l->fd, end - (off_t)part) < 0))
		perror("a record that was written in part stays in the log");
	l->used -= records;
	memmove(l->buffer, l->buffer + records, l->used * sizeof(*l->buffer));
}

bool logfile_write(struct logfile *l, bool is_durable)
{
	size_t bytes = l->used * sizeof(*l->buffer), done = 0;
	ssize_t n = 0;

	while (done < bytes) {
		n = write(l->fd, (const char *)l->buffer + done, bytes - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	take_out(l, done);
	if (l->used || (is_durable && fdatasync(l->fd) < 0))
		return false;
	if (is_durable)
		l->status->durable = l->produced;
	return true;
}

size_t logfile_exposed_bytes(const struct logfile *l)
{
	return l->used * sizeof(*l->buffer);
}
