/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tally_story.h"

/* What is said to the one that is killed, what to the next, to whom the broker tells its past, too. */
static const struct {
	const char *name;
	const char *first[STORY_STEPS_MAX], *next[STORY_STEPS_MAX];
	const char *expect, *counts;
} rows[] = {
	{ "what happened while nobody listened is told, and what was told is not",
	  { "stage ep=1 dom=a to=2 n=5 t=5000" },
	  { "up", "stage ep=1 dom=a to=2 n=5 t=5000", "oom ep=1 dom=a pid=7 n=6 t=6000",
	    "closed ep=1 dom=a n=7 t=7000", "settled" },
	  "-broker-lost state||+oom-kill event|1:oom-kill -imminent state|", "1 0 0 0 1 0 0" },
	{ "a kill outside of an episode", { "started n=5 t=5000" },
	  { "up", "started n=5 t=5000", "oom dom=a pid=7 n=6 t=6000", "settled" },
	  "-broker-lost state||+oom-kill event|", "0 0 0 0 1 0 0" },
	{ "an episode of another domain clears nothing", { "stage ep=1 dom=a to=3 n=5 t=5000" },
	  { "up", "opened ep=2 dom=b n=6 t=6000", "stage ep=2 dom=b to=1 n=7 t=7000",
	    "taken ep=1 dom=a to=3 n=0", "taken ep=2 dom=b to=1 n=0", "settled" },
	  "-broker-lost state||event|||", "0 0 0 0 0 0 0" },
	{ "its end fell out of the broker's memory", { "stage ep=1 dom=a to=2 n=5 t=5000" },
	  { "up", "started n=900 t=900000", "settled" },
	  "-broker-lost state|event|1:cleared/near/false -imminent state", "1 1 1 0 0 0 0" },
	{ "an order is there before the past: each episode is told, each alarm is of one of them",
	  { "stage ep=1 dom=a to=2 n=5 t=5000" },
	  { "up", "order ep=3 dom=a to=2 t=9000", "closed ep=1 dom=a n=6 t=6000",
	    "opened ep=2 dom=a n=7 t=7000",
	    "stage ep=2 dom=a from=0 to=2 n=8 t=7000", "stage ep=2 dom=a from=2 to=0 n=9 t=8000",
	    "closed ep=2 dom=a n=10 t=8000", "opened ep=3 dom=a n=11 t=9000",
	    "stage ep=3 dom=a from=0 to=2 n=12 t=9000", "settled", "stage ep=3 dom=a from=2 to=0 n=13 t=9500",
	    "closed ep=3 dom=a n=14 t=9500" },
	  "-broker-lost state|1:cleared/near/false -imminent state +imminent state|||event|event|"
	  "2:cleared/near/false||event||-imminent state event|3:cleared/near/false", "3 3 3 0 0 0 0" },
	{ "the same, and the end of one between fell out of the broker's memory",
	  { "stage ep=1 dom=a to=2 n=5 t=5000" },
	  { "up", "order ep=3 dom=a to=1 t=9000", "stage ep=2 dom=a from=0 to=2 n=8 t=7000", "settled",
	    "stage ep=3 dom=a from=1 to=2 n=12 t=9500" },
	  "-broker-lost state|1:cleared/near/false -imminent state state|+imminent state event|"
	  "2:cleared/near/false -imminent state|+imminent state event", "2 2 2 0 0 0 0" },
	{ "programs that were ended are counted once",
	  { "stage ep=1 dom=a to=3 n=5", "ended ep=1 dom=a pid=7 n=6" },
	  { "up", "closed ep=1 dom=a victims=2 n=7" },
	  "-broker-lost state|1:victim -imminent -shutdown state", "1 0 0 0 0 2 0" },
};

/* As a process does with what the one before it left in crumb and spool. */
static void resume(struct story *to, const struct story *from)
{
	const struct tally_episode *worst = tally_worst(&from->tally), none = { 0 };
	const struct tally_mark mark = tally_mark(&from->tally);

	*to = (struct story){ .number = from->number, .time_us = from->time_us };
	to->tally.counts = from->tally.counts;
	memcpy(to->tally.is_raised, from->tally.is_raised, sizeof(to->tally.is_raised));
	to->tally.is_raised[TOPIC_ALARM_BROKER_LOST] = true;
	tally_resume(&to->tally, &mark, worst ? worst : &none);
}

static void the_next_process_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct story first = { 0 }, next;
		char told[1024] = "", counts[64];

		story_run(&first, rows[i].first, told, sizeof(told));
		resume(&next, &first);
		told[0] = '\0';
		story_run(&next, rows[i].next, told, sizeof(told));
		story_count(&next, counts, sizeof(counts));
		if (strcmp(told, rows[i].expect) || strcmp(counts, rows[i].counts))
			fail_msg("%s:\n told %s\n want %s\n counts %s\n want   %s", rows[i].name, told,
				 rows[i].expect, counts, rows[i].counts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_process_goes_on),
	};

	return cmocka_run_group_tests_name("tally_resume", tests, NULL, NULL);
}
