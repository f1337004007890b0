/* SPDX-License-Identifier: MIT */
/* What others say, before it reaches a terminal: UTF-8 stays, what steers or is none becomes '?'. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl.h"

static void rows(void **state)
{
	static const struct { const char *from, *expect;
	} row[] = {
		{"plain", "plain"},
		{"", ""},
		{"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
		 "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\x1b[31m\x07\n", "?[31m??"},
		{"\x7f", "?"},
		{"\xc2\x9b"
		 "31m",
		 "?31m"},
		{"a\xe2\x80\xae"
		 "b",
		 "a?b"},
		{"\xe2\x81\xa6", "?"},
		{"\xff\xfe", "??"},
		{"\xc3", "?"},
		{"\xe2\x82", "??"},
		{"\x80\x80", "??"},
		{"\xc0\xaf", "??"},
		{"\xe0\x80\xaf", "???"},      /* longer than need be */
		{"\xed\xa0\x80", "???"},      /* a surrogate */
		{"\xf4\x90\x80\x80", "????"}, /* above U+10FFFF */
		{"\xfb\xac\xac\xac", "????"},
		{"\xf8\x88\x80\x80\x80", "?????"}, /* lead bytes of no character */
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		print_clean(text, sizeof(text), row[i].from);
		if (strcmp(text, row[i].expect))
			fail_msg("row %zu: \"%s\"", i, text);
	}
}

/* Cut between characters, and in place. */
static void sizes(void **state)
{
	char text[8] = "\xe2\x82\xac\xe2\x82\xac\x01";

	(void)state;
	print_clean(text, sizeof(text), text);
	assert_string_equal(text, "\xe2\x82\xac\xe2\x82\xac?");
	print_clean(text, 6, text);
	assert_string_equal(text, "\xe2\x82\xac");
	print_clean(text, 1, "x");
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(rows), cmocka_unit_test(sizes) };

	return cmocka_run_group_tests_name("clean", tests, NULL, NULL);
}
