/* SPDX-License-Identifier: MIT */
/*
 * Kin: who may be ended at all, and who belongs to a victim though it was not there, or there was no room
 * for it, when that was chosen: a group forks while it is being stopped and ended. Pure.
 */
#pragma once

#include "act/victim.h"

/* Bits; neither: never ended. A client is no part of any group. */
#define KIN_MAY_ALONE		(UINT64_C(1) << 0)
#define KIN_MAY_IN_GROUP	(UINT64_C(1) << 1)
uint64_t kin_may(const struct process *p, struct session_table *clients);

/* NULL: it is no client. */
struct session *kin_client(struct session_table *clients, int32_t pid);

/*
 * The children of its processes and, for a group, the namesakes of its user's that were started since it
 * was chosen, or since the baseline, of a bomb that is larger than the list. Their parent is init or the
 * parent of one of it: others start programs of that name, too. Never one that may not be ended in a group.
 */
bool kin_is(const struct victim *v, const struct process *p, struct session_table *clients);

/* Adds all that a new survey found. Returns how many were added: as many as there was room for. */
uint32_t kin_extend(struct victim *v, const struct process *processes, uint32_t count,
		    struct session_table *clients);

/*
 * Of a bomb that is larger than the list: 1 in scratch[i] for each of the survey that is one of it, also
 * below those that are in no list; 0 for the others. Of the view only the survey and the clients count.
 */
void kin_mark(const struct victim *v, const struct victim_view *s);
