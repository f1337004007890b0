/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sense/trace.h"

#define HEADER                                                                                     \
	"t_ms,memavail,memfree,cached,active_file,inactive_file,swapfree,allocstall,oom_kill,"     \
	"hog_kb,wm_min,zfree\n"
#define ROWS HEADER							\
	"-490.001,74232,72244,2916,28,84,0,115,4,0,4756,72244\n"	\
	"0.500,70000,60000,2916,20,80,0,116,4,1024,1572,60000\n"	\
	"380.000,6700,1900,2844,12,8,0,140,5,70080,1572,1900\n"

static void rows_become_samples(void **state)
{
	static const struct sample expect[] = {
		{ .time_us = 9510000, .free_bytes = 72244 * KIB, .file_bytes = 112 * KIB,
		  .reserve_bytes = 4756 * KIB, .direct_reclaims = 115, .oom_kills = 4 },
		{ .time_us = 10000500, .free_bytes = 60000 * KIB, .file_bytes = 100 * KIB,
		  .reserve_bytes = 1572 * KIB, .direct_reclaims = 116, .oom_kills = 4 },
		{ .time_us = 10380000, .free_bytes = 1900 * KIB, .file_bytes = 20 * KIB,
		  .reserve_bytes = 1572 * KIB, .direct_reclaims = 140, .oom_kills = 5 },
	};
	struct sample s;
	struct trace t;

	assert_int_equal(trace_open(&t, ROWS, strlen(ROWS), 128 * MIB), 0);
	for (size_t i = 0; i < ARRAY_LEN(expect); i++) {
		assert_int_equal(trace_next(&t, &s), 0);
		assert_int_equal(s.time_us, expect[i].time_us);
		assert_int_equal(s.free_bytes, expect[i].free_bytes);
		assert_int_equal(s.file_bytes, expect[i].file_bytes);
		assert_int_equal(s.reserve_bytes, expect[i].reserve_bytes);
		assert_int_equal(s.direct_reclaims, expect[i].direct_reclaims);
		assert_int_equal(s.oom_kills, expect[i].oom_kills);
		assert_int_equal(s.total_bytes, 128 * MIB);
		assert_int_equal(s.has, SAMPLE_HAS_MEMORY | SAMPLE_HAS_RESERVE | SAMPLE_HAS_VMSTAT);
	}
	assert_int_equal(t.hog_bytes, 70080 * KIB);
	assert_int_equal(t.row, 4);
	assert_int_equal(trace_next(&t, &s), -ENODATA);
	(void)state;
}

static void order_of_columns_is_free(void **state)
{
	const char *text = "swapfree,inactive_file,wm_min,active_file,memfree,t_ms\n"
			   "100,1,2,3,4,5\n50,1,2,3,4,6.25\n";
	struct sample s;
	struct trace t;

	assert_int_equal(trace_open(&t, text, strlen(text), MIB), 0);
	assert_int_equal(trace_next(&t, &s), 0);
	assert_int_equal(s.free_bytes, 4 * KIB);
	assert_int_equal(s.file_bytes, 4 * KIB);
	assert_int_equal(s.reserve_bytes, 2 * KIB);
	assert_int_equal(s.has, SAMPLE_HAS_MEMORY | SAMPLE_HAS_RESERVE | SAMPLE_HAS_SWAP);
	assert_int_equal(trace_next(&t, &s), 0);
	assert_int_equal(s.time_us, TRACE_ZERO_US + 6250);
	assert_int_equal(s.swap_free_bytes, 50 * KIB);
	assert_int_equal(s.swap_total_bytes, 100 * KIB);
	(void)state;
}

static void bad_input(void **state)
{
	static const struct {
		const char *name, *given;
		int open, next;
	} rows[] = {
		{"empty", "", -ENODATA, 0},
		{"no newline", "t_ms,memfree", -ENODATA, 0},
		{"column missing", "t_ms,memfree,active_file\n", -EINVAL, 0},
		{"no rows", HEADER, 0, -ENODATA},
		{"short row", HEADER "0,1,2\n", 0, -EINVAL},
		{"long row", HEADER "0,1,2,3,4,5,6,7,8,9,10,11,12\n", 0, -EINVAL},
		{"no figure", HEADER "0,1,x,3,4,5,6,7,8,9,10,11\n", 0, -EINVAL},
		{"figure overflows", HEADER "0,1,18446744073709551615,3,4,5,6,7,8,9,10,11\n", 0,
		 -EINVAL},
		{"sum would overflow",
		 HEADER "0,1,2,3,9007199254740993,9007199254740993,6,7,8,9,10,11\n", 0, -EINVAL},
		{"too early", HEADER "-10000.01,1,2,3,4,5,6,7,8,9,10,11\n", 0, -EINVAL},
		{"time overflows", HEADER "18446744073709551.00,1,2,3,4,5,6,7,8,9,10,11\n", 0,
		 -EINVAL},
		{"cut row", HEADER "0,1,2,3,4,5,6,7,8,9,10,11", 0, -ENODATA},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sample s;
		struct trace t;
		int r = trace_open(&t, rows[i].given, strlen(rows[i].given), MIB);

		if (r != rows[i].open)
			fail_msg("%s: open %d", rows[i].name, r);
		r = r ? rows[i].next : trace_next(&t, &s);
		if (r != rows[i].next)
			fail_msg("%s: next %d", rows[i].name, r);
	}
	(void)state;
}

static void cut_at_every_byte(void **state)
{
	for (size_t size = 0; size <= strlen(ROWS); size++) {
		char *exact = malloc(size + !size);
		struct sample s;
		struct trace t;
		size_t rows = 0, newlines = 0;

		assert_non_null(exact);
		memcpy(exact, ROWS, size);
		for (size_t i = 0; i < size; i++)
			newlines += exact[i] == '\n';
		if (trace_open(&t, exact, size, MIB) == 0) {
			while (trace_next(&t, &s) == 0)
				rows++;
			assert_int_equal(rows, newlines - 1);
		} else {
			assert_int_equal(newlines, 0);
		}
		free(exact);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_become_samples),
		cmocka_unit_test(order_of_columns_is_free),
		cmocka_unit_test(bad_input),
		cmocka_unit_test(cut_at_every_byte),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
