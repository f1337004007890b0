/* SPDX-License-Identifier: MIT */
/*
 * Outlet: a stream on the standard output that never waits for its reader: what the reader does not take is
 * kept, to a limit, and its owner is told to bring no more. Edge. An error is kept and ends the stream.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct sd_event;
struct outlet;

/* Some 5000 lines. Half: a reader that pauses for seconds stops the intake of a big fleet; double: kept by
 * everybody whose reader stands still. */
#define OUTLET_BYTES_MAX	((size_t)4 << 20)

/* Called from the loop, `full` also from the stream's writes. */
struct outlet_events {
	void (*full)(void *userdata, bool is_full); /* bring no more (what comes is kept); go on */
	void (*lost)(void *userdata);		/* see outlet_error() */
	void *userdata;
};

/* `fd` stays the caller's. full: when `limit` bytes wait, until half of them do. 0 or -errno. */
int outlet_new(struct outlet **ret, struct sd_event *event, int fd, size_t limit,
	       const struct outlet_events *events);
struct outlet *outlet_free(struct outlet *o);	/* what waits is thrown away */

FILE *outlet_stream(struct outlet *o);		/* closed by outlet_free() */
size_t outlet_waiting(const struct outlet *o);	/* bytes */
int outlet_error(const struct outlet *o);	/* errno; 0: none */

/* Waits for the reader until only `bytes` wait, for `ms` at most, < 0: without end. Signals end the program.
 * false: they still wait, or there is an error. */
bool outlet_drain(struct outlet *o, size_t bytes, int ms);
