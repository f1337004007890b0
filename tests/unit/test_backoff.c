/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backoff.h"

#define S	UINT64_C(1000000)

static const struct row {
	const char *name;
	struct backoff given;
	uint64_t random;
	uint64_t least_us, most_us;
} rows[] = {
	{"the first, the lowest number: not at once", {S, 600 * S, 0}, 0, S / 10, S / 10},
	{"the first, the highest number: below the first pause",
	 {S, 600 * S, 0},
	 UINT64_MAX,
	 S - 1,
	 S - 1},
	{"the fourth, in the middle of 8 s",
	 {S, 600 * S, 3},
	 UINT64_MAX / 2,
	 4 * S + S / 20 - 1,
	 4 * S + S / 20},
	{"not above the last", {S, 600 * S, 30}, UINT64_MAX, 600 * S - 1, 600 * S - 1},
	{"for years", {S, 600 * S, UINT32_MAX - 1}, UINT64_MAX, 600 * S - 1, 600 * S - 1},
	{"doubling would pass the last by a little",
	 {3 * S, 10 * S, 2},
	 UINT64_MAX,
	 10 * S - 1,
	 10 * S - 1},
	{"always the same", {S, S, 9}, UINT64_MAX / 2, S / 2 + S / 20 - 1, S / 2 + S / 20},
	{"the largest numbers",
	 {UINT64_MAX, UINT64_MAX, 40},
	 UINT64_MAX,
	 UINT64_MAX - 1,
	 UINT64_MAX - 1},
	{"the smallest numbers", {1, 1, 0}, UINT64_MAX, 0, 0},
};

static void each_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct backoff b = rows[i].given;
		const uint64_t pause_us = backoff_next(&b, rows[i].random);

		print_message("# %s\n", rows[i].name);
		assert_true(pause_us >= rows[i].least_us && pause_us <= rows[i].most_us);
		assert_int_equal(b.attempts, rows[i].given.attempts + 1);
		backoff_reset(&b);
		assert_int_equal(b.attempts, 0);
	}
}

/* A moment at which more come than at others is a crowd of its own: 50 ms of the first window. */
static void none_come_at_once(void **state)
{
	enum { DEVICES = 10000, PARTS = 20 };
	uint32_t in_part[PARTS] = { 0 };

	(void)state;
	for (uint64_t i = 0; i < DEVICES; i++) {
		struct backoff b = { S, 600 * S, 0 };

		in_part[backoff_next(&b, i * (UINT64_MAX / DEVICES)) * PARTS / S]++;
	}
	for (int i = 2; i < PARTS; i++)
		assert_in_range(in_part[i], DEVICES / (PARTS - 2) - 1, DEVICES / (PARTS - 2) + 1);
}

/* Of ten thousand that lost the same server each tenth of the window gets its share. */
static void a_herd_is_spread(void **state)
{
	enum { DEVICES = 10000, PARTS = 10 };
	uint32_t in_part[PARTS] = { 0 };
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < DEVICES; i++) {
		struct backoff b = { S, 600 * S, 6 };

		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		in_part[backoff_next(&b, random) * PARTS / (64 * S)]++;
	}
	for (int i = 0; i < PARTS; i++)
		assert_in_range(in_part[i], DEVICES / PARTS * 8 / 10, DEVICES / PARTS * 12 / 10);
}

static void the_first_attempt_is_within_the_window(void **state)
{
	(void)state;
	assert_int_equal(backoff_spread(0, UINT64_MAX), 0);
	assert_int_equal(backoff_spread(60 * S, 0), 0);
	assert_int_equal(backoff_spread(60 * S, UINT64_MAX), 60 * S - 1);
	assert_int_equal(backoff_spread(60 * S, UINT64_C(1) << 63), 30 * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row),
		cmocka_unit_test(none_come_at_once),
		cmocka_unit_test(a_herd_is_spread),
		cmocka_unit_test(the_first_attempt_is_within_the_window),
	};

	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
