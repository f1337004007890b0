/* SPDX-License-Identifier: MIT */
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <systemd/sd-event.h>

#include "lookup.h"

static void servers(void **state)
{
	static const struct {
		const char *text;
		bool is_one;
		const char *host;
		uint16_t port;
	} rows[] = {
		{"mqtt.example:8883", true, "mqtt.example", 8883},
		{"192.0.2.1:1", true, "192.0.2.1", 1},
		{"[::1]:65535", true, "::1", 65535},
		{"[fe80::1%eth0]:1883", true, "fe80::1%eth0", 1883},
		{"mqtt.example", false},
		{"mqtt.example:", false},
		{":1883", false},
		{"[]:1883", false},
		{"[::1:1883", false},
		{"::1:1883", false},
		{"a:0", false},
		{"a:65536", false},
		{"a:18446744073709551617", false},
		{"a:+1", false},
		{"a: 1", false},
		{"a:1 ", false},
		{"a b:1", false},
		{"mqtt://a:1", false},
		{"user@a:1", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lookup_server s = {.host = "untouched", .port = 7};

		print_message("# %s\n", rows[i].text);
		assert_int_equal(lookup_server_parse(rows[i].text, &s), rows[i].is_one);
		assert_string_equal(s.host, rows[i].is_one ? rows[i].host : "untouched");
		assert_int_equal(s.port, rows[i].is_one ? rows[i].port : 7);
	}
}

static void too_long(void **state)
{
	struct lookup_server s;
	char text[LOOKUP_HOST_MAX + 8];

	(void)state;
	memset(text, 'a', sizeof(text));
	strcpy(text + LOOKUP_HOST_MAX - 1, ":1");
	assert_true(lookup_server_parse(text, &s));
	memset(text, 'a', sizeof(text));
	strcpy(text + LOOKUP_HOST_MAX, ":1");
	assert_false(lookup_server_parse(text, &s));
}

static void numbers(void **state)
{
	(void)state;
	assert_true(lookup_is_number("127.0.0.1"));
	assert_true(lookup_is_number("::1"));
	assert_false(lookup_is_number("localhost"));
	assert_false(lookup_is_number("127.0.0.1.example"));
}

struct seen {
	sd_event *event;
	struct lookup *lookup;
	struct lookup_answer answer;
	unsigned calls;
};

static void on_answer(void *userdata, const struct lookup_answer *answer)
{
	struct seen *s = userdata;

	s->answer = *answer;
	s->calls++;
	s->lookup = lookup_free(s->lookup);
	sd_event_exit(s->event, 0);
}

static struct seen ask(const char *host)
{
	struct seen s = {0};

	assert_true(sd_event_new(&s.event) >= 0);
	assert_int_equal(lookup_new(&s.lookup, s.event, host, on_answer, &s), 0);
	assert_int_equal(s.calls, 0); /* never from within */
	assert_int_equal(sd_event_loop(s.event), 0);
	sd_event_unref(s.event);
	return s;
}

static void a_name(void **state)
{
	struct seen s = ask("localhost");

	(void)state;
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.answer.error, 0);
	assert_true(s.answer.count >= 1);
	for (uint32_t i = 0; i < s.answer.count; i++)
		assert_true(lookup_is_number(s.answer.number[i]));
}

static void no_name(void **state)
{
	struct seen s = ask("no such name");

	(void)state;
	assert_int_equal(s.calls, 1);
	assert_int_not_equal(s.answer.error, 0);
	assert_int_equal(s.answer.count, 0);
}

/* Nobody waits for the answer any more: the thread frees what is left (the sanitizer looks). */
static void given_up(void **state)
{
	struct lookup *l;
	sd_event *event;

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(lookup_new(&l, event, "localhost", on_answer, NULL), 0);
		assert_null(lookup_free(l));
	}
	assert_null(lookup_free(NULL));
	sd_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers), cmocka_unit_test(too_long), cmocka_unit_test(numbers),
		cmocka_unit_test(a_name),  cmocka_unit_test(no_name),  cmocka_unit_test(given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
