/* SPDX-License-Identifier: MIT */
/* Headroom over time in MiB and ms, and when it is said to end. */
#include <math.h>

#include "rig.h"
#include "judge/estimate.h"

#define FROM_MIB	50.0
#define STEP_MS		10

typedef double (*shape_fn)(double ms);

/* 8 MiB every 400 ms, sinking by 2 MiB/s: at 25 s nothing is left. */
static double sinking(double ms)
{
	return FROM_MIB - ms * 0.002 - 8 * fmod(ms, 400) / 400;
}

static double sinking_fast(double ms)
{
	return FROM_MIB - ms * 0.005 - 6 * fmod(ms, 200) / 200;
}

/* Two thirds of a tooth come back: too little to be breathing. Nothing is left at 8.3 s. */
static double sinking_deep(double ms)
{
	return FROM_MIB - ms * 0.006 - 4.8 * fmod(ms, 400) / 400;
}

static double level(double ms)
{
	return FROM_MIB - 8 * fmod(ms, 400) / 400;
}

static double rising(double ms)
{
	return FROM_MIB - 20 + ms * 0.001 - 8 * fmod(ms, 400) / 400;
}

static double steady(double ms)
{
	return FROM_MIB - ms * 0.010;
}

static double two_teeth(double ms)
{
	return ms < 800 ? sinking(ms) : FROM_MIB - 10;
}

static double then_a_leak(double ms)
{
	return ms < 4000 ? sinking(ms) : sinking(4000) - (ms - 4000) * 0.020;
}

static double then_still(double ms)
{
	return sinking(fmin(ms, 4000));
}

static double small(double ms)
{
	return FROM_MIB - ms * 0.002 - 0.5 * fmod(ms, 100) / 100;
}

static const struct row {
	const char *name;
	shape_fn shape;
	double at_ms, left_ms;		/* 0: it is not to be said */
} rows[] = {
	{ "sinking, after 2 s", sinking, 2000, 19000 },
	{ "sinking, later", sinking, 12000, 9000 },
	{ "sinking, within a tooth", sinking, 12200, 8800 },
	{ "sinking fast", sinking_fast, 3000, 5800 },
	{ "two teeth are chance", two_teeth, 1000, 0 },
	{ "one that does not sink", level, 4000, 0 },
	{ "one that rises", rising, 4000, 0 },
	{ "a leak", steady, 3000, 0 },
	{ "a leak after a saw, deeper than its teeth", then_a_leak, 4600, 0 },
	{ "a saw that has ended", then_still, 8000, 0 },
	{ "breathing of half a MiB", small, 4000, 0 },
};

static void shapes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct saw saw = { 0 };
		double have = FROM_MIB, left_ms;

		SAY(r);
		for (double ms = -1000; ms <= r->at_ms; ms += STEP_MS) {
			have = ms < 0 ? FROM_MIB : r->shape(ms);
			saw_step(&saw, (uint64_t)((ms + 10000) * 1000), (uint64_t)(have * MIB));
		}
		left_ms = (double)saw_left_us(&saw, (uint64_t)((r->at_ms + 10000) * 1000),
					      (uint64_t)(have * MIB)) / 1000;
		print_message("# says %.0f ms\n", left_ms);
		assert_true(left_ms >= r->left_ms * 0.9 && left_ms <= r->left_ms * 1.1);
	}
}

/* The late end of the interval knows; what stages are decided on does not change. */
static void only_the_late_end(void **state)
{
	const struct estimate_policy policy = { 5000, 1024 * MIB };
	struct estimator with, without;
	struct estimate e = { 0 }, plain = { 0 };
	double saw_is_late = 0;

	(void)state;
	estimate_init(&with);
	estimate_init(&without);
	for (double ms = -1000; ms <= 5100; ms += STEP_MS) {
		const struct sample s = {
			.time_us = (uint64_t)((ms + 10000) * 1000), .has = SAMPLE_HAS_MEMORY,
			.total_bytes = RIG_TOTAL,
			.free_bytes = (uint64_t)((ms < 0 ? FROM_MIB : sinking_deep(ms)) * MIB),
		};

		without.saw = (struct saw){ 0 };
		estimate_step(&with, &policy, &s, &e);
		estimate_step(&without, &policy, &s, &plain);
		saw_is_late += e.tte_late_us > plain.tte_late_us;
		assert_true(e.tte_late_us >= plain.tte_late_us || plain.tte_late_us == NEVER_US);
		assert_int_equal(e.tte_us, plain.tte_us);
		assert_int_equal(e.tte_low_us, plain.tte_low_us);
		assert_int_equal(e.tte_early_us, plain.tte_early_us);
	}
	assert_true(saw_is_late > 100);
	print_message("# at the latest %.2f s, without %.2f s\n", (double)e.tte_late_us / 1e6,
		      (double)plain.tte_late_us / 1e6);
	assert_in_range(e.tte_late_us, 3100000, 4200000); /* it is 3.2 s */
	assert_true(plain.tte_late_us < 2500000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes), cmocka_unit_test(only_the_late_end),
	};

	return cmocka_run_group_tests_name("saw", tests, NULL, NULL);
}
