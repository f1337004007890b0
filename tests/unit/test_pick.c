/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "sense/pick.h"
#include "sense/place.h"

static const struct pick_facts logger = {
	.name = "logger", .path = "/usr/bin/logger", .uid = 1000,
	.cgroup = "/system.slice/logger.service/worker",
};

static void entries(void **state)
{
	static const struct {
		const char *text;
		bool expect;
		unsigned needs;
	} rows[] = {
		{ "logger", true, 0 },
		{ "log*", true, 0 },
		{ "logge", false, 0 },
		{ "*", true, 0 },
		{ "/usr/bin/logger", true, PICK_NEEDS_PATH },
		{ "/usr/*/logger", true, PICK_NEEDS_PATH },
		{ "*/logger", true, PICK_NEEDS_PATH },
		{ "/usr/bin", false, PICK_NEEDS_PATH },
		{ "unit:logger.service", true, PICK_NEEDS_CGROUP },
		{ "unit:log*", true, PICK_NEEDS_CGROUP },
		{ "unit:worker", false, PICK_NEEDS_CGROUP },
		{ "unit:system.slice", false, PICK_NEEDS_CGROUP },
		{ "cgroup:/system.slice", true, PICK_NEEDS_CGROUP },
		{ "cgroup:/system.slice/", true, PICK_NEEDS_CGROUP },
		{ "cgroup:/system", false, PICK_NEEDS_CGROUP },
		{ "cgroup:/", true, PICK_NEEDS_CGROUP },
		{ "uid:1000", true, 0 },
		{ "uid:100", false, 0 },
		{ "uid:4294967294", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_null(pick_problem(rows[i].text));
		assert_int_equal(pick_needs(rows[i].text), rows[i].needs);
		if (pick_match(rows[i].text, &logger) != rows[i].expect)
			fail_msg("%s", rows[i].text);
	}
	(void)state;
}

/* Whose files cannot be read is in no list of paths, units or cgroups. */
static void unknown_facts(void **state)
{
	const struct pick_facts unknown = { .name = "x", .path = "", .cgroup = "", .uid = 5 };

	(void)state;
	assert_false(pick_match("/*", &unknown));
	assert_false(pick_match("*/", &unknown));
	assert_false(pick_match("unit:*", &unknown));
	assert_false(pick_match("cgroup:/", &unknown));
	assert_true(pick_match("x", &unknown));
}

static void refused(void **state)
{
	static const struct {
		const char *text, *expect;
	} rows[] = {
		{ "", "is empty" },
		{ "unit:", "is empty" },
		{ "low-memory-monitor", "first 15" },
		{ "bin/sh", "absolute" },
		{ "unit:/system.slice/a.service", "no unit's name" },
		{ "cgroup:apps", "begin with a slash" },
		{ "uid:", "is empty" },
		{ "uid:-1", "no user's number" },
		{ "uid:root", "no user's number" },
		{ "uid:4294967295", "no user's number" },
		{ "uid:99999999999", "no user's number" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *problem = pick_problem(rows[i].text);

		if (!problem || !strstr(problem, rows[i].expect))
			fail_msg("%s: %s", rows[i].text, problem ? problem : "accepted");
	}
	(void)state;
}

static void units(void **state)
{
	char unit[16];

	(void)state;
	assert_true(place_unit("/a.slice/b.service", unit, sizeof(unit)));
	assert_string_equal(unit, "b.service");
	assert_true(place_unit("/user@1.service/app.slice/x.scope", unit, sizeof(unit)));
	assert_string_equal(unit, "x.scope");
	assert_false(place_unit("/", unit, sizeof(unit)));
	assert_false(place_unit(".service", unit, sizeof(unit)));
	assert_false(place_unit("/longer-than-the-room.service", unit, sizeof(unit)));
	assert_string_equal(unit, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries), cmocka_unit_test(unknown_facts),
		cmocka_unit_test(refused), cmocka_unit_test(units),
	};

	return cmocka_run_group_tests_name("pick", tests, NULL, NULL);
}
