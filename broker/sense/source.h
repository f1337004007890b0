/* SPDX-License-Identifier: MIT */
/*
 * Source: one kernel interface that is read, and its table of operations. Edge. Paths are relative
 * to one root directory. A source that the kernel does not offer is `absent`, never an error: it
 * says which option or boot word adds it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sense/sample.h"

/* Where sources read into, allocated once. */
struct source_room {
	char *buffer;
	size_t size;
	uint32_t page_bytes;
	uint32_t cpus;
};

struct source {
	const struct source_ops *ops;
	int fd;				/* stays open; -1: absent */
	int error;			/* why it is absent, negative errno */
	const char *note; /* NULL, or what is special about it on this machine; static */
};

struct source_ops {
	const char *name;
	const char *path;		/* relative to the root */
	const char *gives;
	const char *remedy;		/* the kernel option or boot word that adds it */
	/* NULL in sources that call instead of being read: their own header has what they need. */
	int (*open)(struct source *s, int root_fd);
	/* Adds its readings to *ret and sets their bits in ret->has; leaves it alone on failure. */
	int (*read)(struct source *s, const struct source_room *room, struct sample *ret);
	void (*close)(struct source *s);
};

extern const struct source_ops meminfo_ops, pools_ops, zoneinfo_ops, vmstat_ops, loadavg_ops;
extern const struct source_ops cpu_pressure_ops, memory_pressure_ops, zram_ops, arc_ops;

/* For files that are read again and again. */
int source_open_file(struct source *s, int root_fd);
void source_close(struct source *s);

/* Opens it and reads it once, so that what is missing shows at start. Never fails: s->error. */
void source_probe(struct source *s, const struct source_ops *ops, int root_fd,
		  const struct source_room *room);
