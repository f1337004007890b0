/* SPDX-License-Identifier: MIT */
/*
 * Hold: when the brake goes on and comes off in one domain. Pure. It buys the time that clients
 * need: on when headroom will not last until the deadlines of what they were asked, off when
 * nobody is asked any more. Who is stopped is the victim that the survey names, by rules of its
 * own: a stranger to us that visibly grew. One witness is enough, because it is taken back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/victim.h"
#include "judge/estimate.h"

enum hold_phase {
	HOLD_OFF,
	HOLD_LOOKING,			/* the survey was asked for */
	HOLD_STOPPING,			/* the shell was told whom to stop */
	HOLD_ON,
	HOLD_PHASE_COUNT
};

struct hold {
	enum hold_phase phase;
	bool is_dry;			/* nothing is stopped, it is only told */
	uint64_t since_us;		/* of ON */
	uint64_t again_us;		/* nobody was found: not before */
	uint64_t unasked_us;		/* since when nobody needs the time; 0: somebody does */
	uint64_t bytes_per_s, falling_us; /* of the fall that it ended */
	bool is_in_vain;		/* ON: the ladder has looked meanwhile, and ends nobody */
	struct victim victim;
};

struct hold_view {
	uint64_t now_us;
	bool is_enabled, is_dry;
	bool is_early;			/* who is a client is not known yet, see core_take_over() */
	bool has_joined;		/* who is held has become a client */
	bool is_pressed;		/* stage imminent or shutdown */
	bool is_ending;			/* the ladder chooses or ends somebody */
	bool is_asked_to_end;		/* SIGTERM is out: who is to handle it must run */
	uint64_t deadline_us;		/* the latest of what clients of the domain owe; 0: nothing */
	const struct estimate *e;
};

enum hold_do { HOLD_NOTHING, HOLD_LOOK, HOLD_LET_GO };

void hold_init(struct hold *h);
enum hold_do hold_step(struct hold *h, const struct hold_view *v);

/* The survey's answer to HOLD_LOOK; NULL: nobody. true: stop h->victim. */
bool hold_take(struct hold *h, const struct victim *victim, const struct hold_view *v);

/* Whom the ladder has found meanwhile; nobody: that it looks on is no reason to hold somebody. */
void hold_found(struct hold *h, bool is_somebody);

/* So many processes stand still; 0: it could not be done. */
void hold_stopped(struct hold *h, uint32_t count, uint64_t now_us);

/* May this one be stopped at all? A stranger to us that visibly grew. */
bool hold_may_stop(const struct victim *v);

/* It stands still already, see guard.h: from now on by the rules of this one. */
void hold_adopt(struct hold *h, const struct victim *v, const struct estimate *e, uint64_t since_us);

/* While it is on, the forecast is what would come if it went off. */
void hold_forecast(const struct hold *h, struct estimate *e);
