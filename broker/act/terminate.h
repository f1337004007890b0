/* SPDX-License-Identifier: MIT */
/*
 * Terminate: signals to a victim's processes through pidfds, and sees them end. Edge. A pidfd is
 * taken when the victim is chosen and checked against the start time that the survey saw, so that a
 * reused pid is never signalled. Fixed room, shared by all domains; allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/victim.h"
#include "act/worker.h"

#define TERMINATE_MAX	512	/* processes being ended at once, all domains */

struct terminate_target {
	int fd;				/* pidfd */
	int32_t pid;			/* 0: free */
	uint32_t domain;
};

struct terminate {
	int root_fd;			/* borrowed: where proc is */
	int poll_fd;			/* epoll: readable when one has ended; for the loop */
	struct terminate_target target[TERMINATE_MAX];
};

/* 0 or -errno. */
int terminate_init(struct terminate *t, int root_fd);
void terminate_fini(struct terminate *t);

/*
 * Takes hold of the victim's processes that live and are not held already, and lets go of all others of the
 * domain: a signal is for this victim. Returns how many are held; a process that is gone, or whose pid is
 * another's now, is not.
 */
uint32_t terminate_hold(struct terminate *t, uint32_t domain, const struct victim *v);

/* Sends the signal to all that are held. Returns to how many it went. */
/*
 * SIGKILL to one for whom there is no room: not waited for, and found again by the next survey if it
 * lives. Only if it is still that very process. false: it is held, or nothing was sent.
 */
bool terminate_pass_by(struct terminate *t, uint32_t domain, int32_t pid, uint64_t start_ticks);

uint32_t terminate_signal(struct terminate *t, uint32_t domain, int signal);

/* After SIGKILL, by a thread of real-time priority: it gets the CPU to end. */
void terminate_hurry(int32_t pid);

/* After SIGKILL: their memory is taken back by the worker, also of one that waits in the kernel and
 * cannot end yet (15 times sooner then; process_mrelease(2), Linux 5.15). */
void terminate_reap(struct terminate *t, uint32_t domain, struct worker *w);

/* Lets go of those that have ended; true when none is left. */
bool terminate_is_gone(struct terminate *t, uint32_t domain);

void terminate_release(struct terminate *t, uint32_t domain);
