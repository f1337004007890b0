/* SPDX-License-Identifier: MIT */
#include "rig.h"

static struct session slots[RIG_CLIENTS];
static struct session_table table;

static int reset(void **state)
{
	(void)state;
	memset(slots, 0, sizeof(slots));
	session_init(&table, slots, RIG_CLIENTS);
	return 0;
}

static struct session *add(uint32_t group, uint32_t domains)
{
	const struct session_policy policy = rig_policy().session;
	struct session_offer offer = { .name = "x", .order_group = group, .domains = domains };
	struct session *s = NULL;

	assert_int_equal(session_add(&table, &policy, &offer, &s), SESSION_OK);
	return s;
}

static void groups_one_after_the_other(void **state)
{
	struct session *late = add(20, 1), *a = add(10, 1), *b = add(10, 1);

	(void)state;
	assert_ptr_equal(plan_next(&table, 0, STEP_FLUSH, NULL), a);
	assert_ptr_equal(plan_next(&table, 0, STEP_FLUSH, a), b);
	assert_null(plan_next(&table, 0, STEP_FLUSH, b));
	a->settled = STEP_FLUSH;
	b->request = (struct session_request){ .sequence = 1, .step = STEP_FLUSH };
	assert_null(plan_next(&table, 0, STEP_FLUSH, NULL));	/* b is still at it */
	assert_false(plan_is_complete(&table, 0, STEP_FLUSH));
	b->request.sequence = 0;
	b->settled = STEP_FLUSH;
	assert_ptr_equal(plan_next(&table, 0, STEP_FLUSH, NULL), late);
	late->settled = STEP_DEGRADE;				/* more than asked is enough */
	assert_true(plan_is_complete(&table, 0, STEP_FLUSH));
}

static void an_earlier_step_is_superseded(void **state)
{
	struct session *a = add(10, 1);

	(void)state;
	a->request = (struct session_request){ .sequence = 1, .step = STEP_FLUSH };
	assert_null(plan_next(&table, 0, STEP_FLUSH, NULL));
	assert_ptr_equal(plan_next(&table, 0, STEP_DEGRADE, NULL), a);
}

static void other_domains_do_not_count(void **state)
{
	struct session *here = add(50, 2);

	(void)state;
	add(10, 1);
	assert_ptr_equal(plan_next(&table, 1, STEP_FLUSH, NULL), here);
	assert_true(plan_is_complete(&table, 2, STEP_FLUSH));
}

static void the_lead_adds_groups_and_steps(void **state)
{
	const struct plan_policy policy = { 700000, 5000 };
	struct stage_lead lead;

	(void)state;
	plan_lead(&table, 0, &policy, 10000, &lead);
	assert_int_equal(lead.us[STAGE_SHUTDOWN], 705000);
	assert_int_equal(lead.us[STAGE_WARNING], 705000);
	add(10, 1);
	add(10, 1);		/* beside it: no more time */
	add(20, 1);		/* after it */
	add(20, 2);		/* elsewhere */
	plan_lead(&table, 0, &policy, 10000, &lead);
	assert_int_equal(lead.us[STAGE_SHUTDOWN], 705000 + 200000);
	assert_int_equal(lead.us[STAGE_IMMINENT], 705000 + 400000);
	assert_int_equal(lead.us[STAGE_WARNING], 705000 + 600000);
	plan_lead(&table, 0, &policy, 20000, &lead);
	assert_int_equal(lead.us[STAGE_WARNING], 705000 + 1200000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(groups_one_after_the_other, reset),
		cmocka_unit_test_setup(an_earlier_step_is_superseded, reset),
		cmocka_unit_test_setup(other_domains_do_not_count, reset),
		cmocka_unit_test_setup(the_lead_adds_groups_and_steps, reset),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
