/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "command.h"

#define SECOND UINT64_C(1000000)

static void rows(void **state)
{
	static const struct {
		const char *payload;
		bool is_retained;
		uint64_t at_us;
		const char *stage; /* NULL: refused */
		const char *why;
	} steps[] = {
		{"{\"drill\":\"warning\"}", true, 1, NULL, "retained"},
		{"{\"drill\":\"warning\"}", false, 2, "warning", NULL},
		{"{\"drill\":\"imminent\"}", false, 3, NULL, "less than a minute"},
		{"{\"drill\":\"imminent\"}", false, 59 * SECOND, NULL, "less than a minute"},
		{"{\"drill\":\"imminent\"}", false, 61 * SECOND, "imminent", NULL},
		{"{ \"drill\" : \"shutdown\" }", false, 200 * SECOND, "shutdown", NULL},
		{"{\"drill\":\"normal\"}", false, 300 * SECOND, NULL, "it is not"},
		{"{\"drill\":\"shutdown\\u0000\"}", false, 301 * SECOND, NULL, "it is not"},
		{"{\"drill\":3}", false, 302 * SECOND, NULL, "it is not"},
		{"{\"drill\":\"imminent\",\"drill\":\"imminent\",\"a\":1}", false, 303 * SECOND,
		 NULL, "it is not"},
		{"{\"Drill\":\"imminent\"}", false, 304 * SECOND, NULL, "it is not"},
		{"{\"drill\":\"imminent\"}x", false, 305 * SECOND, NULL, "it is not"},
		{"{\"drill\":\"imminent\"", false, 306 * SECOND, NULL, "it is not"},
		{"[[[[[[[[[[]]]]]]]]]]", false, 307 * SECOND, NULL, "it is not"},
		{"", false, 308 * SECOND, NULL, "it is not"},
		{"{\"drill\":\"imminent\"                                             }", false,
		 309 * SECOND, NULL, "it is not"},
		{"{\"drill\":\"warning\"}", false, 310 * SECOND, "warning", NULL},
	};
	struct command_gate g = {0};
	uint64_t refused = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const char *why = NULL;
		const char *stage = command_take(&g, steps[i].payload, strlen(steps[i].payload),
						 steps[i].is_retained, steps[i].at_us, &why);

		print_message("# %s\n", steps[i].payload);
		if (steps[i].stage) {
			assert_string_equal(stage, steps[i].stage);
			continue;
		}
		assert_null(stage);
		assert_non_null(strstr(why, steps[i].why));
		assert_int_equal(g.refused, ++refused);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
