/* SPDX-License-Identifier: MIT */
/*
 * Escalate: the ladder for one domain in stage shutdown: final request, the victim's procedure,
 * SIGTERM, SIGKILL, each on the missed deadline of the one before, until headroom is back. Pure.
 * A dry run tells each rung at its time, as if the victim took no notice, and stays on the last one.
 * The ladder is the table in escalate.c; a later rung (system action) is a row more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/victim.h"
#include "base/units.h"

/*
 * SIGTERM must leave at least this to react; less is no request. Source: a locked handler wakes in
 * 0.01 ms, a cold one in 10-15 ms on a thrashing machine. Doubled: a full-speed leak is 20 ms
 * nearer to the cliff.
 */
#define TERM_LEAST_US	(20 * US_PER_MS)

/* In the order in which they came to be: recordings hold the numbers. The ladder's order is its table. */
enum escalate_rung {
	RUNG_IDLE,			/* nobody is being ended */
	RUNG_FINAL,			/* the victim is a client and was asked to shut down for good */
	RUNG_LEAVE,			/* it has answered: a moment to end by itself */
	RUNG_TERM,			/* SIGTERM was sent */
	RUNG_KILL,			/* SIGKILL was sent */
	RUNG_SETTLE,			/* victim gone: wait until its memory is back */
	RUNG_PROCEDURE,			/* before TERM: what was given for the victim runs */
	RUNG_PART,			/* after TERM: memory is back, its end is only waited for */
	RUNG_COUNT
};

struct escalate_policy {
	bool enabled;
	bool dry_run;
	uint64_t term_us;		/* SIGTERM to SIGKILL, at most; shortened when time is short */
	uint64_t kill_us;		/* SIGKILL to gone; then the next victim. Also how long a victim's
					 * end is waited for that SIGTERM has brought memory back from */
	uint64_t settle_us;		/* gone to the next look */
	bool procedures;		/* those that were given are run */
};

struct escalate {
	enum escalate_rung rung;
	uint64_t deadline_us;		/* nothing further happens before it, unless the victim goes */
	uint32_t ended;			/* victims ended in this episode */
	struct victim victim;
	bool procedure_ended;		/* by itself, not by its deadline */
	uint64_t procedure_began_us;	/* for this victim; 0: it had none */
	bool is_dry;			/* the rung it stands on was only told */
};

/* What the ladder sees at one step. */
struct escalate_view {
	uint64_t now_us;
	bool is_wanted;			/* stage shutdown, everybody asked, and its reason still holds */
	bool is_back;			/* headroom is back above the floor of imminent */
	bool final_ended;		/* the final request has ended: answer, or deadline missed */
	bool final_missed;		/* ... by missing its deadline */
	bool has_joined;		/* the victim has become a client since it was chosen */
	bool victim_gone;		/* every process of the victim has ended */
	uint64_t final_deadline_us;	/* of the victim's final request */
	uint64_t tte_low_us;
};

/* What to do now; at most one per step. */
enum escalate_do {
	ESCALATE_NOTHING,
	ESCALATE_CHOOSE,		/* survey, choose a victim, escalate_take() */
	ESCALATE_ASK_FINAL,		/* ask the client `victim.client` to shut down for good; in a dry
					 * run only tell, and set deadline_us to what it would have */
	ESCALATE_PROCEDURE,		/* run the victim's procedure; in a dry run only tell */
	ESCALATE_TERM,			/* SIGTERM to the victim; the same */
	ESCALATE_KILL,			/* SIGKILL to the victim; its group is looked up again first; the
					 * same */
	ESCALATE_DONE,			/* victim gone, headroom is watched */
	ESCALATE_DO_COUNT
};

void escalate_init(struct escalate *e);
void escalate_take(struct escalate *e, const struct victim *v);
/* SIGKILL went out already, by somebody else's hand: see guard.h. */
void escalate_ended(struct escalate *e, const struct victim *v, uint64_t deadline_us);
enum escalate_do escalate_step(struct escalate *e, const struct escalate_policy *p,
			       const struct escalate_view *view);
const char *escalate_rung_name(enum escalate_rung rung);
