/* SPDX-License-Identifier: MIT */
#include "rig.h"

static const struct estimate_policy policy = { 5000, 1024 * MIB };

static struct sample sample_at(uint64_t time_us, uint64_t free_bytes)
{
	return (struct sample){
		.time_us = time_us, .has = SAMPLE_HAS_MEMORY, .total_bytes = RIG_TOTAL,
		.free_bytes = free_bytes,
	};
}

static const struct row {
	const char *name;
	struct sample given;
	uint64_t expect;
} headrooms[] = {
	{ "free and file pages count", { .free_bytes = 10 * MIB, .file_bytes = 5 * MIB }, 15 * MIB },
	{ "what the kernel keeps does not", { .free_bytes = 10 * MIB, .reserve_bytes = 4 * MIB }, 6 * MIB },
	{ "never negative", { .free_bytes = MIB, .reserve_bytes = 4 * MIB }, 0 },
	{ "swap counts by half", { .has = SAMPLE_HAS_SWAP, .swap_free_bytes = 10 * MIB }, 5 * MIB - 2880 },
	{ "swap that was not read does not", { .swap_free_bytes = 10 * MIB }, 0 },
	{ "MemAvailable is not asked", { .available_bytes = 99 * MIB }, 0 },
	{ "what ZFS can give back counts", { .free_bytes = MIB, .arc_bytes = 9 * MIB }, 10 * MIB },
	{ "zram that may take no more is full, whatever swap says",
	  { .has = SAMPLE_HAS_SWAP | SAMPLE_HAS_ZRAM, .swap_free_bytes = 10 * MIB, .free_bytes = MIB,
	    .zram_stored_bytes = 20 * MIB, .zram_used_bytes = 8 * MIB, .zram_limit_bytes = 8 * MIB }, MIB },
	{ "zram with 2 MiB left, where 5 fit: each frees three fifths of itself",
	  { .has = SAMPLE_HAS_SWAP | SAMPLE_HAS_ZRAM, .swap_free_bytes = 10 * MIB,
	    .zram_stored_bytes = 20 * MIB, .zram_used_bytes = 8 * MIB, .zram_limit_bytes = 10 * MIB },
	  3 * MIB - 2048 },
};

static void headroom(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(headrooms); i++) {
		uint64_t have = estimate_headroom_bytes(&policy, &headrooms[i].given);

		SAY(&headrooms[i]);
		assert_true(have >= headrooms[i].expect && have <= headrooms[i].expect + 4096);
	}
}

/* Falls at the rate from 70 MiB for so long, then holds. */
static struct estimate after(int64_t rate, uint64_t falls_us, uint64_t holds_us)
{
	struct estimator e;
	struct estimate now = { 0 };

	estimate_init(&e);
	for (uint64_t t = 0; t <= falls_us + holds_us; t += 10000) {
		uint64_t gone = (uint64_t)((double)rate * (double)MIN_OF(t, falls_us) / 1e6);
		struct sample s = sample_at(1 + t, 70 * MIB - gone);

		estimate_step(&e, &policy, &s, &now);
	}
	return now;
}

static void time_to_exhaustion(void **state)
{
	struct estimate e = after(10 * MIB, 2 * US_PER_S, 0);

	(void)state;
	assert_true(e.tte_us > 4900000 && e.tte_us < 5100000);
	assert_true(e.tte_low_us <= e.tte_us && e.tte_low_us > 4400000);
	assert_true(e.falling_us > 1900000);
	assert_true(e.guaranteed_us < e.tte_low_us);
}

static void a_small_fall_is_none(void **state)
{
	struct estimate e = after(MIB, 300000, 0);

	(void)state;
	assert_true(e.tte_us == NEVER_US && e.tte_low_us == NEVER_US);
}

static void a_fall_that_stopped_is_over(void **state)
{
	struct estimate e = after(100 * MIB, 300000, 1500000);

	(void)state;
	assert_int_equal(e.falling_us, 0);
	assert_true(e.tte_low_us == NEVER_US);
}

static void distress_is_kept_for_a_while(void **state)
{
	struct estimator e;
	struct estimate now;
	struct sample s = sample_at(1, 70 * MIB);

	(void)state;
	estimate_init(&e);
	s.distress = DISTRESS_PSI_SOME;
	estimate_step(&e, &policy, &s, &now);
	assert_int_equal(now.distress, DISTRESS_PSI_SOME);
	s = sample_at(1900000, 70 * MIB);
	estimate_step(&e, &policy, &s, &now);
	assert_int_equal(now.distress, DISTRESS_PSI_SOME);
	s = sample_at(2100000, 70 * MIB);
	estimate_step(&e, &policy, &s, &now);
	assert_int_equal(now.distress, 0);
}

static void counters_that_move_are_distress(void **state)
{
	struct estimator e;
	struct estimate now;
	struct sample s = sample_at(1, 70 * MIB);

	(void)state;
	estimate_init(&e);
	s.has |= SAMPLE_HAS_VMSTAT;
	s.direct_reclaims = 100;
	s.oom_kills = 7;
	estimate_step(&e, &policy, &s, &now);
	assert_int_equal(now.distress, 0); /* what was before us is nobody's news */
	s.time_us = 10000;
	s.oom_kills = 8;
	estimate_step(&e, &policy, &s, &now);
	assert_int_equal(now.distress, DISTRESS_OOM);
	assert_true(estimate_heard_kill(&e, 10000));
	s.time_us = 20000;
	estimate_step(&e, &policy, &s, &now);
	assert_int_equal(now.distress, DISTRESS_OOM); /* for 2 s */
	assert_false(estimate_heard_kill(&e, 20000));
}

static const struct load_row {
	const char *name;
	uint32_t has, load, some, expect;
} loads[] = {
	{ "nothing known", 0, 0, 0, 10000 },
	{ "half a task per CPU", SAMPLE_HAS_LOAD, 5000, 0, 10000 },
	{ "two tasks per CPU", SAMPLE_HAS_LOAD, 20000, 0, 20000 },
	{ "waits half of the time", SAMPLE_HAS_CPU_PRESSURE, 0, 5000, 20000 },
	{ "the worse one counts", SAMPLE_HAS_LOAD | SAMPLE_HAS_CPU_PRESSURE, 30000, 5000, 30000 },
	{ "at most four times", SAMPLE_HAS_LOAD, 990000, 0, 40000 },
	{ "waits always", SAMPLE_HAS_CPU_PRESSURE, 0, 10000, 40000 },
};

static void cpu_load_stretches(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(loads); i++) {
		struct estimator e;
		struct estimate now;
		struct sample s = sample_at(1, 70 * MIB);

		SAY(&loads[i]);
		estimate_init(&e);
		s.has |= loads[i].has;
		s.load_permyriad = loads[i].load;
		s.cpu_some_permyriad = loads[i].some;
		estimate_step(&e, &policy, &s, &now);
		assert_int_equal(now.stretch_permyriad, loads[i].expect);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headroom),
		cmocka_unit_test(time_to_exhaustion),
		cmocka_unit_test(a_small_fall_is_none),
		cmocka_unit_test(a_fall_that_stopped_is_over),
		cmocka_unit_test(distress_is_kept_for_a_while),
		cmocka_unit_test(counters_that_move_are_distress),
		cmocka_unit_test(cpu_load_stretches),
	};

	return cmocka_run_group_tests_name("estimate", tests, NULL, NULL);
}
