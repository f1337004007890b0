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

static uint64_t joined_by_us = NEVER_US;

static struct session *next(uint32_t domain, enum session_step step, const struct session *after)
{
	return plan_next(&table, &(struct plan_question){ domain, step, joined_by_us }, after);
}

static bool is_complete(uint32_t domain, enum session_step step)
{
	return plan_is_complete(&table, &(struct plan_question){ domain, step, joined_by_us });
}

static void groups_one_after_the_other(void **state)
{
	struct session *late = add(20, 1), *a = add(10, 1), *b = add(10, 1);

	(void)state;
	assert_ptr_equal(next(0, STEP_FLUSH, NULL), a);
	assert_ptr_equal(next(0, STEP_FLUSH, a), b);
	assert_null(next(0, STEP_FLUSH, b));
	a->settled = STEP_FLUSH;
	b->request = (struct session_request){ .sequence = 1, .step = STEP_FLUSH };
	assert_null(next(0, STEP_FLUSH, NULL));	/* b is still at it */
	assert_false(is_complete(0, STEP_FLUSH));
	b->request.sequence = 0;
	b->settled = STEP_FLUSH;
	assert_ptr_equal(next(0, STEP_FLUSH, NULL), late);
	late->settled = STEP_DEGRADE;				/* more than asked is enough */
	assert_true(is_complete(0, STEP_FLUSH));
}

static void an_earlier_step_is_superseded(void **state)
{
	struct session *a = add(10, 1);

	(void)state;
	a->request = (struct session_request){ .sequence = 1, .step = STEP_FLUSH };
	assert_null(next(0, STEP_FLUSH, NULL));
	assert_ptr_equal(next(0, STEP_DEGRADE, NULL), a);
}

/* Who comes late is asked as well, but does not keep the others from their turn. */
static void nobody_waits_for_who_comes_late(void **state)
{
	struct session *late = add(10, 1), *a = add(20, 1), *b = add(50, 1), *later = add(60, 1);

	(void)state;
	a->joined_us = b->joined_us = 1000;
	late->joined_us = later->joined_us = 1001;
	assert_ptr_equal(next(0, STEP_SHUTDOWN, NULL), late);
	assert_null(next(0, STEP_SHUTDOWN, late));
	joined_by_us = 1000;
	assert_ptr_equal(next(0, STEP_SHUTDOWN, NULL), late);
	assert_ptr_equal(next(0, STEP_SHUTDOWN, late), a);
	assert_ptr_equal(next(0, STEP_SHUTDOWN, a), later);
	assert_null(next(0, STEP_SHUTDOWN, later));
	a->settled = STEP_SHUTDOWN;
	assert_ptr_equal(next(0, STEP_SHUTDOWN, late), b);
	assert_false(is_complete(0, STEP_SHUTDOWN));
	b->settled = STEP_SHUTDOWN;
	assert_true(is_complete(0, STEP_SHUTDOWN));
	joined_by_us = NEVER_US;
	assert_false(is_complete(0, STEP_SHUTDOWN));
}

static void other_domains_do_not_count(void **state)
{
	struct session *here = add(50, 2);

	(void)state;
	add(10, 1);
	assert_ptr_equal(next(1, STEP_FLUSH, NULL), here);
	assert_true(is_complete(2, STEP_FLUSH));
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
		cmocka_unit_test_setup(nobody_waits_for_who_comes_late, reset),
		cmocka_unit_test_setup(other_domains_do_not_count, reset),
		cmocka_unit_test_setup(the_lead_adds_groups_and_steps, reset),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
