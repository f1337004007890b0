/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/units.h"

static void the_tail_of_a_long_name(void **state)
{
	static const struct {
		const char *from;
		size_t size;
		const char *expect;
	} rows[] = {
		{ "", 4, "" },
		{ "abc", 4, "abc" },
		{ "abcd", 4, "..." },
		{ "/system.slice/logger", 8, "...gger" },
		{ "exactly7", 9, "exactly7" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		char have[16];

		memset(have, 'x', sizeof(have));
		text_copy_tail(have, rows[i].size, rows[i].from);
		assert_string_equal(have, rows[i].expect);
		assert_int_equal(have[rows[i].size], 'x');
	}
}

static void bytes_for_people(void **state)
{
	static const struct {
		uint64_t given;
		const char *expect;
	} rows[] = {
		{ 0, "0 B" },
		{ 812, "812 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" },
		{ 12 * MIB + 300 * KIB, "12.3 MiB" },
		{ 99 * MIB + 972 * KIB, "99.9 MiB" },
		{ 100 * MIB - 1, "100 MiB" },
		{ 512 * MIB, "512 MiB" },
		{ 1023 * KIB + 1023, "1.0 MiB" },
		{ 1023 * MIB + 400 * KIB, "1023 MiB" },
		{ 1024 * MIB - 1, "1.0 GiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char buffer[64];
	struct text t;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		text_init(&t, buffer, sizeof(buffer));
		text_add_bytes(&t, rows[i].given);
		assert_string_equal(buffer, rows[i].expect);
		assert_false(t.cut);
	}
	(void)state;
}

static void times_for_people(void **state)
{
	static const struct {
		uint64_t given;
		const char *expect;
	} rows[] = {
		{ 0, "0 us" },
		{ 999, "999 us" },
		{ 1000, "1 ms" },
		{ 140 * US_PER_MS, "140 ms" },
		{ 999499, "999 ms" },
		{ 999500, "1.0 s" },
		{ 2340 * US_PER_MS, "2.3 s" },
		{ 59949999, "59.9 s" },
		{ 59950000, "1 min 0 s" },
		{ 200 * US_PER_S, "3 min 20 s" },
		{ 7500 * US_PER_S, "2 h 5 min" },
		{ 273600 * US_PER_S, "3 d 4 h" },
		{ NEVER_US - 1, "213503982 d 8 h" },
		{ NEVER_US, "never" },
	};
	char buffer[64];
	struct text t;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		text_init(&t, buffer, sizeof(buffer));
		text_add_us(&t, rows[i].given);
		assert_string_equal(buffer, rows[i].expect);
	}
	(void)state;
}

/* Whatever the size: NUL-terminated, a true prefix, `cut` says so, nothing behind the end. */
static void cut_at_every_size(void **state)
{
	const char *whole = "headroom 12.3 MiB in 2.3 s";

	for (size_t size = 0; size <= strlen(whole) + 2; size++) {
		char buffer[64];
		struct text t;

		memset(buffer, '#', sizeof(buffer));
		text_init(&t, buffer, size);
		text_add(&t, "headroom ");
		text_add_bytes(&t, 12 * MIB + 300 * KIB);
		text_add(&t, " in %s", "");
		text_add_us(&t, 2340 * US_PER_MS);
		assert_int_equal(t.cut, size <= strlen(whole));
		assert_int_equal(buffer[size], '#');
		if (!size)
			continue;
		assert_int_equal(t.used, strlen(buffer));
		assert_memory_equal(buffer, whole, t.used);
		if (!t.cut)
			assert_string_equal(buffer, whole);
	}
	(void)state;
}

/* Once cut, a shorter piece must not slip in behind the hole. */
static void nothing_follows_a_cut(void **state)
{
	char buffer[8];
	struct text t;

	text_init(&t, buffer, sizeof(buffer));
	text_add(&t, "123456789");
	text_add(&t, "x");
	assert_string_equal(buffer, "1234567");
	assert_int_equal(t.used, 7);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tail_of_a_long_name),
		cmocka_unit_test(bytes_for_people),
		cmocka_unit_test(times_for_people),
		cmocka_unit_test(cut_at_every_size),
		cmocka_unit_test(nothing_follows_a_cut),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
