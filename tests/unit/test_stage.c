/* SPDX-License-Identifier: MIT */
#include "rig.h"

/* 128 MiB: floors 12.8, 7.7 and 3.8 MiB; leads 3, 2 and 1 s. */
static const struct stage_lead lead = { { 0, 3 * US_PER_S, 2 * US_PER_S, US_PER_S } };

static const struct row {
	const char *name;
	enum stage_word from;
	uint64_t headroom_mib, low_ms;	/* 0: not falling */
	uint64_t falling_ms;
	uint32_t distress;
	enum stage_word expect;
	enum stage_why why;
} rows[] = {
	{ "plenty", STAGE_NORMAL, 60, 0, 0, 0, STAGE_NORMAL, STAGE_WHY_NONE },
	{ "short for warning", STAGE_NORMAL, 60, 2900, 100, 0, STAGE_WARNING, STAGE_WHY_TIME },
	{ "a burst is no more than a warning", STAGE_NORMAL, 60, 100, 100, 0,
	  STAGE_WARNING, STAGE_WHY_TIME },
	{ "a confirmed fall may go straight to shutdown", STAGE_NORMAL, 60, 900, 3000, 0,
	  STAGE_SHUTDOWN, STAGE_WHY_TIME },
	{ "confirmed, time for degrade only", STAGE_WARNING, 60, 1500, 3000, 0,
	  STAGE_IMMINENT, STAGE_WHY_TIME },
	{ "short below the warning floor", STAGE_WARNING, 12, 1500, 100, 0, STAGE_IMMINENT, STAGE_WHY_TIME },
	{ "below the floor of warning", STAGE_NORMAL, 12, 0, 0, 0, STAGE_WARNING, STAGE_WHY_FLOOR },
	{ "below the floor of imminent", STAGE_NORMAL, 7, 0, 0, 0, STAGE_IMMINENT, STAGE_WHY_FLOOR },
	{ "at the bottom, at rest: one witness", STAGE_NORMAL, 3, 0, 0, 0, STAGE_IMMINENT, STAGE_WHY_FLOOR },
	{ "at the bottom, falling", STAGE_NORMAL, 3, 0, 50, 0, STAGE_SHUTDOWN, STAGE_WHY_FLOOR },
	{ "at the bottom, distress", STAGE_NORMAL, 3, 0, 0, DISTRESS_DIRECT_RECLAIM,
	  STAGE_SHUTDOWN, STAGE_WHY_FLOOR },
	{ "PSI with much headroom is I/O", STAGE_NORMAL, 60, 0, 0, DISTRESS_PSI_FULL,
	  STAGE_NORMAL, STAGE_WHY_NONE },
	{ "PSI halfway down", STAGE_NORMAL, 20, 0, 0, DISTRESS_PSI_SOME, STAGE_WARNING, STAGE_WHY_DISTRESS },
	{ "stall with little headroom", STAGE_NORMAL, 12, 0, 0, DISTRESS_PSI_FULL,
	  STAGE_IMMINENT, STAGE_WHY_DISTRESS },
	{ "the kernel killed", STAGE_NORMAL, 60, 0, 0, DISTRESS_OOM, STAGE_WARNING, STAGE_WHY_OOM },
	{ "the kernel killed, little headroom", STAGE_NORMAL, 7, 0, 0, DISTRESS_OOM,
	  STAGE_SHUTDOWN, STAGE_WHY_OOM },
	{ "programs at the tripwire", STAGE_NORMAL, 7, 0, 0, DISTRESS_TRIPWIRE,
	  STAGE_SHUTDOWN, STAGE_WHY_DISTRESS },
	{ "at the tripwire, above the floor", STAGE_NORMAL, 12, 0, 0, DISTRESS_TRIPWIRE,
	  STAGE_WARNING, STAGE_WHY_FLOOR },
	{ "at the tripwire, files to drop", STAGE_NORMAL, 60, 0, 0, DISTRESS_TRIPWIRE,
	  STAGE_NORMAL, STAGE_WHY_NONE },
	{ "a cgroup's own memory.high", STAGE_NORMAL, 7, 0, 0, DISTRESS_CGROUP_HIGH,
	  STAGE_IMMINENT, STAGE_WHY_FLOOR },
	{ "never falls to a lower stage", STAGE_SHUTDOWN, 12, 0, 0, 0, STAGE_SHUTDOWN, STAGE_WHY_NONE },
};

static struct estimate estimate_of(const struct row *r, uint64_t time_us)
{
	return (struct estimate){
		.time_us = time_us, .total_bytes = RIG_TOTAL, .headroom_bytes = r->headroom_mib * MIB,
		.tte_us = NEVER_US, .tte_low_us = r->low_ms ? r->low_ms * US_PER_MS : NEVER_US,
		.falling_us = r->falling_ms * US_PER_MS, .distress = r->distress,
	};
}

static void each_rule(void **state)
{
	const struct stage_policy policy = rig_policy().stage;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct estimate e = estimate_of(&rows[i], 5000);
		struct stage_change change = { .why = STAGE_WHY_NONE };
		struct stage s = { .now = rows[i].from };
		bool changed;

		SAY(&rows[i]);
		changed = stage_step(&s, &policy, &lead, &e, &change);
		assert_int_equal(s.now, rows[i].expect);
		assert_int_equal(changed, rows[i].expect != rows[i].from);
		assert_int_equal(change.why, rows[i].why);
	}
}

/* Whoever wants fewer false warnings waits until so much is gone; floors and later stages do not wait. */
static void a_share_that_must_be_gone(void **state)
{
	static const struct {
		const char *name;
		uint64_t headroom_mib, fallen_mib, low_ms, falling_ms;
		enum stage_word expect;
	} deep[] = {
		{ "short, a quarter is gone", 60, 20, 2900, 100, STAGE_WARNING },
		{ "short, less is gone", 60, 19, 2900, 100, STAGE_NORMAL },
		{ "nothing is gone", 60, 0, 2900, 100, STAGE_NORMAL },
		{ "a floor", 12, 0, 2900, 0, STAGE_WARNING },
		{ "a confirmed fall", 60, 5, 900, 3000, STAGE_SHUTDOWN },
	};
	struct stage_policy policy = rig_policy().stage;

	(void)state;
	policy.warning_permyriad = 2500;
	for (unsigned i = 0; i < ARRAY_LEN(deep); i++) {
		const struct row row = { .headroom_mib = deep[i].headroom_mib, .low_ms = deep[i].low_ms,
					 .falling_ms = deep[i].falling_ms };
		struct estimate e = estimate_of(&row, 5000);
		struct stage s = { .now = STAGE_NORMAL };
		struct stage_change change;

		SAY(&deep[i]);
		e.fallen_bytes = deep[i].fallen_mib * MIB;
		(void)stage_step(&s, &policy, &lead, &e, &change);
		assert_int_equal(s.now, deep[i].expect);
	}
}

static void cleared_after_hold_only(void **state)
{
	const struct stage_policy policy = rig_policy().stage;
	const struct row calm = { .headroom_mib = 60 }, near = { .headroom_mib = 14 };
	struct stage s = { .now = STAGE_IMMINENT };
	struct stage_change change;
	struct estimate e;

	(void)state;
	for (uint64_t t = US_PER_S; t < 4 * US_PER_S; t += 100000) {
		e = estimate_of(&calm, t);
		assert_false(stage_step(&s, &policy, &lead, &e, &change));
	}
	/* within a quarter of the floor: the calm begins anew */
	e = estimate_of(&near, 4 * US_PER_S - 1);
	assert_false(stage_step(&s, &policy, &lead, &e, &change));
	e = estimate_of(&calm, 4 * US_PER_S);
	assert_false(stage_step(&s, &policy, &lead, &e, &change));
	e = estimate_of(&calm, 7 * US_PER_S);
	assert_true(stage_step(&s, &policy, &lead, &e, &change));
	assert_int_equal(s.now, STAGE_NORMAL);
	assert_int_equal(change.why, STAGE_WHY_CLEARED);
}

static void floors_are_capped(void **state)
{
	const struct stage_policy policy = rig_policy().stage;

	(void)state;
	assert_int_equal(stage_floor_bytes(&policy, STAGE_WARNING, 10000 * MIB), 256 * MIB);
	assert_int_equal(stage_floor_bytes(&policy, STAGE_WARNING, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule),
		cmocka_unit_test(a_share_that_must_be_gone),
		cmocka_unit_test(cleared_after_hold_only),
		cmocka_unit_test(floors_are_capped),
	};

	return cmocka_run_group_tests_name("stage", tests, NULL, NULL);
}
