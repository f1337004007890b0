/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "keep/export.h"

_Static_assert(sizeof(((struct stream *)0)->line) >= EXPORT_LINE_MAX, "a line fits");

static void close_stream(struct stream *s)
{
	s->source = sd_event_source_disable_unref(s->source);
	s->fd = file_close(s->fd);
}

/* The next event as a line; false: there is none. */
static bool next_line(struct stream *s)
{
	uint64_t lost = 0;
	const struct event *e = record_next(&s->broker->core.record, &s->number, &lost);
	int n;

	if (!e)
		return false;
	s->used = s->sent = 0;
	if (lost) {
		n = snprintf(s->line, sizeof(s->line), "{\"event\":\"lost\",\"count\":%llu}\n",
			     (unsigned long long)lost);
		s->number--; /* this one comes next, after the gap was named */
	} else {
		n = export_line(e, s->line, sizeof(s->line));
	}
	s->used = n > 0 ? (uint32_t)n : 0;
	return true;
}

/* false: the reader is gone. */
static bool write_lines(struct stream *s)
{
	do {
		ssize_t n = 0;

		if (s->sent < s->used)
			n = send(s->fd, s->line + s->sent, s->used - s->sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		s->sent += (uint32_t)n;
	} while (s->sent < s->used || next_line(s));
	return true;
}

static void pump_one(struct stream *s)
{
	uint32_t events = 0;

	if (!write_lines(s)) {
		close_stream(s);
		return;
	}
	if (s->sent < s->used)
		events = EPOLLOUT; /* full: the loop calls when it drains */
	if (sd_event_source_set_io_events(s->source, events) < 0)
		close_stream(s);
}

static int on_stream(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct stream *s = userdata;

	(void)source, (void)fd;
	if (revents & (EPOLLHUP | EPOLLERR))
		close_stream(s);
	else
		pump_one(s);
	return 0;
}

uint32_t stream_share(const struct broker *b)
{
	return (uint32_t)MAX_OF(b->config.max_monitors / 4, 1u);
}

/* A free one for that user; -EMFILE, -EDQUOT. */
static int find_room(struct broker *b, uint32_t uid, struct stream **ret)
{
	struct stream *room = NULL;
	uint32_t used = 0, own = 0;

	for (uint32_t i = 0; i < BROKER_STREAMS_MAX; i++) {
		struct stream *s = &b->streams[i];

		if (s->fd < 0)
			room = room ? room : s;
		used += s->fd >= 0;
		own += s->fd >= 0 && s->uid == uid;
	}
	if (!room || used >= b->config.max_monitors)
		return -EMFILE;
	if (uid != 0 && own >= stream_share(b))
		return -EDQUOT;
	*ret = room;
	return 0;
}

int stream_add(struct broker *b, uint32_t uid, bool with_history, int *ret_fd)
{
	struct stream *s;
	int fds[2], r = find_room(b, uid, &s);

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*s = (struct stream){ .broker = b, .fd = fds[0], .uid = uid };
	s->number = with_history ? 0 : b->core.record.last;
	r = sd_event_add_io(b->event, &s->source, s->fd, 0, on_stream, s);
	if (r >= 0)
		r = sd_event_source_set_priority(s->source, SD_EVENT_PRIORITY_IDLE);
	if (r < 0) {
		close_stream(s);
		(void)file_close(fds[1]);
		return r;
	}
	*ret_fd = fds[1];
	return 0;
}

void stream_pump(struct broker *b)
{
	for (uint32_t i = 0; i < BROKER_STREAMS_MAX; i++)
		if (b->streams[i].fd >= 0 && b->streams[i].sent == b->streams[i].used)
			pump_one(&b->streams[i]);
}

void stream_close_all(struct broker *b)
{
	for (uint32_t i = 0; b->streams && i < BROKER_STREAMS_MAX; i++)
		if (b->streams[i].fd >= 0)
			close_stream(&b->streams[i]);
}
