/* SPDX-License-Identifier: MIT */
#include "keep/event_act.h"

#include <inttypes.h>

#include "base/text.h"
#include "base/units.h"

static const char *outcome_words(uint64_t outcome)
{
	static const char *const words[] = {
		[PROCEDURE_DONE] = "has done its work", [PROCEDURE_FAILED] = "failed with exit status",
		[PROCEDURE_KILLED] = "was ended by signal",
		[PROCEDURE_LATE] = "did not end in time and is stopped",
		[PROCEDURE_CUT] = "is stopped: nobody is left to run it for",
		[PROCEDURE_LOST] = "was not run: its responder is gone or cannot start it, errno",
	};
	_Static_assert(ARRAY_LEN(words) == PROCEDURE_OUTCOME_COUNT, "words for every outcome");

	return outcome < PROCEDURE_OUTCOME_COUNT ? words[outcome] : "ended";
}

static bool outcome_has_code(uint64_t outcome)
{
	return outcome == PROCEDURE_FAILED || outcome == PROCEDURE_KILLED || outcome == PROCEDURE_LOST;
}

static void say_cause(struct text *t, const struct event *e)
{
	if (!e->c)
		return;
	text_add_bytes(t, e->c);
	text_add(t, " are %s", growth_pool_name((enum growth_pool)e->b));
}

void event_say_no_victim(struct text *t, const struct event *e)
{
	text_add(t, "no process may be ended: all are protected, or have nothing that would help");
	text_add(t, e->c ? "; " : "");
	say_cause(t, e);
}

void event_say_last(struct text *t, const struct event *e)
{
	static const char *const words[LAST_POLICY_COUNT] = {
		[LAST_RELIEVE] = "nothing else is left to be done here",
		[LAST_BAREBONE] = "barebone operation: what is not on its list is ended",
		[LAST_REBOOT] = "the machine is rebooted once every client has shut down",
		[LAST_POWEROFF] = "the machine is switched off once every client has shut down",
		[LAST_PROGRAM] = "the program for it is run",
	};

	text_add(t, "no process helps");
	text_add(t, e->c ? " (" : "");
	say_cause(t, e);
	text_add(t, "%s: %s%s", e->c ? ")" : "", e->d ? "this would follow: " : "",
		 e->a < LAST_POLICY_COUNT ? words[e->a] : "");
	text_add(t, e->why ? ", because it was rebooted too often already" : "");
}

void event_say_last_ended(struct text *t, const struct event *e)
{
	const char *policy = e->a < LAST_POLICY_COUNT ? last_policy_name((enum last_policy)e->a) : "it";

	if (e->b == LAST_OUTCOME_CALLED_OFF)
		text_add(t, "%s is called off, headroom is back", policy);
	else if (e->b == LAST_OUTCOME_FAILED)
		text_add(t, "%s failed (errno %" PRIu64 ")", policy, e->c);
	else
		text_add(t, "%s %s", policy, outcome_words(e->b - LAST_OUTCOME_RAN));
	if (e->b > LAST_OUTCOME_FAILED && outcome_has_code(e->b - LAST_OUTCOME_RAN))
		text_add(t, " %" PRIu64, e->c);
	text_add(t, ", after ");
	text_add_us(t, e->d);
}

void event_say_freed(struct text *t, const struct event *e)
{
	text_add(t, "%s %" PRIu64 " file%s of %s, ", e->d ? "would delete" : "deleted", e->a,
		 e->a == 1 ? "" : "s", e->name);
	text_add_bytes(t, e->b);
	if (e->c)
		text_add(t, "; not all could be deleted (errno %" PRIu64 ")", e->c);
}

void event_say_rebooted(struct text *t, const struct event *e)
{
	text_add(t, "this machine was %s by failsoft because %s ran out of memory (episode %" PRIu64 ")",
		 e->a == LAST_POWEROFF ? "switched off" : "rebooted", e->name, e->c);
	if (e->b > 1)
		text_add(t, ", %" PRIu64 " times so soon after each other", e->b);
}

void event_say_procedure(struct text *t, const struct event *e)
{
	text_add(t, "%s %s for pid %" PRIu64 " before it is ended, for at most ", e->name,
		 e->d ? "would run" : "runs", e->a);
	text_add_us(t, e->c > e->time_us ? e->c - e->time_us : 0);
}

void event_say_procedure_ended(struct text *t, const struct event *e)
{
	text_add(t, "%s for pid %" PRIu64 " %s", e->name, e->a, outcome_words(e->b));
	if (outcome_has_code(e->b))
		text_add(t, " %" PRIu64, e->c);
	text_add(t, ", after ");
	text_add_us(t, e->d);
	if (!e->e)
		return;
	text_add(t, "; it wrote ");
	text_add_bytes(t, e->e);
}

void event_say_procedure_output(struct text *t, const struct event *e)
{
	text_add(t, "procedure %" PRIu64 " says: %s", e->b, e->name);
}

void event_say_responder(struct text *t, const struct event *e)
{
	text_add(t, "procedure %" PRIu64 " (%s) %s", e->a, e->name,
		 e->b ? "cannot stand ready" : "stands ready");
	if (e->b)
		text_add(t, ", errno %" PRIu64, e->b);
}
