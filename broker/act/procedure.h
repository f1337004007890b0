/* SPDX-License-Identifier: MIT */
/*
 * Procedure: a program to run before a certain process is ended, and the table of all of them. Pure.
 * Who is meant is told by pid, name, unit or cgroup; which procedure a victim gets is one rule, see
 * procedure_match(). Starting, waking and stopping the programs is responder.[ch].
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/victim.h"
#include "base/units.h"

#define PROCEDURES_MAX		16	/* each is a process or two that stand ready, and locked memory */
#define PROCEDURE_MATCH_MAX	256	/* bytes with NUL, as a domain's name */
#define PROCEDURE_PROGRAM_MAX	256
#define PROCEDURE_ARGUMENTS_MAX	16
/*
 * How long one may take unless it is said. A native responder takes 1 ms, a shell that starts a program
 * 10-30 ms (measured); the rest is for what it writes. Half: a slow card cuts it off; double: the lead of
 * every stage is half a second longer.
 */
#define PROCEDURE_DEADLINE_US	(500 * US_PER_MS)
#define PROCEDURE_DEADLINE_LEAST_US (10 * US_PER_MS)
#define PROCEDURE_DEADLINE_MOST_US (30 * US_PER_S)
/* Kept for a program that is started at the crisis: its stack, heap and relocations. A shell and one
 * program take that much. Half: a script may wait for memory; double: it is given back 0.5 ms later
 * (1000-MIPS CPU), and so much less is left for all. */
#define PROCEDURE_MEMORY_BYTES	MIB
#define PROCEDURE_MEMORY_MOST_BYTES (64 * MIB)
#define PROCEDURE_BAREBONE	"barebone" /* LAST: no domain's, for all that need it */
#define PROCEDURE_WORDS_BYTES	1024	/* all arguments or files, each with its NUL */

/* The most specific comes first: that is the order in which a victim's procedure is looked for. */
enum procedure_kind {
	PROCEDURE_PID,			/* this one process; its start time is taken when it is added */
	PROCEDURE_CGROUP,		/* path as in /proc/PID/cgroup; all below it, too */
	PROCEDURE_UNIT,			/* last *.service or *.scope of that path */
	PROCEDURE_NAME,			/* /proc/PID/comm, or the path of the program if there is a '/' */
	PROCEDURE_LAST,			/* nobody's: the last policy of the domain of that name */
	PROCEDURE_KIND_COUNT
};

/* Texts one after the other, each with its NUL. */
struct procedure_words {
	uint32_t count, used;
	char bytes[PROCEDURE_WORDS_BYTES];
};

struct procedure_spec {
	enum procedure_kind kind;
	char match[PROCEDURE_MATCH_MAX];
	char program[PROCEDURE_PROGRAM_MAX]; /* absolute path */
	struct procedure_words arguments; /* without the program itself */
	struct procedure_words keep;	/* more files to be held in memory for it */
	uint64_t deadline_us;		/* how long it may take */
	uint64_t memory_bytes;		/* kept until it runs; not for a responder, which locks its own */
	bool is_responder;		/* speaks failsoft/responder.h: started now, not at the crisis */
	bool holds;			/* the victim is stopped (SIGSTOP) while it runs */
	uint32_t uid, gid;		/* as whom it runs; UINT32_MAX: as the broker */
};

enum procedure_state {
	PROCEDURE_FREE,			/* the slot is empty */
	PROCEDURE_STARTING,
	PROCEDURE_READY,		/* stands ready, locked */
	PROCEDURE_RUNNING,
	PROCEDURE_USED,			/* has run; is made ready again when the crisis is over */
	PROCEDURE_BROKEN,		/* could not be made ready, see error */
	PROCEDURE_STATE_COUNT
};

/* How a run ended. */
enum procedure_outcome {
	PROCEDURE_DONE,			/* exit status 0 */
	PROCEDURE_FAILED,		/* another one: code */
	PROCEDURE_KILLED,		/* by a signal: code */
	PROCEDURE_LATE,			/* its deadline came; it was ended */
	PROCEDURE_CUT,			/* the victim went, or the crisis was over, before it had ended */
	PROCEDURE_LOST,			/* its responder is gone, or did not start it: code is errno */
	PROCEDURE_OUTCOME_COUNT
};

struct procedure {
	uint32_t id;			/* of this slot's present procedure; never 0, never given twice */
	enum procedure_state state;
	struct procedure_spec spec;
	bool is_configured;		/* by the file; else by the bus, until the broker ends */
	int32_t pid;			/* PROCEDURE_PID */
	uint64_t start_ticks;		/* the same */
	int error;			/* PROCEDURE_BROKEN: errno */
	char broken[PROCEDURE_PROGRAM_MAX]; /* the same: what of its files is in the way; "": the program */
	bool is_without_responder;	/* the same: it is what stands ready that cannot be started */
	/* its newest run */
	uint64_t runs;			/* the one that runs now among them */
	int32_t ran_pid;
	uint64_t ran_start_ticks;
	uint64_t started_us, ends_us;	/* RUNNING: since when, and when it is ended at the latest */
	bool has_outcome;		/* one has ended: a first one that still runs has none */
	enum procedure_outcome outcome;	/* of the one that ended last */
};

struct procedure_table {
	struct procedure slot[PROCEDURES_MAX];
	uint32_t last_id;
};

/* What is known of the process that is to be ended; "" where it cannot be read. */
struct procedure_facts {
	int32_t pid;
	uint64_t start_ticks;
	char name[16];
	char program[PROCEDURE_PROGRAM_MAX];
	char cgroup[PROCEDURE_MATCH_MAX];
};

const char *procedure_kind_name(enum procedure_kind kind);
/* PROCEDURE_KIND_COUNT: no such word. */
enum procedure_kind procedure_kind_find(const char *word);
const char *procedure_state_name(enum procedure_state state);
const char *procedure_outcome_name(enum procedure_outcome outcome);

/* false: no room for it. */
bool procedure_words_add(struct procedure_words *w, const char *word);
/* Fills ret[count + 1], the last one NULL; borrowed of w. */
void procedure_words_list(const struct procedure_words *w, const char **ret);

/* Everything that has a default. */
struct procedure_spec procedure_default(void);

/* NULL, or a sentence about what is wrong with the text of the spec. */
const char *procedure_refuse(const struct procedure_spec *spec);

/* NULL: the table is full. Its state is STARTING. */
struct procedure *procedure_add(struct procedure_table *t, const struct procedure_spec *spec);
struct procedure *procedure_find(struct procedure_table *t, uint32_t id);
void procedure_remove(struct procedure *p);

/*
 * The procedure of a victim: of those that stand ready and fit, the most specific kind, then the
 * longer text, then the older one. NULL: none, or one has run for this very process already.
 */
struct procedure *procedure_match(struct procedure_table *t, const struct procedure_facts *f);

/* The one that is the last policy of the domain and stands ready; NULL: none. */
struct procedure *procedure_last(struct procedure_table *t, const char *domain);

/* It stood ready, and is told to run now. */
void procedure_begin(struct procedure *p, uint64_t now_us, uint64_t ends_us);
/* Its run is over; it is USED. */
void procedure_end(struct procedure *p, enum procedure_outcome outcome);

/* Then nothing needs to be read of a victim. */
bool procedure_table_is_empty(const struct procedure_table *t);

/* Of all that run for a victim, how long the slowest may take; 0: there is none. */
uint64_t procedure_longest_us(const struct procedure_table *t);

/* Writes into the victim what it gets; p NULL: nothing. */
void procedure_give(const struct procedure *p, struct victim *v);
