/* SPDX-License-Identifier: MIT */
/*
 * World: what happens to the core. Clients with habits, memory that leaks, victims that die or do
 * not, reloads, restarts. Pure; everything comes from the dice.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dice.h"
#include "model.h"

#define WORLD_ACTIONS_MAX	64u

enum habit {
	HABIT_PROMPT, HABIT_LATE, HABIT_AT_DEADLINE, HABIT_BUSY_ONCE, HABIT_BUSY_ALWAYS,
	HABIT_PARTIAL, HABIT_REFUSE, HABIT_SILENT, HABIT_VANISH, HABIT_REJOIN, HABIT_OLD,
	HABIT_TWICE, HABIT_INVENT, HABIT_COUNT
};

struct actor {
	uint64_t id;			/* 0: not registered */
	uint64_t past_id;		/* of its last registration */
	enum habit habit;
	bool is_fickle;			/* a new habit for every order */
	uint64_t past_sequence[4];
	struct session_offer offer;
};

/* What will happen, unless its client is gone by then. */
enum action_kind { ACTION_NONE, ACTION_ANSWER, ACTION_LEAVE, ACTION_JOIN, ACTION_DIE, ACTION_PROCEDURE,
	ACTION_REBOOT, ACTION_STAYS };

struct action {
	enum action_kind kind;
	uint64_t at_us;
	uint32_t actor, domain;
	struct core_answer answer;
	uint32_t procedure;		/* PROCEDURE: whose end it is */
};

enum leak { LEAK_NONE, LEAK_STEADY, LEAK_BURST, LEAK_SAWTOOTH, LEAK_PLATEAU, LEAK_COUNT };

struct pool {
	enum leak leak;
	uint64_t total_bytes, reserve_bytes, swap_bytes;
	double headroom_bytes, rate_bytes_per_s, turn_bytes;
	uint64_t moved_us;		/* when headroom was brought up to date */
	uint64_t direct_reclaims, oom_kills;
	bool is_odd;			/* readings are missing now and then */
	bool is_nobodys;		/* whoever holds it, nobody may be ended */
	bool is_crying;			/* the kernel reports distress when little is left */
};

enum mortality { DIES_AT_TERM, DIES_AT_KILL, DIES_NEVER, DIES_BY_ITSELF, MORTALITY_COUNT };

struct culprit {
	enum mortality mortality;
	bool is_dead;
	uint32_t actor;			/* SIM_CLIENTS: none */
	bool is_stopped;		/* by the brake: its memory does not grow */
	uint64_t survey;		/* which choice of the domain it is */
};

/* Where a domain stood after the newest step. */
struct crash_state {
	enum stage_word stage;
	enum escalate_rung rung;
	enum hold_phase hold;
	enum last_phase last;
};

/* Who got SIGKILL, and when it is gone: that lasts over the daemon's end. */
#define WORLD_KILLED_MAX	64u
struct crash_kill {
	int32_t pid;			/* 0: nobody */
	uint64_t dead_us;
	bool is_past;			/* by a daemon that was killed itself meanwhile */
};

/* The cgroup of the tripwire. */
struct fence {
	struct dice dice;
	bool is_there, is_written_down;	/* that: what stood there, in the ledger */
	uint64_t before_bytes, high_bytes, share_percent, trips;
	struct tripwire_reading newest;	/* total_bytes 0: taken */
};

struct world {
	struct fence fence;
	struct actor actor[SIM_CLIENTS];
	struct action action[WORLD_ACTIONS_MAX];
	struct pool pool[SIM_DOMAINS];
	struct culprit culprit[SIM_DOMAINS];
	struct crash_state crash[SIM_DOMAINS];
	struct crash_kill killed[WORLD_KILLED_MAX];
	uint32_t killed_count;
	uint64_t first_episode;
	uint32_t reboots;		/* of a loop */
	uint32_t last_procedure;	/* ids are given once, as a responder runs once in a crisis */
	bool is_over;			/* nobody does anything any more, memory is plentiful */
};

extern const char *const world_domain_names[SIM_DOMAINS];

/* One whole schedule. */
void world_run(struct sim *s);

/* Reactions to what the core wants. */
void world_order(struct sim *s, const struct core_effect *e);
void world_survey(struct sim *s, uint32_t domain);
void world_look(struct sim *s, uint32_t domain);
void world_stop(struct sim *s, uint32_t domain);
void world_let_go(struct sim *s, uint32_t domain);
void world_signal(struct sim *s, const struct core_effect *e);
void world_procedure(struct sim *s, const struct core_effect *e);

void last_init_domain(struct sim *s, uint32_t domain);
void last_free(struct sim *s, uint32_t domain);
void last_run(struct sim *s, uint32_t domain);
void last_end(struct sim *s, uint32_t domain);
void last_stays(struct sim *s, uint32_t domain);
void fence_set(struct sim *s, uint64_t limit_bytes);

/* Among the world's files. */
void fence_init(struct sim *s);
void fence_sample(struct sim *s, const struct sample *a);
void fence_watch(struct sim *s);
void fence_undo(struct sim *s);
void world_restart(struct sim *s);
void crash_chance(struct sim *s);
void crash_note_kill(struct sim *s, int32_t pid, uint64_t dead_us);
void crash_is_over(struct sim *s);
/* A survey does not show it any more. */
bool crash_is_dead(const struct sim *s, int32_t pid);
/* By a daemon that is no more: to end it again would be once too often. */
bool crash_was_killed(const struct sim *s, int32_t pid);
void world_later(struct sim *s, struct action a);
void actor_join(struct sim *s, uint32_t actor);
void actor_leave(struct sim *s, uint32_t actor);
void actor_act(struct sim *s, const struct action *a);
void actor_nonsense(struct sim *s);
void pool_init(struct sim *s, uint32_t domain);
void pool_turn(struct sim *s, uint32_t domain);
struct sample pool_sample(struct sim *s, uint32_t domain);
bool culprit_choose(struct sim *s, uint32_t domain, struct culprit *k, struct victim *ret);
uint64_t culprit_die_later(struct sim *s, uint32_t domain, uint64_t within_us);
void culprit_die(struct sim *s, uint32_t domain);
void culprit_watch(struct sim *s);
void culprit_guard(struct sim *s);
void culprit_procedure_ends(struct sim *s, const struct action *a);
