/* SPDX-License-Identifier: MIT */
/*
 * Reader: the lines of a file, a pipe or a terminal on an sd-event loop, which goes on serving others and can
 * be ended meanwhile. Edge.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct sd_event;
struct reader;

/* Called from the loop. */
struct reader_events {
	void (*line)(void *userdata, char *line, size_t length); /* with NUL, without its end; may pause */
	void (*end)(void *userdata, int error);	/* errno; 0: all is read. The last call */
	void *userdata;
};

/* "-": standard input. A pipe that nobody writes yet is waited for. 0 or -errno. */
int reader_new(struct reader **ret, struct sd_event *event, const char *path,
	       const struct reader_events *events);
struct reader *reader_free(struct reader *r);
void reader_pause(struct reader *r, bool is_paused);	/* no more lines; go on */
