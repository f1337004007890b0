/* SPDX-License-Identifier: MIT */
/*
 * Sentry: the second thread, which does what guard.h decides while the loop stands still: stops the
 * grower, tells the clients, ends the grower. Edge. Its stack is locked and touched, its priority one
 * above the loop's; it allocates nothing, opens nothing, and waits for nobody. While memory is
 * plentiful it sleeps without a timeout.
 *
 * Neither thread ever waits for the other. What they share:
 *  - the basis: written twice (a latch), so that its reader always finds one copy whole, also one
 *    that keeps the writer from running;
 *  - the aim: two of them; the one that the sentry has taken is not touched by the loop;
 *  - a client's line: whoever is last with it closes its socket;
 *  - the hand: who acts at the moment. The sentry acts only with it, and never takes it while the
 *    loop signals; what it did stays in the report until the loop has taken that. A signal that
 *    ends somebody goes out only with the hand, and not while there is a report of an end: so no
 *    two victims are ended for one need, and none is ended twice.
 *
 * All functions but those of the thread itself are for one thread, the loop's.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "act/brake.h"
#include "act/guard.h"
#include "act/ledger.h"
#include "base/thread.h"

#define SENTRY_AIM_MAX	LEDGER_SENTRY_MAX
#define SENTRY_WORDS	(sizeof(struct guard_basis) / sizeof(uint64_t))

struct sentry_target {
	int fd, stat_fd;		/* pidfd; /proc/PID/stat */
	bool is_ours;			/* stopped by the sentry, or killed */
};

/* Whom it would stop and end. */
struct sentry_aim {
	struct victim victim;		/* its pids are those of the targets */
	struct sentry_target target[SENTRY_AIM_MAX];
};

/* A client's lifeline. */
struct sentry_line {
	_Atomic uint32_t state;		/* enum line_state of sentry.c */
	_Atomic uint32_t asked;		/* enum session_step: the highest since the last resume */
	int fd;
	int32_t pid;
	uint32_t domains;
	uint64_t client, budget_us;
	struct guard_told told;		/* client 0: not told; with the hand only */
};

struct sentry_setup {
	int root_fd;			/* borrowed: where proc is */
	struct ledger *ledger;		/* borrowed: its part for the sentry */
	uint32_t lines;			/* clients, at most */
	int priority;			/* SCHED_FIFO; 0: none */
	const char *domain;		/* its name in orders; borrowed */
	/* In the sentry's thread, after each thing that it has done. Must not wait. */
	void (*tell)(void *userdata, const struct guard_report *r, enum guard_do what);
	void *userdata;
};

struct sentry {
	struct sentry_setup setup;
	struct thread thread;
	int wake_fd, level_fd;
	_Atomic bool is_ending;
	bool is_plain;			/* no real-time priority for it */

	_Atomic uint64_t basis_number;
	_Atomic uint64_t basis[2][SENTRY_WORDS];
	_Atomic uint64_t wake_us;	/* when the thread looks again */

	_Atomic uint32_t aim_word;	/* which of the two, and whether it is taken */
	struct sentry_aim aim[2];
	bool is_aim_stale;		/* the loop's: one of it has become a client */

	struct sentry_line *line;

	_Atomic uint32_t hand;		/* enum hand of sentry.c */
	_Atomic uint64_t ends;		/* signals of the loop to victims */
	struct guard_report report;	/* with the hand only */
	uint64_t sequence;		/* of the newest request; the thread's */
};

/* 0 or -errno. s: zeroed or stopped. */
int sentry_start(struct sentry *s, const struct sentry_setup *setup);

/* Ends the thread, and lets everybody go on whom it has stopped. Also of one that was not started. */
void sentry_stop(struct sentry *s);

static inline bool sentry_is_on(const struct sentry *s)
{
	return s->thread.stack != NULL;
}

/* The loop lives. Wakes the thread only when it would look too late. */
void sentry_beat(struct sentry *s, const struct guard_basis *basis);

/* Whom to stop; NULL: nobody. Opens files: not when memory is about to end. false: the old aim is in
 * use. */
bool sentry_aim(struct sentry *s, const struct victim *v);

/* Clients by slot; who becomes one is no aim any more. asked: enum session_step of the newest order. */
void sentry_line_add(struct sentry *s, uint32_t slot, const struct sentry_line *line);
void sentry_line_asked(struct sentry *s, uint32_t slot, uint32_t asked);
/* false: it is being written to, the thread closes it. */
bool sentry_line_drop(struct sentry *s, uint32_t slot);

/* Before and after the loop signals a victim. false: not now; nothing may be sent. */
bool sentry_sign(struct sentry *s);
void sentry_signed(struct sentry *s);

enum sentry_word {
	SENTRY_NOTHING,
	SENTRY_BUSY,			/* it acts at this moment: ask again soon, decide nothing */
	SENTRY_REPORT,			/* *ret is filled in; until sentry_taken() it does not act */
};

enum sentry_word sentry_take(struct sentry *s, struct guard_report *ret);
/* While a report is taken: the next client that was told, from *at on; false: no more. */
bool sentry_told(struct sentry *s, uint32_t *at, struct guard_told *ret);
/* Everything is taken over: whom the brake does not hold is let go on. */
void sentry_taken(struct sentry *s, const struct brake *brake);
