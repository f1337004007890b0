/* SPDX-License-Identifier: MIT */
/* One line for each thing that is new: whole JSON, and nothing in it that steers a terminal. */
#include <json-c/json.h>

#include "fleet_rig.h"
#include "lines.h"

static char text[8192];
static bool is_again;

/* What is printed of a note, with its newline. */
static void print(struct roster *r, enum roster_note_kind kind, const char *payload, bool is_json)
{
	struct ingest_message m = rig_alarm(TOPIC_AT_EVENT, TOPIC_ALARM_IMMINENT, true, 1);
	struct roster_note note = { kind, rig_device(r), TOPIC_ALARM_SHUTDOWN, is_again };
	struct ingest_raw raw = { "t", payload, payload ? strlen(payload) : 0, false };
	struct lines l = { fmemopen(text, sizeof(text), "w"), is_json };

	assert_true(lines_note(&l, &note, &m, &raw));
	fclose(l.out);
}

static void words(void **state)
{
	static const struct {
		enum roster_note_kind kind;
		const char *what, *member, *value;
	} rows[] = {
		{ROSTER_LOGGED, "alarm", "device", "d"},
		{ROSTER_ONLINE, "online", "fleet", "f"},
		{ROSTER_GONE, "offline", "device", "d"},
		{ROSTER_RAISED, "raised", "kind", "shutdown"},
		{ROSTER_CLEARED, "cleared", "kind", "shutdown"},
		{ROSTER_IN_CONFLICT, "conflict", "conflict", ""},
		{ROSTER_FORGOTTEN, "forgotten", "device", "d"},
		{ROSTER_IMPLAUSIBLE, "implausible", "device", "d"},
	};
	struct roster *r = roster_new(&rig_limits);

	(void)state;
	rig_give(r, rig_state(1, 1, 0), 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct json_object *line, *value;

		print(r, rows[i].kind, NULL, true);
		line = json_tokener_parse(text);
		assert_true(json_object_object_get_ex(line, "what", &value));
		assert_string_equal(json_object_get_string(value), rows[i].what);
		assert_true(json_object_object_get_ex(line, rows[i].member, &value));
		assert_string_equal(json_object_get_string(value), rows[i].value);
		assert_false(json_object_object_get_ex(line, "message", &value));
		json_object_put(line);
		print(r, rows[i].kind, NULL, false);
		assert_non_null(strstr(text, rows[i].what));
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	}
	roster_free(r);
}

/* The original, with what steers a terminal as JSON's escapes. */
static void escapes(void **state)
{
	static const struct { const char *raw, *expect;
	} rows[] = {
		{"{\"a\":\"\xc3\xa4/\"}", "{\"a\":\"\xc3\xa4/\"}"},
		{"{\n \"a\" : 1 }", "{\"a\":1}"},
		{"{\"a\":\"\x7f\xc2\x9b\xe2\x80\xae\xd8\x9c\"}",
		 "{\"a\":\"\\u007f\\u009b\\u202e\\u061c\"}"},
		{"{\"a\":\"\\u001b\\n\xe2\x82\xac\xf0\x9f\x98\x80\"}",
		 "{\"a\":\"\\u001b\\n\xe2\x82\xac\xf0\x9f\x98\x80\"}"},
	};
	struct roster *r = roster_new(&rig_limits);

	(void)state;
	rig_give(r, rig_state(1, 1, 0), 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print(r, ROSTER_LOGGED, rows[i].raw, true);
		if (!strstr(text, rows[i].expect) || strchr(text, '\n') != text + strlen(text) - 1)
			fail_msg("row %zu: %s", i, text);
	}
	roster_free(r);
}

static void refused(void **state)
{
	struct ingest_raw raw = { "a\x1b\n\"b", NULL, 5000, false };
	struct lines l = { fmemopen(text, sizeof(text), "w"), true };

	(void)state;
	assert_true(lines_refused(&l, &raw, INGEST_TOO_LONG, "5000 bytes"));
	fclose(l.out);
	assert_non_null(strstr(text, "\"what\":\"refused\",\"reason\":\"too-long\",\"why\":\"5000 bytes\","
				     "\"topic\":\"a??\\\"b\",\"bytes\":5000}\n"));
}

/* One of which nobody knows whether its line left, says so. */
static void again(void **state)
{
	struct roster *r = roster_new(&rig_limits);

	(void)state;
	rig_give(r, rig_state(1, 1, 0), 1);
	for (unsigned i = 0; i < 2; i++) {
		is_again = i == 1;
		print(r, ROSTER_LOGGED, "{}", true);
		assert_int_equal(strstr(text, "\"again\":true") != NULL, i == 1);
		print(r, ROSTER_LOGGED, "{}", false);
		assert_int_equal(strstr(text, "alarm raised (perhaps shown before): ") != NULL, i == 1);
	}
	is_again = false;
	roster_free(r);
}

/* A reader that has gone is noticed. */
static void gone(void **state)
{
	struct ingest_raw raw = { "t", NULL, 1, false };
	struct lines l = { fopen("/dev/full", "w"), true };

	(void)state;
	assert_false(lines_refused(&l, &raw, INGEST_JSON, "why"));
	fclose(l.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(escapes),
		cmocka_unit_test(refused),
		cmocka_unit_test(again),
		cmocka_unit_test(gone),
	};

	return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
