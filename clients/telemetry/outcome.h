/* SPDX-License-Identifier: MIT */
/*
 * Outcome: how the last boot ended, from what it left behind. outcome_judge() is pure; outcome_gather() is
 * the edge that reads pstore (/sys/fs/pstore and systemd's /var/lib/systemd/pstore), the watchdogs'
 * bootstatus and the boot ids; or, where it may not, what failsoft-last-words has read of them (words.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crumb.h"
#include "tally.h"

#define OUTCOME_LINE_MAX	160
#define OUTCOME_KILLS_MAX	4u
#define OUTCOME_PIDS_MAX	32u
#define OUTCOME_NAME_MAX	32

struct outcome_facts {
	bool is_other_boot;		/* than the crumb's */
	bool is_kept;			/* something here keeps the kernel's last words (pstore has a
					 * backend), or a watchdog says why it was reset */
	char kept_by[OUTCOME_NAME_MAX];	/* which: "ramoops" */
	bool has_panic;
	char panic[OUTCOME_LINE_MAX];	/* what the kernel said; "": not in the part that was kept */
	char source[OUTCOME_LINE_MAX];	/* the file with its last words */
	uint32_t unreadable;		/* files of pstore that the kernel could not unpack */
	char closed[OUTCOME_NAME_MAX];	/* where it may be, but cannot be read: "/sys/fs/pstore" */
	char refused[OUTCOME_LINE_MAX];	/* and why what root has read of it is not used; "": it is
					 * used, or not needed */
	uint32_t dumps[CRUMB_DUMPS_MAX]; /* for the crumb of this boot: CRC32 of the files, 0: no more */
	bool is_undated;		/* there are older last words, and no clock tells of which boot */
	bool has_watchdog;		/* the last reset was the watchdog's */
	char watchdog[OUTCOME_NAME_MAX]; /* which one says so: "watchdog0" */
	bool has_reboot;		/* failsoftd says it has ended the machine itself: FEED_REBOOTED; not
					 * gathered, the feed tells it */
	uint32_t kills;			/* by the kernel for lack of memory, in its last words */
	char killed[OUTCOME_KILLS_MAX][FEED_NAME_MAX]; /* the last of them, in order */
	uint64_t killed_pid[OUTCOME_PIDS_MAX]; /* the same kill may stand in two files */
};

struct outcome {
	bool is_known;			/* false: same boot, or no crumb: nothing to report */
	enum tally_end end;
	char of[FEED_NAME_MAX];		/* oom-kill: whom; panic: why */
	char text[512];			/* two sentences: how, on what evidence; forecast against what came */
};

/*
 * `root`: a directory handle, for tests. Files of pstore that are older than the crumb's last sign of life,
 * or were there when the crumb's boot began, are of an earlier boot: nobody need remove them, and a clock
 * that begins anew at every boot tells nothing. Everything but has_reboot.
 */
void outcome_gather(int root_fd, const struct crumb_note *past, struct outcome_facts *ret);
/* Pure: the kernel's last words, one file of them. */
void outcome_kmsg(const char *text, struct outcome_facts *facts);
/* ... and one line of it. */
void outcome_kmsg_line(const char *line, size_t length, struct outcome_facts *facts);
void outcome_judge(const struct crumb_note *past, const struct outcome_facts *facts, struct outcome *ret);

/* Is that an end which nobody ordered? It counts as a reset. What came after this process was stopped on
 * purpose, and left nothing behind, does not. */
bool outcome_is_reset(enum tally_end end, const struct crumb_note *past);
