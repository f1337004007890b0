/* SPDX-License-Identifier: MIT */
#include "recorder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "core_tape.h"

/* A full-speed leak makes 500 samples a second of about 40 bytes: 25 s without the reader. Half: a
 * reader on a slow card loses the end; double: memory for nothing. */
#define RING_BYTES	(512 * KIB)

static void close_recorder(struct broker *b)
{
	struct recorder *r = &b->recorder;

	b->core.tape = NULL;
	r->source = sd_event_source_disable_unref(r->source);
	r->fd = file_close(r->fd);
	free(r->ring);
	free(r->tape);
	r->ring = NULL;
	r->tape = NULL;
}

static bool send_waiting(struct recorder *r)
{
	for (;;) {
		ssize_t n;

		if (r->sent == r->used) {
			r->sent = 0;
			r->used = tape_take(r->tape, r->piece, sizeof(r->piece));
		}
		if (!r->used)
			return true;
		n = send(r->fd, r->piece + r->sent, r->used - r->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		r->sent += (size_t)n;
	}
}

void recorder_pump(struct broker *b)
{
	struct recorder *r = &b->recorder;
	bool goes_on;

	if (r->fd < 0)
		return;
	goes_on = send_waiting(r);
	if (r->tape->is_broken)
		log_warning("the recording ends: its reader is too slow");
	if (!goes_on || r->tape->is_broken) {
		close_recorder(b);
		return;
	}
	/* full: the loop calls when it drains; the rest follows with the next event */
	if (sd_event_source_set_io_events(r->source, r->sent < r->used ? EPOLLIN | EPOLLOUT : EPOLLIN) < 0)
		close_recorder(b);
}

static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct broker *b = userdata;

	(void)source, (void)fd;
	if (revents & (EPOLLHUP | EPOLLERR))
		close_recorder(b);
	else if (revents & EPOLLIN)
		recorder_stop(b, "the reader has enough");
	else
		recorder_pump(b);
	return 0;
}

struct core_tape_machine recorder_machine(void)
{
	struct core_tape_machine m = { .now_us = clock_now_us() };
	struct timespec real;
	struct utsname name;

	memcpy(m.rules, recorder_rules, sizeof(m.rules));
	clock_gettime(CLOCK_REALTIME, &real);
	m.real_us = (uint64_t)real.tv_sec * US_PER_S + (uint64_t)real.tv_nsec / 1000;
	m.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	m.page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
	if (uname(&name) == 0)
		(void)snprintf(m.kernel, sizeof(m.kernel), "%.40s %.20s", name.release, name.machine);
	return m;
}

static int open_socket(struct broker *b, int *ret_fd)
{
	struct recorder *r = &b->recorder;
	int fds[2], error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	r->fd = fds[0];
	*ret_fd = fds[1];
	error = sd_event_add_io(b->event, &r->source, r->fd, EPOLLIN, on_socket, b);
	return error < 0 ? error : sd_event_source_set_priority(r->source, SD_EVENT_PRIORITY_IDLE);
}

int recorder_start(struct broker *b, int *ret_fd)
{
	struct recorder *r = &b->recorder;
	const struct estimate *e = &b->core.domain[CORE_DOMAIN_SYSTEM].estimate;
	struct core_tape_machine machine = recorder_machine();
	int fd = -1, error = -ENOMEM;

	if (r->fd >= 0)
		return -EBUSY;
	r->sent = r->used = 0;
	r->ring = malloc(RING_BYTES);
	r->tape = malloc(sizeof(*r->tape));
	if (r->ring && r->tape)
		error = open_socket(b, &fd);
	if (error < 0) {
		close_recorder(b);
		(void)file_close(fd);
		return error;
	}
	tape_init(r->tape, core_tape_shapes, CORE_TAPE_KIND_COUNT);
	tape_begin(r->tape, r->ring, RING_BYTES, "failsoftd " FAILSOFT_VERSION);
	machine.total_bytes = e->total_bytes;
	core_tape_start(&b->core, r->tape, &machine);
	*ret_fd = fd;
	return 0;
}

void recorder_stop(struct broker *b, const char *why)
{
	if (b->recorder.fd < 0)
		return;
	core_tape_stop(&b->core, clock_now_us(), why);
	(void)send_waiting(&b->recorder); /* what the reader takes now */
	close_recorder(b);
}
