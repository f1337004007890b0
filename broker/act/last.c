/* SPDX-License-Identifier: MIT */
#include "act/last.h"

#include <string.h>

#include "base/units.h"

/* Files fill up again, and what could not be deleted may be by then. Half: a directory is read twice as
 * often in a crisis that lasts; double: 10 s more of a tmpfs that fills. */
#define AGAIN_US	(10 * US_PER_S)
/* The longest deadline of a procedure is 30 s, and the responder has its own watch. */
#define RUN_MOST_US	(60 * US_PER_S)
/* What was deleted or has ended is in the figures 1 ms later. Half: that is all there is; double: a leak
 * at full speed takes 20 MiB more. */
#define PATIENCE_LEAST_US (20 * US_PER_MS)
/* The kernel's own way down after reboot(2): devices are shut down, seconds at most. Half: a slow one is
 * called failed while it goes; double: a machine that did not go waits so much longer for barebone. */
#define GO_US		(20 * US_PER_S)

static const char *const names[] = {
	[LAST_RELIEVE] = "relieve",
	[LAST_BAREBONE] = "barebone",
	[LAST_REBOOT] = "reboot",
	[LAST_POWEROFF] = "poweroff",
	[LAST_PROGRAM] = "program",
};
_Static_assert(ARRAY_LEN(names) == LAST_POLICY_COUNT, "a name for every policy");

const char *last_policy_name(enum last_policy policy)
{
	return names[policy];
}

enum last_policy last_policy_find(const char *word)
{
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(word, names[i]))
			return (enum last_policy)i;
	return LAST_POLICY_COUNT;
}

void last_init(struct last *l)
{
	*l = (struct last){ .policy = l->policy, .deadline_us = NEVER_US };
}

bool last_is_busy(const struct last *l)
{
	return l->phase == LAST_ASKING || l->phase == LAST_RUNNING || l->phase == LAST_ENDING;
}

bool last_ends_machine(const struct last *l)
{
	return l->phase == LAST_ASKING || l->phase == LAST_ENDING;
}

static void enter(struct last *l, enum last_phase phase, uint64_t now_us, uint64_t for_us)
{
	l->phase = phase;
	l->began_us = now_us;
	l->deadline_us = time_add_us(now_us, for_us);
}

static bool ends_machine(enum last_policy policy)
{
	return policy == LAST_REBOOT || policy == LAST_POWEROFF;
}

/* Half of what is left, so that there is time for the policy itself. */
static uint64_t patience_us(const struct last_policies *p, const struct last_view *v)
{
	uint64_t least_us = MAX_OF(v->least_us, PATIENCE_LEAST_US);

	return MAX_OF(least_us, MIN_OF(p->after_us, v->tte_low_us / 2));
}

static enum last_do try(struct last *l, const struct last_policies *p, const struct last_view *v)
{
	enter(l, LAST_TRYING, v->now_us, patience_us(p, v));
	return LAST_FREE;
}

static enum last_do run_policy(struct last *l, const struct last_policies *p, const struct last_view *v)
{
	l->running = l->policy;
	if (ends_machine(l->policy) && v->reboots >= p->reboots_most)
		l->running = LAST_BAREBONE;
	if (l->running == LAST_RELIEVE || v->is_dry) {
		bool is_new = !l->was_told;

		enter(l, LAST_OVER, v->now_us, l->running == LAST_RELIEVE ? AGAIN_US : NEVER_US);
		l->was_told = true;
		return is_new ? LAST_TELL : LAST_NOTHING;
	}
	if (ends_machine(l->running)) {
		enter(l, LAST_ASKING, v->now_us, NEVER_US);
		return LAST_ASK;
	}
	enter(l, LAST_RUNNING, v->now_us, RUN_MOST_US);
	return LAST_RUN;
}

static enum last_do step_asking(struct last *l, const struct last_policies *p, const struct last_view *v)
{
	/* or somebody has thought better of it: a configuration was read meanwhile */
	if (v->is_back || v->is_dry || !v->is_enabled || l->running != l->policy) {
		enter(l, LAST_IDLE, v->now_us, NEVER_US);
		return LAST_CALL_OFF;
	}
	if (!v->have_settled)
		return LAST_NOTHING;
	enter(l, LAST_ENDING, v->now_us, time_add_us(p->sync_us, GO_US));
	return LAST_END;
}

enum last_do last_step(struct last *l, const struct last_policies *p, const struct last_view *v)
{
	bool is_due = v->now_us >= l->deadline_us;

	switch (l->phase) {
	case LAST_IDLE:
		return v->is_stuck ? try(l, p, v) : LAST_NOTHING;
	case LAST_TRYING:
		if (!v->is_stuck)
			enter(l, LAST_IDLE, v->now_us, NEVER_US);
		if (v->is_stuck && is_due && v->is_going) /* or it is called off */
			l->deadline_us = time_add_us(v->now_us, PATIENCE_LEAST_US);
		return v->is_stuck && v->now_us >= l->deadline_us ? run_policy(l, p, v) : LAST_NOTHING;
	case LAST_ASKING:
		return step_asking(l, p, v);
	case LAST_RUNNING:
	case LAST_ENDING:
		return is_due ? LAST_GIVE_UP : LAST_NOTHING;
	case LAST_OVER:
		if (is_due)
			enter(l, LAST_IDLE, v->now_us, NEVER_US);
		return LAST_NOTHING;
	case LAST_PHASE_COUNT:
		break;
	}
	return LAST_NOTHING;
}

void last_wait(struct last *l, uint64_t until_us)
{
	if (l->phase == LAST_TRYING)
		l->deadline_us = MAX_OF(l->deadline_us, until_us);
}

void last_ran(struct last *l, uint64_t now_us)
{
	enter(l, LAST_OVER, now_us, NEVER_US);
}

void last_failed(struct last *l, uint64_t now_us)
{
	l->running = LAST_BAREBONE;
	enter(l, LAST_RUNNING, now_us, RUN_MOST_US);
}
