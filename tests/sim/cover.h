/* SPDX-License-Identifier: MIT */
/*
 * Cover: what a schedule has reached, so that a run can say that its schedules were no idling.
 * Pure; one bit per place.
 */
#pragma once

#include <stdint.h>

enum cover_place {
	COVER_WARNING,
	COVER_IMMINENT,
	COVER_SHUTDOWN,
	COVER_CLEARED,
	COVER_DONE,
	COVER_PARTIAL,
	COVER_BUSY,
	COVER_BUSY_AGAIN,
	COVER_REFUSED,
	COVER_MISSED,
	COVER_VANISHED,
	COVER_SUPERSEDED,
	COVER_LATE,
	COVER_ANSWER_UNKNOWN,
	COVER_RESUME,
	COVER_GROUPS,
	COVER_SHIELD,
	COVER_SHIELD_KEPT,
	COVER_SURVEY,
	COVER_NO_VICTIM,
	COVER_FINAL,
	COVER_FINAL_OUTSIDE,
	COVER_LEFT,
	COVER_TERM,
	COVER_TERM_DRY,
	COVER_KILL,
	COVER_ENDED,
	COVER_VICTIM_SECOND,
	COVER_KERNEL_OOM,
	COVER_TAKEN_OVER,
	COVER_RELOADED,
	COVER_DOMAIN_REMOVED_IN_STAGE,
	COVER_FULL,
	COVER_USER_FULL,
	COVER_STALE,
	COVER_REPLAYED,
	COVER_LOOK,
	COVER_BRAKE,
	COVER_BRAKE_DRY,
	COVER_LET_GO,
	COVER_HELD_BACK,
	COVER_COUNT
};

struct cover {
	uint64_t bits;
};

static inline void cover_add(struct cover *c, enum cover_place place)
{
	c->bits |= UINT64_C(1) << place;
}

const char *cover_name(enum cover_place place);
