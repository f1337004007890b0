/* SPDX-License-Identifier: MIT */
/*
 * Ledger: which processes the brake has stopped, which cgroups it has frozen, and what stood where
 * the tripwire stands. Pure: it works on memory that it is given. That is a part of the mapped state
 * file, so that whoever comes after a broker that was killed can undo it. The order of use makes a
 * torn slot harmless: it is written before it is done and cleared after it was taken back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Processes stopped at once, all domains. Two victims of the largest size (VICTIM_PIDS_MAX), as
 * terminate has. Half: one group of 256 leaves no room for another domain; double: 8 KiB more of
 * locked memory and 1024 descriptors.
 */
#define LEDGER_BRAKE_MAX	512
/* Behind them those of the second thread, which never writes where the loop does: one victim. */
#define LEDGER_SENTRY_MAX	256
#define LEDGER_STOPS_MAX	(LEDGER_BRAKE_MAX + LEDGER_SENTRY_MAX)
#define LEDGER_FREEZES_MAX	32	/* one per domain */
#define LEDGER_PATH_MAX		256	/* with NUL; in a longer cgroup only SIGSTOP is used */

struct ledger_stop {
	uint32_t check;			/* filled in here */
	int32_t pid;
	uint64_t start_ticks;		/* with pid it names a process for good */
};

struct ledger_freeze {
	uint32_t check;			/* filled in here */
	uint32_t is_v2;			/* cgroup.freeze; else the v1 freezer */
	uint64_t inode;			/* of its directory: another one of that name is not ours */
	char path[LEDGER_PATH_MAX];	/* below the hierarchy's root, begins with "/" */
};

/* What stood where the tripwire stands now. */
struct ledger_limit {
	uint32_t check;			/* filled in here */
	uint32_t is_v2;
	uint64_t inode;			/* of its directory */
	uint64_t before;		/* v2: memory.high, UINT64_MAX: max; v1: oom_kill_disable */
	uint32_t was_made;		/* by us: away with it, if nobody lives in it */
	uint32_t unused;
	char path[LEDGER_PATH_MAX];	/* as that of a freeze */
};

struct ledger {
	struct ledger_stop stops[LEDGER_STOPS_MAX];
	struct ledger_freeze freezes[LEDGER_FREEZES_MAX];
	struct ledger_limit limit;
};

void ledger_stop_set(struct ledger *l, uint32_t slot, int32_t pid, uint64_t start_ticks);
void ledger_stop_clear(struct ledger *l, uint32_t slot);
void ledger_freeze_set(struct ledger *l, uint32_t slot, const struct ledger_freeze *freeze);
void ledger_freeze_clear(struct ledger *l, uint32_t slot);

void ledger_limit_set(struct ledger *l, const struct ledger_limit *limit);
void ledger_limit_clear(struct ledger *l);

/* NULL: free, or torn. */
const struct ledger_stop *ledger_stop_get(const struct ledger *l, uint32_t slot);
const struct ledger_freeze *ledger_freeze_get(const struct ledger *l, uint32_t slot);
const struct ledger_limit *ledger_limit_get(const struct ledger *l);
