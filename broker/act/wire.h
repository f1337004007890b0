/* SPDX-License-Identifier: MIT */
/*
 * Wire: the cgroup of the tripwire and its files. Edge. cgroup v2: memory.high, which slows who goes
 * beyond it. cgroup v1 has no such thing: there, of a cgroup that somebody has limited, the kernel is
 * told to let programs wait at the limit instead of ending one (memory.oom_control). What stood there
 * before is in the ledger before anything is written, so that no way for this broker to end leaves
 * ours there. Writes go through the worker: a limit that is lowered may reclaim. Fixed room, one
 * thread; only opening allocates nothing either.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/ledger.h"
#include "act/tripwire.h"
#include "act/worker.h"
#include "sense/cgroup.h"

#define WIRE_TEXT_MAX	24	/* 2^64 - 1 has 20 digits */
/* memory.stat of v2 has 1.9 KiB on 6.1, of v1 1.3. Half: no room to grow; double: 8 KiB. */
#define WIRE_ROOM_BYTES	8192u

struct wire_setup {
	int root_fd;			/* borrowed: where proc and sys are */
	struct ledger *ledger;		/* borrowed; wire_past() first */
	struct worker *worker;		/* borrowed; started */
	/* Results that are not ours, which come while wire_close() waits. */
	void (*others)(void *userdata, const struct worker_result *result);
	void *userdata;
};

struct wire {
	struct wire_setup setup;
	struct cgroup cgroup;		/* dir_fd -1: closed */
	int limit_fd, event_fd;		/* to write; to wait on: EPOLLPRI v2, EPOLLIN v1 */
	int left_fd;			/* while the worker writes to a cgroup that was left; else -1 */
	struct ledger_limit place;
	/* The worker borrows one of them, and is done with it before it gets the next. */
	char text[2][WIRE_TEXT_MAX];
	uint32_t turn;
	uint64_t wanted, written, asked; /* as ledger_limit.before has it */
	bool is_busy;
	int error;			/* of the newest write, 0 or -errno */
	uint64_t trips;			/* v1: nobody else counts them */
	char room[WIRE_ROOM_BYTES];
};

void wire_init(struct wire *w, const struct wire_setup *setup);

/*
 * Opens the cgroup `path`; may_make: makes it where it is not, and switches the memory controller on
 * for it. Changes nothing in it. Errors: -ENODEV no memory cgroups here; -ENOENT no such cgroup, or
 * without memory controller; -EBUSY see wire_leave(); -EINVAL not a path; -ERANGE v1, and it has no
 * limit; -ENAMETOOLONG.
 */
int wire_open(struct wire *w, const char *path, bool may_make);
bool wire_is_open(const struct wire *w);

/* At the end: writes back what stood there, waits for the worker, removes the cgroup that was made if
 * nobody lives in it. Also of one that is not open. */
void wire_close(struct wire *w);

/*
 * The same without waiting: where the worker is at a write to it, what stood there before stays in the
 * ledger, and wire_open() takes it from there. Until that write has ended wire_open() says -EBUSY.
 */
void wire_leave(struct wire *w);
/* The worker is at a write to it: wire_close() would wait. */
bool wire_is_busy(const struct wire *w);

/* v2. What is of the cgroup in *ret, with what stood there before, which somebody may have written
 * since. -ENOENT, -ENODEV: it is gone. */
int wire_read(struct wire *w, struct tripwire_reading *ret);

/* v1: do programs wait at the limit? */
int wire_is_stuck(struct wire *w, bool *ret);

/* v2: the limit, TRIPWIRE_NONE none; v1: 1 they wait, 0 one is ended. As soon as the worker can. */
void wire_set(struct wire *w, uint64_t value);

/* Ends the event of event_fd. */
void wire_heard(struct wire *w);

/* For each result of kind WORKER_LIMIT. */
void wire_done(struct wire *w, const struct worker_result *result);

/* Writes back what a broker that was killed has left. 1: done, or 0: nothing; -errno: it could not be,
 * and stays in the ledger. tell: a sentence; may be NULL. */
int wire_past(int root_fd, struct ledger *ledger, void (*tell)(const char *sentence));
