/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

/* Of one read(), and so of one turn of the loop: 50 lines. Half: more calls; double: others wait longer. */
#define CHUNK_BYTES	65536u

struct reader {
	struct reader_events events;
	sd_event_source *io;		/* NULL: a regular file, which is always there */
	sd_event_source *turn;		/* for what was read already, or is always there */
	int fd;
	bool is_ours, is_paused, is_whole, has_ended;
	int error;
	char *bytes;
	size_t begin, scanned, end, room; /* scanned: no line ends before it */
};

static char *find_end(struct reader *r)
{
	char *end = r->scanned < r->end ? memchr(r->bytes + r->scanned, '\n', r->end - r->scanned) : NULL;

	if (!end)
		r->scanned = r->end;
	else
		r->scanned = (size_t)(end - r->bytes);
	return end;
}

static bool make_room(struct reader *r)
{
	char *bytes;

	if (r->begin) {
		memmove(r->bytes, r->bytes + r->begin, r->end - r->begin);
		r->scanned -= r->begin;
		r->end -= r->begin;
		r->begin = 0;
	}
	if (r->room - r->end > CHUNK_BYTES) /* and a NUL */
		return true;
	bytes = realloc(r->bytes, 2 * r->room + CHUNK_BYTES + 1);
	if (!bytes)
		return false;
	r->bytes = bytes;
	r->room = 2 * r->room + CHUNK_BYTES + 1;
	return true;
}

static void fill(struct reader *r)
{
	ssize_t n;

	if (!make_room(r)) {
		r->error = ENOMEM;
		return;
	}
	n = read(r->fd, r->bytes + r->end, CHUNK_BYTES);
	if (n > 0)
		r->end += (size_t)n;
	else if (n == 0)
		r->is_whole = true;
	else if (errno != EAGAIN && errno != EINTR)
		r->error = errno;
}

static void hand_over(struct reader *r, char *end)
{
	char *line = r->bytes + r->begin;

	*end = '\0';
	r->begin = r->scanned = (size_t)(end - r->bytes) + 1;
	r->events.line(r->events.userdata, line, (size_t)(end - line));
}

/* What comes next: others first, in any case. */
static void arm(struct reader *r)
{
	const bool is_awake = !r->is_paused && !r->has_ended;
	const bool has_turn = !r->io || r->is_whole || r->error || find_end(r);

	(void)sd_event_source_set_enabled(r->turn, is_awake && has_turn ? SD_EVENT_ON : SD_EVENT_OFF);
	if (r->io)
		(void)sd_event_source_set_enabled(r->io, is_awake && !has_turn ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void step(struct reader *r)
{
	char *end;

	if (!find_end(r) && !r->is_whole && !r->error)
		fill(r);
	while (!r->is_paused && (end = find_end(r)))
		hand_over(r, end);
	if (!r->is_paused && r->is_whole && r->begin < r->end) {
		end = r->bytes + r->end;
		hand_over(r, end); /* the last one lacks its end */
		r->begin = r->scanned = r->end;
	}
	if (!r->is_paused && (r->is_whole || r->error)) {
		r->has_ended = true;
		r->events.end(r->events.userdata, r->error);
	}
	arm(r);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	step(userdata);
	return 0;
}

static int on_turn(sd_event_source *source, void *userdata)
{
	(void)source;
	step(userdata);
	return 0;
}

void reader_pause(struct reader *r, bool is_paused)
{
	r->is_paused = is_paused;
	arm(r);
}

/* ---- life ---- */

int reader_new(struct reader **ret, struct sd_event *event, const char *path,
	       const struct reader_events *events)
{
	struct reader *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->events = *events;
	r->is_ours = strcmp(path, "-") != 0;
	/* not standard input: others share it. We read of it when there is something */
	r->fd = r->is_ours ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : STDIN_FILENO;
	error = r->fd < 0 ? -errno : sd_event_add_defer(event, &r->turn, on_turn, r);
	if (error >= 0)
		error = sd_event_add_io(event, &r->io, r->fd, EPOLLIN, on_io, r);
	if (error == -EPERM)
		error = 0; /* a file, /dev/null: there is nothing to wait for */
	if (error < 0) {
		reader_free(r);
		return error;
	}
	arm(r);
	*ret = r;
	return 0;
}

struct reader *reader_free(struct reader *r)
{
	if (!r)
		return NULL;
	sd_event_source_disable_unref(r->io);
	sd_event_source_disable_unref(r->turn);
	if (r->is_ours && r->fd >= 0)
		close(r->fd);
	free(r->bytes);
	free(r);
	return NULL;
}
