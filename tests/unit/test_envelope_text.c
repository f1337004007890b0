/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../sim/dice.h"
#include "envelope_text.h"

static const struct row {
	const char *name, *from;
	size_t size;
	const char *expect;
} rows[] = {
	{"plain", "memory is short", 64, "memory is short"},
	{"empty", "", 64, ""},
	{"no room at all", "abc", 1, ""},
	{"cut", "abcdef", 4, "abc"},
	{"fits just", "abc", 4, "abc"},
	{"line ends and tabulators", "a\tb\nc\r", 64, "a b c "},
	{"terminal controls", "a\033[31m\007\177z", 64, "a?[31m??z"},
	{"C1 controls",
	 "a\xc2\x9b"
	 "31m",
	 64, "a?31m"},
	{"two, three, four bytes", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xa9", 64,
	 "\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xa9"},
	{"no character is cut", "a\xe2\x82\xac", 4, "a"},
	{"a lone continuation", "a\x80z", 64, "a?z"},
	{"a beginning alone", "a\xe2\x82", 64, "a??"},
	{"a beginning, then a letter", "\xe2\x82z", 64, "??z"},
	{"overlong", "\xc0\xaf\xe0\x80\xaf", 64, "?????"},
	{"half of a surrogate pair", "\xed\xa0\x80", 64, "???"},
	{"beyond Unicode", "\xf4\x90\x80\x80\xf5", 64, "?????"},
	{"the last of Unicode", "\xf4\x8f\xbf\xbf", 64, "\xf4\x8f\xbf\xbf"},
	{"Latin-1", "f\xfcr", 64, "f?r"},
};

static void cleans(void **state)
{
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("# %s\n", rows[i].name);
		assert_int_equal(envelope_text_clean(rows[i].from, out, rows[i].size),
				 strlen(rows[i].expect));
		assert_string_equal(out, rows[i].expect);
	}
}

static const struct fit_row {
	const char *name, *clean;
	size_t bytes;
	const char *expect;
} fit_rows[] = {
	{ "fits", "abc", 3, "abc" },
	{ "does not", "abcdef", 5, "ab..." },
	{ "dots alone", "abcdef", 3, "..." },
	{ "not even dots", "abcdef", 2, "" },
	{ "nothing", "abcdef", 0, "" },
	{ "quotes take two", "\"\"\"\"", 8, "\"\"\"\"" },
	{ "one too many: what is cut is shorter than the dots", "\"\"\"\"", 7, "\"\"" },
	{ "backslashes", "\\\\\\\\\\\\\\\\", 9, "\\\\\\..." },
	{ "between two characters", "a\xe2\x82\xac\xe2\x82\xac", 6, "a..." },
};

static void fits(void **state)
{
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(fit_rows) / sizeof(fit_rows[0]); i++) {
		print_message("# %s\n", fit_rows[i].name);
		strcpy(out, fit_rows[i].clean);
		envelope_text_fit(out, fit_rows[i].bytes);
		assert_string_equal(out, fit_rows[i].expect);
		assert_true(envelope_text_json_bytes(out) <= fit_rows[i].bytes);
	}
}

/* Any bytes, any room: what comes out is no longer than asked for, and clean already. */
static void anything(void **state)
{
	struct dice dice = { 3 };
	char from[40], once[40], twice[40];

	(void)state;
	for (int run = 0; run < 50000; run++) {
		const size_t size = 1 + dice_below(&dice, sizeof(once)), room = dice_below(&dice, 50);

		for (size_t i = 0; i < sizeof(from) - 1; i++)
			from[i] = (char)(dice_below(&dice, 3) ? 0x80 + dice_below(&dice, 0x80)
							      : dice_below(&dice, 256));
		from[sizeof(from) - 1] = '\0';
		assert_true(envelope_text_clean(from, once, size) < size);
		envelope_text_fit(once, room);
		assert_true(envelope_text_json_bytes(once) <= room);
		(void)envelope_text_clean(once, twice, sizeof(twice));
		assert_string_equal(once, twice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleans),
		cmocka_unit_test(fits),
		cmocka_unit_test(anything),
	};

	return cmocka_run_group_tests_name("envelope_text", tests, NULL, NULL);
}
