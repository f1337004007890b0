/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* fopencookie */
#endif
#include "outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

struct outlet {
	struct outlet_events events;
	FILE *stream;
	sd_event_source *io;		/* NULL: a file, which takes everything at once */
	int fd, own_fd;			/* own_fd < 0: fd is the caller's */
	int flags;			/* of the caller's, before; -1: they are as they were */
	bool is_socket, is_full;
	int error;
	char *bytes;
	size_t limit, begin, end, room;	/* of those that wait */
};

size_t outlet_waiting(const struct outlet *o)
{
	return o->end - o->begin;
}

int outlet_error(const struct outlet *o)
{
	return o->error;
}

FILE *outlet_stream(struct outlet *o)
{
	return o->stream;
}

static void watch_for(struct outlet *o)
{
	/* always for its end: that comes unasked */
	(void)sd_event_source_set_io_events(o->io, outlet_waiting(o) || o->is_full ? EPOLLOUT : 0);
}

/* Where nothing may wait, it is full before the next line does not fit: a pipe is writable while it has
 * a page. */
static size_t pressing(const struct outlet *o)
{
	struct pollfd at = { o->fd, POLLOUT, 0 };
	const size_t waiting = outlet_waiting(o);

	return !waiting && o->limit == 1 && o->io && poll(&at, 1, 0) == 0 ? 1 : waiting;
}

static void tell_full(struct outlet *o)
{
	const size_t waiting = pressing(o);

	if (o->is_full ? waiting > o->limit / 2 : waiting < o->limit)
		return;
	o->is_full = !o->is_full;
	o->events.full(o->events.userdata, o->is_full);
}

/* ---- writing ---- */

static ssize_t write_once(struct outlet *o, const char *bytes, size_t length)
{
	return o->is_socket ? send(o->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL)
			    : write(o->fd, bytes, length);
}

/* Returns how many it took; an error is kept. */
static size_t write_some(struct outlet *o, const char *bytes, size_t length)
{
	size_t done = 0;

	while (done < length && !o->error) {
		ssize_t n = write_once(o, bytes + done, length - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			o->error = errno;
	}
	return done;
}

static void flush(struct outlet *o)
{
	o->begin += write_some(o, o->bytes + o->begin, outlet_waiting(o));
	if (o->begin < o->end)
		return;
	free(o->bytes);
	o->bytes = NULL;
	o->begin = o->end = o->room = 0;
}

static bool make_room(struct outlet *o, size_t length)
{
	const size_t waiting = outlet_waiting(o);
	size_t room = o->room ? o->room : 65536;
	char *bytes;

	if (o->begin) {
		memmove(o->bytes, o->bytes + o->begin, waiting);
		o->begin = 0;
		o->end = waiting;
	}
	while (room < waiting + length)
		room *= 2;
	bytes = room > o->room ? realloc(o->bytes, room) : o->bytes;
	if (!bytes)
		return false;
	o->bytes = bytes;
	o->room = room;
	return true;
}

static void keep(struct outlet *o, const char *bytes, size_t length)
{
	if (o->end + length > o->room && !make_room(o, length)) {
		o->error = ENOMEM;
		return;
	}
	memcpy(o->bytes + o->end, bytes, length);
	o->end += length;
}

/* Of the stream: all or nothing, as it is kept. */
static ssize_t put(void *cookie, const char *bytes, size_t length)
{
	struct outlet *o = cookie;
	size_t done = 0;

	if (!outlet_waiting(o))
		done = write_some(o, bytes, length);
	if (done < length && !o->error)
		keep(o, bytes + done, length - done);
	if (o->error) {
		errno = o->error;
		return 0; /* the stream's error: see fopencookie(3) */
	}
	tell_full(o);
	if (o->io)
		watch_for(o);
	return (ssize_t)length;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct outlet *o = userdata;

	(void)source;
	(void)fd;
	flush(o);
	if (!o->error && (events & EPOLLERR))
		o->error = EPIPE; /* nothing waits, and nobody would read it */
	if (!o->error && (events & EPOLLHUP) && !(events & EPOLLOUT))
		o->error = EPIPE;
	if (o->error) {
		(void)sd_event_source_set_enabled(o->io, SD_EVENT_OFF);
		o->events.lost(o->events.userdata);
		return 0;
	}
	tell_full(o);
	watch_for(o);
	return 0;
}

static int left_ms(const struct timespec *begin, int ms)
{
	struct timespec now;
	int64_t passed_ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	passed_ms = (now.tv_sec - begin->tv_sec) * 1000 + (now.tv_nsec - begin->tv_nsec) / 1000000;
	return passed_ms < ms ? ms - (int)passed_ms : 0;
}

bool outlet_drain(struct outlet *o, size_t bytes, int ms)
{
	struct pollfd at = { o->fd, POLLOUT, 0 };
	struct timespec begin;
	sigset_t none;

	sigemptyset(&none);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (;;) {
		const int left = left_ms(&begin, ms);
		const struct timespec wait = { left / 1000, (long)(left % 1000) * 1000000 };

		flush(o);
		if (o->error || outlet_waiting(o) <= bytes || (ms >= 0 && left == 0))
			break;
		(void)ppoll(&at, 1, ms < 0 ? NULL : &wait, &none); /* signals: their default */
	}
	if (!o->error)
		tell_full(o);
	return !o->error && outlet_waiting(o) <= bytes;
}

/* ---- life ---- */

/* Others share the caller's descriptor (a terminal's shell): a pipe or terminal is opened once more, and
 * only where that is not allowed ours is changed and put back. */
static void make_nonblocking(struct outlet *o, int fd)
{
	struct stat is;
	char path[40];

	o->fd = fd;
	if (fstat(fd, &is) < 0 || S_ISREG(is.st_mode))
		return;
	o->is_socket = S_ISSOCK(is.st_mode);
	if (o->is_socket)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	o->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (o->own_fd >= 0) {
		o->fd = o->own_fd;
		return;
	}
	o->flags = fcntl(fd, F_GETFL);
	if (o->flags >= 0 && fcntl(fd, F_SETFL, o->flags | O_NONBLOCK) < 0)
		o->flags = -1;
}

int outlet_new(struct outlet **ret, struct sd_event *event, int fd, size_t limit,
	       const struct outlet_events *events)
{
	static const cookie_io_functions_t functions = { .write = put };
	struct outlet *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->events = *events;
	o->limit = limit;
	o->own_fd = o->flags = -1;
	make_nonblocking(o, fd);
	r = sd_event_add_io(event, &o->io, o->fd, 0, on_io, o);
	if (r == -EPERM)
		r = 0; /* a file, /dev/null: there is nothing to wait for */
	o->stream = r < 0 ? NULL : fopencookie(o, "w", functions);
	if (!o->stream) {
		outlet_free(o);
		return r < 0 ? r : -ENOMEM;
	}
	*ret = o;
	return 0;
}

struct outlet *outlet_free(struct outlet *o)
{
	if (!o)
		return NULL;
	if (o->stream)
		fclose(o->stream); /* each line was flushed */
	sd_event_source_disable_unref(o->io);
	if (o->own_fd >= 0)
		close(o->own_fd);
	if (o->flags >= 0)
		(void)fcntl(o->fd, F_SETFL, o->flags);
	free(o->bytes);
	free(o);
	return NULL;
}
