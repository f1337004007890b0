/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "envelope.h"

static const struct envelope origin = {"north", "d-1", "2.4.1", "0123456789abcdef0123456789abcdef",
				       0xab,	17};
static const struct envelope_moment now = { 42, 5000000, 1764331200, true };
static char out[TOPIC_PAYLOAD_MAX];

static void must_say(int bytes, const char *text)
{
	assert_int_equal(bytes, strlen(out));
	if (!strstr(out, text))
		fail_msg("%s\nis not in\n%s", text, out);
}

static void must_not_say(const char *text)
{
	if (strstr(out, text))
		fail_msg("%s\nis in\n%s", text, out);
}

static void where_it_comes_from(void **state)
{
	int r = envelope_alarm(&origin, &now, TOPIC_ALARM_IMMINENT, true, NULL, 0, "x", out);

	(void)state;
	must_say(r, "\"specversion\":\"1.0\"");
	must_say(r, "\"type\":\"org.failsoft.alarm.v1\"");
	must_say(r, "\"id\":\"0123456789abcdef0123456789abcdef-42\"");
	must_say(r, "\"sequence\":\"00000000000000000042\"");
	must_say(r, "\"source\":\"/failsoft/north/d-1\"");
	must_say(r, "\"time\":\"2025-11-28T12:00:00Z\"");
	must_say(r, "\"clock\":\"synced\"");
	must_say(r, "\"instance\":\"000000ab\"");
	must_say(r, "\"data\":{\"kind\":\"imminent\",\"raised\":true,\"text\":\"x\"}");
}

static const struct clock_row {
	const char *name;
	int64_t real_s;
	bool is_synchronised;
	const char *time; /* NULL: none is told */
} clock_rows[] = {
	{ "not synchronised", 1764331200, false, NULL },
	{ "the first second", 0, true, "1970-01-01T00:00:00Z" },
	{ "a leap day", 1709164800, true, "2024-02-29T00:00:00Z" },
	{ "the last second that can be written", 253402300799, true, "9999-12-31T23:59:59Z" },
	{ "one more", 253402300800, true, NULL },
	{ "before 1970", -1, true, NULL },
	{ "nonsense", INT64_MAX, true, NULL },
};

static void clocks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(clock_rows) / sizeof(clock_rows[0]); i++) {
		const struct envelope_moment m = {1, 1, clock_rows[i].real_s,
						  clock_rows[i].is_synchronised};
		int r = envelope_alarm(&origin, &m, TOPIC_ALARM_IMMINENT, true, NULL, 0, "x", out);

		print_message("# %s\n", clock_rows[i].name);
		must_say(r, clock_rows[i].time ?: "\"clock\":\"unsynced\"");
		if (!clock_rows[i].time)
			must_not_say("\"time\"");
	}
}

static const struct bad_row {
	const char *name, *fleet, *device, *boot;
	uint64_t sequence;
} bad_rows[] = {
	{ "a fleet that is two levels", "a/b", "d", "0123456789abcdef0123456789abcdef", 1 },
	{ "no device", "f", "", "0123456789abcdef0123456789abcdef", 1 },
	{ "half a boot", "f", "d", "0123456789abcdef", 1 },
	{ "capitals", "f", "d", "0123456789ABCDEF0123456789abcdef", 1 },
	{ "no sequence", "f", "d", "0123456789abcdef0123456789abcdef", 0 },
	{ "too high", "f", "d", "0123456789abcdef0123456789abcdef", UINT64_C(1) << 63 },
};

static void what_no_message_may_have(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_rows) / sizeof(bad_rows[0]); i++) {
		const struct envelope_moment m = { bad_rows[i].sequence, 1, 0, false };
		struct envelope v = origin;

		print_message("# %s\n", bad_rows[i].name);
		strcpy(v.fleet, bad_rows[i].fleet);
		strcpy(v.device, bad_rows[i].device);
		strcpy(v.boot, bad_rows[i].boot);
		strcpy(out, "stain");
		assert_int_equal(
			envelope_alarm(&v, &m, TOPIC_ALARM_IMMINENT, true, NULL, 0, "x", out),
			-EINVAL);
		assert_string_equal(out, "stain");
	}
}

/* The will is what the server says when nobody can say more. */
static void states(void **state)
{
	struct envelope_state s = {.is_online = true,
				   .stage = 2,
				   .headroom_bytes = 0,
				   .total_bytes = 100,
				   .tte_us = UINT64_MAX,
				   .counts = {.resets = 3},
				   .spool = {.waiting = 5}};
	int r = envelope_state(&origin, &now, &s, false, out);

	(void)state;
	must_say(r, "\"data\":{\"online\":true,\"session\":17,\"stage\":\"imminent\",\"broker\":false,"
		    "\"headroom_bytes\":0,\"limit_bytes\":100,\"expect\":\"\"");
	must_say(r, "\"resets\":3");
	must_say(r, "\"waiting\":5");
	must_not_say("tte_usec");
	s.is_online = false;
	r = envelope_state(&origin, &now, &s, false, out);
	must_say(r, "\"data\":{\"online\":false,\"session\":17}}");
	s.total_bytes = 0;
	s.tte_us = 0;
	r = envelope_state(&origin, &now, &s, true, out);
	must_say(r, "org.failsoft.heartbeat.v1");
	must_say(r, "\"tte_usec\":0");
	must_not_say("headroom_bytes");
}

static void alarms(void **state)
{
	const struct tally_episode e = {.number = 9,
					.domain = "apps",
					.highest = 3,
					.total_bytes = 50,
					.tte_us = 7,
					.tte_early_us = UINT64_MAX,
					.victim = "java",
					.victim_pid = 4711};
	int r = envelope_alarm(&origin, &now, TOPIC_ALARM_SHUTDOWN, true, &e, 123, "x", out);

	(void)state;
	must_say(r, "\"episode\":9");
	must_say(r, "\"domain\":\"apps\",\"stage\":\"shutdown\"");
	must_say(r, "\"deadline_usec\":123");
	must_say(r, "\"headroom_bytes\":0,\"limit_bytes\":50,\"tte_usec\":7");
	must_not_say("tte_early_usec");
	must_not_say("java"); /* of the kernel's kills alone */
	r = envelope_alarm(&origin, &now, TOPIC_ALARM_OOM_KILL, true, &e, UINT64_MAX, "x", out);
	must_say(r, "\"name\":\"java\",\"pid\":4711");
	must_not_say("deadline_usec");
}

static const struct report_row {
	const char *name;
	struct tally_episode episode;
	struct outcome outcome;
	const char *expect, *expect_too;
} report_rows[] = {
	{"came back",
	 {.number = 1,
	  .domain = "system",
	  .duration_us = 12340000,
	  .end = TALLY_END_CLEARED,
	  .is_near_miss = true},
	 {0},
	 "\"ended_by\":\"cleared\"",
	 "The shortage of memory in system ended after 12.3 s: memory came back, no program was "
	 "ended"},
	{"one victim",
	 {.number = 1, .end = TALLY_END_VICTIM, .victims = 1, .victim = "java", .victim_pid = 3},
	 {0},
	 "\"of\":\"java\",\"pid\":3",
	 "failsoft ended 1 program, last java"},
	{"the kernel's",
	 {.number = 1, .end = TALLY_END_OOM_KILL, .oom_kills = 2, .victim = "java"},
	 {0},
	 "\"ended_by\":\"oom-kill\"",
	 "the kernel ended 2 programs, last java"},
	{"a boot without an episode",
	 {0},
	 {.is_known = true, .end = TALLY_END_POWER_LOSS, .text = "Power was lost."},
	 "\"ended_by\":\"power-loss\",\"past_boot\":\"f\",\"past_firmware\":\"2.4.0\"",
	 "Power was lost."},
	{"a panic cut an episode",
	 {.number = 5,
	  .began_us = 10,
	  .duration_us = 100,
	  .forecast_at_us = 30,
	  .tte_us = 90,
	  .tte_early_us = UINT64_MAX,
	  .tte_late_us = UINT64_MAX},
	 {.is_known = true, .end = TALLY_END_PANIC, .of = "oom", .text = "Panic."},
	 "\"of\":\"oom\"",
	 "\"forecast\":{\"headroom_bytes\":0,\"tte_usec\":90,\"came_after_usec\":80}"},
};

static void reports(void **state)
{
	const struct crumb_note past = { .boot = "f", .firmware = "2.4.0" };

	(void)state;
	for (size_t i = 0; i < sizeof(report_rows) / sizeof(report_rows[0]); i++) {
		const struct report_row *row = &report_rows[i];
		const bool is_past = row->outcome.is_known;
		int r = envelope_report(&origin, &now, &row->episode, is_past ? &row->outcome : NULL,
					is_past ? &past : NULL, out);

		print_message("# %s\n", row->name);
		must_say(r, row->expect);
		must_say(r, row->expect_too);
	}
}

static void events(void **state)
{
	struct feed_event e = { .kind = FEED_STAGE, .word = "stage", .number = 4, .time_us = 8, .to = 2,
				.tte_us = UINT64_MAX, .text = "a \"b\"\n" };
	int r = envelope_event(&origin, &now, &e, out);

	(void)state;
	must_say(r, "\"data\":{\"event\":\"stage\",\"number\":4,\"time_usec\":8,\"from\":\"normal\","
		    "\"to\":\"imminent\",\"text\":\"a \\\"b\\\" \"}");
	e.kind = FEED_OTHER;
	e.is_drill = true;
	r = envelope_event(&origin, &now, &e, out);
	must_say(r, "\"drill\":true");
	must_not_say("\"from\"");
}

/* At every length: the same figures, one byte below the room at most, and the cut is said. */
static void a_long_sentence(void **state)
{
	const struct tally_episode e = { .number = 9, .highest = 3, .tte_us = 7 };
	struct envelope v = origin;
	char text[4000];

	(void)state;
	memset(v.firmware, '"', sizeof(v.firmware) - 1);
	for (size_t length = 0; length < sizeof(text); length += 7) {
		int r;

		memset(text, '\\', length);
		text[length] = '\0';
		r = envelope_alarm(&v, &now, TOPIC_ALARM_SHUTDOWN, true, &e, 123, text, out);
		assert_in_range(r, 100, TOPIC_PAYLOAD_MAX - 1);
		must_say(r, "\"deadline_usec\":123");
	}
	must_say((int)strlen(out), "...\"}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_it_comes_from),
		cmocka_unit_test(clocks),
		cmocka_unit_test(what_no_message_may_have),
		cmocka_unit_test(states),
		cmocka_unit_test(alarms),
		cmocka_unit_test(reports),
		cmocka_unit_test(events),
		cmocka_unit_test(a_long_sentence),
	};

	return cmocka_run_group_tests_name("envelope", tests, NULL, NULL);
}
