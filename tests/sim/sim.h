/* SPDX-License-Identifier: MIT */
/*
 * Sim: random schedules of the pure core in simulated time. One struct holds a schedule: the world
 * (what happens to the core), the core itself, and the model (what it may do about it). Pure but
 * for the report; time is simulated microseconds; nothing is allocated.
 */
#pragma once

#include <setjmp.h>

#include "core.h"
#include "cover.h"
#include "dice.h"
#include "model.h"
#include "world.h"

#define SIM_EVENTS	1024u	/* one call makes at most a few hundred */
#define SIM_EFFECTS	(6 * SIM_CLIENTS + 8 * CORE_DOMAINS_MAX)
#define STORY_LINES	60u
#define STORY_WIDTH	240u

/* What happened last, in sentences; told only on demand, because that costs more than the core. */
struct story {
	bool is_told, is_loud;
	uint64_t count;
	char line[STORY_LINES][STORY_WIDTH];
};

struct sim {
	uint64_t seed;
	struct dice dice;
	uint64_t now_us;
	struct core_policy policy;
	struct world world;
	struct model model;
	struct cover cover;		/* what this schedule has reached */
	uint64_t digest;		/* of all events and effects */
	struct core core;
	struct session sessions[SIM_CLIENTS];
	struct core_effect effects[SIM_EFFECTS];
	struct event events[SIM_EVENTS];
	struct story story;
	char failure[512];
	sigjmp_buf out;
};

/* story.c. What a broken invariant ends with: does not come back. */
_Noreturn void sim_fail(struct sim *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void story_add(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void story_event(struct sim *s, const struct event *e);
void story_effect(struct sim *s, const struct core_effect *e);
void story_print(const struct sim *s);

/* One input to the core, checked by the model, its effects carried out by the world. */
enum call_kind {
	CALL_START, CALL_SAMPLE, CALL_TICK, CALL_JOIN, CALL_LEAVE, CALL_REPORT, CALL_ANSWER,
	CALL_SURVEY, CALL_GONE, CALL_OOM, CALL_TAKE_OVER, CALL_RELOAD, CALL_DOMAIN_ADD,
	CALL_DOMAIN_REMOVE, CALL_GROWERS, CALL_SUSPECT, CALL_STOPPED, CALL_PROCEDURE, CALL_GUARD,
	CALL_TOLD, CALL_TRIPWIRE, CALL_TRIPPED, CALL_TRIPWIRE_OFF, CALL_LAST, CALL_END_FAILED, CALL_DRILL,
	CALL_KIND_COUNT
};

struct call {
	enum call_kind kind;
	uint32_t domain;
	uint64_t client;		/* LEAVE REPORT; comes back from JOIN */
	const char *name;		/* DOMAIN_ADD */
	const struct session_offer *offer;
	const struct sample *sample;
	const struct victim *victim;	/* SURVEY SUSPECT */
	const struct tripwire_reading *reading; /* TRIPWIRE TRIPPED */
	uint32_t count;			/* STOPPED; LAST: reboots */
	enum last_policy policy;	/* LAST */
	enum stage_word stage;		/* DRILL */
	struct core_answer answer;
	struct core_procedure_end end;	/* PROCEDURE */
	struct model_episode past;	/* TAKE_OVER */
	const struct guard_report *report; /* GUARD */
	struct guard_told told;		/* TOLD */
	bool was_kept;			/* comes back from GUARD */
	bool was_accepted;		/* comes back from JOIN, ANSWER */
};

/* call.c */
void call_core(struct sim *s, struct call *c);
