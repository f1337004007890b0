/* SPDX-License-Identifier: MIT */
/*
 * Watch: the calls of the kernel for one domain, PSI triggers, memory.events, v1 notifications, as
 * sources of the event loop. Edge. What a call says is kept until the next sample takes it.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "sense/cgroup.h"
#include "sense/psi.h"
#include "sense/sense.h"

enum watch_kind {
	WATCH_PSI_SOME, WATCH_PSI_FULL,
	WATCH_EVENTS,			/* v2 memory.events: a counter moved */
	WATCH_LEVEL,			/* v1 memory.pressure_level, medium */
	WATCH_USAGE,			/* v1 marks on memory.usage_in_bytes */
	WATCH_COUNT
};

struct watch {
	uint32_t domain;
	struct psi some, full;
	int level_fd, usage_fd;		/* eventfds; -1: none */
	uint64_t marked_bytes;		/* the limit for which marks are set */
	uint32_t distress;		/* since it was last taken */
	sd_event_source *source[WATCH_COUNT];
	const struct sense_handler *handler;	/* borrowed */
	const struct source_room *room;		/* borrowed */
};

/* Arms what there is for the system, or for a cgroup. Never fails: what is absent is absent. */
void watch_open_system(struct watch *w, int root_fd, const struct sense_options *o);
void watch_open_cgroup(struct watch *w, const struct cgroup *c, const struct sense_options *o);
void watch_close(struct watch *w);

/* c NULL: the system. handler, room: borrowed until watch_close. */
struct watch_loop {
	sd_event *event;
	const struct sense_handler *handler;
	const struct source_room *room;
};
int watch_attach(struct watch *w, const struct watch_loop *loop, const struct cgroup *c);

/* Sets the v1 usage marks again when the limit changed. */
void watch_limit(struct watch *w, const struct cgroup *c);

/* The bits since the last call. */
uint32_t watch_take(struct watch *w);
