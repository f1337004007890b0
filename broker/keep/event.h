/* SPDX-License-Identifier: MIT */
/*
 * Event: what is kept of every arrow, and its words. Pure. One fixed-size struct for all kinds;
 * what its figures mean is in the table of event.c, so that sentence and JSON agree.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "act/escalate.h"
#include "act/last.h"
#include "act/procedure.h"
#include "act/tripwire.h"
#include "ask/session.h"
#include "judge/evidence.h"
#include "judge/growth.h"
#include "judge/stage.h"

enum event_kind {
	EVENT_NONE,
	EVENT_BROKER_STARTED,		/* a: version as text in name; domain 0 */
	EVENT_BROKER_STOPPED,
	EVENT_CONFIG_RELOADED,
	EVENT_SOURCE_ABSENT,		/* name: the source */
	EVENT_DOMAIN_ADDED,		/* name: tail of its path */
	EVENT_DOMAIN_REMOVED,
	EVENT_CLIENT_JOINED,		/* client, name, a: pid, b: uid */
	EVENT_CLIENT_LEFT,		/* client, name, a: pid */
	EVENT_STAGE,			/* stage_change: from, to, why and the figures */
	EVENT_REQUEST,			/* client, name, step, sequence, a: deadline_us, b: exposure,
					 * c: 1 final, d: 1 drill */
	EVENT_ANSWER,			/* client, name, step, sequence, result, a: us taken, b: freed,
					 * c: new deadline_us (busy), d: 1 drill */
	EVENT_SHIELD,			/* client, name, a: 1 up / 0 down */
	EVENT_SHIELD_FAILED,		/* client, name, a: errno */
	EVENT_VICTIM,			/* name, a: pid, b: memory, c: growth, d: all growth, e: processes;
					 * why 1: c was written, d grew where no process shows it */
	EVENT_NO_VICTIM,		/* nobody may be ended; b: enum growth_pool that holds most of what
					 * no process shows, c: its bytes */
	EVENT_ACTION,			/* name, rung, a: pid, b: processes, c: deadline_us, d: dry run,
					 * e: 1 by the guard, see there */
	EVENT_ENDED,			/* name, a: pid, b: headroom now: the victim is gone */
	EVENT_KERNEL_OOM,		/* name, a: pid: the kernel killed */
	EVENT_EPISODE_OPENED,		/* episode */
	EVENT_EPISODE_CLOSED,		/* episode, a: duration us, b: victims ended, c: requests missed */
	EVENT_EPISODE_TAKEN_OVER,	/* episode was open when the broker ended; b: 1 goes on, 0 closed */
	EVENT_EVIDENCE,			/* evidence: what the stage that was entered rests on; to; or, with
					 * a: pid and name, what ending that program does */
	EVENT_HELD_BACK,		/* evidence: too little for ending a program; name: who it was */
	EVENT_GROWER,			/* name, a: pid (0: no process), b: grew by, c: bytes/s,
					 * d: share permyriad, e: processes */
	EVENT_CLIENT_KILLED,		/* client, name, a: pid, b: signal, c: 1 by the kernel for lack of
					 * memory */
	EVENT_OVERRUN,			/* name: the source that lost events; a: how often so far */
	EVENT_BRAKE,			/* name, a: pid, b: processes stopped, c: tte_low us, d: dry run,
					 * e: us that clients still need */
	EVENT_LET_GO,			/* name, a: pid, b: processes, c: us it stood still, d: dry run */
	EVENT_PROCEDURE,		/* name: its program, a: victim's pid, b: id, c: deadline_us,
					 * d: dry run */
	EVENT_PROCEDURE_ENDED,		/* name, a: the same, b: enum procedure_outcome, c: exit status,
					 * signal or errno, d: us taken, e: bytes it wrote */
	EVENT_PROCEDURE_OUTPUT,		/* name: a line that it wrote, a: victim's pid, b: id */
	EVENT_RESPONDER,		/* name: program, a: id, b: errno, 0: it stands ready */
	EVENT_GUARD,			/* the loop stood still, and the guard acted; name, a: pid,
					 * b: processes stopped, c: clients told, d: dry run, e: us late,
					 * why 1: a signal of the loop's own was not sent */
	EVENT_TRIPWIRE,			/* a: limit, b: usage, c: kept, d: enum tripwire_phase */
	EVENT_TRIPPED,			/* the same: its limit was reached */
	EVENT_RETURNED,			/* name, a: pid, b: bytes that it held, c: bytes that came back, d: us
					 * since it was chosen */
	EVENT_LAST,			/* a: enum last_policy that is run, b: enum growth_pool, c: bytes
					 * there, d: dry run; why 1: instead of a reboot */
	EVENT_LAST_ENDED,		/* a: the same, b: enum last_outcome, c: exit status, signal or errno,
					 * d: us since it began */
	EVENT_FREED,			/* files were deleted for memory; a: files, b: bytes, c: errno of the
					 * first that could not be, d: dry run; name: the pattern */
	EVENT_REBOOTED,			/* before this boot we ended the machine; a: enum last_policy,
					 * b: how often so soon after each other, c: episode; name: domain */
	EVENT_DRILL,			/* a rehearsal begins; a: enum stage_word, b: clients asked */
	EVENT_KIND_COUNT
};

/* What came of a last policy. */
enum last_outcome {
	LAST_OUTCOME_CALLED_OFF,	/* headroom came back */
	LAST_OUTCOME_FAILED,		/* the machine did not go, or nothing was heard: errno */
	LAST_OUTCOME_RAN,		/* plus enum procedure_outcome */
	LAST_OUTCOME_COUNT = LAST_OUTCOME_RAN + PROCEDURE_OUTCOME_COUNT
};

#define EVENT_NAME_MAX	64

struct event {
	uint64_t number;		/* grows by one; 0: empty */
	uint64_t time_us;
	uint64_t episode;		/* 0: outside */
	uint64_t client, sequence;
	uint64_t a, b, c, d, e;		/* by kind, see above */
	uint64_t headroom_bytes, total_bytes, tte_us, tte_low_us, lead_us, floor_bytes; /* STAGE */
	uint64_t tte_early_us, tte_late_us; /* STAGE */
	int64_t fall_bytes_per_s;	/* STAGE */
	uint32_t distress;		/* STAGE */
	uint16_t kind;			/* enum event_kind */
	uint16_t domain;
	uint8_t from, to, why;		/* STAGE: enum stage_word, enum stage_why */
	struct evidence evidence;	/* EVIDENCE, HELD_BACK */
	uint8_t step, result, rung;	/* enum session_step, session_result, escalate_rung */
	char name[EVENT_NAME_MAX];
	char domain_name[EVENT_NAME_MAX]; /* cut at the front when longer */
};

/* One sentence with figures, without a newline. Returns bytes written, cut to size - 1. */
size_t event_sentence(const struct event *e, char *buffer, size_t size);

/* What a kind of event is called and what its figures mean. */
struct event_shape {
	const char *name;		/* "stage", "request", ... the JSON key "event" */
	const char *figure[5];		/* JSON keys of a..e, NULL: unused */
};

const struct event_shape *event_shape(enum event_kind kind);
