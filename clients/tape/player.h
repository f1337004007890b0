/* SPDX-License-Identifier: MIT */
/*
 * Player: a recording from a file through the core. Either the very same decisions again, or, with
 * another policy, what would have been decided: then clients answer as they did in the recording,
 * as far as it tells, and the memory stays what it was, so that nothing after the first ended
 * program can be believed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core_replay.h"
#include "keep/tape_read.h"

#define PLAYER_CLIENTS	4096u
#define PLAYER_EVENTS	65536u
#define PLAYER_ANSWERS	1024u

/* An answer that a client will give, when nobody knows what it would have done. */
struct player_answer {
	uint64_t due_us;		/* 0: free */
	struct core_answer answer;
};

struct player {
	const char *path;
	uint8_t *bytes;
	size_t size;
	struct tape_read read;
	enum tape_end end;		/* TAPE_READ: not yet */
	const char *wrong;		/* a record that could not be used: the newest one's reason */
	uint64_t wrong_count;
	union core_record record;	/* the newest */
	enum core_tape_kind kind;
	uint64_t first_us;
	struct core core;
	struct core_memory memory;
	struct core_replay replay;
	const struct core_policy *policy; /* NULL: the recording's own */
	bool is_badly_packed;		/* its compression is damaged, not only cut */
	bool has_notional_client;
	struct victim victim;		/* the newest that was recorded */
	struct player_answer answers[PLAYER_ANSWERS];
};

/*
 * Reads the whole file, also one compressed with xz. policy (borrowed): what would have been
 * decided under it; NULL: what was decided. 0, or -errno after a sentence on stderr.
 */
int player_open(struct player *p, const char *path, const struct core_policy *policy);
void player_close(struct player *p);

/* Plays the next record. false: over; p->end says how. */
bool player_next(struct player *p);

/* Was it decided by the rules of this program? */
bool player_has_our_rules(const struct player *p);

/* One client with the default budgets: for recordings of a machine without any. */
void player_add_client(struct player *p);

/* A sentence for people when the recording did not end as it should; "" when it did. */
const char *player_problem(const struct player *p, char *buffer, size_t size);
