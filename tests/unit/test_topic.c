/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "topic.h"

#define SIXTY_FOUR	"0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABC-_F"
#define BOOT		"0123456789abcdef0123456789abcdef"

static const struct row {
	const char *text;
	bool is_ours;
	struct topic expect;
} rows[] = {
	{ "failsoft/v1/f/d/state", true, { "f", "d", TOPIC_AT_STATE, 0 } },
	{ "failsoft/v1/f/d/heartbeat", true, { "f", "d", TOPIC_AT_HEARTBEAT, 0 } },
	{ "failsoft/v1/f/d/event", true, { "f", "d", TOPIC_AT_EVENT, 0 } },
	{ "failsoft/v1/f/d/report", true, { "f", "d", TOPIC_AT_REPORT, 0 } },
	{ "failsoft/v1/f/d/cmd", true, { "f", "d", TOPIC_AT_COMMAND, 0 } },
	{ "failsoft/v1/f/d/alarm/imminent", true, { "f", "d", TOPIC_AT_ALARM, TOPIC_ALARM_IMMINENT } },
	{ "failsoft/v1/f/d/alarm/shutdown", true, { "f", "d", TOPIC_AT_ALARM, TOPIC_ALARM_SHUTDOWN } },
	{ "failsoft/v1/f/d/alarm/oom-kill", true, { "f", "d", TOPIC_AT_ALARM, TOPIC_ALARM_OOM_KILL } },
	{ "failsoft/v1/f/d/alarm/broker-lost", true, { "f", "d", TOPIC_AT_ALARM, TOPIC_ALARM_BROKER_LOST } },
	{ "failsoft/v1/" SIXTY_FOUR "/" SIXTY_FOUR "/alarm/broker-lost", true,
	  { SIXTY_FOUR, SIXTY_FOUR, TOPIC_AT_ALARM, TOPIC_ALARM_BROKER_LOST } },
	{ "failsoft/v1/" SIXTY_FOUR "x/d/state" },
	{ "failsoft/v1/f/" SIXTY_FOUR "x/state" },
	{ "" },
	{ "failsoft/v1" },
	{ "failsoft/v1/" },
	{ "failsoft/v1/f" },
	{ "failsoft/v1/f/d" },
	{ "failsoft/v1/f/d/" },
	{ "failsoft/v1//d/state" },
	{ "failsoft/v1/f//state" },
	{ "failsoft/v2/f/d/state" },
	{ "/failsoft/v1/f/d/state" },
	{ "failsoft/v1/f/d/state/" },
	{ "failsoft/v1/f/d/states" },
	{ "failsoft/v1/f/d/alarm" },
	{ "failsoft/v1/f/d/alarm/" },
	{ "failsoft/v1/f/d/alarm/none" },
	{ "failsoft/v1/f/d/alarm/imminent/x" },
	{ "failsoft/v1/+/d/state" },
	{ "failsoft/v1/f/#" },
	{ "failsoft/v1/f/d d/state" },
	{ "failsoft/v1/f/d\xc3\xa4/state" },
	{ "failsoft/v1/f/d\n/state" },
};

static bool is_same(const struct topic *a, const struct topic *b)
{
	return !strcmp(a->fleet, b->fleet) && !strcmp(a->device, b->device) && a->place == b->place &&
	       a->alarm == b->alarm;
}

static void topics(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct topic stain = { "stain", "stain", TOPIC_PLACE_COUNT, TOPIC_ALARM_COUNT };
		struct topic t = stain;
		char text[TOPIC_MAX];

		print_message("# row %zu\n", i); /* one of them holds a line's end */
		assert_int_equal(topic_parse(rows[i].text, &t), rows[i].is_ours);
		assert_true(is_same(&t, rows[i].is_ours ? &rows[i].expect : &stain));
		if (!rows[i].is_ours)
			continue;
		topic_format(&t, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void names(void **state)
{
	(void)state;
	assert_true(topic_name_is_valid("a"));
	assert_true(topic_name_is_valid(SIXTY_FOUR));
	assert_false(topic_name_is_valid(SIXTY_FOUR "x"));
	assert_false(topic_name_is_valid(""));
	assert_false(topic_name_is_valid("a/b"));
	assert_false(topic_name_is_valid("a+"));
	assert_false(topic_name_is_valid("$SYS"));
}

static void words(void **state)
{
	enum topic_alarm alarm = TOPIC_ALARM_COUNT;
	enum topic_type type = TOPIC_TYPE_COUNT;

	(void)state;
	for (int i = 0; i < TOPIC_TYPE_COUNT; i++) {
		assert_true(topic_type_parse(topic_type_name((enum topic_type)i), &type));
		assert_int_equal(type, i);
	}
	for (int i = 0; i < TOPIC_ALARM_COUNT; i++) {
		assert_true(topic_alarm_parse(topic_alarm_name((enum topic_alarm)i), &alarm));
		assert_int_equal(alarm, i);
	}
	assert_false(topic_type_parse("org.failsoft.alarm.v2", &type));
	assert_false(topic_alarm_parse("", &alarm));
	assert_int_equal(type, TOPIC_TYPE_COUNT - 1);
	assert_int_equal(alarm, TOPIC_ALARM_COUNT - 1);
}

static const struct id_row {
	const char *text;
	uint64_t sequence; /* 0: no id */
} id_rows[] = {
	{ BOOT "-1", 1 },
	{ BOOT "-9223372036854775807", INT64_MAX },
	{ BOOT "-9223372036854775808", 0 },
	{ BOOT "-18446744073709551617", 0 },
	{ BOOT "-0", 0 },
	{ BOOT "-01", 0 },
	{ BOOT "-", 0 },
	{ BOOT "--1", 0 },
	{ BOOT "-1 ", 0 },
	{ BOOT "1", 0 },
	{ BOOT, 0 },
	{ "", 0 },
	{ "0123456789ABCDEF0123456789abcdef-1", 0 },
	{ "0123456789abcdef-1", 0 },
	{ BOOT "a-1", 0 },
};

static void ids(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(id_rows) / sizeof(id_rows[0]); i++) {
		char boot[TOPIC_BOOT_MAX] = "stain", again[TOPIC_ID_MAX];
		uint64_t sequence = 4711;

		print_message("# %s\n", id_rows[i].text);
		assert_int_equal(topic_id_parse(id_rows[i].text, boot, &sequence), id_rows[i].sequence > 0);
		if (id_rows[i].sequence == 0) {
			assert_string_equal(boot, "stain");
			assert_int_equal(sequence, 4711);
			continue;
		}
		assert_string_equal(boot, BOOT);
		assert_int_equal(sequence, id_rows[i].sequence);
		topic_id_format(boot, sequence, again);
		assert_string_equal(again, id_rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topics),
		cmocka_unit_test(names),
		cmocka_unit_test(words),
		cmocka_unit_test(ids),
	};

	return cmocka_run_group_tests_name("topic", tests, NULL, NULL);
}
