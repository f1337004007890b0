/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "core_rig.h"

static void a_whole_dialogue(void **state)
{
	uint64_t viewer = join("viewer", 10, 1), logger = join("logger", 50, 1);
	struct core_effect order, effect;

	(void)state;
	free_mib(0, 10);
	order = next(EFFECT_ORDER);
	assert_int_equal(order.client, viewer);
	assert_int_equal(order.request.step, STEP_FLUSH);
	assert_int_equal(order.request.deadline_us, now_us + 100000);
	assert_int_equal(order.episode, 1001);
	assert_int_equal(next(EFFECT_SHIELD_UP).client, viewer);
	effect = next(EFFECT_ANNOUNCE);
	assert_int_equal(effect.episode, 1001);
	assert_int_equal(core.domain[0].change.to, STAGE_WARNING);

	assert_true(answer(viewer, order.request.sequence, RESULT_DONE));
	assert_int_equal(next(EFFECT_SHIELD_DOWN).client, viewer);
	order = next(EFFECT_ORDER);
	assert_int_equal(order.client, logger);
	assert_true(answer(logger, order.request.sequence, RESULT_PARTIAL));
	drain();

	for (int i = 0; i < 40; i++) {
		pass(100000);
		free_mib(0, 90);
	}
	order = next(EFFECT_ORDER);
	assert_int_equal(order.request.step, STEP_RESUME);
	assert_int_equal(newest(EVENT_EPISODE_CLOSED).episode, 1001);
	assert_int_equal(core_stage(&core), STAGE_NORMAL);
}

static void a_missed_deadline_then_late(void **state)
{
	uint64_t a = join("a", 10, 1), b = join("b", 20, 1);
	struct core_effect order;

	(void)state;
	free_mib(0, 10);
	order = next(EFFECT_ORDER);
	drain();
	pass(99999);
	assert_int_equal(newest(EVENT_ANSWER).number, 0);
	pass(1);
	assert_int_equal(newest(EVENT_ANSWER).result, RESULT_MISSED);
	assert_int_equal(next(EFFECT_ORDER).client, b);
	assert_true(answer(a, order.request.sequence, RESULT_DONE));
	assert_int_equal(newest(EVENT_ANSWER).result, RESULT_LATE);
	assert_false(answer(a, order.request.sequence, RESULT_DONE));
	assert_false(answer(a, 12345, RESULT_DONE));
	assert_false(answer(b, order.request.sequence, RESULT_DONE));
}

static void busy_moves_the_deadline_once(void **state)
{
	uint64_t a = join("a", 10, 1);
	uint64_t sequence, first_us;

	(void)state;
	free_mib(0, 10);
	sequence = next(EFFECT_ORDER).request.sequence;
	first_us = now_us + 100000;
	pass(50000);
	assert_true(answer(a, sequence, RESULT_BUSY));
	assert_int_equal(slots[0].request.deadline_us, first_us + 100000);
	assert_true(answer(a, sequence, RESULT_BUSY));
	assert_int_equal(slots[0].request.deadline_us, first_us + 100000);
	pass(150000);
	assert_int_equal(newest(EVENT_ANSWER).result, RESULT_MISSED);
}

static void who_vanishes_or_joins_in_the_middle(void **state)
{
	uint64_t a = join("a", 10, 1), b = join("b", 20, 1), c;

	(void)state;
	free_mib(0, 10);
	drain();
	core_leave(&core, a, now_us);
	assert_int_equal(newest(EVENT_ANSWER).result, RESULT_VANISHED);
	assert_int_equal(next(EFFECT_ORDER).client, b);
	core_leave(&core, a, now_us); /* stale: nothing */
	c = join("c", 20, 1);
	assert_int_equal(next(EFFECT_ORDER).client, c);
}

static void a_later_stage_supersedes(void **state)
{
	uint64_t a = join("a", 10, 1);
	struct core_effect order;

	(void)state;
	free_mib(0, 10);
	order = next(EFFECT_ORDER);
	drain();
	pass(10000);
	free_mib(0, 6);
	assert_int_equal(newest(EVENT_ANSWER).result, RESULT_SUPERSEDED);
	assert_true(next(EFFECT_ORDER).request.step > STEP_FLUSH);
	assert_int_equal(next(EFFECT_SHIELD_UP).kind, EFFECT_NONE); /* it is up */
	assert_true(answer(a, order.request.sequence, RESULT_DONE)); /* late, recorded */
}

static void the_ladder_to_the_end(void **state)
{
	uint64_t logger = join("logger", 10, 1);
	struct victim victim = victim_of(0);
	struct core_effect e;

	(void)state;
	run_out(logger);
	core_survey(&core, 0, &victim, now_us);
	e = next(EFFECT_SIGNAL_VICTIM);
	assert_int_equal(e.signal, SIGTERM);
	now_us = core.domain[0].escalate.deadline_us - 1;
	core_tick(&core, now_us);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).kind, EFFECT_NONE);
	pass(1);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).signal, SIGKILL);
	core_victim_gone(&core, 0, now_us);
	assert_int_equal(newest(EVENT_ENDED).a, 7);
	assert_int_equal(core.domain[0].escalate.rung, RUNG_SETTLE);
	assert_int_equal(newest(EVENT_RETURNED).number, 0);
	free_mib(0, 40);
	now_us = core.domain[0].escalate.deadline_us;
	core_tick(&core, now_us);
	assert_int_equal(newest(EVENT_RETURNED).a, 7);
	assert_int_equal(newest(EVENT_RETURNED).b, 64 * MIB);
	assert_in_range(newest(EVENT_RETURNED).c, 30 * MIB, 40 * MIB); /* by so much headroom rose */
}

static void a_client_that_caused_it(void **state)
{
	uint64_t logger = join("logger", 10, 1);
	struct victim victim = victim_of(logger);
	struct core_effect order;

	(void)state;
	run_out(logger);
	core_survey(&core, 0, &victim, now_us);
	order = next(EFFECT_ORDER);
	assert_int_equal(order.request.is_final, true);
	assert_int_equal(order.request.step, STEP_SHUTDOWN);
	assert_true(answer(logger, order.request.sequence, RESULT_DONE));
	assert_int_equal(core.domain[0].escalate.rung, RUNG_LEAVE);
	core_leave(&core, logger, now_us);
	core_victim_gone(&core, 0, now_us);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).kind, EFFECT_NONE);
	assert_int_equal(core.episode[1001 % CORE_EPISODES_MAX].victims, 1);
}

/* A victim with a procedure; from here on it runs. */
static void start_procedure(void)
{
	uint64_t logger = join("logger", 10, 1);
	struct victim victim = victim_of(0);

	victim.procedure = 4;
	victim.procedure_us = 300 * US_PER_MS;
	strcpy(victim.procedure_name, "save");
	run_out(logger);
	core_survey(&core, 0, &victim, now_us);
	assert_int_equal(next(EFFECT_PROCEDURE).kind, EFFECT_PROCEDURE);
	assert_int_equal(newest(EVENT_PROCEDURE).b, 4);
	assert_true(core_due_us(&core) <= now_us + 300 * US_PER_MS);
}

static void a_procedure_runs_before_the_end(void **state)
{
	const struct core_procedure_end other = { .procedure = 3 };
	const struct core_procedure_end end = { 4, PROCEDURE_FAILED, 2, 77 };

	(void)state;
	start_procedure();
	core_procedure_done(&core, 0, &other, now_us);
	pass(12000);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).kind, EFFECT_NONE);
	core_procedure_done(&core, 0, &end, now_us);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).signal, SIGTERM);
	assert_int_equal(newest(EVENT_PROCEDURE_ENDED).b, PROCEDURE_FAILED);
	assert_int_equal(newest(EVENT_PROCEDURE_ENDED).c, 2);
	assert_int_equal(newest(EVENT_PROCEDURE_ENDED).d, 12000);
	assert_string_equal(newest(EVENT_PROCEDURE_ENDED).name, "save");
}

static void a_procedure_that_hangs(void **state)
{
	const struct core_procedure_end end = { 4, PROCEDURE_DONE, 0, 0 };
	uint64_t told;

	(void)state;
	start_procedure();
	pass(300 * US_PER_MS);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).signal, SIGTERM);
	assert_int_equal(newest(EVENT_PROCEDURE_ENDED).b, PROCEDURE_LATE);
	told = newest(EVENT_PROCEDURE_ENDED).number;
	core_procedure_done(&core, 0, &end, now_us);
	assert_int_equal(newest(EVENT_PROCEDURE_ENDED).number, told);
}

static void the_victim_goes_while_its_procedure_runs(void **state)
{
	(void)state;
	start_procedure();
	core_victim_gone(&core, 0, now_us);
	assert_int_equal(newest(EVENT_PROCEDURE_ENDED).b, PROCEDURE_CUT);
	assert_int_equal(core.domain[0].escalate.rung, RUNG_SETTLE);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).kind, EFFECT_NONE);
}

/* Whoever gives a program half a second has the stages come half a second earlier. */
static void a_procedure_takes_time(void **state)
{
	const struct core_policy policy = rig_policy();
	uint64_t before;

	(void)state;
	free_mib(0, 100);
	before = core.domain[0].lead.us[STAGE_SHUTDOWN];
	core_set_procedure_time(&core, 500 * US_PER_MS);
	free_mib(0, 100);
	assert_true(core.domain[0].lead.us[STAGE_SHUTDOWN] == before + 500 * US_PER_MS);
	core_reconfigure(&core, &policy, now_us);
	free_mib(0, 100);
	assert_true(core.domain[0].lead.us[STAGE_SHUTDOWN] == before + 500 * US_PER_MS);
}

static void nobody_may_be_ended(void **state)
{
	uint64_t logger = join("logger", 10, 1), said;

	(void)state;
	run_out(logger);
	core_survey(&core, 0, NULL, now_us);
	said = newest(EVENT_NO_VICTIM).number;
	assert_int_not_equal(said, 0);
	core_survey(&core, 0, NULL, now_us);
	assert_int_equal(newest(EVENT_NO_VICTIM).number, said); /* once is enough */
}

static void two_domains_one_client(void **state)
{
	uint32_t cgroup = core_domain_add(&core, "/apps", false, now_us);
	uint64_t a = join("a", 10, 1u | 1u << cgroup);
	struct core_effect order;

	(void)state;
	free_mib(cgroup, 10);
	order = next(EFFECT_ORDER);
	assert_int_equal(order.domain, cgroup);
	assert_true(answer(a, order.request.sequence, RESULT_DONE));
	drain();
	free_mib(0, 10);
	assert_int_equal(next(EFFECT_ORDER).kind, EFFECT_NONE); /* it has flushed */
	core_domain_remove(&core, cgroup, now_us);
	assert_int_equal(next(EFFECT_ORDER).kind, EFFECT_NONE); /* system is still under pressure */
	assert_int_equal(slots[0].offer.domains, 1);
	assert_int_equal(core_domain_find(&core, "/apps"), CORE_DOMAINS_MAX);
}

/* What another domain is ending already is not asked or ended a second time; a reused pid is. */
static void two_domains_one_victim(void **state)
{
	uint32_t cgroup = core_domain_add(&core, "/apps", false, now_us);
	uint64_t logger = join("logger", 10, 1);
	struct victim victim = victim_of(0);

	(void)state;
	victim.start_ticks[0] = 4711;
	core.domain[cgroup].escalate.victim = victim;
	run_out(logger);
	core_survey(&core, 0, &victim, now_us);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).kind, EFFECT_NONE);
	assert_int_equal(core.domain[0].escalate.rung, RUNG_IDLE);
	victim.start_ticks[0]++;
	core_survey(&core, 0, &victim, now_us);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).signal, SIGTERM);
}

static void domains_have_limits(void **state)
{
	char name[CORE_DOMAIN_NAME_MAX + 1];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[CORE_DOMAIN_NAME_MAX] = 0;
	assert_int_equal(core_domain_add(&core, name, false, now_us), CORE_DOMAINS_MAX);
	for (uint32_t i = 1; i < CORE_DOMAINS_MAX; i++) {
		snprintf(name, sizeof(name), "/%u", i);
		assert_int_equal(core_domain_add(&core, name, false, now_us), i);
	}
	assert_int_equal(core_domain_add(&core, "/more", false, now_us), CORE_DOMAINS_MAX);
	assert_int_equal(core_domain_add(&core, "/7", true, now_us), 7);
}

static void taken_over_after_a_restart(void **state)
{
	uint64_t a;
	struct core_effect order;

	(void)state;
	core_take_over(&core, 0, 1042, STAGE_IMMINENT, 500000, now_us);
	a = join("a", 10, 1);
	order = next(EFFECT_ORDER);
	assert_int_equal(order.request.step, STEP_DEGRADE);
	assert_int_equal(order.episode, 1042);
	assert_true(answer(a, order.request.sequence, RESULT_DONE));
	/* nobody is ended before its clients had a moment to come back */
	for (uint64_t mib = 4; mib > 1; mib--) {
		pass(5000);
		free_mib(0, mib);
		order = next(EFFECT_ORDER);
		if (order.kind)
			answer(a, order.request.sequence, RESULT_DONE);
	}
	assert_int_equal(next(EFFECT_SURVEY).kind, EFFECT_NONE);
	pass(300000);
	free_mib(0, 0);
	assert_int_equal(next(EFFECT_SURVEY).kind, EFFECT_SURVEY);
}

static void sleeps_long_when_memory_is_plentiful(void **state)
{
	(void)state;
	free_mib(0, 100);
	assert_true(core.domain[0].sample_due_us - now_us > 40000);
	pass(10000);
	free_mib(0, 5);
	assert_true(core.domain[0].sample_due_us - now_us <= 5000);
	assert_true(core_due_us(&core) > now_us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_whole_dialogue, reset),
		cmocka_unit_test_setup(a_missed_deadline_then_late, reset),
		cmocka_unit_test_setup(busy_moves_the_deadline_once, reset),
		cmocka_unit_test_setup(who_vanishes_or_joins_in_the_middle, reset),
		cmocka_unit_test_setup(a_later_stage_supersedes, reset),
		cmocka_unit_test_setup(the_ladder_to_the_end, reset),
		cmocka_unit_test_setup(a_client_that_caused_it, reset),
		cmocka_unit_test_setup(a_procedure_runs_before_the_end, reset),
		cmocka_unit_test_setup(a_procedure_that_hangs, reset),
		cmocka_unit_test_setup(the_victim_goes_while_its_procedure_runs, reset),
		cmocka_unit_test_setup(a_procedure_takes_time, reset),
		cmocka_unit_test_setup(nobody_may_be_ended, reset),
		cmocka_unit_test_setup(two_domains_one_client, reset),
		cmocka_unit_test_setup(two_domains_one_victim, reset),
		cmocka_unit_test_setup(domains_have_limits, reset),
		cmocka_unit_test_setup(taken_over_after_a_restart, reset),
		cmocka_unit_test_setup(sleeps_long_when_memory_is_plentiful, reset),
	};

	return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
