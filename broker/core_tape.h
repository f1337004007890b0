/* SPDX-License-Identifier: MIT */
/*
 * Core tape: every input of the core as a record, its whole state as records, and both back again,
 * so that a recording can be replayed to the same decisions. Pure. What a kind holds is in the
 * tables of core_tape.c; interfaces/recording.schema lists them.
 *
 * A recording is: machine, the state (policy .. ready), then inputs in the order in which the core
 * got them, each followed by the events that it led to, and at last `end`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core.h"

enum core_tape_kind {
	CORE_TAPE_MACHINE,		/* struct core_tape_machine */
	CORE_TAPE_NOTE,			/* struct core_tape_note: words of a person or a script */
	CORE_TAPE_END,			/* struct core_tape_note: why the recording ended */
	/* the state */
	CORE_TAPE_POLICY,		/* struct core_policy */
	CORE_TAPE_CORE,			/* struct core_tape_core */
	CORE_TAPE_DOMAIN,		/* struct core_tape_domain; ESTIMATOR and SAW follow */
	CORE_TAPE_ESTIMATOR,		/* struct core_tape_domain */
	CORE_TAPE_SAW,			/* struct core_tape_domain */
	CORE_TAPE_EPISODE,		/* struct core_episode */
	CORE_TAPE_SESSION,		/* struct core_tape_session; also of free slots */
	CORE_TAPE_READY,		/* struct core_call: the state is complete */
	/* inputs */
	CORE_TAPE_SAMPLE,		/* struct sample */
	CORE_TAPE_JOIN,			/* struct core_tape_join */
	CORE_TAPE_VICTIM,		/* struct core_tape_victim: one process of what comes next */
	CORE_TAPE_SURVEY,		/* struct core_tape_survey */
	CORE_TAPE_SUSPECT,		/* struct core_tape_survey */
	CORE_TAPE_GROWER,		/* struct core_tape_grower: the last one completes them */
	CORE_TAPE_HAPPENED,		/* struct event, see core_note() */
	CORE_TAPE_RECONFIGURE,		/* struct core_call, all below */
	CORE_TAPE_LATENCY,
	CORE_TAPE_DOMAIN_ADD,
	CORE_TAPE_DOMAIN_REMOVE,
	CORE_TAPE_LEAVE,
	CORE_TAPE_REPORT,
	CORE_TAPE_ANSWER,
	CORE_TAPE_PROCEDURE_TIME,
	CORE_TAPE_PROCEDURE_DONE,
	CORE_TAPE_VICTIM_GONE,
	CORE_TAPE_STOPPED,
	CORE_TAPE_KERNEL_OOM,
	CORE_TAPE_TAKE_OVER,
	CORE_TAPE_TICK,
	CORE_TAPE_GUARD,		/* struct core_tape_guard; TOLD follows */
	CORE_TAPE_TOLD,			/* struct core_call */
	CORE_TAPE_TRIPWIRE,		/* struct core_tape_tripwire */
	CORE_TAPE_TRIPPED,		/* struct core_tape_tripwire */
	CORE_TAPE_TRIPWIRE_OFF,		/* struct core_call */
	CORE_TAPE_LAST,			/* struct core_call, the next too */
	CORE_TAPE_END_FAILED,
	CORE_TAPE_DRILL,
	/* decisions */
	CORE_TAPE_EVENT,		/* struct event */
	CORE_TAPE_KIND_COUNT
};

#define CORE_TAPE_RULES_MAX	24
#define CORE_TAPE_TEXT_MAX	CORE_DOMAIN_NAME_MAX

/* Where it was recorded. */
struct core_tape_machine {
	uint64_t now_us, real_us;	/* CLOCK_MONOTONIC and CLOCK_REALTIME at the same moment */
	uint64_t total_bytes, swap_total_bytes;
	uint32_t cpus, page_bytes;
	bool is_stand_alone;		/* no broker: nobody was asked, nobody was ended */
	char kernel[64];		/* release and machine, "6.1.0-22-amd64 x86_64" */
	char rules[CORE_TAPE_RULES_MAX]; /* hash of what decides; "": by an older program, unknown */
};

struct core_tape_note {
	uint64_t now_us;
	char text[CORE_TAPE_TEXT_MAX];
};

struct core_tape_core {
	uint64_t last_episode, last_sequence, last_event, grace_us;
	uint32_t max_clients;
	struct tripwire tripwire;
	uint32_t reboots_before;
};

struct core_tape_domain {
	uint32_t index;
	struct core_domain d;
};

struct core_tape_session {
	uint32_t slot;
	struct session s;
};

struct core_tape_join {
	uint64_t now_us;
	struct session_offer offer;
};

/* A process of the victim; with is_state it belongs to a domain of the state. */
struct core_tape_victim {
	uint32_t index;
	int32_t pid;
	uint64_t start_ticks;
};

struct core_tape_tripwire {
	uint64_t now_us;
	struct tripwire_reading r;
};

/* One of `count` who grow; count 0: nobody does. */
struct core_tape_grower {
	uint64_t now_us;
	uint32_t domain, index, count;
	struct grower g;
};

struct core_tape_survey {
	uint64_t now_us;
	uint32_t domain;
	bool found;
	struct victim victim;		/* its processes come before it */
};

struct core_tape_guard {
	uint64_t now_us;
	struct guard_report r;		/* its victim's processes come before it */
};

/* Each kind of call has its own of these. */
struct core_call {
	uint64_t now_us, client, sequence, episode, began_us, latency_us;
	uint64_t exposure_bytes, freeable_bytes, freed_bytes, more_time_us;
	uint64_t procedure_us, output_bytes, deadline_us;
	uint32_t domain, result, stage, count, procedure, outcome, code, policy;
	int32_t pid;
	bool is_configured;
	char name[CORE_TAPE_TEXT_MAX];
};

/* Holds any of them. */
union core_record {
	struct core_tape_machine machine;
	struct core_tape_note note;
	struct core_policy policy;
	struct core_tape_core core;
	struct core_tape_domain domain;
	struct core_episode episode;
	struct core_tape_session session;
	struct core_tape_join join;
	struct core_tape_victim victim;
	struct core_tape_survey survey;
	struct core_tape_grower grower;
	struct core_tape_guard guard;
	struct core_tape_tripwire tripwire;
	struct core_call call;
	struct sample sample;
	struct event event;
};

extern const struct tape_shape core_tape_shapes[CORE_TAPE_KIND_COUNT];

/*
 * Starts recording onto t, which was begun with core_tape_shapes: writes machine and state, and
 * from now on every input. core_tape_stop() ends it with the reason.
 */
void core_tape_start(struct core *c, struct tape *t, const struct core_tape_machine *m);
void core_tape_stop(struct core *c, uint64_t now_us, const char *why);

/* For core_*.c: an input, before it is looked at; an event, after it was kept. */
void core_tape_call(struct core *c, enum core_tape_kind kind, const struct core_call *call);
void core_tape_input(struct core *c, enum core_tape_kind kind, const void *input);
void core_tape_growers(struct core *c, uint32_t domain, const struct grower *growers, uint32_t count,
		       uint64_t now_us);
void core_tape_survey(struct core *c, enum core_tape_kind kind, uint32_t domain,
		      const struct victim *victim, uint64_t now_us);
void core_tape_guard(struct core *c, const struct guard_report *r, uint64_t now_us);
