/* SPDX-License-Identifier: MIT */
/* When the brake goes on and comes off. */
#include "rig.h"

#include "act/hold.h"

static const struct estimate falling = {
	.headroom_bytes = 20 * MIB, .total_bytes = RIG_TOTAL, .tte_us = 220000, .tte_low_us = 200000,
	.tte_early_us = 210000, .tte_late_us = 300000, .falling_us = 700000,
	.fall_bytes_per_s = 90 * MIB, .fall_high_bytes_per_s = 100 * MIB,
};

static const struct hold_view pressed = {
	.now_us = 1000000, .is_enabled = true, .is_pressed = true, .deadline_us = 1500000, .e = &falling,
};

static struct victim hog(uint64_t growth_bytes, uint64_t all_bytes, uint64_t client)
{
	return (struct victim){ .kind = VICTIM_PROCESS, .pid = 7, .name = "hog", .client = client,
		.growth_bytes = growth_bytes, .all_growth_bytes = all_bytes, .pids_count = 1 };
}

static const struct want_row {
	const char *name;
	bool is_enabled, is_pressed;
	uint64_t deadline_us, tte_low_us, again_us;
	enum hold_do expect;
} wants[] = {
	{ "clients need 500 ms, there are 200", true, true, 1500000, 200000, 0, HOLD_LOOK },
	{ "they need less than there is", true, true, 1100000, 200000, 0, HOLD_NOTHING },
	{ "nobody is asked", true, true, 0, 200000, 0, HOLD_NOTHING },
	{ "their time is over", true, true, 1000000, 0, 0, HOLD_NOTHING },
	{ "it does not fall", true, true, 1500000, NEVER_US, 0, HOLD_NOTHING },
	{ "stage warning", true, false, 1500000, 200000, 0, HOLD_NOTHING },
	{ "switched off", false, true, 1500000, 200000, 0, HOLD_NOTHING },
	{ "nobody was found a moment ago", true, true, 1500000, 200000, 1000001, HOLD_NOTHING },
	{ "a moment ago is over", true, true, 1500000, 200000, 1000000, HOLD_LOOK },
};

static void when_it_is_wanted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(wants); i++) {
		struct estimate e = falling;
		struct hold_view view = pressed;
		struct hold h;

		SAY(&wants[i]);
		hold_init(&h);
		e.tte_low_us = wants[i].tte_low_us;
		h.again_us = wants[i].again_us;
		view.e = &e;
		view.is_enabled = wants[i].is_enabled;
		view.is_pressed = wants[i].is_pressed;
		view.deadline_us = wants[i].deadline_us;
		assert_int_equal(hold_step(&h, &view), wants[i].expect);
		assert_int_equal(h.phase, wants[i].expect == HOLD_LOOK ? HOLD_LOOKING : HOLD_OFF);
	}
}

static const struct suspect_row {
	const char *name;
	bool is_there;
	uint64_t growth_bytes, all_bytes, client;
	bool expect;
} suspects[] = {
	{ "who grew", true, 30 * MIB, 30 * MIB, 0, true },
	{ "who grew by a quarter", true, 8 * MIB, 32 * MIB, 0, true },
	{ "by less than a quarter", true, 7 * MIB, 32 * MIB, 0, false },
	{ "by less than 2 MiB", true, 2 * MIB - 1, 2 * MIB, 0, false },
	{ "a client", true, 30 * MIB, 30 * MIB, 12, false },
	{ "nobody", false, 0, 0, 0, false },
};

static void who_is_stopped(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(suspects); i++) {
		const struct suspect_row *row = &suspects[i];
		struct victim v = hog(row->growth_bytes, row->all_bytes, row->client);
		struct hold h;

		SAY(row);
		hold_init(&h);
		assert_int_equal(hold_step(&h, &pressed), HOLD_LOOK);
		assert_int_equal(hold_take(&h, row->is_there ? &v : NULL, &pressed), row->expect);
		assert_int_equal(h.phase, row->expect ? HOLD_STOPPING : HOLD_OFF);
		assert_true(row->expect || h.again_us > pressed.now_us);
	}
}

static struct hold on_hold(void)
{
	struct victim v = hog(30 * MIB, 30 * MIB, 0);
	struct hold h;

	hold_init(&h);
	assert_int_equal(hold_step(&h, &pressed), HOLD_LOOK);
	assert_true(hold_take(&h, &v, &pressed));
	hold_stopped(&h, 1, pressed.now_us);
	assert_int_equal(h.phase, HOLD_ON);
	return h;
}

static void an_answer_that_nobody_asked_for(void **state)
{
	struct victim v = hog(30 * MIB, 30 * MIB, 0);
	struct hold h;

	(void)state;
	hold_init(&h);
	assert_false(hold_take(&h, &v, &pressed));
	hold_stopped(&h, 1, pressed.now_us);
	assert_int_equal(h.phase, HOLD_OFF);
}

static void it_could_not_be_stopped(void **state)
{
	struct victim v = hog(30 * MIB, 30 * MIB, 0);
	struct hold h;

	(void)state;
	hold_init(&h);
	assert_int_equal(hold_step(&h, &pressed), HOLD_LOOK);
	assert_true(hold_take(&h, &v, &pressed));
	hold_stopped(&h, 0, pressed.now_us);
	assert_int_equal(h.phase, HOLD_OFF);
	assert_int_equal(hold_step(&h, &pressed), HOLD_NOTHING); /* not at once again */
}

static const struct over_row {
	const char *name;
	bool is_enabled, is_pressed, is_ending, is_asked_to_end, is_dry;
	uint64_t deadline_us;
	enum hold_do expect;
} overs[] = {
	{ "clients are still asked", true, true, false, false, false, 1500000, HOLD_NOTHING },
	{ "all have answered: until the next samples", true, true, false, false, false, 0, HOLD_NOTHING },
	{ "all have answered, and it will be ended", true, true, true, false, false, 0, HOLD_NOTHING },
	{ "it must handle SIGTERM", true, true, true, true, false, 0, HOLD_LET_GO },
	{ "the pressure is over", true, false, false, false, false, 1500000, HOLD_LET_GO },
	{ "switched off", false, true, false, false, false, 1500000, HOLD_LET_GO },
	{ "a dry run began", true, true, false, false, true, 1500000, HOLD_LET_GO },
};

static void when_it_is_over(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(overs); i++) {
		const struct over_row *row = &overs[i];
		struct hold h = on_hold();
		struct hold_view view = pressed;

		SAY(row);
		view.is_enabled = row->is_enabled;
		view.is_pressed = row->is_pressed;
		view.is_ending = row->is_ending;
		view.is_asked_to_end = row->is_asked_to_end;
		view.is_dry = row->is_dry;
		view.deadline_us = row->deadline_us;
		assert_int_equal(hold_step(&h, &view), row->expect);
		assert_int_equal(h.phase, row->expect == HOLD_LET_GO ? HOLD_OFF : HOLD_ON);
	}
}

static void not_let_go_between_two_steps(void **state)
{
	struct hold h = on_hold();
	struct hold_view view = pressed;

	(void)state;
	view.deadline_us = 0;
	assert_int_equal(hold_step(&h, &view), HOLD_NOTHING);
	view.now_us += 9999;
	assert_int_equal(hold_step(&h, &view), HOLD_NOTHING);
	view.deadline_us = view.now_us + 500000; /* the next step is asked for */
	assert_int_equal(hold_step(&h, &view), HOLD_NOTHING);
	view.deadline_us = 0;
	view.now_us += 9999;
	assert_int_equal(hold_step(&h, &view), HOLD_NOTHING);
	view.now_us += 10000;
	assert_int_equal(hold_step(&h, &view), HOLD_LET_GO);
	assert_int_equal(h.phase, HOLD_OFF);
}

/* What stands still has not stopped leaking. */
static void the_forecast_is_that_of_letting_go(void **state)
{
	struct hold h = on_hold();
	struct estimate e = { .headroom_bytes = 10 * MIB, .tte_us = NEVER_US, .tte_low_us = NEVER_US,
			      .tte_early_us = NEVER_US, .tte_late_us = NEVER_US };

	(void)state;
	hold_forecast(&h, &e);
	assert_int_equal(e.tte_us, 100000);
	assert_true(e.tte_early_us <= e.tte_us && e.tte_late_us >= e.tte_us && e.tte_low_us <= e.tte_us);
	assert_int_equal(e.falling_us, falling.falling_us);
	h.phase = HOLD_OFF;
	e.tte_us = NEVER_US;
	hold_forecast(&h, &e);
	assert_int_equal(e.tte_us, NEVER_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when_it_is_wanted),
		cmocka_unit_test(who_is_stopped),
		cmocka_unit_test(an_answer_that_nobody_asked_for),
		cmocka_unit_test(it_could_not_be_stopped),
		cmocka_unit_test(when_it_is_over), cmocka_unit_test(not_let_go_between_two_steps),
		cmocka_unit_test(the_forecast_is_that_of_letting_go),
	};

	return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
