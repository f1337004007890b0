/* SPDX-License-Identifier: MIT */
/* What the guard did becomes part of the episode, and goes on by its rules. */
#include "core_rig.h"

static uint64_t client;

static int with_client(void **state)
{
	const struct core_memory memory = { slots, effects, ARRAY_LEN(effects), events, RIG_EVENTS };
	const struct session_offer offer = { .name = "logger", .pid = 100, .domains = 1 };
	const struct sample plenty = { .has = SAMPLE_HAS_MEMORY, .time_us = US_PER_S,
				       .total_bytes = RIG_TOTAL, .free_bytes = 100 * MIB };
	struct core_policy policy = rig_policy();
	struct session *s;

	(void)state;
	policy.brake = true;
	memset(slots, 0, sizeof(slots));
	now_us = US_PER_S;
	core_init(&core, &policy, &memory, 1000, now_us);
	assert_int_equal(core_join(&core, &offer, now_us, &s), SESSION_OK);
	client = s->id;
	core_sample(&core, &plenty);
	now_us += US_PER_S;
	return 0;
}

static struct guard_report report(uint64_t headroom_bytes, uint32_t stopped, uint32_t ended)
{
	return (struct guard_report){
		.began_us = now_us - 300000, .late_us = 270000, .headroom_bytes = headroom_bytes,
		.left_us = 400000, .stopped = stopped, .ended = ended, .told = 1,
		.stopped_us = stopped ? now_us - 290000 : 0, .ended_us = ended ? now_us - 10000 : 0,
		.victim = { .kind = VICTIM_PROCESS, .pid = 7, .name = "hog", .growth_bytes = 50 * MIB,
			    .all_growth_bytes = 50 * MIB, .pids_count = 1, .pids = { 7 },
			    .start_ticks = { 9 } },
	};
}

static void tell(uint64_t sequence)
{
	const struct guard_told told = { client, sequence, now_us - 280000, now_us - 180000 };

	core_told(&core, 0, &told, now_us);
}

static void a_stop_is_held_and_let_go(void **state)
{
	const struct guard_report r = report(5 * MIB, 1, 0);
	const struct core_answer done = { .client = client, .sequence = 5000, .result = RESULT_DONE };
	struct event e;

	(void)state;
	core.domain[0].sample_due_us = now_us + US_PER_S; /* at normal's pace */
	assert_true(core_guard(&core, &r, now_us));
	assert_true(core_wants_sample(&core, 0, now_us));
	e = newest(EVENT_GUARD);
	assert_true(e.a == 7 && e.b == 1 && e.c == 1 && e.e == 570000 && e.episode == 1001);
	assert_int_equal(core.domain[0].stage.now, STAGE_IMMINENT);
	assert_int_equal(next(EFFECT_ANNOUNCE).episode, 1001);
	tell(5000);
	assert_int_equal(newest(EVENT_REQUEST).sequence, 5000);
	assert_int_equal(next(EFFECT_ORDER).kind, EFFECT_NONE); /* it is out */
	/* what was answered meanwhile is read first, and is not too late */
	assert_true(core_answer(&core, &done, now_us));
	core_tick(&core, now_us);
	assert_int_equal(newest(EVENT_ANSWER).result, RESULT_DONE);
	assert_int_equal(next(EFFECT_LET_GO).kind, EFFECT_NONE); /* until the next samples */
	core_tick(&core, now_us + 10000);
	assert_int_equal(next(EFFECT_LET_GO).kind, EFFECT_LET_GO);
	e = newest(EVENT_LET_GO);
	assert_true(e.a == 7 && e.c == 300000);
	assert_int_equal(newest(EVENT_ACTION).number, 0);
}

static void an_end_stands_on_the_ladder(void **state)
{
	const struct guard_report r = report(MIB, 1, 1);
	struct event e;

	(void)state;
	assert_false(core_guard(&core, &r, now_us)); /* who is ended is not held */
	tell(5000);
	core_tick(&core, now_us);
	assert_int_equal(core.domain[0].stage.now, STAGE_SHUTDOWN);
	assert_int_equal(newest(EVENT_VICTIM).a, 7);
	e = newest(EVENT_ACTION);
	assert_true(e.a == 7 && e.rung == RUNG_KILL && e.e == 1 && e.c == now_us - 10000 + US_PER_S);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).kind, EFFECT_NONE);
	assert_int_equal(newest(EVENT_ANSWER).result, RESULT_MISSED); /* nothing was answered */
	core_victim_gone(&core, 0, now_us);
	assert_int_equal(newest(EVENT_ENDED).a, 7);
	assert_int_equal(core.episode[1001 % CORE_EPISODES_MAX].victims, 1);
}

static void in_a_dry_run(void **state)
{
	struct guard_report r = report(MIB, 1, 1);

	(void)state;
	r.is_dry = true;
	assert_false(core_guard(&core, &r, now_us));
	assert_int_equal(newest(EVENT_GUARD).d, 1);
	assert_int_equal(newest(EVENT_ACTION).number, 0);
	assert_int_equal(core.domain[0].hold.phase, HOLD_OFF);
	assert_int_equal(core.domain[0].escalate.rung, RUNG_IDLE);
}

static const struct told_row {
	const char *name;
	enum session_step settled, open;
	uint64_t sequence;
	bool expect;			/* the guard's request is the open one now */
} tolds[] = {
	{ "nothing was asked", STEP_RESUME, STEP_RESUME, 0, true },
	{ "a lesser step is open", STEP_RESUME, STEP_FLUSH, 3, true },
	{ "the loop was about to ask the same", STEP_RESUME, STEP_SHUTDOWN, 3, false },
	{ "that is settled", STEP_SHUTDOWN, STEP_RESUME, 0, false },
};

static void who_was_told(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(tolds); i++) {
		const struct guard_report r = report(5 * MIB, 0, 0);
		struct session *s;

		SAY(&tolds[i]);
		with_client(state);
		s = session_get(&core.sessions, client);
		(void)core_guard(&core, &r, now_us);
		s->settled = tolds[i].settled;
		s->request = (struct session_request){ .sequence = tolds[i].sequence,
			.deadline_us = NEVER_US, .step = tolds[i].open };
		tell(5000);
		assert_int_equal(s->request.sequence == 5000, tolds[i].expect);
		assert_int_equal(core.last_sequence, 5000); /* no number is used twice */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_stop_is_held_and_let_go, with_client),
		cmocka_unit_test_setup(an_end_stands_on_the_ladder, with_client),
		cmocka_unit_test_setup(in_a_dry_run, with_client),
		cmocka_unit_test_setup(who_was_told, with_client),
	};

	return cmocka_run_group_tests_name("core_guard", tests, NULL, NULL);
}
