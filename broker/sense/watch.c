/* SPDX-License-Identifier: MIT */
#include "sense/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/units.h"

/*
 * Shares of a v1 limit at which the loop wants to be woken, between two samples of a calm cgroup.
 * Source: the floors of warning and imminent lie there. Lower: woken for nothing; higher: late.
 */
static const unsigned mark_percent[] = { 75, 90 };

static void watch_init(struct watch *w, const struct sense_options *o)
{
	*w = (struct watch){
		.some = { .source.fd = -1, .distress = DISTRESS_PSI_SOME,
			  .threshold_us = o->psi_some_us, .window_us = o->psi_window_us },
		.full = { .source.fd = -1, .distress = DISTRESS_PSI_FULL,
			  .threshold_us = o->psi_full_us, .window_us = o->psi_window_us },
		.level_fd = -1,
		.usage_fd = -1,
	};
}

void watch_open_system(struct watch *w, int root_fd, const struct sense_options *o)
{
	watch_init(w, o);
	psi_open(&w->some, root_fd, NULL);
	psi_open(&w->full, root_fd, NULL);
}

/* "eventfd fd argument" into cgroup.event_control, which holds on to both by itself. */
static int notify_add(int dir_fd, int event_fd, const char *file, const char *argument)
{
	_cleanup_close_ int control = openat(dir_fd, "cgroup.event_control", O_WRONLY | O_CLOEXEC);
	_cleanup_close_ int target = file_open_at(dir_fd, file);
	struct statfs fs;
	char line[64];
	int length;

	if (control < 0)
		return -errno;
	if (target < 0)
		return target;
	if (fstatfs(control, &fs) < 0 || fs.f_type != CGROUP_SUPER_MAGIC)
		return -ENOTTY; /* a recorded tree: never written to */
	length = snprintf(line, sizeof(line), "%d %d %s", event_fd, target, argument);
	return write(control, line, (size_t)length) < 0 ? -errno : 0;
}

static int open_eventfd(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* An eventfd with marks at shares of the limit. */
static int open_usage(const struct cgroup *c)
{
	int fd = open_eventfd();

	for (unsigned i = 0; fd >= 0 && i < ARRAY_LEN(mark_percent); i++) {
		char mark[24];

		(void)snprintf(mark, sizeof(mark), "%llu",
			       (unsigned long long)(c->limit_bytes / 100 * mark_percent[i]));
		if (notify_add(c->dir_fd, fd, "memory.usage_in_bytes", mark) < 0)
			fd = file_close(fd);
	}
	return fd;
}

void watch_open_cgroup(struct watch *w, const struct cgroup *c, const struct sense_options *o)
{
	watch_init(w, o);
	if (c->is_v2) {
		psi_open(&w->some, c->dir_fd, "memory.pressure");
		psi_open(&w->full, c->dir_fd, "memory.pressure");
		return;
	}
	w->level_fd = open_eventfd();
	if (w->level_fd >= 0 &&
	    notify_add(c->dir_fd, w->level_fd, "memory.pressure_level", "medium") < 0)
		w->level_fd = file_close(w->level_fd);
	w->usage_fd = open_usage(c);
	w->marked_bytes = c->limit_bytes;
}

void watch_close(struct watch *w)
{
	for (int k = 0; k < WATCH_COUNT; k++)
		w->source[k] = sd_event_source_disable_unref(w->source[k]);
	psi_close(&w->some);
	psi_close(&w->full);
	w->level_fd = file_close(w->level_fd);
	w->usage_fd = file_close(w->usage_fd);
}

/* A dead source stays readable for ever: the loop must not spin on it. */
static void silence(struct watch *w, enum watch_kind kind)
{
	(void)sd_event_source_set_enabled(w->source[kind], SD_EVENT_OFF); /* cannot fail on ours */
}

/* true: tell the handler. *bits: what it means. */
static bool take_psi(struct watch *w, enum watch_kind kind, uint32_t revents, uint32_t *bits)
{
	struct psi *p = kind == WATCH_PSI_SOME ? &w->some : &w->full;

	if (revents & EPOLLERR) { /* its cgroup is gone */
		silence(w, kind);
		return true;
	}
	if (!psi_is_true(p, w->room))
		return false;
	*bits = p->distress;
	return true;
}

/* Reading it is what ends the event (fs/kernfs/file.c, kernfs_seq_show). */
static bool take_events(struct watch *w, int fd)
{
	ssize_t r = file_reread(fd, w->room->buffer, w->room->size);

	if (r < 0)
		silence(w, WATCH_EVENTS);
	return true;
}

static bool take_eventfd(struct watch *w, enum watch_kind kind, int fd, uint32_t *bits)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return false;
	*bits = kind == WATCH_LEVEL ? DISTRESS_PRESSURE_LEVEL : 0;
	return w != NULL;
}

static enum watch_kind kind_of(const struct watch *w, const sd_event_source *source)
{
	int kind = 0;

	while (kind < WATCH_COUNT - 1 && w->source[kind] != source)
		kind++;
	return (enum watch_kind)kind;
}

static int on_event(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct watch *w = userdata;
	enum watch_kind kind = kind_of(w, source);
	uint32_t bits = 0;
	bool tell = false;

	switch (kind) {
	case WATCH_PSI_SOME:
	case WATCH_PSI_FULL:
		tell = take_psi(w, kind, revents, &bits);
		break;
	case WATCH_EVENTS:
		tell = take_events(w, fd);
		break;
	case WATCH_LEVEL:
	case WATCH_USAGE:
		tell = take_eventfd(w, kind, fd, &bits);
		break;
	case WATCH_COUNT:
		break;
	}
	w->distress |= bits;
	if (tell)
		w->handler->distress(w->handler->userdata, w->domain, bits);
	return 0;
}

static int attach_one(struct watch *w, sd_event *event, enum watch_kind kind, int fd)
{
	static const uint32_t events[WATCH_COUNT] = {EPOLLPRI, EPOLLPRI, EPOLLPRI, EPOLLIN,
						     EPOLLIN};
	int r;

	if (fd < 0 || w->source[kind])
		return 0;
	r = sd_event_add_io(event, &w->source[kind], fd, events[kind], on_event, w);
	if (r == -EPERM)
		return 0; /* an ordinary file of a recorded tree: nothing ever happens on it */
	if (r < 0)
		return r;
	return sd_event_source_set_priority(w->source[kind], SD_EVENT_PRIORITY_IMPORTANT);
}

int watch_attach(struct watch *w, const struct watch_loop *loop, const struct cgroup *c)
{
	const int fd[WATCH_COUNT] = {
		[WATCH_PSI_SOME] = w->some.source.fd,
		[WATCH_PSI_FULL] = w->full.source.fd,
		[WATCH_EVENTS] = c && c->is_v2 ? c->fd[CGROUP_EVENTS] : -1,
		[WATCH_LEVEL] = w->level_fd,
		[WATCH_USAGE] = w->usage_fd,
	};
	int r = 0;

	w->handler = loop->handler;
	w->room = loop->room;
	for (int k = 0; k < WATCH_COUNT && r >= 0; k++)
		r = attach_one(w, loop->event, (enum watch_kind)k, fd[k]);
	return MIN_OF(r, 0);
}

void watch_limit(struct watch *w, const struct cgroup *c)
{
	int fd;

	if (w->usage_fd < 0 || c->limit_bytes == w->marked_bytes)
		return;
	w->marked_bytes = c->limit_bytes;
	fd = open_usage(c);
	if (fd < 0)
		return; /* the old marks are better than none */
	if (w->source[WATCH_USAGE] && sd_event_source_set_io_fd(w->source[WATCH_USAGE], fd) < 0) {
		file_close(fd);
		return;
	}
	file_close(w->usage_fd);
	w->usage_fd = fd;
}

uint32_t watch_take(struct watch *w)
{
	uint32_t bits = w->distress;

	w->distress = 0;
	return bits;
}
