/* SPDX-License-Identifier: MIT */
/*
 * Plan: who is asked next, and the lead that asking everybody takes. Pure. The plan has no state
 * of its own: it follows from the sessions. Order groups run one after the other, their members in
 * parallel; the theory is at the top of plan.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ask/session.h"
#include "judge/stage.h"

struct plan_policy {
	uint64_t terminate_us;		/* SIGTERM and SIGKILL of a victim together */
	uint64_t latency_us;		/* own latency, measured: from sample to order sent */
	uint64_t procedure_us;		/* of the slowest procedure that was given; 0: none */
};

/* The step that belongs to a stage; STEP_RESUME for normal. */
enum session_step plan_step(enum stage_word stage);

/* The lead that the clients of `domain` need from each stage on, CPU stretch included. */
void plan_lead(struct session_table *t, uint32_t domain, const struct plan_policy *p,
	       uint32_t stretch_permyriad, struct stage_lead *ret);

struct plan_question {
	uint32_t domain;
	enum session_step step;
	uint64_t joined_by_us;		/* who joined later is asked at once, and waited for by nobody */
};

/*
 * The next client that must be asked now, after `after` (NULL: the first; else the one that came
 * before); NULL: nobody at the moment. Clients of a later group wait.
 */
struct session *plan_next(struct session_table *t, const struct plan_question *q,
			  const struct session *after);

/* Has everybody of the domain who is waited for answered the step, or missed it? */
bool plan_is_complete(struct session_table *t, const struct plan_question *q);
