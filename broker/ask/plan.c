/* SPDX-License-Identifier: MIT */
/*
 * Theory. For each stage every client of the domain is asked the step that belongs to it, in order
 * groups: group 0 first, its members in parallel, then the next group when the last member of the
 * one before has answered or missed its deadline. Nothing of this is stored: a client has settled
 * the steps that ended for it, so "whose turn is it" is the lowest group with somebody who has not
 * settled this step. A client that joins late or comes back simply is such a somebody, until the
 * caller says that nobody waits for those who joined after some moment: else a client that comes
 * and goes would put off what follows for ever. A step that is still open from an earlier stage is
 * superseded: the later step includes its duty.
 *
 * The lead of a stage is the time from its entry to the cliff: for each group the longest need of
 * its members, summed over the groups, for this step and the steps of the stages after it, stretched
 * by CPU load, and then the ending of the program that caused it, with a procedure if there is one, and
 * the broker's own latency.
 */
#include "ask/plan.h"

#include <string.h>

#include <stddef.h>

#define GROUPS	100u

enum session_step plan_step(enum stage_word stage)
{
	static const enum session_step steps[] = {
		[STAGE_NORMAL] = STEP_RESUME,
		[STAGE_WARNING] = STEP_FLUSH,
		[STAGE_IMMINENT] = STEP_DEGRADE,
		[STAGE_SHUTDOWN] = STEP_SHUTDOWN,
	};
	_Static_assert(ARRAY_LEN(steps) == STAGE_COUNT, "a step for every stage");

	return steps[stage];
}

static bool concerns(const struct session *s, uint32_t domain)
{
	return s->offer.domains & (1u << domain);
}

void plan_lead(struct session_table *t, uint32_t domain, const struct plan_policy *p,
	       uint32_t stretch_permyriad, struct stage_lead *ret)
{
	uint64_t longest[GROUPS][STEP_COUNT], sum;
	unsigned groups = 0; /* up to the highest that is there: few use more than the default's */

	sum = p->terminate_us + p->procedure_us + p->latency_us;
	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s))
		groups = MAX_OF(groups, MIN_OF(s->offer.order_group, GROUPS - 1) + 1);
	memset(longest, 0, groups * sizeof(longest[0]));
	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s)) {
		uint64_t *of_group = longest[MIN_OF(s->offer.order_group, GROUPS - 1)];

		for (int step = STEP_FLUSH; concerns(s, domain) && step < STEP_COUNT; step++)
			of_group[step] = MAX_OF(of_group[step], session_need_us(s, step));
	}
	ret->us[STAGE_NORMAL] = 0;
	for (int stage = STAGE_SHUTDOWN; stage > STAGE_NORMAL; stage--) {
		for (unsigned g = 0; g < groups; g++)
			sum += longest[g][plan_step(stage)] * stretch_permyriad / PERMYRIAD;
		ret->us[stage] = sum;
	}
}

static bool is_pending(const struct session *s, const struct plan_question *q)
{
	return concerns(s, q->domain) && s->settled < q->step;
}

static bool is_late(const struct session *s, const struct plan_question *q)
{
	return s->joined_us > q->joined_by_us;
}

/* The order group whose turn it is; UINT32_MAX: everybody has settled. */
static uint32_t turn(struct session_table *t, const struct plan_question *q)
{
	uint32_t lowest = UINT32_MAX;

	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s))
		if (is_pending(s, q) && !is_late(s, q))
			lowest = MIN_OF(lowest, s->offer.order_group);
	return lowest;
}

struct session *plan_next(struct session_table *t, const struct plan_question *q,
			  const struct session *after)
{
	/* who was asked before still has to settle, so its group's turn is not over */
	uint32_t group = after && !is_late(after, q) ? after->offer.order_group : turn(t, q);
	struct session *s = session_next(t, after);

	for (; s; s = session_next(t, s)) {
		bool is_asked = s->request.sequence && s->request.step >= q->step;

		if (is_pending(s, q) && (s->offer.order_group == group || is_late(s, q)) && !is_asked)
			return s;
	}
	return NULL;
}

bool plan_is_complete(struct session_table *t, const struct plan_question *q)
{
	return turn(t, q) == UINT32_MAX;
}
