/* SPDX-License-Identifier: MIT */
/* What came back because somebody was ended, or gave it on our order, teaches the estimator nothing. */
#include <stdio.h>

#include "rig.h"

#define RATE_MIB	0.2	/* in 10 ms */

static struct core core;
static struct session slots[RIG_CLIENTS];
static struct core_effect effects[8 * RIG_CLIENTS + 4 * CORE_DOMAINS_MAX];
static struct event events[RIG_EVENTS];
static uint64_t now_us, given_mib;
static double have_mib, ended_at_mib, warned_at_mib;
static bool has_ended;

static int reset(void **state)
{
	const struct core_policy policy = rig_policy();
	const struct core_memory memory = { slots, effects, ARRAY_LEN(effects), events, RIG_EVENTS };
	const struct session_offer offer = { .pid = 100, .name = "logger", .order_group = 10, .domains = 1 };
	struct session *s;

	(void)state;
	memset(slots, 0, sizeof(slots));
	now_us = US_PER_S;
	have_mib = 60;
	given_mib = 0;
	has_ended = false;
	core_init(&core, &policy, &memory, 1000, now_us);
	return core_join(&core, &offer, now_us, &s) == SESSION_OK ? 0 : -1;
}

/* Who is found is the hog; it is gone when 17 MiB of it have come back. */
static void carry_out(void)
{
	const struct victim hog = {
		.kind = VICTIM_PROCESS, .pid = 7, .name = "hog", .memory_bytes = 50 * MIB, .pids_count = 1,
		.growth_bytes = 50 * MIB, .all_growth_bytes = 50 * MIB };
	struct core_effect e;

	while (core_effect(&core, &e)) {
		const struct core_answer done = {
			.client = e.client, .sequence = e.request.sequence, .result = RESULT_DONE,
			.freed_bytes = given_mib * MIB };

		if (e.kind == EFFECT_SURVEY)
			core_survey(&core, e.domain, &hog, now_us);
		if (e.kind == EFFECT_SIGNAL_VICTIM)
			ended_at_mib = have_mib;
		if (e.kind == EFFECT_ORDER)
			core_answer(&core, &done, now_us);
		if (e.kind == EFFECT_ORDER && e.request.step == STEP_FLUSH) {
			have_mib += (double)given_mib;
			warned_at_mib = have_mib;
		}
	}
}

static void turn(double change_mib)
{
	const struct sample s = {
		.time_us = now_us, .has = SAMPLE_HAS_MEMORY, .total_bytes = RIG_TOTAL,
		.free_bytes = (uint64_t)(have_mib * MIB) };

	core_sample(&core, &s);
	core_tick(&core, now_us);
	carry_out();
	if (ended_at_mib && have_mib > ended_at_mib + 17 && !has_ended) {
		has_ended = true;
		core_victim_gone(&core, 0, now_us);
		carry_out();
	}
	now_us += 10000;
	have_mib += change_mib;
}

static void go(double to_mib, double change_mib)
{
	while (change_mib < 0 ? have_mib > to_mib : have_mib < to_mib)
		turn(change_mib);
}

static void rest(void)
{
	for (unsigned i = 0; i < 500; i++)
		turn(0);
	assert_int_equal(core_stage(&core), STAGE_NORMAL);
}

/* Headroom when the next leak is foreseen. */
static double foreseen_mib(void)
{
	while (core.domain[0].estimate.tte_us == NEVER_US && have_mib > 1)
		turn(-RATE_MIB);
	return have_mib;
}

static void a_breath_is_learned(void **state)
{
	(void)state;
	rest();
	go(40, -RATE_MIB);
	go(60, 1);
	rest();
	assert_true(foreseen_mib() < 36);
}

static void whoever_is_ended_did_not_breathe(void **state)
{
	(void)state;
	rest();
	ended_at_mib = 0;
	while (!ended_at_mib)
		turn(-RATE_MIB);
	go(60, 1);
	assert_true(has_ended);
	rest();
	assert_true(foreseen_mib() > 54);
}

static void what_is_given_is_no_breath(void **state)
{
	(void)state;
	given_mib = 20;
	rest();
	ended_at_mib = warned_at_mib = 0;
	while (!warned_at_mib)
		turn(-RATE_MIB);
	assert_true(have_mib < 60);
	go(60, 1); /* the leak itself gives up what little is left */
	rest();
	assert_true(foreseen_mib() > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_breath_is_learned, reset),
		cmocka_unit_test_setup(whoever_is_ended_did_not_breathe, reset),
		cmocka_unit_test_setup(what_is_given_is_no_breath, reset),
	};

	return cmocka_run_group_tests_name("core_breath", tests, NULL, NULL);
}
