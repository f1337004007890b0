/* SPDX-License-Identifier: MIT */
/*
 * Core replay: feeds a recording's records to a core, which so decides again what it decided then.
 * Pure. Every record is checked before it is used: a recording may be damaged or hostile.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core_tape.h"

struct core_replay {
	struct core *core;
	bool is_ready;			/* the state is complete, inputs may follow */
	bool is_over;			/* the end was recorded */
	uint64_t now_us;		/* of the newest record with a time */
	struct core_tape_machine machine;
	struct grower growers[CORE_GROWERS_MAX]; /* collected until they are complete */
	struct victim victim;		/* its processes, collected until who needs them comes */
	uint64_t same, different;	/* decisions compared with the recorded ones */
	uint64_t first_different;	/* number of that event; 0: none */
};

/* c: after core_init(), with room for the clients of any recording that is to be read. */
void core_replay_init(struct core_replay *r, struct core *c);

/*
 * Takes one record and carries out what it says. Returns NULL, or what is wrong with it (static);
 * then the core is as before, and the next record may still be tried. Effects wait in the core.
 */
const char *core_replay_take(struct core_replay *r, enum core_tape_kind kind,
			     const union core_record *record);

/* Is the record one that can be used at all, whatever is done with it? NULL: yes. */
const char *core_replay_check(enum core_tape_kind kind, const union core_record *record);

/* The moment that a record tells of; 0: none. */
uint64_t core_replay_time_us(enum core_tape_kind kind, const union core_record *record);
