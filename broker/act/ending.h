/* SPDX-License-Identifier: MIT */
/*
 * Ending: reboots or powers off the machine when it may not be able to do anything else any more.
 * Edge. Two threads that exist, locked, long before: one writes down why and syncs the file systems,
 * which may take for ever; the other one waits for it no longer than was set, and goes. Neither
 * needs the loop. A hardware watchdog is armed first, in case the kernel's own way down hangs.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"

#define ENDING_PATH_MAX	256
#define ENDING_NOTE_BYTES	512	/* a sector: written whole or not at all */

struct ending_setup {
	int priority;			/* of the one that goes; 0 also when there is no right to it */
	int note_fd;			/* where the note is written, at its beginning; -1: nowhere */
	char watchdog[ENDING_PATH_MAX];	/* "": none */
	uint64_t sync_us;
	/* NULL: reboot(2) and sync(2). For tests. */
	int (*go)(bool is_poweroff);
	void (*sync)(void);
};

struct ending {
	struct ending_setup setup;
	struct thread sync_thread, go_thread;
	int sync_fd, synced_fd, go_fd;	/* eventfds; -1: not started */
	int done_fd;			/* for the loop: readable when it did not go */
	int kmsg_fd;			/* the console; -1: none */
	_Atomic bool is_ending, is_ordered;
	_Atomic int error;		/* why it did not go: errno */
	bool is_poweroff;
	char note[ENDING_NOTE_BYTES];
};

/* 0 or -errno, with nothing left behind. */
int ending_start(struct ending *e, const struct ending_setup *setup);
/* Also of one that was not started. One that was ordered to go is left to itself. */
void ending_stop(struct ending *e);

/* Now. Waits for nothing. false: not started, or ordered already. */
bool ending_order(struct ending *e, bool is_poweroff, const char note[ENDING_NOTE_BYTES]);

/* Why it did not go: errno; 0: nothing is known yet. Then it may be ordered again. */
int ending_failed(struct ending *e);
