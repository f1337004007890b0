/* SPDX-License-Identifier: MIT */
/*
 * Model: the judge of a schedule. It watches what goes into the core and which events and effects
 * come out, keeps its own books from these alone, and fails the schedule at the first thing that
 * the promises of core.h and the design forbid. Pure; it never reads the core's own state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core.h"

#define SIM_CLIENTS	12u
#define SIM_DOMAINS	4u
#define MODEL_IDS_MAX	256u	/* ids given out in one schedule */
#define MODEL_UNANSWERED 8u
#define MODEL_PROCEDURES_MAX 64u
#define MODEL_BATCH_MAX	(4 * SIM_CLIENTS + 4 * CORE_DOMAINS_MAX)

struct sim;
struct call;

/* After a restart clients have so long to come back. */
#define MODEL_RETURN_US	(300 * US_PER_MS)

struct model_request {
	uint64_t sequence;		/* 0: none */
	uint64_t issued_us, deadline_us;
	uint64_t episode;
	enum session_step step;
	uint32_t domain;
	bool is_final, is_extended, is_drill;
};

struct model_client {
	uint64_t id;			/* 0: free */
	uint64_t joined_call, joined_us;
	struct session_offer offer;	/* budgets as granted */
	struct model_request request;
	enum session_step settled;
	bool owes_resume, is_shielded;
	uint32_t final_domains;		/* whose victim it was asked to be since the last resume */
	uint64_t finals_ended;
	bool is_replaced;		/* superseded, and the later order is not out yet */
	enum session_step replaced_step;
	uint64_t unanswered[MODEL_UNANSWERED]; /* ended without the client's answer */
	uint32_t unanswered_count;
};

struct model_victim {
	uint32_t procedure;		/* 0: none was given */
	uint64_t procedure_began_us, procedure_deadline_us;
	bool was_procedure, has_procedure_ended;
	bool is_dropped;		/* acting was switched off while its procedure ran */
	bool is_chosen, was_told_final, was_termed, was_killed;
	bool is_dry;			/* what was done to it last was only told */
	uint64_t client;		/* 0: none, or it had left before it was chosen */
	uint64_t finals_before;		/* how many the client had ended when it was chosen */
	uint64_t deadline_us;		/* of the rung it stands on */
	uint64_t kill_from_us;		/* not before; at deadline_us at the latest */
};

struct model_episode {
	uint64_t number;		/* 0: none open */
	uint64_t began_us;
	uint64_t victims, missed;
	enum stage_word stage;
};

struct model_last {
	enum last_policy policy;
	bool are_files_gone, is_asking, is_running, is_run_due, is_ending, is_failed;
};

struct model_domain {
	bool is_used, has_memory;
	char name[64];
	struct model_episode episode;
	uint64_t headroom_bytes, total_bytes; /* newest reading */
	uint64_t risen_us;		/* last rise */
	uint64_t calm_since_us;		/* 0: the newest sample gave a reason to stay */
	struct model_victim victim;
	/* the brake */
	bool is_looking, may_be_stopped, is_stopping, is_stopped, is_dry, is_let_go;
	bool is_in_vain;		/* while somebody stood still, the survey found nobody to end */
	uint64_t unowed_us;		/* since when */
	uint32_t unowed_rests;		/* somebody stands still, and nobody needs the time */
	bool is_surveying;
	bool is_nobody;			/* by the newest survey */
	struct model_last last;
	bool is_return_due;		/* a victim has ended, what came back is not told yet */
	bool was_back;			/* headroom was back since the victim was chosen */
	uint64_t survey_call;
	uint64_t taken_us;		/* when its episode was taken over; 0: it is our own */
	uint64_t stuck_since_us;	/* 0: the ladder has no reason to move */
	/* the kernel's kills */
	uint64_t oom_kills;
	bool has_kills;			/* the counter was read before */
	uint64_t killed_us, comes_back_us; /* the first of a series; until then nobody is chosen */
	uint64_t best_bytes;		/* headroom since then */
	bool is_falling_on, was_ladders;
	uint64_t newest_kill_us;	/* 0: none; after it, who is only the largest is spared ... */
	uint32_t spared;		/* ... so often in a row */
};

/* Then the ladder has its turn. */
#define MODEL_SPARED_MOST	3u

struct model_tripwire {
	bool is_on, was_armed;
	const struct tripwire_reading *reading; /* of the call at hand */
	uint64_t now_bytes;		/* in the file */
	uint64_t limit_bytes, moved_us;	/* when it was last armed; 0: never */
};

struct model {
	struct core_policy policy;
	struct model_client client[SIM_CLIENTS];
	struct model_domain domain[SIM_DOMAINS];
	uint64_t taken_us;		/* newest of all domains, also of one that is gone; 0: never */
	uint64_t ids[MODEL_IDS_MAX];
	uint32_t ids_count;
	uint64_t last_event, last_episode, last_sequence, calls;
	bool is_at_rest;		/* all that was due is done */
	struct model_tripwire tripwire;
	/* the call at hand */
	struct model_request asked[MODEL_BATCH_MAX];
	uint64_t asked_client[MODEL_BATCH_MAX];
	uint32_t asked_count, ordered_count;
	int acted[2 * SIM_DOMAINS];
	uint32_t acted_domain[2 * SIM_DOMAINS];
	uint32_t acted_count, signalled_count;
	uint32_t reboots;		/* of a loop */
	uint32_t has_run[MODEL_PROCEDURES_MAX]; /* by id: none runs twice */
	uint32_t superseded_domains;	/* a request of theirs: bits */
	uint32_t started_domains;	/* a procedure is on record there: bits */
	uint32_t changes[SIM_DOMAINS], announced[SIM_DOMAINS];
	uint64_t left_client;
	bool left_was_shielded, is_end_due;
	bool is_taking_over;		/* what the guard did comes in pieces: nobody is asked yet */
	bool is_guard_on_record;
	uint32_t events_count, effects_count, endings_count;
};

void model_init(struct sim *s, uint64_t first_episode);

/* Before and after a call; batch: the effects that it queued. */
void model_before(struct sim *s, const struct call *c);
void model_after(struct sim *s, const struct call *c, const struct core_effect *batch,
		 uint32_t count);
/* After all due samples and a tick. */
void model_rest(struct sim *s);
/* When the world has been quiet for long. */
void model_end(struct sim *s);

/* Is everything over that has to end by itself? */
bool model_is_quiet(const struct model *m);

/* Among the model's files. */
struct model_client *model_client(struct sim *s, uint64_t id);
bool model_is_late(const struct sim *s, const struct model_client *k, uint32_t domain);
bool model_is_settled(const struct sim *s, uint32_t domain, enum session_step step,
		      uint64_t before_call);
uint64_t model_floor_bytes(const struct model *m, uint32_t domain, enum stage_word stage);
void model_event(struct sim *s, const struct call *c, const struct event *e);
void model_sample(struct sim *s, const struct sample *sample);
void model_tripped(struct sim *s);
void model_kill(struct sim *s, uint32_t domain);
void model_ladder_event(struct sim *s, const struct call *c, const struct event *e);
void model_brake_call(struct sim *s, const struct call *c);
void model_brake_effect(struct sim *s, const struct core_effect *e);
void model_brake_event(struct sim *s, const struct call *c, const struct event *e);
void model_brake_rest(struct sim *s);
/* Its domains owe it time, though it may have answered before anybody rests. */
void model_brake_asked(struct sim *s, const struct model_client *k);
void model_guard_event(struct sim *s, const struct call *c, const struct event *e);
void model_guard_told(struct sim *s, const struct call *c, const struct event *e);
void model_guard_after(struct sim *s, const struct call *c);
void model_survey_after(struct sim *s, const struct call *c);
void model_effect(struct sim *s, const struct core_effect *e);
void model_last_event(struct sim *s, const struct call *c, const struct event *e);
void model_last_effect(struct sim *s, const struct core_effect *e);
/* Everybody is asked to shut down for good, or has been. */
bool model_is_machine_going(const struct model *m);
void model_tripwire_before(struct sim *s, const struct call *c);
void model_tripwire_after(struct sim *s, const struct call *c);
void model_tripwire_effect(struct sim *s, const struct core_effect *e);
void model_tripwire_event(struct sim *s, const struct event *e);
