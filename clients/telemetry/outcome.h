/* SPDX-License-Identifier: MIT */
/*
 * Outcome: how the last boot ended, from what it left behind. outcome_judge() is pure; outcome_gather() is
 * the edge that reads pstore (/sys/fs/pstore and systemd's /var/lib/systemd/pstore), the watchdogs'
 * bootstatus and the boot ids.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crumb.h"
#include "tally.h"

#define OUTCOME_LINE_MAX	160
#define OUTCOME_KILLS_MAX	4u

struct outcome_facts {
	bool is_other_boot;		/* than the crumb's */
	bool is_kept;			/* something on this machine keeps the kernel's last words (pstore has a
					 * backend), or a watchdog says why it was reset */
	bool has_panic;
	char panic[OUTCOME_LINE_MAX];	/* what the kernel said */
	bool has_watchdog;		/* the last reset was the watchdog's */
	bool has_reboot;		/* failsoftd says it has ended the machine itself */
	uint32_t kills;			/* by the kernel for lack of memory, in its last words */
	char killed[OUTCOME_KILLS_MAX][FEED_NAME_MAX];
};

struct outcome {
	bool is_known;			/* false: same boot, or no crumb: nothing to report */
	enum tally_end end;
	char of[FEED_NAME_MAX];		/* oom-kill: whom; panic: why */
	char text[512];			/* one or two sentences: how, on what evidence, forecast against what came */
};

/* `root`: a directory handle, for tests. newer_s: files of pstore that are older than the crumb's
 * last sign of life by more than this are of an earlier boot. */
void outcome_gather(int root_fd, const struct crumb_note *past, struct outcome_facts *ret);
void outcome_kmsg(const char *text, struct outcome_facts *facts);	/* pure: the kernel's last words */
void outcome_judge(const struct crumb_note *past, const struct outcome_facts *facts, struct outcome *ret);
