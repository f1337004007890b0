/* SPDX-License-Identifier: MIT */
/*
 * Worker: one thread for system calls that may take long, so that the loop never waits for them:
 * a write to a cgroup file (5.8 ms once, behind a slow task with the cgroup lock) and
 * process_mrelease (16 ms per 48 MiB; both measured, 128 MiB machine, Linux 6.1). Edge. Fixed room;
 * results come back through a descriptor that the loop watches. All functions are for one thread,
 * the loop's.
 *
 * It runs at normal priority, also under a broker of real-time priority: 16 ms of unmapping before
 * the loop's next reading is what it is there to avoid. A freeze can wait for its turn on the CPU:
 * SIGSTOP came first.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "act/relief.h"
#include "base/thread.h"

/* Jobs of a kind that wait or whose results were not taken. A power of two, and at least a write
 * for each of 32 domains. Half is just that; double costs 4 KiB of locked memory. */
#define WORKER_ROOM	64u

/* In the order in which waiting ones are done. */
/* LIMIT: a write as well, of a cgroup's limit, which may reclaim: never before a freeze. */
/* FREE: relief_run() below fd of the pattern that is its text. */
enum worker_kind { WORKER_WRITE, WORKER_MRELEASE, WORKER_LIMIT, WORKER_FREE, WORKER_KIND_COUNT };

struct worker_job {
	int fd;
	const char *text;
	uint32_t token;
	bool is_dry;			/* FREE */
};

struct worker_ring {
	_Atomic uint32_t put, taken;
	struct worker_job job[WORKER_ROOM];
};

struct worker_result {
	enum worker_kind kind;
	uint32_t token;			/* as it was given */
	int error;			/* 0 or -errno */
	struct relief_result relief;	/* FREE */
};

struct worker {
	int wake_fd;			/* -1: not started */
	int done_fd;			/* for the loop: readable when results wait */
	struct thread thread;
	_Atomic bool is_ending;
	uint32_t pending[WORKER_KIND_COUNT]; /* results not taken yet */
	struct worker_ring ring[WORKER_KIND_COUNT];
	_Atomic uint32_t results_put, results_taken;
	struct worker_result results[WORKER_KIND_COUNT * WORKER_ROOM];
};

/* 0 or -errno. */
int worker_start(struct worker *w);

/* Does what was handed over, then ends the thread. Also of one that was not started. */
void worker_stop(struct worker *w);

/*
 * Hands over: write text, borrowed for good, at the beginning of fd; process_mrelease(2) on a pidfd
 * whose process got SIGKILL (its error is no loss: the kernel then takes the memory back itself).
 * The descriptor is duplicated. false: no room, nothing will be done.
 */
bool worker_write(struct worker *w, int fd, const char *text, uint32_t token);
bool worker_limit(struct worker *w, int fd, const char *text, uint32_t token);
bool worker_mrelease(struct worker *w, int pidfd, uint32_t token);
/* pattern: borrowed until its result is taken. */
bool worker_free(struct worker *w, int root_fd, const char *pattern, bool is_dry, uint32_t token);

/* Takes a result; false: none waits. Call it until then whenever done_fd is readable. */
bool worker_result(struct worker *w, struct worker_result *ret);

/* Waits for a result, for the end of a program. false: none came in time. */
bool worker_wait(struct worker *w, int wait_ms);
