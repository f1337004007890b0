/* SPDX-License-Identifier: MIT */
#include "keep/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/units.h"
#include "keep/export.h"
#include "keep/journal.h"

/* A line of JSON, a journal entry's fields and what libsystemd puts on the stack: 30 KiB seen. */
#define STACK_BYTES	(256 * KIB)

/* So long after a burst whose end the log did not take, that is said; again and again while stderr takes
 * nothing. Half: then two wakeups a second; double: who looks at the log at once may not see it yet. */
#define QUIET_MS	1000

#define DROPPED_ONE	((uint64_t)1 << 32)

/* ---- the line ---- */

static uint32_t place_of(uint64_t line)
{
	return (uint32_t)line;
}

static uint32_t dropped_of(uint64_t line)
{
	return (uint32_t)(line >> 32);
}

static bool take(struct writer *w, struct event *ret, uint32_t *ret_dropped)
{
	struct writer_parcel *p = &w->parcel[w->taken % WRITER_ROOM];

	if (atomic_load(&p->turn) != w->taken + 1)
		return false;
	*ret = p->event;
	*ret_dropped = p->dropped;
	atomic_store(&p->turn, w->taken + WRITER_ROOM);
	w->taken++;
	return true;
}

/* What was dropped after everything that was taken: no event is there to tell it. */
static uint32_t take_dropped(struct writer *w)
{
	uint64_t line = atomic_load(&w->line);

	if (!dropped_of(line) || place_of(line) != w->taken ||
	    !atomic_compare_exchange_strong(&w->line, &line, (uint64_t)place_of(line)))
		return 0;
	return dropped_of(line);
}

static void wake(const struct writer *w)
{
	const uint64_t one = 1;

	(void)!write(w->wake_fd, &one, sizeof(one)); /* one that is full is readable: enough */
}

/* ---- in the thread ---- */

static void write_lost(const struct writer *w, uint32_t dropped)
{
	if (!dropped)
		return;
	log_warning("%" PRIu32 " events were not logged: they came too fast", dropped);
	if (w->file_fd >= 0 &&
	    dprintf(w->file_fd, "{\"event\":\"lost\",\"count\":%" PRIu32 "}\n", dropped) < 0)
		log_warning("export file: %s", strerror(errno));
}

static void write_file(const struct writer *w, const struct event *e)
{
	char line[EXPORT_LINE_MAX];
	int n;

	if (w->file_fd < 0)
		return;
	n = export_line(e, line, sizeof(line));
	if (n > 0 && write(w->file_fd, line, (size_t)n) != n)
		log_warning("export file: %s", strerror(errno));
}

static void write_all(struct writer *w)
{
	struct event e;
	uint32_t dropped;

	while (take(w, &e, &dropped)) {
		state_numbers_step(&w->numbers, e.episode);
		write_lost(w, dropped);
		write_file(w, &e);
		journal_put(&e);
	}
	write_lost(w, take_dropped(w));
}

static void *work(void *userdata)
{
	struct writer *w = userdata;
	struct pollfd p = { .fd = w->wake_fd, .events = POLLIN };
	uint64_t count;

	for (;;) {
		bool is_ending = atomic_load(&w->is_ending); /* nothing comes after it */

		write_all(w);
		if (is_ending)
			break;
		if (poll(&p, 1, log_owes() ? QUIET_MS : -1) > 0)
			(void)!read(w->wake_fd, &count, sizeof(count)); /* never blocks, counts nothing */
		else
			log_tell_dropped();
	}
	log_tell_dropped();
	return NULL;
}

/* ---- in the loop ---- */

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
	int r;

	memset(w, 0, sizeof(*w)); /* touches all of it */
	for (uint32_t i = 0; i < WRITER_ROOM; i++)
		atomic_init(&w->parcel[i].turn, i);
	w->file_fd = -1;
	state_numbers_init(&w->numbers, setup->episodes, setup->first_episode);
	if (path && path[0]) {
		r = export_open(path);
		w->file_fd = r < 0 ? -1 : r;
		w->file_error = MIN_OF(r, 0);
	}
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0)
		return -errno;
	r = start_thread(w);
	if (r < 0)
		w->wake_fd = file_close(w->wake_fd);
	return r;
}

void writer_put(struct writer *w, const struct event *e)
{
	uint64_t line = atomic_load(&w->line), next;
	struct writer_parcel *p;
	bool is_free;

	if (w->wake_fd < 0)
		return;
	do {
		p = &w->parcel[place_of(line) % WRITER_ROOM];
		is_free = atomic_load(&p->turn) == place_of(line);
		next = is_free ? (uint32_t)(place_of(line) + 1) : line + DROPPED_ONE;
	} while (!atomic_compare_exchange_weak(&w->line, &line, next));
	if (is_free) {
		p->event = *e;
		p->dropped = dropped_of(line);
		atomic_store(&p->turn, place_of(line) + 1);
	}
	wake(w);
}

void writer_stop(struct writer *w)
{
	if (w->wake_fd >= 0) {
		atomic_store(&w->is_ending, true);
		wake(w);
		(void)pthread_join(w->thread, NULL); /* only fails for a thread that is not ours */
		w->wake_fd = file_close(w->wake_fd);
	}
	w->file_fd = file_close(w->file_fd);
}
