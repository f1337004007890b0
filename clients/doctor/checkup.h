/* SPDX-License-Identifier: MIT */
/*
 * Checkup: what is missing on a machine, why it matters, and what adds it. Pure: facts in, rows
 * out. The whole list is the table in checkup.c.
 */
#pragma once

#include "base/text.h"
#include "facts.h"

enum checkup_state {
	CHECKUP_OK,
	CHECKUP_WARN, /* worth a thought; failsoft keeps its promises without */
	CHECKUP_MISSING,
	CHECKUP_UNSEEN, /* could not look */
	CHECKUP_STATE_COUNT
};

struct checkup_row {
	const char *name, *why; /* static; why: what was measured, or what it costs */
	enum checkup_state state;
	char found[512], fix[320]; /* fix "": nothing to do, or nothing that could be done */
};

#define CHECKUP_MAX 32u

/* Returns how many rows. */
uint32_t checkup_run(const struct facts *f, struct checkup_row ret[CHECKUP_MAX]);
const char *checkup_state_name(enum checkup_state s);
/* How many rows are in that state. */
uint32_t checkup_count(const struct checkup_row *rows, uint32_t count, enum checkup_state s);

/* ---- what its files share ---- */

/* One look: says what was found, and may replace the usual remedy. */
struct checkup_say {
	struct text found, fix;
};
typedef enum checkup_state checkup_look(const struct facts *f, struct checkup_say *say);

/* For a figure that was not seen: says so. */
enum checkup_state checkup_unseen(const struct figure *f, struct checkup_say *say);
void checkup_fix(struct checkup_say *say, const char *fix);

/* checkup_kernel.c */
checkup_look checkup_psi, checkup_tripwire, checkup_freeze, checkup_cgroup_kill, checkup_pidfd,
	checkup_mrelease;
/* checkup_memory.c */
checkup_look checkup_boost, checkup_min_free, checkup_overcommit, checkup_panic, checkup_asker,
	checkup_swap;
/* checkup_people.c */
checkup_look checkup_bus_memory, checkup_bus_score, checkup_broker, checkup_broker_memory,
	checkup_broker_priority, checkup_broker_score, checkup_rivals, checkup_watchdog,
	checkup_clients, checkup_procedures;
