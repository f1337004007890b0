/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "rig.h"

/* A value that falls at a rate, sampled every step for a while. */
static const struct row {
	const char *name;
	uint64_t step_us, samples;
	int64_t rate;			/* bytes/s, positive: falling */
} steady[] = {
	{ "2 ms apart, 100 MiB/s", 2000, 500, 100 * MIB },
	{ "10 ms apart, 1 MiB/s", 10000, 1000, MIB },
	{ "1 s apart: slower than most windows", 1000000, 20, MIB },
	{ "rising", 10000, 1000, -(int64_t)MIB },
	{ "at rest", 10000, 1000, 0 },
};

static void every_window_finds_a_steady_rate(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(steady); i++) {
		const struct row *r = &steady[i];
		struct trend t;

		SAY(r);
		trend_init(&t);
		for (uint64_t k = 0; k < r->samples; k++) {
			double fallen = (double)r->rate * (double)(k * r->step_us) / 1e6;

			trend_add(&t, 1 + k * r->step_us, (uint64_t)(2e9 - fallen));
		}
		for (int w = 0; w < TREND_WINDOW_COUNT; w++) {
			int64_t have = trend_fall_bytes_per_s(&t, w);

			assert_true(llabs(have - r->rate) <= llabs(r->rate) / 100 + 100);
		}
	}
}

static void too_little_is_no_rate(void **state)
{
	struct trend t;

	(void)state;
	trend_init(&t);
	assert_int_equal(trend_fall_bytes_per_s(&t, TREND_1S), 0);
	trend_add(&t, 1000, MIB);
	assert_int_equal(trend_fall_bytes_per_s(&t, TREND_1S), 0);
}

static void time_that_stands_or_runs_back_is_ignored(void **state)
{
	struct trend t, before;

	(void)state;
	trend_init(&t);
	trend_add(&t, 1000, 3 * MIB);
	trend_add(&t, 2000, 2 * MIB);
	before = t;
	trend_add(&t, 2000, 0);
	trend_add(&t, 1, 0);
	assert_memory_equal(&t, &before, sizeof(t));
}

static void the_short_window_follows_first(void **state)
{
	struct trend t;

	(void)state;
	trend_init(&t);
	for (uint64_t k = 0; k < 100; k++)
		trend_add(&t, 1 + k * 10000, 100 * MIB);
	for (uint64_t k = 100; k < 110; k++)
		trend_add(&t, 1 + k * 10000, 100 * MIB - (k - 99) * MIB);
	assert_true(trend_fall_bytes_per_s(&t, TREND_50MS) > 2 * trend_fall_bytes_per_s(&t, TREND_1S));
}

static void extremes_do_not_break_it(void **state)
{
	struct trend t;

	(void)state;
	trend_init(&t);
	trend_add(&t, 1, 0);
	trend_add(&t, 2, UINT64_MAX);
	trend_add(&t, UINT64_MAX, 0);
	for (int w = 0; w < TREND_WINDOW_COUNT; w++)
		assert_true(llabs(trend_fall_bytes_per_s(&t, w)) < INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_window_finds_a_steady_rate),
		cmocka_unit_test(too_little_is_no_rate),
		cmocka_unit_test(time_that_stands_or_runs_back_is_ignored),
		cmocka_unit_test(the_short_window_follows_first),
		cmocka_unit_test(extremes_do_not_break_it),
	};

	return cmocka_run_group_tests_name("trend", tests, NULL, NULL);
}
