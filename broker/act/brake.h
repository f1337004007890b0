/* SPDX-License-Identifier: MIT */
/*
 * Brake: stops a victim's processes, and lets them go on. Edge. SIGSTOP through pidfds at once (2
 * to 5 us each, nothing grows after it), then, where the victim has a cgroup of its own, a freeze,
 * which holds what is forked meanwhile. What will be stopped is in the ledger before it is, so that
 * no way for this broker to end leaves a process stopped. Fixed room for all domains; allocates
 * nothing. One thread.
 *
 * A stopped process ends by SIGKILL, not by SIGTERM: release first. So does one that cgroup v2 has
 * frozen; in a v1 freezer also SIGKILL waits for the release.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/freezer.h"
#include "act/ledger.h"
#include "act/victim.h"
#include "act/worker.h"

#define BRAKE_MAX		LEDGER_BRAKE_MAX
#define BRAKE_DOMAINS_MAX	LEDGER_FREEZES_MAX

struct brake_target {
	int32_t pid;			/* 0: free */
	uint32_t domain;
	uint64_t start_ticks;
	int fd, stat_fd;		/* pidfd; /proc/PID/stat of that very process */
	char state;			/* as it was read a moment ago; 0: to be read */
	bool is_stopped;		/* by us: its slot of the ledger is written */
};

struct brake_freeze {
	struct freezer freezer;		/* switch_fd -1: none */
	bool is_wanted, is_frozen;
	bool is_busy, is_asked;		/* the worker is at it; what for */
	uint32_t failures;
};

struct brake_setup {
	int root_fd;			/* borrowed: where proc and sys are */
	struct ledger *ledger;		/* borrowed; let go of the past first */
	struct worker *worker;		/* borrowed; started */
	/*
	 * May this process, which is in the cgroup of the domain's victim but not among those to be
	 * stopped, be frozen, or ended, with them? See bystander.h. NULL: none may.
	 */
	bool (*may_freeze)(void *userdata, uint32_t domain, int32_t pid);
	void *userdata;
};

struct brake {
	struct brake_setup setup;
	struct freezer_trees trees;
	struct brake_target target[BRAKE_MAX];	/* the slot is the ledger's, too */
	struct brake_freeze freeze[BRAKE_DOMAINS_MAX];
};

void brake_init(struct brake *b, const struct brake_setup *setup);

/* Releases everything; waits for the worker, which must still run, but not for ever: then the
 * ledger keeps what is still frozen. */
void brake_fini(struct brake *b);

/*
 * Takes hold of the processes, so that stopping them later takes only a look at their state and a
 * signal. Lets go of those of the domain that are not the victim's any more and not stopped. Not
 * needed before brake_stop(). Returns how many are held.
 */
uint32_t brake_aim(struct brake *b, uint32_t domain, const struct victim *v);

/*
 * Stops the victim's processes, and those that were stopped already once more. After
 * victim_extend() call it again. A reused pid is not touched, nor one that somebody else has
 * stopped before: that one stays stopped after the release. Returns how many are stopped by us.
 */
uint32_t brake_stop(struct brake *b, uint32_t domain, const struct victim *v);

/*
 * Takes over who was stopped by others of this broker, those of the sentry: they are stopped, and
 * from now on by us. Returns how many; for one that has ended, or has no room, none.
 */
uint32_t brake_adopt(struct brake *b, uint32_t domain, const struct victim *v);

/*
 * Ends the whole cgroup of the victim, whose SIGKILL is out already, if nobody else lives in it: what it
 * has forked since ends with it. The worker writes. false: no such cgroup.
 */
bool brake_kill_cgroup(struct brake *b, uint32_t domain, const struct victim *v);

/* They go on. A thaw is done when the worker has done it. */
void brake_release(struct brake *b, uint32_t domain);

bool brake_is_on(const struct brake *b, uint32_t domain);

/* Has it stopped this process? */
bool brake_holds(const struct brake *b, const struct ledger_stop *stop);

/* With every turn: freezes and thaws for which the worker had no room. */
void brake_settle(struct brake *b);

/* For each result of kind WORKER_WRITE. */
void brake_done(struct brake *b, const struct worker_result *result);

/* Lets one process go on that the ledger names. 1: it does; 0: it has ended; or a negative errno. */
int brake_let_go_on(int root_fd, const struct ledger_stop *stop);

/* What brake_past() did. */
struct brake_past {
	uint32_t continued, thawed;
	uint32_t failed;		/* still in the ledger */
};

/*
 * Lets go of what a broker that was killed had stopped, as its ledger says, before anything else.
 * tell: a sentence for each; may be NULL. Waits for a thaw.
 */
struct brake_past brake_past(int root_fd, struct ledger *ledger,
			     void (*tell)(const char *sentence));
