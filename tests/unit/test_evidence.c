/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include "judge/evidence.h"

static const struct row {
	const char *name;
	uint64_t headroom, floor, tte_low_us, lead_us, fallen, growth;
	uint32_t distress;
	uint8_t expect[WITNESS_COUNT];
	unsigned groups;
	bool is_enough;
} rows[] = {
	{ "nobody speaks", 50, 10, 9, 5, 0, 0, 0, { 0 }, 0, false },
	{ "headroom alone", 5, 10, 9, 5, 0, 0, 0, { 100 }, 1, false },
	{ "headroom and forecast read the same figures", 5, 10, 3, 5, 0, 0, 0, { 50, 50 }, 1, false },
	{ "who grows agrees", 5, 10, 3, 5, 8, 8, 0, { 33, 33, 34 }, 2, true },
	{ "who grows explains too little", 5, 10, 9, 5, 40, 4, 0, { 100 }, 1, false },
	{ "growth of a MiB is noise", 5, 10, 9, 5, 0, 1, 0, { 100 }, 1, false },
	{ "PSI alone is I/O", 50, 10, 9, 5, 0, 0, DISTRESS_PSI_FULL, { 0, 0, 0, 100 }, 1, false },
	{ "PSI agrees", 5, 10, 9, 5, 0, 0, DISTRESS_PSI_SOME, { 66, 0, 0, 34 }, 2, true },
	{ "PSI and reclaim are one group", 50, 10, 9, 5, 0, 0,
	  DISTRESS_PSI_SOME | DISTRESS_DIRECT_RECLAIM, { 0, 0, 0, 50, 50 }, 1, false },
	{ "programs are delayed", 5, 10, 9, 5, 0, 0, DISTRESS_TASK_DELAY, { 66, 0, 0, 0, 34 }, 2, true },
	{ "the limit was hit", 5, 10, 9, 5, 0, 0, DISTRESS_CGROUP_MAX, { 50, 0, 0, 0, 0, 50 }, 2, true },
	{ "programs at the tripwire", 5, 10, 9, 5, 0, 0, DISTRESS_TRIPWIRE, { 50, 0, 0, 0, 0, 50 }, 2, true },
	{ "the tripwire alone", 50, 10, 9, 5, 0, 0, DISTRESS_TRIPWIRE, { 0, 0, 0, 0, 0, 100 }, 1, false },
	{ "the kernel's kill alone", 50, 10, 9, 5, 0, 0, DISTRESS_OOM, { [WITNESS_KILL] = 100 }, 1, true },
};

static void weights(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		const struct estimate e = {
			.headroom_bytes = r->headroom * MIB, .tte_low_us = r->tte_low_us,
			.fallen_bytes = r->fallen * MIB, .distress = r->distress,
		};
		const struct evidence_view view = { &e, r->floor * MIB, r->lead_us, r->growth * MIB };
		struct evidence have = evidence_weigh(&view);
		unsigned sum = 0;

		SAY(r);
		for (int w = 0; w < WITNESS_COUNT; w++) {
			assert_int_equal(have.percent[w], r->expect[w]);
			sum += have.percent[w];
			assert_non_null(evidence_name((enum witness)w));
		}
		assert_int_equal(sum, r->groups ? 100 : 0);
		assert_int_equal(evidence_groups(&have), r->groups);
		assert_int_equal(evidence_is_enough(&have), r->is_enough);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(weights) };

	return cmocka_run_group_tests_name("evidence", tests, NULL, NULL);
}
