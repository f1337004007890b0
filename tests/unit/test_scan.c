/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/scan.h"
#include "base/units.h"

static void scan_pids(void **state)
{
	static const struct {
		const char *given;
		bool expect;
		int32_t value;
	} rows[] = {
		{"1", true, 1}, {"2147483647", true, INT32_MAX}, {"2147483648", false, 0},
		{"0", false, 0}, {"", false, 0}, {"1x", false, 0}, {"self", false, 0}, {"-1", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int32_t value = 0;

		assert_int_equal(scan_pid(rows[i].given, &value), rows[i].expect);
		assert_int_equal(value, rows[i].value);
	}
}

static void scan_figures(void **state)
{
	static const struct {
		const char *given;
		bool expect;
		uint64_t value;
		size_t left;
	} rows[] = {
		{ "0", true, 0, 0 },
		{ "18446744073709551615", true, UINT64_MAX, 0 },
		{ "18446744073709551616", false, 0, 20 },
		{ "99999999999999999999999", false, 0, 23 },
		{ "007x", true, 7, 1 },
		{ "-1", false, 0, 2 },
		{ "", false, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct scan s = scan_of(rows[i].given, strlen(rows[i].given));
		uint64_t value = 0;

		assert_int_equal(scan_u64(&s, &value), rows[i].expect);
		assert_int_equal(value, rows[i].value);
		assert_int_equal(scan_left(&s), rows[i].left);
	}
	(void)state;
}

static void scan_pieces(void **state)
{
	struct scan s = scan_of("a b\n\n  c\t d", 11), line, word, none;
	char copy[4];

	assert_true(scan_line(&s, &line));
	assert_true(scan_word(&line, &word) && scan_is(&word, "a"));
	assert_true(scan_word(&line, &word) && scan_is(&word, "b"));
	assert_false(scan_word(&line, &word));
	assert_true(scan_line(&s, &line));
	assert_int_equal(scan_left(&line), 0);
	assert_false(scan_line(&s, &line)); /* no newline: cut */
	assert_false(scan_find(&s, "x"));
	assert_true(scan_find(&s, "c\t"));
	assert_true(scan_is(&s, " d"));
	assert_false(scan_skip(&s, " d "));
	assert_false(scan_copy(&s, copy, 2));
	assert_true(scan_copy(&s, copy, 3));
	assert_string_equal(copy, " d");
	none = scan_of(NULL, 0);
	assert_false(scan_line(&none, &line) || scan_word(&none, &word) || scan_find(&none, "x"));
	(void)state;
}

static void scan_decimals(void **state)
{
	static const struct {
		const char *given;
		bool expect;
		uint64_t value;
	} rows[] = {
		{"12", true, 1200},	{"12.3", true, 1230},		  {"12.3456789", true, 1234},
		{"0.05", true, 5},	{".5", false, 0},		  {"7.", true, 700},
		{"x", false, 0},	{"184467440737095517", false, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct scan s = scan_of(rows[i].given, strlen(rows[i].given));
		uint64_t value = 0;

		assert_int_equal(scan_hundredths(&s, &value), rows[i].expect);
		assert_int_equal(value, rows[i].value);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scan_figures),
		cmocka_unit_test(scan_pids),
		cmocka_unit_test(scan_decimals),
		cmocka_unit_test(scan_pieces),
	};

	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
