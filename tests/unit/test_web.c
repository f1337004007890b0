/* SPDX-License-Identifier: MIT */
/* Who may ask, and where it listens. What it answers: tests/fleet/test_fleet_ingest.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "web.h"

static void hosts(void **state)
{
	static const struct web_options options = { .host = { "fleet.example" }, .hosts = 1 };
	static const struct { const char *host; bool expect;
	} rows[] = {
		{"127.0.0.1", true},
		{"127.0.0.1:9464", true},
		{"10.1.2.3:80", true},
		{"localhost:9464", true},
		{"LOCALHOST", true},
		{"[::1]:9464", true},
		{"[2001:db8::1]", true},
		{"fleet.example", true},
		{"Fleet.Example:443", true},
		{"evil.example", false},
		{"fleet.example.evil", false},
		{"", false},
		{":9464", false},
		{"[::1", false},
		{"[]", false},
		{"localhost.evil.example", false},
		{"127.0.0.1.evil.example", false},
		{"2130706433", false},
		{"[::1].evil.example", false},
		{"[::1]x", false},
		{"127.0.0.1:80.evil.example", false},
		{"localhost:x", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (web_host_is_allowed(&options, rows[i].host) != rows[i].expect)
			fail_msg("%s", rows[i].host);
}

static void addresses(void **state)
{
	static const struct { const char *text, *host, *port;
	} rows[] = {
		{"127.0.0.1:9464", "127.0.0.1", "9464"},
		{"[::1]:80", "::1", "80"},
		{"0.0.0.0:0", "0.0.0.0", "0"},
		{"9464", NULL, NULL},
		{"localhost:9464", NULL, NULL},
		{"::1:9464", NULL, NULL},
		{"127.0.0.1:", NULL, NULL},
		{"127.0.0.1:65536", NULL, NULL},
		{"127.0.0.1:-1", NULL, NULL},
		{":9464", NULL, NULL},
		{"[]:1", NULL, NULL},
		{"", NULL, NULL},
		{"127.0.0.1:999999999999", NULL, NULL},
	};
	char host[64], port[8];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_one = web_listen_parse(rows[i].text, host, port);

		if (is_one != !!rows[i].host ||
		    (is_one && (strcmp(host, rows[i].host) || strcmp(port, rows[i].port))))
			fail_msg("%s", rows[i].text);
	}
}

static void local(void **state)
{
	(void)state;
	assert_true(web_listen_is_local("127.0.0.1:80"));
	assert_true(web_listen_is_local("127.9.9.9:80"));
	assert_true(web_listen_is_local("[::1]:80"));
	assert_false(web_listen_is_local("0.0.0.0:80"));
	assert_false(web_listen_is_local("[::]:80"));
	assert_false(web_listen_is_local("192.0.2.1:80"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(hosts), cmocka_unit_test(addresses),
					    cmocka_unit_test(local) };

	return cmocka_run_group_tests_name("web", tests, NULL, NULL);
}
