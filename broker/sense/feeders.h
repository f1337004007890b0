/* SPDX-License-Identifier: MIT */
/*
 * Feeders: who holds a hardware watchdog open (/dev/watchdog*). Stopped or ended, it would reset the
 * machine, whatever its name is. Edge. Allocates nothing. A few processes at a time, so that a call is
 * short; a round is over in some calls, and the next one begins a minute later. CLOCK_MONOTONIC.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sense/pidwalk.h"

#define FEEDERS_MAX	8u		/* a device has one holder, and a board one device or two */

struct feeders {
	int dev_fd;			/* the directory dev; -1: none */
	struct pidwalk walk;
	int proc_fd;
	uint64_t due_us;
	uint32_t count, found;		/* of the last whole round; so far in this one */
	int32_t pids[FEEDERS_MAX], finding[FEEDERS_MAX];
};

/* root_fd: of proc and dev; borrowed. Without a proc nobody is ever found. */
void feeders_open(struct feeders *f, int root_fd);
void feeders_close(struct feeders *f);

/* One piece of a round, if it is due. true: a round is over, pids[count] are new. */
bool feeders_step(struct feeders *f, uint64_t now_us);
