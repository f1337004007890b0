/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "feed.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

static void a_stage_line_of_the_broker(void **state)
{
	/* as failsoftd wrote it */
	static const char line[] =
		"{\"number\":12,\"time_us\":81000123,\"event\":\"stage\",\"domain\":\"system\","
		"\"episode\":1001,"
		"\"from\":\"warning\",\"to\":\"imminent\",\"why\":\"floor\",\"headroom_bytes\":61440000,"
		"\"total_bytes\":1073741824,\"tte_us\":900000,\"tte_low_us\":400000,\"tte_early_us\":500000,"
		"\"tte_late_us\":1600000,\"lead_us\":2000,\"floor_bytes\":1,\"fall_bytes_per_s\":-5,"
		"\"distress\":0,\"text\":\"warning -> imminent: headroom\"}";
	struct feed_event e;

	(void)state;
	assert_true(feed_parse(line, &e));
	assert_int_equal(e.kind, FEED_STAGE);
	assert_string_equal(e.word, "stage");
	assert_int_equal(e.number, 12);
	assert_int_equal(e.time_us, 81000123);
	assert_int_equal(e.episode, 1001);
	assert_string_equal(e.domain, "system");
	assert_int_equal(e.from, FAILSOFT_STAGE_WARNING);
	assert_int_equal(e.to, FAILSOFT_STAGE_IMMINENT);
	assert_int_equal(e.headroom_bytes, 61440000);
	assert_int_equal(e.total_bytes, 1073741824);
	assert_int_equal(e.tte_us, 900000);
	assert_int_equal(e.tte_low_us, 400000);
	assert_int_equal(e.tte_early_us, 500000);
	assert_int_equal(e.tte_late_us, 1600000);
	assert_string_equal(e.text, "warning -> imminent: headroom");
	assert_false(e.is_drill || e.is_dry_run || e.is_late);
}

static void absent_figures(void **state)
{
	struct feed_event e;

	(void)state;
	assert_true(feed_parse("{\"event\":\"lost\",\"count\":7}\n", &e));
	assert_int_equal(e.kind, FEED_LOST_EVENTS);
	assert_int_equal(e.count, 7);
	assert_int_equal(e.number, 0);
	assert_true(e.time_us == UINT64_MAX && e.tte_us == UINT64_MAX && e.tte_low_us == UINT64_MAX &&
		    e.tte_early_us == UINT64_MAX && e.tte_late_us == UINT64_MAX);
	assert_true(!e.domain[0] && !e.name[0] && !e.text[0] && !e.pid);
}

/* The word, what follows in the line, and which figure or word it must give. */
static void what_each_kind_says(void **state)
{
	static const struct {
		const char *line;
		enum feed_kind kind;
		size_t offset;
		uint64_t expect;
	} rows[] = {
#define FIGURE(name) offsetof(struct feed_event, name)
		{ "{\"event\":\"episode_opened\",\"episode\":9}", FEED_EPISODE_OPENED, FIGURE(episode), 9 },
		{ "{\"event\":\"episode_closed\",\"duration_us\":8,\"victims\":1}", FEED_EPISODE_CLOSED,
		  FIGURE(duration_us), 8 },
		{ "{\"event\":\"episode_closed\",\"victims\":3}", FEED_EPISODE_CLOSED, FIGURE(victims), 3 },
		{ "{\"event\":\"episode_closed\",\"missed\":4}", FEED_EPISODE_CLOSED, FIGURE(missed), 4 },
		{ "{\"event\":\"episode_taken_over\",\"to\":\"shutdown\"}", FEED_EPISODE_TAKEN_OVER,
		  FIGURE(pid), 0 },
		{ "{\"event\":\"request\",\"step\":\"degrade\"}", FEED_REQUEST, FIGURE(pid), 0 },
		{ "{\"event\":\"answer\",\"freed_bytes\":4096}", FEED_ANSWER, FIGURE(freed_bytes), 4096 },
		{ "{\"event\":\"freed\",\"files\":2,\"bytes\":77}", FEED_FREED, FIGURE(freed_bytes), 77 },
		{ "{\"event\":\"victim\",\"pid\":5}", FEED_VICTIM, FIGURE(pid), 5 },
		{ "{\"event\":\"action\",\"pid\":5,\"processes\":2}", FEED_ACTION, FIGURE(processes), 2 },
		{ "{\"event\":\"ended\",\"pid\":5,\"headroom_bytes\":6}", FEED_ENDED,
		  FIGURE(headroom_bytes), 6 },
		{ "{\"event\":\"kernel_oom\",\"pid\":5}", FEED_KERNEL_OOM, FIGURE(pid), 5 },
		{ "{\"event\":\"brake\",\"processes\":3}", FEED_BRAKE, FIGURE(processes), 3 },
		{ "{\"event\":\"guard\",\"processes\":3}", FEED_GUARD, FIGURE(processes), 3 },
		{ "{\"event\":\"tripped\",\"limit_bytes\":3}", FEED_TRIPPED, FIGURE(processes), 0 },
		{ "{\"event\":\"client_killed\",\"pid\":3}", FEED_CLIENT_KILLED, FIGURE(pid), 3 },
		{ "{\"event\":\"last\",\"policy\":2}", FEED_LAST, FIGURE(policy), 2 },
		{ "{\"event\":\"last_ended\",\"policy\":2,\"outcome\":1}", FEED_LAST_ENDED,
		  FIGURE(outcome), 1 },
		{ "{\"event\":\"rebooted\",\"policy\":3,\"count\":2}", FEED_REBOOTED, FIGURE(count), 2 },
		{ "{\"event\":\"drill\",\"stage\":2}", FEED_DRILL, FIGURE(pid), 0 },
		{ "{\"event\":\"broker_started\"}", FEED_BROKER_STARTED, FIGURE(pid), 0 },
		{ "{\"event\":\"config_reloaded\"}", FEED_CONFIG_RELOADED, FIGURE(pid), 0 },
		{ "{\"event\":\"source_absent\"}", FEED_OTHER, FIGURE(pid), 0 },
		{ "{\"event\":\"a_word_of_a_newer_broker_than_this\"}", FEED_OTHER, FIGURE(pid), 0 },
		/* what no broker sends */
		{ "{\"event\":\"ended\",\"pid\":-5}", FEED_ENDED, FIGURE(pid), 0 },
		{ "{\"event\":\"ended\",\"pid\":\"5\"}", FEED_ENDED, FIGURE(pid), 0 },
		{ "{\"event\":\"ended\",\"pid\":{}}", FEED_ENDED, FIGURE(pid), 0 },
		{ "{\"event\":\"ended\",\"pid\":null}", FEED_ENDED, FIGURE(pid), 0 },
		{ "{\"event\":\"ended\",\"pid\":18446744073709551615}", FEED_ENDED, FIGURE(pid), UINT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct feed_event e;
		uint64_t is;

		if (!feed_parse(rows[i].line, &e))
			fail_msg("%s: refused", rows[i].line);
		memcpy(&is, (char *)&e + rows[i].offset, sizeof(is));
		if (e.kind != rows[i].kind || is != rows[i].expect)
			fail_msg("%s: kind %d, %llu", rows[i].line, e.kind, (unsigned long long)is);
	}
}

static void deadlines_drills_and_dry_runs(void **state)
{
	static const struct {
		const char *line;
		bool is_late, is_drill, is_dry_run;
		uint32_t step, to;
	} rows[] = {
		{ "{\"event\":\"answer\",\"step\":\"shutdown\",\"result\":\"missed\",\"drill\":0}",
		  true, false, false, 3, 0 },
		{ "{\"event\":\"answer\",\"result\":\"late\"}", false, false, false, 0, 0 },
		{ "{\"event\":\"answer\",\"step\":\"flush\",\"result\":\"done\"}", false, false, false,
		  1, 0 },
		{ "{\"event\":\"answer\",\"step\":\"flush\",\"result\":\"missed\",\"drill\":1}", true,
		  true, false, 1, 0 },
		{ "{\"event\":\"request\",\"step\":\"degrade\",\"drill\":1}", false, true, false, 2, 0 },
		{ "{\"event\":\"request\",\"step\":\"resume\"}", false, false, false, 0, 0 },
		{ "{\"event\":\"drill\",\"stage\":3,\"clients\":2}", false, true, false, 0, 0 },
		{ "{\"event\":\"action\",\"dry_run\":1}", false, false, true, 0, 0 },
		{ "{\"event\":\"action\",\"dry_run\":0}", false, false, false, 0, 0 },
		{ "{\"event\":\"episode_taken_over\",\"to\":\"shutdown\"}", false, false, false, 0, 3 },
		{ "{\"event\":\"stage\",\"to\":\"panic\"}", false, false, false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct feed_event e;

		assert_true(feed_parse(rows[i].line, &e));
		if (e.is_late != rows[i].is_late || e.is_drill != rows[i].is_drill ||
		    e.is_dry_run != rows[i].is_dry_run || e.step != rows[i].step || e.to != rows[i].to)
			fail_msg("%s", rows[i].line);
	}
}

static void no_event(void **state)
{
	static const char *const lines[] = {
		"", "\n", "{", "[]", "null", "7", "\"event\"", "{}", "{\"event\":7}", "{\"event\":\"\"}",
		"{\"event\":null}", "{\"number\":1}", "{\"event\":\"stage\"",
	};
	struct feed_event e, before;

	(void)state;
	memset(&e, 0xa5, sizeof(e));
	before = e;
	for (size_t i = 0; i < COUNT(lines); i++) {
		if (feed_parse(lines[i], &e))
			fail_msg("\"%s\" is an event", lines[i]);
	}
	assert_memory_equal(&e, &before, sizeof(e));
}

/* What is sent on must be text, whatever a program calls itself. */
static void names_that_are_no_text(void **state)
{
	static const struct {
		const char *given, *expect;
	} rows[] = {
		{ "hog", "hog" }, { "caf\xc3\xa9", "caf\xc3\xa9" }, { "caf\xc3", "caf?" }, { "\xff\xfe",
											     "??" },
		{ "\xc0\xaf", "??" }, { "\xed\xa0\x80", "???" }, { "\xf0\x9f\x90\x8c", "\xf0\x9f\x90\x8c" },
		{ "\xf4\x90\x80\x80", "????" }, { "\xe0\x80\x80", "???" },
	};
	char line[256];
	struct feed_event e;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(line, sizeof(line), "{\"event\":\"ended\",\"name\":\"%s\"}", rows[i].given);
		assert_true(feed_parse(line, &e));
		assert_string_equal(e.name, rows[i].expect);
	}
}

static void too_long_ends_before_a_character(void **state)
{
	char line[1200], text[900];
	struct feed_event e;

	(void)state;
	for (size_t pad = 0; pad < 3; pad++) { /* snowmen of three bytes, from any of their bytes on */
		memset(text, 'x', pad);
		for (size_t i = pad; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x98\x83", 4);
		snprintf(line, sizeof(line), "{\"event\":\"other\",\"text\":\"%s\",\"name\":\"%s\"}",
			 text, "n");
		assert_true(feed_parse(line, &e));
		assert_true(strlen(e.text) < FEED_TEXT_MAX && strlen(e.text) + 3 >= FEED_TEXT_MAX);
		assert_int_equal((strlen(e.text) - pad) % 3, 0);
		assert_string_equal(e.name, "n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stage_line_of_the_broker),
		cmocka_unit_test(absent_figures),
		cmocka_unit_test(what_each_kind_says),
		cmocka_unit_test(deadlines_drills_and_dry_runs),
		cmocka_unit_test(no_event),
		cmocka_unit_test(names_that_are_no_text),
		cmocka_unit_test(too_long_ends_before_a_character),
	};

	return cmocka_run_group_tests_name("feed_parse", tests, NULL, NULL);
}
