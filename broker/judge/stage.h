/* SPDX-License-Identifier: MIT */
/*
 * Stage: normal < warning < imminent < shutdown of one domain, entered on time rather than percent,
 * left with hysteresis. Pure. The whole policy is the table in stage.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "judge/estimate.h"

enum stage_word { STAGE_NORMAL, STAGE_WARNING, STAGE_IMMINENT, STAGE_SHUTDOWN, STAGE_COUNT };

/* Why a stage was entered. */
enum stage_why {
	STAGE_WHY_NONE,
	STAGE_WHY_TIME,			/* the pessimistic TTE fell below the lead that is needed */
	STAGE_WHY_FLOOR,		/* headroom fell below the stage's floor */
	STAGE_WHY_DISTRESS,		/* the kernel itself reports it, and headroom is small */
	STAGE_WHY_OOM,			/* the kernel has killed for lack of memory */
	STAGE_WHY_CLEARED,		/* back to normal */
	STAGE_WHY_COUNT
};

struct stage_policy {
	uint32_t floor_permyriad[STAGE_COUNT];	/* of the domain's total; [STAGE_NORMAL] unused */
	uint64_t floor_max_bytes[STAGE_COUNT];	/* upper limit of that floor on big machines */
	uint64_t confirm_us;		/* a fall that lasts so long is no burst */
	uint64_t hold_us;		/* all clear only after so long without a reason */
	uint32_t warning_permyriad;	/* of the headroom gone before a forecast is a warning */
};

/* The time that is needed from the entry of each stage to the cliff; [STAGE_NORMAL] is 0. */
struct stage_lead {
	uint64_t us[STAGE_COUNT];
};

struct stage {
	enum stage_word now;
	uint64_t since_us;		/* of `now` */
	uint64_t calm_since_us;		/* 0: there is a reason to stay */
};

/* Carries its evidence; event_sentence() makes words of it. */
struct stage_change {
	uint64_t time_us;
	uint32_t domain;
	enum stage_word from, to;
	enum stage_why why;
	uint64_t floor_bytes;		/* of the stage `to` (cleared: of warning) */
	uint64_t lead_us;		/* needed at that moment */
	struct estimate estimate;	/* what it was decided on */
};

void stage_init(struct stage *s, uint64_t now_us);

/* Returns true and fills ret_change when the stage changes. */
bool stage_step(struct stage *s, const struct stage_policy *p, const struct stage_lead *lead,
		const struct estimate *e, struct stage_change *ret_change);

/* Is the reason for `word` true at this very moment? What is irreversible asks this again. */
bool stage_holds(enum stage_word word, const struct stage_policy *p, const struct stage_lead *lead,
		 const struct estimate *e);

/* Does the machine stand still while memory without swap is short? */
bool stage_is_stalled(const struct stage_policy *p, const struct estimate *e);

uint64_t stage_floor_bytes(const struct stage_policy *p, enum stage_word word, uint64_t total_bytes);

/* "normal", "warning", "imminent", "shutdown". */
const char *stage_name(enum stage_word word);
