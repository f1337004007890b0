/* SPDX-License-Identifier: MIT */
/*
 * Writer: takes events to where they may block, the JSON Lines file and the journal (stderr where
 * there is none), on a thread of its own, so that a slow disk or a stuck journald never holds the
 * loop. Edge. The loop hands events over with one non-blocking send; what does not fit is counted
 * and reported with the next event that does. By the events it keeps the episodes' numbers ahead.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "keep/event.h"
#include "keep/state.h"

struct writer {
	int send_fd;			/* -1: not running */
	int receive_fd;
	int file_fd;			/* -1: no file */
	int file_error;			/* -errno: why the one that is wanted is not open */
	_Atomic uint64_t dropped;
	struct state_numbers numbers;	/* the thread's */
	pthread_t thread;
};

struct writer_setup {
	const char *path;		/* of the file; "" or NULL: none */
	const char *episodes;		/* folder of the last episode's number, borrowed; NULL: none */
	uint64_t first_episode;		/* see state_reserve_episodes() */
};

/* 0 or -errno. A file that cannot be opened is none: the machine is looked after without it, too. */
int writer_start(struct writer *w, const struct writer_setup *setup);

/* Never blocks. From any thread. */
void writer_put(struct writer *w, const struct event *e);

/* Writes what was handed over, then ends the thread. */
void writer_stop(struct writer *w);
