/* SPDX-License-Identifier: MIT */
#include "rig.h"

static struct session slots[4];
static struct session_table table;
static const struct session_policy policy = {
	4, 3, { 10000, 20000, 30000, 40000 }, 50000,
};

static int reset(void **state)
{
	(void)state;
	memset(slots, 0, sizeof(slots));
	session_init(&table, slots, 4);
	return 0;
}

static struct session *add(uint32_t uid, uint64_t flush_us)
{
	struct session_offer offer = { .name = "x", .uid = uid, .budget_us[STEP_FLUSH] = flush_us };
	struct session *s = NULL;

	return session_add(&table, &policy, &offer, &s) == SESSION_OK ? s : NULL;
}

static void grants(void **state)
{
	(void)state;
	assert_int_equal(add(0, 0)->offer.budget_us[STEP_FLUSH], 20000);	/* the default */
	assert_int_equal(add(0, 12345)->offer.budget_us[STEP_FLUSH], 12345);	/* the wish */
	assert_int_equal(add(0, 99999)->offer.budget_us[STEP_FLUSH], 50000);	/* cut */
}

static void limits(void **state)
{
	struct session_offer offer = { .name = "x" };
	struct session *s = NULL;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_non_null(add(7, 0));
	offer.uid = 7;
	assert_int_equal(session_add(&table, &policy, &offer, &s), SESSION_E_USER_FULL);
	assert_non_null(add(8, 0));
	offer.uid = 9;
	assert_int_equal(session_add(&table, &policy, &offer, &s), SESSION_E_FULL);
	assert_null(s);
}

static void an_id_is_never_somebody_else(void **state)
{
	struct session *s = add(0, 0);
	uint64_t id = s->id, reused;

	(void)state;
	assert_ptr_equal(session_get(&table, id), s);
	session_remove(&table, s);
	assert_null(session_get(&table, id));
	reused = add(0, 0)->id;
	assert_int_not_equal(reused, id);
	assert_null(session_get(&table, id));
	assert_non_null(session_get(&table, reused));
	assert_null(session_get(&table, 0));
	assert_null(session_get(&table, 99));
	assert_null(session_get(&table, UINT64_MAX));
}

static void iteration_skips_holes(void **state)
{
	struct session *a = add(0, 0), *b = add(0, 0), *c = add(0, 0);

	(void)state;
	session_remove(&table, b);
	assert_ptr_equal(session_next(&table, NULL), a);
	assert_ptr_equal(session_next(&table, a), c);
	assert_null(session_next(&table, c));
}

static const struct need_row {
	const char *name;
	enum session_step step;
	uint64_t worst_us, worst_exposure, exposure, expect;
} needs[] = {
	{ "never measured: the grant", STEP_DEGRADE, 0, 0, 0, 30000 },
	{ "fast: eight times the slowest", STEP_DEGRADE, 2000, 0, 0, 16000 },
	{ "very fast: a quarter of the grant at least", STEP_DEGRADE, 10, 0, 0, 7500 },
	{ "slow: more than the grant", STEP_DEGRADE, 10000, 0, 0, 80000 },
	{ "very slow: four times the grant at most", STEP_DEGRADE, 100000, 0, 0, 120000 },
	{ "twice the exposure, twice the need", STEP_DEGRADE, 2000, 100, 200, 32000 },
	{ "flush is never shortened", STEP_FLUSH, 10, 0, 0, 20000 },
};

static void need(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(needs); i++) {
		struct session *s = add(i, 0);

		SAY(&needs[i]);
		s->worst_us[needs[i].step] = needs[i].worst_us;
		s->worst_exposure_bytes[needs[i].step] = needs[i].worst_exposure;
		s->exposure_bytes = needs[i].exposure;
		assert_int_equal(session_need_us(s, needs[i].step), needs[i].expect);
		session_remove(&table, s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(grants, reset),
		cmocka_unit_test_setup(limits, reset),
		cmocka_unit_test_setup(an_id_is_never_somebody_else, reset),
		cmocka_unit_test_setup(iteration_skips_holes, reset),
		cmocka_unit_test_setup(need, reset),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
