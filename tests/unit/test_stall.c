/* SPDX-License-Identifier: MIT */
#include <limits.h>

#include "rig.h"

#define S	US_PER_S
#define MS	US_PER_MS

static const struct stall_policy policy = { .permyriad = 8000, .window_us = 10 * S };

/* So long, in steps of so much, so much of each stalled by PSI, late, delayed. */
static const struct row {
	const char *name;
	uint64_t for_us, step_us;
	uint32_t full_percent, late_percent, delay_percent;
	bool is_without_full;
	uint32_t least_permyriad, most_permyriad;
	bool expect;
} rows[] = {
	{ "nothing", 20 * S, 20 * MS, 0, 0, 0, false, 0, 0, false },
	{ "all of it", 20 * S, 20 * MS, 100, 0, 0, false, 8700, 10000, true },
	{ "all of it, for half the window", 5 * S, 20 * MS, 100, 0, 0, false, 4900, 5000, false },
	{ "all of it, just long enough", 8100 * MS, 20 * MS, 100, 0, 0, false, 8000, 8100, true },
	{ "a scan with zram: 55 %", 30 * S, 20 * MS, 55, 0, 0, false, 4700, 5500, false },
	{ "seldom looked at, all of it", 40 * S, 2 * S, 100, 0, 0, false, 8000, 10000, true },
	{ "no PSI, the reader always late", 20 * S, 500 * MS, 0, 100, 0, true, 8700, 10000, true },
	{ "no PSI, late by less than counts", 20 * S, 90 * MS, 0, 100, 0, true, 0, 0, false },
	{ "clients delayed", 20 * S, 20 * MS, 0, 0, 95, false, 8000, 9500, true },
	{ "the worst counts, not the sum", 20 * S, 200 * MS, 50, 60, 70, false, 6000, 7000, false },
	{ "one look after an hour late: all of it", 3600 * S, 3600 * S, 0, 100, 0, true, 8700, 10000, true },
};

static void each_row(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct stall_reading r = { .now_us = 50 * S, .has_full = !row->is_without_full,
	  .full_us = 7 };
		struct stall s;
		uint32_t have;

		SAY(row);
		stall_init(&s);
		r.late_us = row->is_without_full ? LONG_MAX : 0; /* the first one only begins */
		stall_step(&s, &policy, &r);
		for (uint64_t t = 0; t < row->for_us; t += row->step_us) {
			r.now_us += row->step_us;
			r.full_us += row->step_us / 100 * row->full_percent;
			r.late_us = row->step_us / 100 * row->late_percent;
			r.delay_permyriad = row->delay_percent * 100;
			stall_step(&s, &policy, &r);
		}
		have = stall_permyriad(&s, &policy);
		assert_in_range(have, row->least_permyriad, row->most_permyriad);
		assert_int_equal(stall_is(&s, &policy), row->expect);
	}
}

static void it_passes(void **state)
{
	struct stall_reading r = { .now_us = 1 * S, .has_full = true };
	struct stall s;

	(void)state;
	stall_init(&s);
	for (unsigned i = 0; i < 1000; i++, r.now_us += 20 * MS, r.full_us += 20 * MS)
		stall_step(&s, &policy, &r);
	assert_true(stall_is(&s, &policy));
	for (unsigned i = 0; i < 150; i++, r.now_us += 20 * MS)
		stall_step(&s, &policy, &r);
	assert_false(stall_is(&s, &policy));
	for (unsigned i = 0; i < 500; i++, r.now_us += 20 * MS)
		stall_step(&s, &policy, &r);
	assert_int_equal(stall_permyriad(&s, &policy), 0);
}

/* Counters that go back, time that stands, a policy that is off or was changed. */
static void odd_readings_do_no_harm(void **state)
{
	struct stall_reading r = { .now_us = 1 * S, .has_full = true, .full_us = 5000 * S };
	const struct stall_policy off = { 0, 10 * S }, tiny = { 8000, 3 }, none = { 8000, 0 };
	struct stall s;

	(void)state;
	stall_init(&s);
	stall_step(&s, &policy, &r);
	r.full_us = 1;
	r.now_us += S;
	stall_step(&s, &policy, &r);
	assert_int_equal(stall_permyriad(&s, &policy), 0);
	stall_step(&s, &policy, &r); /* the same moment again */
	r.now_us -= S;
	stall_step(&s, &policy, &r);
	r.now_us += 100 * S;
	r.full_us += 1000 * S; /* more than there was time */
	stall_step(&s, &policy, &r);
	assert_true(stall_permyriad(&s, &policy) <= PERMYRIAD);
	assert_false(stall_is(&s, &off));
	assert_int_equal(stall_permyriad(&s, &none), 0);
	for (unsigned i = 0; i < 100; i++, r.now_us += MS)
		stall_step(&s, &tiny, &r);
}

/* Who was ended may have been the reason: it is looked at anew, for as long as before. */
static void an_end_begins_it_anew(void **state)
{
	const struct estimate_policy p = { 5000, 1024 * MIB, policy };
	struct sample a = {
		.time_us = S, .has = SAMPLE_HAS_MEMORY | SAMPLE_HAS_PRESSURE, .total_bytes = RIG_TOTAL,
		.free_bytes = 8 * MIB, .file_bytes = 2 * MIB, .reserve_bytes = MIB,
	};
	struct estimator e;
	struct estimate now;

	(void)state;
	estimate_init(&e);
	for (unsigned i = 0; i < 500; i++, a.time_us += 20 * MS, a.memory_full_us += 20 * MS)
		estimate_step(&e, &p, &a, &now);
	assert_true(now.distress & DISTRESS_STALL);
	assert_int_equal(now.memory_bytes, 9 * MIB);
	estimate_forget_stall(&e, &now);
	assert_false(now.distress & DISTRESS_STALL);
	for (unsigned i = 0; i < 350; i++, a.time_us += 20 * MS, a.memory_full_us += 20 * MS)
		estimate_step(&e, &p, &a, &now);
	assert_false(now.distress & DISTRESS_STALL);
	for (unsigned i = 0; i < 100; i++, a.time_us += 20 * MS, a.memory_full_us += 20 * MS)
		estimate_step(&e, &p, &a, &now);
	assert_true(now.distress & DISTRESS_STALL);
}

/* Little memory beside it, whatever swap is free; else it is somebody behind a limit of its own. */
static void what_follows_of_it(void **state)
{
	static const struct {
		const char *name;
		uint64_t memory_mib, headroom_mib;
		enum stage_word expect;
	} stages[] = {
		{ "little memory, much swap", 6, 60, STAGE_SHUTDOWN },
		{ "at twice the floor of warning", 26, 60, STAGE_NORMAL },
		{ "below it", 25, 60, STAGE_SHUTDOWN },
		{ "plenty of both", 60, 60, STAGE_NORMAL },
	};
	const struct stage_policy p = rig_policy().stage;
	const struct stage_lead lead = { { 0, 3 * S, 2 * S, S } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(stages); i++) {
		const struct estimate e = {
			.time_us = S, .total_bytes = RIG_TOTAL, .distress = DISTRESS_STALL,
			.headroom_bytes = stages[i].headroom_mib * MIB,
			.memory_bytes = stages[i].memory_mib * MIB,
			.tte_us = NEVER_US, .tte_low_us = NEVER_US,
		};
		struct stage_change change;
		struct stage s;

		SAY(&stages[i]);
		stage_init(&s, 1);
		(void)stage_step(&s, &p, &lead, &e, &change);
		assert_int_equal(s.now, stages[i].expect);
		assert_int_equal(stage_is_stalled(&p, &e), stages[i].expect == STAGE_SHUTDOWN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row), cmocka_unit_test(it_passes),
		cmocka_unit_test(odd_readings_do_no_harm), cmocka_unit_test(an_end_begins_it_anew),
		cmocka_unit_test(what_follows_of_it),
	};

	return cmocka_run_group_tests_name("stall", tests, NULL, NULL);
}
