/* SPDX-License-Identifier: MIT */
/*
 * Shapes of use over time, through the whole estimator: what it says of each, and when. Time in ms,
 * memory in MiB of headroom.
 */
#include "rig.h"

#include <math.h>

#include "judge/estimate.h"

#define FROM_MIB	60.0
#define STEP_MS		10

/* Headroom at a time, in MiB. */
typedef double (*shape_fn)(double ms);

static double steady(double ms)
{
	return FROM_MIB - ms * 0.010; /* 10 MiB/s */
}

static double slow(double ms)
{
	return FROM_MIB - ms * 0.002;
}

static double accelerating(double ms)
{
	return FROM_MIB - 2 * (exp2(ms / 1000) - 1) / M_LN2; /* 2 MiB/s, doubles every second */
}

static double staircase(double ms)
{
	return FROM_MIB - 4 * floor(ms / 500 + 1);
}

static double collector(double ms)
{
	return FROM_MIB - 12 * fmod(ms, 800) / 800;
}

static double burst_then_plateau(double ms)
{
	return ms < 10 ? FROM_MIB : FROM_MIB - 20;
}

static double burst_and_free(double ms)
{
	return fmod(ms, 1000) < 50 ? FROM_MIB - 15 : FROM_MIB;
}

static double reclaimed(double ms)
{
	return steady(ms) + (ms > 1500 ? 5 : 0); /* the kernel drops 5 MiB of cache */
}

static double joined(double ms)
{
	return steady(ms) - (ms > 1000 ? (ms - 1000) * 0.020 : 0);
}

static double stops(double ms)
{
	return steady(fmin(ms, 2000));
}

static double flat(double ms)
{
	return FROM_MIB - (fmod(ms, 20) < 10 ? 0.05 : 0);
}

enum says { SAYS_NEVER, SAYS_ABOUT, SAYS_AT_LEAST_BOUND };

static const struct row {
	const char *name;
	shape_fn shape;
	double at_ms;
	enum says says;
	double error;			/* SAYS_ABOUT: factor that is allowed */
} rows[] = {
	{ "steady, after 0.5 s", steady, 500, SAYS_ABOUT, 1.1 },
	{ "steady, later", steady, 4000, SAYS_ABOUT, 1.1 },
	{ "slow, after 5 s", slow, 5000, SAYS_ABOUT, 1.1 },
	{ "accelerating: the bound sees it", accelerating, 3000, SAYS_AT_LEAST_BOUND, 1.6 },
	{ "accelerating, near the end", accelerating, 4000, SAYS_AT_LEAST_BOUND, 1.3 },
	{ "staircase, after six steps", staircase, 3010, SAYS_ABOUT, 1.4 },
	{ "staircase, between two steps", staircase, 3400, SAYS_ABOUT, 1.6 },
	{ "a collector's saw, tenth tooth", collector, 7700, SAYS_NEVER, 0 },
	{ "a burst, at once", burst_then_plateau, 20, SAYS_NEVER, 0 },
	{ "a burst, held", burst_then_plateau, 400, SAYS_NEVER, 0 },
	{ "a burst that was freed", burst_and_free, 3500, SAYS_NEVER, 0 },
	{ "a burst that comes again", burst_and_free, 4030, SAYS_NEVER, 0 },
	{ "reclaim gave memory back", reclaimed, 3000, SAYS_ABOUT, 1.3 },
	{ "a second leak has joined", joined, 2000, SAYS_AT_LEAST_BOUND, 1.3 },
	{ "the leak has stopped", stops, 3300, SAYS_NEVER, 0 },
	{ "breathing by 50 KiB", flat, 3000, SAYS_NEVER, 0 },
};

static double end_ms(shape_fn shape)
{
	double ms = 0;

	while (ms < 1e6 && shape(ms) > 0)
		ms++;
	return ms;
}

static void shapes(void **state)
{
	const struct estimate_policy policy = { 5000, 1024 * MIB };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct estimator estimator;
		struct estimate e = { 0 };
		double truth_us;

		SAY(r);
		estimate_init(&estimator);
		for (double ms = -2000; ms <= r->at_ms; ms += STEP_MS) {
			double have = ms < 0 ? FROM_MIB : r->shape(ms);
			const struct sample s = {
				.time_us = (uint64_t)((ms + 10000) * 1000), .has = SAMPLE_HAS_MEMORY,
				.total_bytes = RIG_TOTAL, .free_bytes = (uint64_t)(have * MIB),
			};

			estimate_step(&estimator, &policy, &s, &e);
		}
		truth_us = (end_ms(r->shape) - r->at_ms) * 1000;
		print_message("# says %.3f s (%.3f to %.3f, at worst %.3f), it is %.3f s\n",
			      (double)e.tte_us / 1e6, (double)e.tte_early_us / 1e6,
			      (double)e.tte_late_us / 1e6, (double)e.tte_low_us / 1e6, truth_us / 1e6);
		if (r->says == SAYS_NEVER) {
			assert_int_equal(e.tte_us, NEVER_US);
			continue;
		}
		assert_true(e.tte_us != NEVER_US && e.tte_low_us <= e.tte_us);
		assert_true(e.tte_early_us <= e.tte_us && e.tte_us <= e.tte_late_us);
		assert_true((double)e.tte_low_us < truth_us * r->error);
		if (r->says == SAYS_ABOUT)
			assert_true((double)e.tte_us > truth_us / r->error &&
				    (double)e.tte_us < truth_us * r->error);
	}
}

/* However short the burst is and wherever the samples fall, two looks at it are needed. */
static void bursts_at_any_phase(void **state)
{
	const struct estimate_policy policy = { 5000, 1024 * MIB };

	(void)state;
	for (uint64_t phase_us = 0; phase_us < 25000; phase_us += 500) {
		struct estimator estimator;
		struct estimate e = { 0 };
		uint64_t at_us = US_PER_S;

		estimate_init(&estimator);
		for (unsigned i = 0; i < 200; i++) {
			double ms = (double)at_us / 1000 - 2000 - (double)phase_us / 1000;
			double used = ms < 0 ? 0 : fmin(ms, 3); /* 3 MiB at 1 GiB/s, held */
			const struct sample s = {
				.time_us = at_us, .has = SAMPLE_HAS_MEMORY, .total_bytes = RIG_TOTAL,
				.free_bytes = (uint64_t)((FROM_MIB - used) * MIB),
			};

			estimate_step(&estimator, &policy, &s, &e);
			assert_int_equal(e.tte_us, NEVER_US);
			at_us += e.is_suspect ? 4000 : 25000;
		}
	}
}

/* What a first fall of so much teaches about a second one. */
enum back { BACK_BY_ITSELF, BACK_BY_US, BACK_BY_KERNEL, BACK_GIVEN, BACK_GIVEN_TOLD_LATER, BACK_BOASTED };

static const struct usual_row {
	const char *name;
	enum back back;
	double depth, given;		/* MiB of the first fall; of it a client's */
	double warned;			/* the second one is foreseen after so many MiB, at the latest */
	double calm;			/* ... and not before so many */
} usual_rows[] = {
	{ "a breath is learned", BACK_BY_ITSELF, 20, 0, 26, 24 },
	{ "a deep one is never usual", BACK_BY_ITSELF, 50, 0, 31, 29 },
	{ "leak, ended, same leak", BACK_BY_US, 50, 0, 5, 0 },
	{ "leak, ended by the kernel, same leak", BACK_BY_KERNEL, 50, 0, 5, 0 },
	{ "leak, flushed, same leak", BACK_GIVEN, 20, 20, 5, 0 },
	{ "leak, flushed, told a little later", BACK_GIVEN_TOLD_LATER, 20, 20, 5, 0 },
	{ "a breath, and a small gift", BACK_GIVEN_TOLD_LATER, 20, 4, 21, 19 },
	{ "a gift that was none", BACK_BOASTED, 20, 1e9, 5, 0 },
};

struct usual_run {
	struct estimator estimator;
	struct estimate e;
	uint64_t now_us, kills;
};

static void usual_sample(struct usual_run *u, double have)
{
	const struct estimate_policy policy = { 5000, 1024 * MIB };
	const struct sample s = {
		.time_us = u->now_us, .has = SAMPLE_HAS_MEMORY | SAMPLE_HAS_VMSTAT,
		.total_bytes = RIG_TOTAL, .free_bytes = (uint64_t)(have * MIB), .oom_kills = u->kills,
	};

	estimate_step(&u->estimator, &policy, &s, &u->e);
	u->now_us += STEP_MS * 1000;
}

static void first_fall(struct usual_run *u, const struct usual_row *r)
{
	uint64_t asked_us;
	double have;

	for (have = FROM_MIB; have > FROM_MIB - r->depth; have -= 0.1)
		usual_sample(u, have);
	asked_us = u->now_us;
	u->estimator.is_ours = r->back == BACK_BY_US;
	u->kills += r->back == BACK_BY_KERNEL;
	if (r->back == BACK_GIVEN || r->back == BACK_BOASTED)
		fall_given(&u->estimator.fall, (uint64_t)(r->given * MIB), asked_us);
	for (; have < FROM_MIB - 1; have += 1)
		usual_sample(u, have);
	if (r->back == BACK_GIVEN_TOLD_LATER)
		fall_given(&u->estimator.fall, (uint64_t)(r->given * MIB), asked_us);
	u->estimator.is_ours = false;
	for (int i = 0; i < 400; i++)
		usual_sample(u, FROM_MIB);
}

static void usual(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(usual_rows); i++) {
		const struct usual_row *r = &usual_rows[i];
		struct usual_run u = { .now_us = 10 * US_PER_S };
		double fallen = 0;

		SAY(r);
		estimate_init(&u.estimator);
		for (int k = 0; k < 200; k++)
			usual_sample(&u, FROM_MIB);
		first_fall(&u, r);
		while (u.e.tte_us == NEVER_US && fallen < FROM_MIB) {
			fallen += 0.1;
			usual_sample(&u, FROM_MIB - fallen);
		}
		print_message("# foreseen after %.1f MiB\n", fallen);
		assert_true(fallen >= r->calm && fallen <= r->warned);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes), cmocka_unit_test(bursts_at_any_phase),
		cmocka_unit_test(usual),
	};

	return cmocka_run_group_tests_name("fall", tests, NULL, NULL);
}
