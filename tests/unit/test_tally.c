/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../sim/dice.h"
#include "tally_story.h"

/* What was said, what is told of each ("|" between), and the counts: episodes, near misses, false alarms,
 * missed deadlines, oom kills, victims, lost events. */
struct row {
	const char *name;
	const char *given[STORY_STEPS_MAX];
	const char *expect, *counts;
};

static const struct row rows[] = {
	{ "warning alone is no near miss",
	  { "opened ep=1 dom=a", "stage ep=1 dom=a from=0 to=1", "stage ep=1 dom=a from=1 to=0",
	    "closed ep=1 dom=a" },
	  "|state event|state event|1:cleared", "1 0 0 0 0 0 0" },
	{ "up to shutdown and back: two alarms, each raised and cleared once",
	  { "opened ep=1 dom=a", "stage ep=1 dom=a from=0 to=1", "stage ep=1 dom=a from=1 to=2",
	    "stage ep=1 dom=a from=2 to=3", "stage ep=1 dom=a from=3 to=0", "closed ep=1 dom=a" },
	  "|state event|+imminent state event|+shutdown state event|-imminent -shutdown state event|"
	  "1:cleared/near/false", "1 1 1 0 0 0 0" },
	{ "down by steps: shutdown is cleared, imminent stays",
	  { "stage ep=1 dom=a from=0 to=3", "stage ep=1 dom=a from=3 to=2", "stage ep=1 dom=a from=2 to=1" },
	  "+shutdown +imminent state event|-shutdown state event|-imminent state event", "0 0 0 0 0 0 0" },
	{ "a client that freed something: no false alarm",
	  { "stage ep=1 dom=a to=2", "answer ep=1 dom=a freed=4096", "stage ep=1 dom=a from=2 to=0",
	    "closed ep=1 dom=a" },
	  "+imminent state event||-imminent state event|1:cleared/near", "1 1 0 0 0 0 0" },
	{ "somebody was stopped: no false alarm",
	  { "stage ep=1 dom=a to=2", "brake ep=1 dom=a processes=1 pid=7", "closed ep=1 dom=a" },
	  "+imminent state event|event|1:cleared/near -imminent state", "1 1 0 0 0 0 0" },
	{ "nobody could be stopped: a false alarm",
	  { "stage ep=1 dom=a to=2", "brake ep=1 dom=a processes=0", "closed ep=1 dom=a" },
	  "+imminent state event|event|1:cleared/near/false -imminent state", "1 1 1 0 0 0 0" },
	{ "the guard stopped one", { "stage ep=1 dom=a to=3", "guard ep=1 processes=2", "closed ep=1" },
	  "+shutdown +imminent state event|event|1:cleared/near -imminent -shutdown state", "1 1 0 0 0 0 0" },
	{ "the tripwire slowed them", { "stage ep=1 dom=a to=2", "tripped ep=1", "closed ep=1" },
	  "+imminent state event|event|1:cleared/near -imminent state", "1 1 0 0 0 0 0" },
	{ "files were deleted", { "stage ep=1 dom=a to=2", "freed ep=1 freed=9", "closed ep=1" },
	  "+imminent state event|event|1:cleared/near -imminent state", "1 1 0 0 0 0 0" },
	{ "failsoft ended a program: no near miss",
	  { "stage ep=1 dom=a to=3", "ended ep=1 dom=a pid=7 name=hog", "stage ep=1 dom=a from=3 to=0",
	    "closed ep=1 dom=a victims=1" },
	  "+shutdown +imminent state event|event|-imminent -shutdown state event|1:victim", "1 0 0 0 0 1 0" },
	{ "its end was lost: the broker's count at the end says it",
	  { "stage ep=1 dom=a to=3", "closed ep=1 dom=a victims=2 missed=3" },
	  "+shutdown +imminent state event|1:victim -imminent -shutdown state", "1 0 0 3 0 2 0" },
	{ "the kernel ended one: alarm, cleared after a while, no near miss",
	  { "stage ep=1 dom=a to=2", "oom ep=1 dom=a pid=7 name=hog t=5000", "time t=6000", "time t=1005000",
	    "closed ep=1 dom=a" },
	  "+imminent state event|+oom-kill event||-oom-kill state|"
	  "1:oom-kill -imminent state", "1 0 0 0 1 0 0" },
	{ "killed again while it is raised: one alarm, two kills, cleared after the last",
	  { "oom dom=a pid=7 t=5000", "oom dom=a pid=8 t=500000", "time t=1005000", "time t=1500000" },
	  "+oom-kill event|event||-oom-kill state", "0 0 0 0 2 0 0" },
	{ "the kernel was faster: its victim is not failsoft's, too",
	  { "stage ep=1 dom=a to=3", "oom ep=1 dom=a pid=7 name=hog", "ended ep=1 dom=a pid=7 name=hog",
	    "closed ep=1 dom=a victims=1" },
	  "+shutdown +imminent state event|+oom-kill event|event|1:oom-kill -imminent -shutdown state",
	  "1 0 0 0 1 0 0" },
	{ "who was ended last says how it ended",
	  { "stage ep=1 dom=a to=3", "oom ep=1 dom=a pid=7", "ended ep=1 dom=a pid=8",
	    "closed ep=1 dom=a victims=1" },
	  "+shutdown +imminent state event|+oom-kill event|event|1:victim -imminent -shutdown state",
	  "1 0 0 0 1 1 0" },
	{ "a missed deadline, and the answer that comes too late: one",
	  { "stage ep=1 dom=a to=2", "request ep=1 dom=a step=2", "answer ep=1 dom=a missed",
	    "answer ep=1 dom=a",
	    "closed ep=1 dom=a missed=1" },
	  "+imminent state event||event||1:cleared/near/false -imminent state", "1 1 1 1 0 0 0" },
	{ "missed after all is over: counted all the same", { "answer missed" }, "event", "0 0 0 1 0 0 0" },
	{ "a reboot that is called off is no end by it",
	  { "stage ep=1 dom=a to=3", "last ep=1 policy=2", "last_ended ep=1 policy=2 outcome=0",
	    "closed ep=1" },
	  "+shutdown +imminent state event|event|event|1:cleared/near/false -imminent -shutdown state",
	  "1 1 1 0 0 0 0" },
	{ "barebone operation ran",
	  { "stage ep=1 dom=a to=3", "last ep=1 policy=1", "last_ended ep=1 policy=1 outcome=2",
	    "closed ep=1" },
	  "+shutdown +imminent state event|event|event|1:last-policy -imminent -shutdown state",
		  "1 0 0 0 0 0 0" },
	{ "that nothing is left to be done ends nothing",
	  { "stage ep=1 dom=a to=2", "last ep=1 policy=0", "closed ep=1" },
	  "+imminent state event|event|1:cleared/near/false -imminent state", "1 1 1 0 0 0 0" },
	{ "two domains: the alarm stays until both are well",
	  { "stage ep=1 dom=a to=2", "stage ep=2 dom=b to=3", "stage ep=2 dom=b from=3 to=0",
	    "closed ep=2 dom=b",
	    "stage ep=1 dom=a from=2 to=0", "closed ep=1 dom=a" },
	  "+imminent state event|+shutdown state event|-shutdown state event|2:cleared/near/false|"
	  "-imminent state event|1:cleared/near/false", "2 2 2 0 0 0 0" },
	{ "what is done in one domain is not done in the other",
	  { "stage ep=1 dom=a to=2", "stage ep=2 dom=b to=2", "ended ep=2 pid=9", "closed ep=1",
	    "closed ep=2 victims=1" },
	  "+imminent state event|event|event|1:cleared/near/false|2:victim -imminent state",
		  "2 1 1 0 0 1 0" },
	{ "the lifeline first, then Monitor: one alarm",
	  { "order ep=1 dom=a to=2 t=2000", "opened ep=1 dom=a t=2000", "stage ep=1 dom=a from=0 to=2 t=2000",
	    "stage ep=1 dom=a from=2 to=0", "closed ep=1 dom=a" },
	  "+imminent state||event|-imminent state event|1:cleared/near/false", "1 1 1 0 0 0 0" },
	{ "lines from before the order do not take it back",
	  { "order ep=1 dom=a to=3 t=9000", "opened ep=1 dom=a t=2000", "stage ep=1 dom=a from=0 to=1 t=2000",
	    "stage ep=1 dom=a from=1 to=2 t=5000", "stage ep=1 dom=a from=2 to=3 t=9000" },
	  "+shutdown +imminent state||event|event|event", "0 0 0 0 0 0 0" },
	{ "an order that was overtaken raises nothing again",
	  { "stage ep=1 dom=a to=2 t=2000", "stage ep=1 dom=a from=2 to=1 t=9000",
	    "order ep=1 dom=a to=2 t=2000",
	    "stage ep=1 dom=a from=1 to=0", "closed ep=1 dom=a", "order ep=1 dom=a to=2 t=99000" },
	  "+imminent state event|-imminent state event||state event|1:cleared/near/false|", "1 1 1 0 0 0 0" },
	{ "a drill raises nothing and counts nothing, and is told",
	  { "drill drill to=3", "order drill to=3 ep=0 dom=system", "request drill step=3",
	    "answer drill missed",
	    "answer drill" }, "event|||event|", "0 0 0 0 0 0 0" },
	{ "a broker that runs dry raises nothing; its episode is told",
	  { "opened ep=1 dom=a dry", "order ep=1 dom=a to=3 dry", "stage ep=1 dom=a from=0 to=3 dry",
	    "ended ep=1 pid=7 dry", "brake ep=1 processes=1 dry", "last ep=1 policy=2 dry",
	    "stage ep=1 dom=a from=3 to=0 dry", "closed ep=1 victims=1 dry" },
	  "|state|event|event|event|event|state event|1:cleared/near/false", "1 1 1 0 0 0 0" },
	{ "a broker that runs dry from now on: its alarm goes, with a state that is newer",
	  { "stage ep=1 dom=a to=2", "stage ep=1 dom=a from=2 to=2 dry" },
	  "+imminent state event|-imminent state event", "0 0 0 0 0 0 0" },
	{ "dry or not, what the kernel kills is killed", { "oom dom=a pid=7 dry" }, "+oom-kill event",
	  "0 0 0 0 1 0 0" },
	{ "the broker is lost: said once; what it had said stands",
	  { "up", "stage ep=1 dom=a to=2", "down", "down", "up" },
	  "state|+imminent state event|+broker-lost state|state|-broker-lost state", "0 0 0 0 0 0 0" },
	{ "a restarted broker takes the episode over: one report, one alarm",
	  { "up", "stage ep=1 dom=a to=2", "down", "up", "started n=1", "taken ep=1 dom=a to=2", "settled",
	    "stage ep=1 dom=a from=2 to=0", "closed ep=1 dom=a" },
	  "state|+imminent state event|+broker-lost state|-broker-lost state|event|event||-imminent "
		  "state event|"
	  "1:cleared/near/false", "1 1 1 0 0 0 0" },
	{ "a restarted broker that knows nothing of it: it is over",
	  { "up", "stage ep=1 dom=a to=2", "down", "up", "started n=1", "settled", "closed ep=1 dom=a" },
	  "state|+imminent state event|+broker-lost state|-broker-lost "
		  "state|event|1:cleared/near/false -imminent state|",
	  "1 1 1 0 0 0 0" },
	{ "several that nobody has open: one each time",
	  { "up", "stage ep=1 dom=a to=2", "stage ep=2 dom=b to=2", "down", "up", "settled",
	    "time t=90000", "time t=91000" },
	  "state|+imminent state event|event|+broker-lost state|-broker-lost state|1:cleared/near/false|"
	  "2:cleared/near/false -imminent state|", "2 2 2 0 0 0 0" },
	{ "until the broker has said what is open, nothing is over",
	  { "up", "stage ep=1 dom=a to=2", "down", "up", "time t=90000" },
	  "state|+imminent state event|+broker-lost state|-broker-lost state|", "0 0 0 0 0 0 0" },
	{ "history that was here before is not counted again",
	  { "stage ep=1 dom=a to=2 n=5 t=5000", "answer ep=1 missed n=6 t=6000",
	    "oom ep=1 dom=a pid=7 n=7 t=7000", "down",
	    "up", "stage ep=1 dom=a to=2 n=5 t=5000", "answer ep=1 missed n=6 t=6000",
	    "oom ep=1 dom=a pid=7 n=7 t=7000", "ended ep=1 pid=8 n=8 t=8000" },
	  "+imminent state event|event|+oom-kill event|+broker-lost state|-broker-lost state||||event",
		  "0 0 0 1 1 1 0" },
	{ "a new broker's numbers begin anew, and are news",
	  { "stage ep=1 dom=a to=2 n=500 t=5000", "down", "up", "answer missed n=1 t=9000",
	    "answer missed n=2 t=9000" },
	  "+imminent state event|+broker-lost state|-broker-lost state|event|event", "0 0 0 2 0 0 0" },
	{ "lost events are counted", { "started n=1", "lost count=7", "started n=9" },
	  "event|event|event", "0 0 0 0 0 0 7" },
	{ "lost before we came back, but seen before we went",
	  { "started n=10 t=10", "down", "up", "lost count=8", "started n=9 t=9", "started n=10 t=10",
	    "started n=11 t=11" },
	  "event|+broker-lost state|-broker-lost state|event|||event", "0 0 0 0 0 0 0" },
	{ "the next episode in a domain: the last one is over, though nobody said so",
	  { "stage ep=1 dom=a to=2", "opened ep=2 dom=a" },
	  "+imminent state event|1:cleared/near/false -imminent state", "1 1 1 0 0 0 0" },
	{ "we come in the middle of it: what it was is its highest",
	  { "stage ep=1 dom=a from=2 to=0", "closed ep=1 dom=a" }, "event|1:cleared/near/false",
		  "1 1 1 0 0 0 0" },
	{ "what is open when we come",
	  { "up", "taken ep=4 dom=a to=3 n=0", "settled", "stage ep=4 dom=a from=3 to=0",
	    "closed ep=4 dom=a" },
	  "state|+shutdown +imminent state||-imminent -shutdown state event|4:cleared/near/false",
		  "1 1 1 0 0 0 0" },
	{ "an episode that was never heard of ends: no report", { "closed ep=9 dom=a" }, "",
	  "0 0 0 0 0 0 0" },
	{ "the last boot was ended by failsoft; a client was killed; an action",
	  { "rebooted policy=2", "killed pid=7", "action ep=1" }, "event|event|event", "0 0 0 0 0 0 0" },
};

static void what_is_said_and_what_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct story s = { 0 };
		char told[1024] = "", counts[256];

		story_run(&s, rows[i].given, told, sizeof(told));
		story_count(&s, counts, sizeof(counts));
		if (strcmp(told, rows[i].expect) || strcmp(counts, rows[i].counts))
			fail_msg("%s:\n told %s\n want %s\n counts %s\n want   %s", rows[i].name, told,
				 rows[i].expect,
				 counts, rows[i].counts);
	}
}

/* ---- the figures of a report ---- */

static void the_forecast_is_the_one_of_the_highest_stage(void **state)
{
	struct tally_note notes[TALLY_NOTES_MAX];
	struct story s = { 0 };
	const struct tally_episode *e = &s.tally.closed;
	static const char *const given[] = {
		"stage ep=1 dom=a to=1 t=1000 headroom=900 total=5000 tte=9000000 early=8 late=9",
		"order ep=1 dom=a to=3 t=4000 headroom=300 tte=800000",
		"stage ep=1 dom=a from=1 to=3 t=4000 headroom=310 total=5000 tte=900000 early=500000 "
			"late=1600000",
		"request ep=1 dom=a step=3", "request ep=1 dom=a step=0", "answer ep=1 dom=a freed=77 missed",
		"ended ep=1 dom=a pid=42 name=hog headroom=120", "brake ep=1 processes=1",
		"stage ep=1 dom=a from=3 to=2 headroom=2000 total=5000 tte=1 t=20000",
		"closed ep=1 dom=a duration=19000 victims=1 missed=1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		(void)story_step(&s, given[i], notes);
	assert_int_equal(e->number, 1);
	assert_string_equal(e->domain, "a");
	assert_int_equal(e->highest, FAILSOFT_STAGE_SHUTDOWN);
	assert_int_equal(e->forecast_at_us, 4000);
	assert_int_equal(e->tte_us, 900000);
	assert_int_equal(e->tte_early_us, 500000);
	assert_int_equal(e->tte_late_us, 1600000);
	assert_int_equal(e->headroom_bytes, 310);
	assert_int_equal(e->lowest_headroom_bytes, 120);
	assert_int_equal(e->total_bytes, 5000);
	assert_int_equal(e->began_us, 1000);
	assert_int_equal(e->duration_us, 19000);
	assert_int_equal(e->asked, 1);
	assert_int_equal(e->missed, 1);
	assert_int_equal(e->victims, 1);
	assert_int_equal(e->stopped, 1);
	assert_int_equal(e->freed_bytes, 77);
	assert_string_equal(e->victim, "hog");
	assert_int_equal(e->victim_pid, 42);
}

static void the_worst_open_one(void **state)
{
	struct tally_note notes[TALLY_NOTES_MAX];
	struct story s = { 0 };

	(void)state;
	assert_null(tally_worst(&s.tally));
	(void)story_step(&s, "stage ep=1 dom=a to=1", notes);
	(void)story_step(&s, "stage ep=2 dom=b to=2", notes);
	assert_int_equal(tally_worst(&s.tally)->number, 2);
	(void)story_step(&s, "closed ep=2", notes);
	assert_int_equal(tally_worst(&s.tally)->number, 1);
}

static void more_domains_than_fit(void **state)
{
	struct tally_note notes[TALLY_NOTES_MAX];
	struct story s = { 0 };
	uint32_t count = 0;
	char line[64];

	(void)state;
	for (unsigned i = 1; i <= TALLY_EPISODES + 1; i++) {
		snprintf(line, sizeof(line), "stage ep=%u dom=d%u to=2", i, i);
		count = story_step(&s, line, notes);
	}
	assert_int_equal(notes[0].kind, TALLY_NOTE_REPORT); /* the oldest makes room */
	assert_int_equal(notes[0].episode->number, 1);
	assert_int_equal(count, 2);
	assert_int_equal(s.tally.counts.episodes, 1);
}

static void only_time_with_a_broker_is_watched(void **state)
{
	struct tally_note notes[TALLY_NOTES_MAX];
	struct story s = { 0 };

	(void)state;
	(void)story_step(&s, "time t=1000000", notes);
	(void)story_step(&s, "time t=5000000", notes);
	assert_int_equal(s.tally.counts.observed_s, 0);
	(void)story_step(&s, "up", notes);
	for (unsigned i = 1; i <= 10; i++) /* ten times 0.75 s */
		(void)tally_time(&s.tally, 5000000 + i * 750000, 1, notes);
	assert_int_equal(s.tally.counts.observed_s, 7);
	(void)story_step(&s, "down", notes);
	(void)tally_time(&s.tally, 99000000, 1, notes);
	assert_int_equal(s.tally.counts.observed_s, 7);
}

static void names_of_ends(void **state)
{
	enum tally_end end;

	(void)state;
	for (int i = 0; i < TALLY_END_COUNT; i++) {
		assert_true(tally_end_parse(tally_end_name((enum tally_end)i), &end));
		assert_int_equal(end, i);
	}
	assert_false(tally_end_parse("died", &end));
	assert_false(tally_end_parse("", &end));
}

/* ---- is the machine about to end? ---- */

static const struct {
	const char *name;
	const char *given[STORY_STEPS_MAX];
	uint64_t ending;
} ending_rows[] = {
	{ "a reboot", { "stage ep=1 dom=a to=3", "last ep=1 policy=2" }, TALLY_REBOOT },
	{ "the power is switched off", { "last ep=1 policy=3" }, TALLY_POWEROFF },
	{ "barebone operation is no end", { "last ep=1 policy=1" }, 0 },
	{ "nor is a rehearsal", { "last ep=1 policy=2 dry" }, 0 },
	{ "called off", { "last ep=1 policy=2", "last_ended ep=1 policy=2 outcome=0" }, 0 },
	{ "it failed", { "last ep=1 policy=2", "last_ended ep=1 policy=2 outcome=1" }, 0 },
	{ "its episode is over: soon, or never",
	  { "last ep=1 policy=2", "closed ep=1 t=5000", "time t=30004000" }, TALLY_REBOOT },
	{ "it was never", { "last ep=1 policy=2", "closed ep=1 t=5000", "time t=30005000" }, 0 },
	{ "another episode is over",
	  { "last ep=1 policy=2", "closed ep=2 t=5000", "time t=30005000" }, TALLY_REBOOT },
	{ "the next episode in its domain", { "stage ep=1 dom=a to=3", "last ep=1 dom=a policy=2",
	  "opened ep=2 dom=a t=5000", "time t=30005000" }, 0 },
	{ "the next broker knows nothing of it",
	  { "stage ep=1 dom=a to=3", "last ep=1 policy=2", "down", "up", "settled t=5000",
	    "time t=30005000" }, 0 },
	{ "the next broker goes on with it", { "stage ep=1 dom=a to=3", "last ep=1 policy=2", "down", "up",
	  "taken ep=1 dom=a to=3 n=0", "settled t=5000", "time t=30005000" }, TALLY_REBOOT },
	{ "history says again what was called off",
	  { "last ep=1 policy=2 n=5 t=5000", "last_ended ep=1 policy=2 outcome=0 n=6 t=6000", "down", "up",
	    "last ep=1 policy=2 n=5 t=5000" }, 0 },
};

static void is_the_machine_about_to_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ending_rows) / sizeof(ending_rows[0]); i++) {
		struct story s = { 0 };
		char told[1024] = "";

		story_run(&s, ending_rows[i].given, told, sizeof(told));
		if (s.tally.ending != ending_rows[i].ending)
			fail_msg("%s: %" PRIu64, ending_rows[i].name, s.tally.ending);
	}
}

/* ---- anything, in any order ---- */

#define RUNS	300u
#define STEPS	400u
#define NUMBERS	4096u

struct check {
	bool is_raised[TOPIC_ALARM_COUNT];
	uint8_t reports[NUMBERS];
	uint64_t all_reports;
	struct tally_counts before;
};

/* A domain's next word: the right one mostly, any one sometimes; some are told twice, some never. */
static void draw(struct dice *d, uint64_t *episodes, char line[128])
{
	static const char *const words[] = {
		"opened", "stage", "stage", "stage", "closed", "taken", "answer", "ended", "oom",
			"brake", "last",
		"last_ended", "order", "request", "drill",
	};
	static const char *const rare[] = { "up", "down", "settled", "time", "lost count=3", "started n=1" };
	uint64_t number;
	int used;

	if (dice_below(d, 8) == 0) {
		snprintf(line, 128, "%s", rare[dice_below(d, sizeof(rare) / sizeof(rare[0]))]);
		return;
	}
	if (dice_below(d, 6) == 0)
		++*episodes;
	number = *episodes - dice_below(d, *episodes < 5 ? 1 : 5);
	used = snprintf(line, 128, "%s ep=%d dom=d%d from=%d to=%d processes=1",
			words[dice_below(d, sizeof(words) / sizeof(words[0]))], (int)number,
			(int)dice_below(d, 5), (int)dice_below(d, 4), (int)dice_below(d, 4));
	snprintf(line + used, 128 - (size_t)used, " pid=%d freed=%d policy=%d outcome=%d victims=%d%s%s",
		 (int)dice_below(d, 9), (int)dice_below(d, 3), (int)dice_below(d, 3), (int)dice_below(d, 4),
		 (int)dice_below(d, 2), dice_below(d, 9) ? "" : " dry", dice_below(d, 9) ? "" : " missed");
}

static void check_note(struct check *c, const struct tally_note *n)
{
	if (n->kind == TALLY_NOTE_ALARM) {
		assert_true(n->is_raised != c->is_raised[n->alarm]);
		c->is_raised[n->alarm] = n->is_raised;
	}
	if (n->kind == TALLY_NOTE_REPORT) {
		assert_int_equal(c->reports[n->episode->number]++, 0);
		assert_true(!n->episode->is_false_alarm || n->episode->is_near_miss);
		assert_true(!n->episode->is_near_miss || (!n->episode->victims && !n->episode->oom_kills));
		c->all_reports++;
	}
}

static void check_tally(struct check *c, const struct tally *t)
{
	const struct tally_counts *now = &t->counts;
	uint32_t highest = 0;

	assert_true(now->episodes >= c->before.episodes && now->near_misses >= c->before.near_misses &&
		    now->missed_deadlines >= c->before.missed_deadlines &&
			    now->victims >= c->before.victims &&
		    now->false_alarms >= c->before.false_alarms && now->oom_kills >= c->before.oom_kills &&
		    now->lost_events >= c->before.lost_events && now->observed_s >= c->before.observed_s);
	assert_int_equal(now->episodes, c->all_reports);
	assert_true(now->false_alarms <= now->near_misses && now->near_misses <= now->episodes);
	c->before = *now;
	for (unsigned i = 0; i < TALLY_EPISODES; i++) {
		if (!t->open[i].number)
			continue;
		assert_int_equal(c->reports[t->open[i].number], 0);
		assert_true(t->open[i].highest >= t->now[i].stage);
		highest = t->now[i].stage > highest ? t->now[i].stage : highest;
	}
	assert_int_equal(t->stage, highest);
	assert_memory_equal(c->is_raised, t->is_raised, sizeof(c->is_raised));
	assert_true(!c->is_raised[TOPIC_ALARM_SHUTDOWN] || c->is_raised[TOPIC_ALARM_IMMINENT]);
	assert_true(!c->is_raised[TOPIC_ALARM_IMMINENT] || highest >= FAILSOFT_STAGE_IMMINENT);
}

/* All that is open when nothing more comes is reported after the next broker has said what is open. */
static void end_all(struct story *s, struct check *c)
{
	static const char *const end[] = { "down", "up", "settled" };
	struct tally_note notes[TALLY_NOTES_MAX];
	uint32_t count;

	for (unsigned i = 0; i < 3 + TALLY_EPISODES; i++) {
		count = i < 3 ? story_step(s, end[i], notes)
			      : tally_time(&s->tally, s->time_us + i, UINT64_MAX, notes);
		for (uint32_t n = 0; n < count; n++)
			check_note(c, &notes[n]);
		check_tally(c, &s->tally);
	}
	assert_null(tally_worst(&s->tally));
	assert_false(s->tally.is_raised[TOPIC_ALARM_IMMINENT]);
}

static void whatever_is_said(void **state)
{
	uint64_t reports = 0;

	(void)state;
	for (uint32_t run = 0; run < RUNS; run++) {
		struct dice dice = { run + 1 };
		struct tally_note notes[TALLY_NOTES_MAX];
		struct story s = { 0 };
		struct check c = { 0 };
		uint64_t episodes = 1;
		char line[128];

		for (uint32_t i = 0; i < STEPS; i++) {
			uint32_t count;

			draw(&dice, &episodes, line);
			count = story_step(&s, line, notes);
			assert_true(count <= TALLY_NOTES_MAX);
			for (uint32_t n = 0; n < count; n++)
				check_note(&c, &notes[n]);
			check_tally(&c, &s.tally);
		}
		end_all(&s, &c);
		reports += c.all_reports;
	}
	assert_true(reports > RUNS * 10); /* the stories are about something */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_and_what_is_told),
		cmocka_unit_test(is_the_machine_about_to_end),
		cmocka_unit_test(the_forecast_is_the_one_of_the_highest_stage),
		cmocka_unit_test(the_worst_open_one),
		cmocka_unit_test(more_domains_than_fit),
		cmocka_unit_test(only_time_with_a_broker_is_watched),
		cmocka_unit_test(names_of_ends),
		cmocka_unit_test(whatever_is_said),
	};

	return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
