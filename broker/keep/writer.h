/* SPDX-License-Identifier: MIT */
/*
 * Writer: takes events to where they may block, the JSON Lines file and the journal (stderr where
 * there is none), on a thread of its own, so that a slow disk or a stuck journald never holds the
 * loop. Edge. The loop hands events over in a ring that is there, and locked, from the start; what does
 * not fit is counted and told with the next event that does, or when all others are written. By the
 * events it keeps the episodes' numbers ahead.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "keep/event.h"
#include "keep/state.h"

/*
 * Events. What comes at once, before a thread of normal priority runs: all 256 clients that register by
 * default are asked and shielded; or 30 are, twice, while 32 domains open, enter a stage and say why (216).
 * Half: the record on disk has gaps when many are asked; double: 160 KiB more of locked memory.
 */
#define WRITER_ROOM 512u
_Static_assert((WRITER_ROOM & (WRITER_ROOM - 1)) == 0, "places are 32 bits and go round");

struct writer_parcel {
	_Atomic uint32_t turn;		/* the place in line it is free for, +1: it holds that one */
	uint32_t dropped;		/* before this one */
	struct event event;
};

struct writer {
	int wake_fd;			/* -1: not running */
	int file_fd;			/* -1: no file */
	int file_error;			/* -errno: why the one that is wanted is not open */
	_Atomic bool is_ending;
	_Atomic uint64_t line;		/* place of the next event; from bit 32: dropped before it */
	uint32_t taken;			/* the thread's: place of the next one for it */
	struct state_numbers numbers;	/* the thread's */
	pthread_t thread;
	struct writer_parcel parcel[WRITER_ROOM];
};

struct writer_setup {
	const char *path;		/* of the file; "" or NULL: none */
	const char *episodes;		/* folder of the last episode's number, borrowed; NULL: none */
	uint64_t first_episode;		/* see state_reserve_episodes() */
};

/* 0 or -errno. A file that cannot be opened is none: the machine is looked after without it, too. */
int writer_start(struct writer *w, const struct writer_setup *setup);

/* Never blocks, allocates nothing. From any thread. */
void writer_put(struct writer *w, const struct event *e);

/* Writes what was handed over, then ends the thread. */
void writer_stop(struct writer *w);
