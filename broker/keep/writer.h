/* SPDX-License-Identifier: MIT */
/*
 * Writer: takes events to where they may block, the JSON Lines file and the journal (stderr where
 * there is none), on a thread of its own, so that a slow disk or a stuck journald never holds the
 * loop. Edge. The loop hands events over with one non-blocking send; what does not fit is counted
 * and reported with the next event that does.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "keep/event.h"

struct writer {
	int send_fd;			/* -1: not running */
	int receive_fd;
	int file_fd;			/* -1: no file */
	_Atomic uint64_t dropped;
	pthread_t thread;
};

/* path: "" or NULL for none. 0 or -errno (logged). */
int writer_start(struct writer *w, const char *path);

/* Never blocks. From any thread. */
void writer_put(struct writer *w, const struct event *e);

/* Writes what was handed over, then ends the thread. */
void writer_stop(struct writer *w);
