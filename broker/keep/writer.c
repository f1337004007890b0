/* SPDX-License-Identifier: MIT */
#include "keep/writer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/units.h"
#include "keep/export.h"
#include "keep/journal.h"

/* A line of JSON, a journal entry's fields and what libsystemd puts on the stack: 30 KiB seen. */
#define STACK_BYTES	(256 * KIB)

struct parcel {
	struct event event;
	uint64_t dropped;		/* before this one */
};

static void write_file(const struct writer *w, const struct parcel *p)
{
	char line[EXPORT_LINE_MAX];
	int n;

	if (w->file_fd < 0)
		return;
	if (p->dropped && dprintf(w->file_fd, "{\"event\":\"lost\",\"count\":%llu}\n",
				  (unsigned long long)p->dropped) < 0)
		log_warning("export file: %s", strerror(errno));
	n = export_line(&p->event, line, sizeof(line));
	if (n > 0 && write(w->file_fd, line, (size_t)n) != n)
		log_warning("export file: %s", strerror(errno));
}

static void *work(void *userdata)
{
	struct writer *w = userdata;
	struct parcel p;

	while (recv(w->receive_fd, &p, sizeof(p), 0) == (ssize_t)sizeof(p)) {
		state_numbers_step(&w->numbers, p.event.episode);
		write_file(w, &p);
		journal_put(&p.event, p.dropped);
	}
	return NULL;
}

/* The whole stack is locked with everything else, so it is as small as the work needs. */
static int start_thread(struct writer *w)
{
	pthread_attr_t attributes;
	int r = pthread_attr_init(&attributes);

	if (r == 0)
		r = pthread_attr_setstacksize(&attributes, STACK_BYTES);
	if (r == 0)
		r = pthread_create(&w->thread, &attributes, work, w);
	(void)pthread_attr_destroy(&attributes); /* frees nothing that is still used */
	return -r;
}

int writer_start(struct writer *w, const struct writer_setup *setup)
{
	const char *path = setup->path;
	int fds[2], r;

	*w = (struct writer){ .send_fd = -1, .receive_fd = -1, .file_fd = -1 };
	state_numbers_init(&w->numbers, setup->episodes, setup->first_episode);
	if (path && path[0]) {
		r = export_open(path);
		w->file_fd = r < 0 ? -1 : r;
		w->file_error = MIN_OF(r, 0);
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	w->send_fd = fds[0];
	w->receive_fd = fds[1];
	r = start_thread(w);
	if (r < 0) {
		w->send_fd = file_close(w->send_fd);
		w->receive_fd = file_close(w->receive_fd);
	}
	return r;
}

void writer_put(struct writer *w, const struct event *e)
{
	struct parcel p = { .event = *e };

	if (w->send_fd < 0)
		return;
	p.dropped = atomic_exchange(&w->dropped, 0);
	if (send(w->send_fd, &p, sizeof(p), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		atomic_fetch_add(&w->dropped, p.dropped + 1);
}

void writer_stop(struct writer *w)
{
	if (w->send_fd >= 0) {
		w->send_fd = file_close(w->send_fd); /* the thread sees the end after the last one */
		(void)pthread_join(w->thread, NULL); /* only fails for a thread that is not ours */
		w->receive_fd = file_close(w->receive_fd);
	}
	w->file_fd = file_close(w->file_fd);
}
