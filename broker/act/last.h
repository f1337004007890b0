/* SPDX-License-Identifier: MIT */
/*
 * Last: what is done in a domain when no process helps: its memory is held by nobody who may be
 * ended (tmpfs, pipes, the kernel, or everybody is protected), or the machine stands still and the
 * ladder has nothing left. Files that were given for it are deleted first; then, if that was not
 * enough, the domain's last policy. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Recordings hold the numbers. */
enum last_policy {
	LAST_RELIEVE,			/* nothing beyond the files */
	LAST_BAREBONE,			/* a named set keeps running, the rest is ended */
	LAST_REBOOT,
	LAST_POWEROFF,
	LAST_PROGRAM,			/* the procedure that was given for it */
	LAST_POLICY_COUNT
};

enum last_phase {
	LAST_IDLE,
	LAST_TRYING,			/* the files are gone: does it help? */
	LAST_ASKING,			/* every client shuts down for good */
	LAST_RUNNING,			/* barebone, or the program */
	LAST_ENDING,			/* file systems are synced, the machine goes */
	LAST_OVER,			/* in this episode nothing else is left */
	LAST_PHASE_COUNT
};

struct last_policies {
	uint64_t after_us;		/* so long nobody may be ended, before the policy runs */
	uint64_t sync_us;		/* for the file systems, at most */
	uint32_t reboots_most;		/* then barebone */
	uint64_t reboots_within_us;
};

struct last {
	enum last_policy policy;	/* the domain's */
	enum last_phase phase;
	enum last_policy running;	/* not the domain's when it reboots too often */
	bool was_told;			/* in this episode, that nothing else is left */
	uint64_t began_us;		/* of the phase */
	uint64_t deadline_us;		/* of the phase */
};

struct last_view {
	uint64_t now_us;
	bool is_stuck;			/* ending is wanted, and nobody may be ended */
	bool is_back;			/* headroom is back */
	bool is_enabled, is_dry;
	bool have_settled;		/* nobody owes an answer to the last request any more */
	bool is_going;			/* another domain ends the machine, which is enough for all */
	uint64_t least_us;		/* look so long at least: what was ended may come back yet */
	uint64_t tte_low_us;
	uint32_t reboots;		/* of this loop: each followed the one before too soon */
};

/* What to do now; at most one per step. */
enum last_do {
	LAST_NOTHING,
	LAST_FREE,			/* delete the files */
	LAST_ASK,			/* every client is to shut down for good */
	LAST_RUN,			/* run what belongs to `running` */
	LAST_END,			/* sync, then reboot or power off */
	LAST_TELL,			/* it is over without more: relieve, or a dry run; once */
	LAST_CALL_OFF,			/* headroom came back before the machine was to go */
	LAST_GIVE_UP,			/* it did not end in time */
};

void last_init(struct last *l);
enum last_do last_step(struct last *l, const struct last_policies *p, const struct last_view *v);

/* The kernel has killed: what comes back until then may be enough. */
void last_wait(struct last *l, uint64_t until_us);

/* What was run has ended, whatever came of it. */
void last_ran(struct last *l, uint64_t now_us);
/* The machine was not ended: barebone is to be run instead. */
void last_failed(struct last *l, uint64_t now_us);

/* The rungs below it have to wait: what it does concerns everybody. */
bool last_is_busy(const struct last *l);

/* Everybody is asked to shut down for good, or has been: the machine goes. */
bool last_ends_machine(const struct last *l);

/* "relieve", "barebone", ...; static. LAST_POLICY_COUNT: no such word. */
const char *last_policy_name(enum last_policy policy);
enum last_policy last_policy_find(const char *word);
