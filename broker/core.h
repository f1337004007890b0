/* SPDX-License-Identifier: MIT */
/*
 * Core: the whole pure pipeline, judge -> ask -> act -> keep, for all domains and clients. Pure:
 * makes no system call, reads no clock, allocates nothing; the caller hands in memory at init and
 * the time with every call. The daemon, the simulator, the flow tests and replay run this same code.
 *
 * Inputs are the core_* calls below, outputs are effects that the caller takes out with
 * core_effect() until there is none, in the order in which they must happen. Everything that
 * happens is an event in core->record. core_due_us() is when core_tick() is needed next.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/escalate.h"
#include "act/guard.h"
#include "act/hold.h"
#include "act/last.h"
#include "act/procedure.h"
#include "act/settle.h"
#include "act/tripwire.h"
#include "ask/plan.h"
#include "ask/session.h"
#include "judge/estimate.h"
#include "judge/growth.h"
#include "judge/stage.h"
#include "keep/record.h"
#include "keep/tape.h"

#define CORE_DOMAINS_MAX	32	/* a client's domains are bits of an uint32_t */
#define CORE_DOMAIN_SYSTEM	0u
#define CORE_DOMAIN_NAME_MAX	256	/* with NUL; longer cgroup paths are refused with a warning */
#define CORE_GROWERS_MAX	5u
#define CORE_EPISODES_MAX	64	/* how many ended ones are remembered for ListEpisodes */

struct core_policy {
	struct estimate_policy estimate;
	struct stage_policy stage;
	struct session_policy session;
	struct plan_policy plan;
	struct escalate_policy escalate;
	struct last_policies last;
	bool shield;
	bool brake;
	uint64_t idle_interval_us, near_interval_us; /* longest and shortest sleep between samples */
};

struct core_episode {
	uint64_t number;		/* 0: empty */
	uint32_t domain;
	char domain_name[EVENT_NAME_MAX];
	enum stage_word highest;
	uint64_t began_us, ended_us;	/* ended 0: open */
	uint32_t victims, missed;
	bool kernel_killed;
};

/* What a victim held, and the headroom then: what comes back is compared. */
struct core_promise {
	int32_t pid;			/* 0: none is open */
	char name[16];
	uint64_t bytes, headroom_bytes, chosen_us;
};

/* What no process shows: all of it, and so much more than when the fall began. */
struct core_pools {
	uint64_t bytes, grown_bytes;
};

struct core_domain {
	bool used;
	bool is_configured;		/* stays without clients */
	char name[CORE_DOMAIN_NAME_MAX];
	struct estimator estimator;
	struct estimate estimate;	/* newest */
	bool has_pressure;		/* the newest sample told the next two, PSI memory avg10 */
	uint32_t memory_some_permyriad, memory_full_permyriad;
	struct stage_lead lead;		/* newest */
	struct stage stage;
	struct stage_change change;	/* newest */
	uint64_t change_event;		/* its number in the record, for the reason; 0: none */
	struct escalate escalate;
	struct settle settle;		/* after the kernel has killed */
	struct hold hold;
	struct last last;
	struct core_promise promise;	/* of the newest victim */
	bool is_writer_ended;		/* in this episode: one that filled what no process shows */
	struct core_pools pools_done;	/* then, or when nobody was to be ended for it; 0: not yet */
	uint64_t episode;		/* 0: none open */
	bool said_no_victim, said_held_back; /* in this episode; once is enough */
	uint32_t hasty_looks;		/* in a row: somebody was found that a kill had made the largest */
	struct grower growers[CORE_GROWERS_MAX]; /* newest; who grows most first */
	uint32_t growers_count;
	uint64_t growers_us;		/* when they were seen */
	uint64_t growth_bytes;		/* of all of them */
	struct grower said_grower;	/* the newest that was told in this episode */
	uint64_t sample_due_us;
};

/* What the caller must do. */
enum core_effect_kind {
	EFFECT_NONE,
	EFFECT_ORDER,			/* send request to the client: lifeline, then StepRequested */
	EFFECT_SHIELD_UP,		/* protect the client's process from the kernel's choice */
	EFFECT_SHIELD_DOWN,
	EFFECT_SURVEY,			/* look at the domain's processes, then core_survey() */
	EFFECT_SIGNAL_VICTIM,		/* SIGTERM or SIGKILL to domain's escalate.victim */
	EFFECT_LOOK,			/* survey, then core_suspect() */
	EFFECT_STOP,			/* stop the domain's hold.victim, then core_stopped() */
	EFFECT_LET_GO,			/* ... let it go on */
	EFFECT_PROCEDURE,		/* run that of domain's escalate.victim, until escalate.deadline_us */
	EFFECT_ANNOUNCE,		/* broadcast the stage change core->domain[domain].change */
	EFFECT_FREE_FILES,		/* delete the files that were given for it; dry_run: only look */
	EFFECT_LAST_RUN,		/* run what `last` names, then core_procedure_done() */
	EFFECT_END_MACHINE,		/* sync, then what `last` says; core_end_failed() if it lives on */
	EFFECT_TRIPWIRE,		/* the limit of the tripwire's cgroup is to be limit_bytes */
	EFFECT_KIND_COUNT
};

struct core_effect {
	enum core_effect_kind kind;
	uint32_t domain;
	uint64_t client;		/* ORDER, SHIELD_* */
	struct session_request request;	/* ORDER */
	enum stage_word stage;		/* ORDER: the domain's */
	uint64_t episode;		/* ORDER, ANNOUNCE */
	int signal;			/* SIGNAL_VICTIM: 15 or 9 */
	bool dry_run;			/* FREE_FILES: record only; the others are not there then */
	uint64_t sequence;		/* ANNOUNCE: of the signal */
	enum last_policy last;		/* LAST_RUN, END_MACHINE */
	uint64_t limit_bytes;		/* TRIPWIRE; TRIPWIRE_NONE: none */
};

/* Effects wait here; sized so that one call can never fill it (see core.c). */
struct core_queue {
	struct core_effect *ring;
	uint32_t size, first, count;
};

struct core {
	bool is_baseline_void;		/* growth is to be measured from now; the shell takes it back */
	struct core_policy policy;
	struct core_domain domain[CORE_DOMAINS_MAX];
	struct session_table sessions;
	struct record record;
	struct core_queue queue;
	struct core_episode episode[CORE_EPISODES_MAX]; /* ring by number */
	struct tripwire tripwire;
	uint32_t reboots_before;	/* of a loop, when this boot began; see last.h */
	uint64_t last_episode, last_sequence;
	uint64_t grace_us;		/* nobody is ended before it; see core_take_over() */
	struct tape *tape;		/* every input and every event go there; NULL: not recorded */
};

/* How large the caller's memory must be, for core_init. */
struct core_memory {
	struct session *sessions;	/* policy->session.max_clients, zeroed */
	struct core_effect *effects;	/* effects_count >= core_effects_needed() */
	uint32_t effects_count;
	struct event *events;		/* events_count >= 64 */
	uint32_t events_count;
};

uint32_t core_effects_needed(uint32_t max_clients);

/* first_episode: the number before the first episode's. */
void core_init(struct core *c, const struct core_policy *p, const struct core_memory *m,
	       uint64_t first_episode, uint64_t now_us);

/* What the caller has measured of itself, from sample to order sent; counts in every lead. */
void core_set_latency(struct core *c, uint64_t latency_us);

/* How long the slowest procedure may take; counts in every lead. Kept over core_reconfigure(). */
void core_set_procedure_time(struct core *c, uint64_t longest_us);

/* Takes a new policy; max_clients cannot grow beyond what core_init was given. */
void core_reconfigure(struct core *c, const struct core_policy *p, uint64_t now_us);

/* Domains. Name lookup and adding: the index, or CORE_DOMAINS_MAX when full or the name too long. */
uint32_t core_domain_find(const struct core *c, const char *name);
uint32_t core_domain_add(struct core *c, const char *name, bool is_configured, uint64_t now_us);
/* Ends its episode as cleared ("the domain is gone"); its bit leaves every session. Not for system. */
void core_domain_remove(struct core *c, uint32_t domain, uint64_t now_us);
/* Highest stage of all domains, and of those with it the domain nearest to exhaustion. */
enum stage_word core_stage(const struct core *c);
uint32_t core_worst_domain(const struct core *c);

/* Inputs. */
void core_sample(struct core *c, const struct sample *s);
enum session_outcome core_join(struct core *c, const struct session_offer *offer, uint64_t now_us,
			       struct session **ret);
void core_leave(struct core *c, uint64_t client, uint64_t now_us);
void core_report(struct core *c, uint64_t client, uint64_t exposure_bytes, uint64_t freeable_bytes);

struct core_answer {
	uint64_t client, sequence;
	enum session_result result;	/* DONE PARTIAL BUSY REFUSED */
	uint64_t freed_bytes, more_time_us;
};
/* false: this client was never asked that sequence, or it is too old to tell. */
bool core_answer(struct core *c, const struct core_answer *a, uint64_t now_us);

/*
 * A rehearsal: the client is asked the step of that stage, marked so, and to resume when it has ended.
 * Nothing else follows from it. false: a domain is under pressure, or the client is not there or has
 * a request open. A stage that is entered meanwhile ends it.
 */
bool core_drill(struct core *c, uint64_t client, enum stage_word stage, uint64_t now_us);

/*
 * Answer to EFFECT_SURVEY. victim NULL: nobody may be ended. What the kernel killed meanwhile is told
 * before: then nobody is ended who would be left over.
 */
void core_survey(struct core *c, uint32_t domain, const struct victim *victim, uint64_t now_us);
/* Answer to EFFECT_LOOK. victim NULL: nobody. */
void core_suspect(struct core *c, uint32_t domain, const struct victim *victim, uint64_t now_us);
/* Answer to EFFECT_STOP: so many processes stand still. */
void core_stopped(struct core *c, uint32_t domain, uint32_t count, uint64_t now_us);
/*
 * Who grows, whom it names first on top; count 0: nobody. Only the first CORE_GROWERS_MAX are kept.
 * One witness of its own beside the figures of headroom.
 */
void core_growers(struct core *c, uint32_t domain, const struct grower *growers, uint32_t count,
		  uint64_t now_us);
/*
 * What was run, for the domain's victim or as its last policy, has ended; one that is not that of the
 * domain's victim now is too late.
 */
struct core_procedure_end {
	uint32_t procedure;		/* id */
	enum procedure_outcome outcome;
	uint32_t code;			/* exit status, signal or errno */
	uint64_t output_bytes;		/* what it wrote */
};
void core_procedure_done(struct core *c, uint32_t domain, const struct core_procedure_end *end,
			 uint64_t now_us);
/* Every process of the domain's victim has ended. */
void core_victim_gone(struct core *c, uint32_t domain, uint64_t now_us);
/* What is done in the domain when no process helps; reboots: of a loop, as they were counted at boot. */
void core_set_last(struct core *c, uint32_t domain, enum last_policy policy, uint32_t reboots);
/* Answer to EFFECT_END_MACHINE: it did not go; code: errno. */
void core_end_failed(struct core *c, uint32_t domain, uint32_t code, uint64_t now_us);
/*
 * The guard has acted while the caller stood still: what it began goes on by the rules of this core.
 * First this, then core_told() for each client, then what they answered meanwhile, then a sample.
 * true: whom it has stopped stays so until EFFECT_LET_GO; else it is to be let go at once.
 */
bool core_guard(struct core *c, const struct guard_report *r, uint64_t now_us);
void core_told(struct core *c, uint32_t domain, const struct guard_told *t, uint64_t now_us);
/* The kernel killed `name` for lack of memory. */
void core_kernel_oom(struct core *c, uint32_t domain, int32_t pid, const char *name, uint64_t now_us);
/*
 * An episode that was open when the previous broker ended. Its clients are given a moment to come
 * back before anybody is ended: until then nobody knows who is a client, and who owes an answer.
 */
void core_take_over(struct core *c, uint32_t domain, uint64_t episode, enum stage_word stage,
		    uint64_t began_us, uint64_t now_us);
/*
 * The tripwire's cgroup was read, right after a sample of the system, or the limit would follow who
 * runs into it. The first one arms it.
 */
void core_tripwire(struct core *c, const struct tripwire_reading *r, uint64_t now_us);
/* The kernel says that its limit was reached: before that sample. Of `r`, memory of the machine is
 * not needed. */
void core_tripped(struct core *c, const struct tripwire_reading *r, uint64_t now_us);
/* The cgroup is gone, or another one is to be it. */
void core_tripwire_off(struct core *c, uint64_t now_us);
/* Is it to be read now, whatever was read before? */
bool core_wants_tripwire(const struct core *c, uint64_t now_us);

/* Anything else worth keeping; fills in time and domain name. */
void core_note(struct core *c, struct event *e, uint64_t now_us);

/* Deadlines. */
void core_tick(struct core *c, uint64_t now_us);

/* When core_tick() or the next sample is due; NEVER_US never. */
uint64_t core_due_us(const struct core *c);
/* Is a sample of the domain due at now_us? */
bool core_wants_sample(const struct core *c, uint32_t domain, uint64_t now_us);

/* Takes the next effect out; false: none. */
bool core_effect(struct core *c, struct core_effect *ret);

/* What no process shows; grown_bytes also holds what was done with in this episode and is still there. */
struct core_pools core_pools(const struct core *c, uint32_t domain);
