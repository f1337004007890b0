/* SPDX-License-Identifier: MIT */
/* What one domain does to another, and one client to all. */
#include <signal.h>

#include "core_rig.h"

static uint32_t cgroup;

static int with_cgroup(void **state)
{
	reset(state);
	core.policy.brake = true;
	cgroup = core_domain_add(&core, "/apps", false, now_us);
	return 0;
}

/* One request is all that a client has: who asked it is no matter to who takes its memory. */
static void asked_for_the_one_held_for_the_other(void **state)
{
	(void)state;
	join("viewer", 10, 1u | 1u << cgroup);
	for (uint64_t mib = 12; mib; mib--) {
		pass(2000);
		free_mib(cgroup, mib);
	}
	drain();
	for (uint64_t mib = 20; mib >= 7; mib--) {
		pass(2000);
		free_mib(0, mib);
	}
	assert_int_equal(core.domain[0].stage.now, STAGE_SHUTDOWN);
	assert_int_equal(slots[0].request.domain, cgroup);
	assert_int_equal(next(EFFECT_LOOK).kind, EFFECT_LOOK);
}

/* The stage that is told is that of the domain that is told beside it. */
static void the_domain_of_the_stage(void **state)
{
	(void)state;
	join("viewer", 10, 1u << cgroup);
	free_mib(0, 90);
	free_mib(cgroup, 2);
	drain();
	assert_int_equal(core_worst_domain(&core), cgroup);
	free_mib(cgroup, 95); /* back, and its stage stays for a while */
	drain();
	assert_true(core.domain[cgroup].stage.now > STAGE_NORMAL);
	assert_int_equal(core_worst_domain(&core), cgroup);
}

/* What no process shows, while one that is being ended gives its memory back, is that. */
static void the_dying_is_no_pool(void **state)
{
	const struct grower pool = { .kind = GROWER_POOL, .name = "pipes, sockets, drivers",
				     .since_bytes = 30 * MIB, .share_permyriad = 10000 };
	struct victim victim = victim_of(0);

	(void)state;
	run_out(join("logger", 10, 1));
	core_survey(&core, 0, &victim, now_us);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).signal, SIGTERM);
	core_growers(&core, 0, &pool, 1, now_us);
	assert_int_equal(newest(EVENT_GROWER).number, 0);
	core.domain[0].escalate.rung = RUNG_IDLE;
	core_growers(&core, 0, &pool, 1, now_us);
	assert_true(newest(EVENT_GROWER).number > 0);
}

/* The cgroup holds 7; from here on the system may end it. */
static struct victim held_by_the_cgroup(void)
{
	struct victim victim = victim_of(0);

	victim.start_ticks[0] = 4711;
	run_out(join("logger", 10, 1));
	drain();
	join("viewer", 10, 1u << cgroup);
	free_mib(cgroup, 2);
	core.domain[cgroup].hold = (struct hold){ .phase = HOLD_ON, .since_us = now_us, .victim = victim };
	drain();
	pass(1000);
	assert_int_equal(next(EFFECT_LET_GO).kind, EFFECT_NONE);
	return victim;
}

/* Who stands still cannot handle SIGTERM, whoever has sent it. */
static void held_by_the_one_ended_by_the_other(void **state)
{
	struct victim victim = held_by_the_cgroup();

	(void)state;
	core_survey(&core, 0, &victim, now_us);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).signal, SIGTERM);
	pass(1000);
	assert_int_equal(next(EFFECT_LET_GO).kind, EFFECT_LET_GO);
	assert_int_equal(core.domain[cgroup].hold.phase, HOLD_OFF);
	/* nor is it stopped again, while it is ending */
	core.domain[cgroup].hold = (struct hold){ .phase = HOLD_LOOKING };
	core.domain[cgroup].estimate.tte_low_us = 0;
	core_suspect(&core, cgroup, &victim, now_us);
	assert_int_equal(next(EFFECT_STOP).kind, EFFECT_NONE);
	core.domain[cgroup].hold = (struct hold){ .phase = HOLD_LOOKING };
	victim.start_ticks[0]++;
	core_suspect(&core, cgroup, &victim, now_us);
	assert_int_equal(next(EFFECT_STOP).domain, cgroup);
}

/* The survey finds nobody to end: that it would look on is no reason to hold a bystander for good. */
static void held_while_nobody_can_be_ended(void **state)
{
	(void)state;
	run_out(join("logger", 10, 1));
	drain();
	core.domain[0].hold = (struct hold){ .phase = HOLD_ON, .since_us = now_us,
					     .bytes_per_s = 100 * MIB, .victim = victim_of(0) };
	pass(US_PER_MS);
	pass(20 * US_PER_MS);
	assert_int_equal(core.domain[0].hold.phase, HOLD_ON);
	core_survey(&core, 0, NULL, now_us);
	pass(US_PER_MS);
	free_mib(0, 1);
	assert_int_equal(core.domain[0].hold.phase, HOLD_ON); /* until the next samples */
	pass(10 * US_PER_MS);
	assert_int_equal(core.domain[0].hold.phase, HOLD_OFF);
	assert_int_equal(core.domain[0].hold.victim.kind, VICTIM_NONE); /* no kin of it is stopped later */
	assert_int_equal(next(EFFECT_LET_GO).domain, 0);
}

/* Who is late to register after a restart would stand still as a stranger, and be ended as one. */
static void nobody_is_held_before_clients_are_back(void **state)
{
	const struct session_offer slow = { .name = "slow", .pid = 8, .domains = 1,
					    .budget_us = { 0, US_PER_S, US_PER_S, US_PER_S } };
	struct session *s;

	(void)state;
	core_take_over(&core, 0, 1042, STAGE_IMMINENT, 500000, now_us);
	assert_int_equal(core_join(&core, &slow, now_us, &s), SESSION_OK);
	for (uint64_t kib = 8 * 1024; kib > 4 * 1024; kib -= 128) {
		const struct sample sample = { .time_us = now_us, .has = SAMPLE_HAS_MEMORY,
					       .total_bytes = RIG_TOTAL, .free_bytes = kib * KIB };

		core_sample(&core, &sample);
		if (now_us < 1300000)
			assert_int_equal(next(EFFECT_LOOK).kind, EFFECT_NONE);
		else if (next(EFFECT_LOOK).kind)
			return;
		pass(10000);
	}
	fail_msg("nobody is looked for when they have had their time");
}

/* Its registration was on its way when it was stopped, or while its procedure ran. */
static void whoever_has_become_a_client(void **state)
{
	struct session_offer offer = { .name = "late", .pid = 7, .domains = 1, .may_be_ended = true };
	struct victim victim = victim_of(0);
	uint64_t logger = join("logger", 10, 1);
	struct session *s;

	(void)state;
	core.policy.escalate.procedures = true;
	victim.procedure = 3;
	victim.procedure_us = US_PER_S;
	run_out(logger);
	core.domain[0].hold = (struct hold){ .phase = HOLD_ON, .since_us = now_us, .victim = victim };
	core_survey(&core, 0, &victim, now_us);
	assert_int_equal(core.domain[0].escalate.rung, RUNG_PROCEDURE);
	drain();
	assert_int_equal(core_join(&core, &offer, now_us, &s), SESSION_OK);
	assert_int_equal(core.domain[0].hold.phase, HOLD_OFF);
	assert_int_equal(newest(EVENT_PROCEDURE_ENDED).b, PROCEDURE_CUT);
	assert_int_equal(core.domain[0].escalate.rung, RUNG_IDLE); /* it is chosen anew, and asked first */
	assert_int_equal(newest(EVENT_ACTION).number, 0);
}

/* It is spared with the group that it is of: the next choice leaves it out. */
static void one_of_a_group_has_become_a_client(void **state)
{
	struct session_offer offer = { .name = "late", .pid = 8, .domains = 1 };
	struct victim victim = victim_of(0);
	struct session *s;

	(void)state;
	victim.kind = VICTIM_TREE;
	victim.pids_count = 2;
	victim.pids[1] = 8;
	run_out(join("logger", 10, 1));
	core.domain[0].hold = (struct hold){ .phase = HOLD_ON, .since_us = now_us, .victim = victim };
	drain();
	assert_int_equal(core_join(&core, &offer, now_us, &s), SESSION_OK);
	assert_int_equal(core.domain[0].hold.phase, HOLD_OFF);
	assert_int_equal(next(EFFECT_LET_GO).kind, EFFECT_LET_GO);
}

static void another_one_stays_held(void **state)
{
	struct victim victim = held_by_the_cgroup();

	(void)state;
	victim.start_ticks[0]++;
	core_survey(&core, 0, &victim, now_us);
	assert_int_equal(next(EFFECT_SIGNAL_VICTIM).signal, SIGTERM);
	pass(1000);
	assert_int_equal(next(EFFECT_LET_GO).kind, EFFECT_NONE);
}

/* Nobody is chosen any more while all shut down, and who is asked anew by a ladder is waited for. */
static void the_machine_goes_when_all_have_answered(void **state)
{
	uint64_t logger = join("logger", 10, 1u | 1u << cgroup);
	struct victim victim = victim_of(logger);
	struct core_effect order;

	(void)state;
	run_out(logger);
	core.domain[cgroup].last = (struct last){
		.policy = LAST_REBOOT, .running = LAST_REBOOT, .phase = LAST_ASKING,
		.deadline_us = NEVER_US };
	core.domain[cgroup].stage.now = STAGE_SHUTDOWN;
	core.domain[cgroup].estimate = core.domain[0].estimate;
	core_survey(&core, 0, &victim, now_us); /* it was asked for before */
	order = next(EFFECT_ORDER);
	assert_true(order.request.is_final && order.domain == 0);
	pass(1000);
	assert_int_equal(core.domain[cgroup].last.phase, LAST_ASKING);
	assert_int_equal(next(EFFECT_END_MACHINE).kind, EFFECT_NONE);
	assert_true(answer(logger, order.request.sequence, RESULT_DONE));
	assert_int_equal(next(EFFECT_END_MACHINE).domain, cgroup);
	escalate_init(&core.domain[0].escalate);
	pass(1000);
	assert_int_equal(next(EFFECT_SURVEY).kind, EFFECT_NONE);
	core.domain[cgroup].last.phase = LAST_IDLE;
	core.domain[cgroup].stage.now = STAGE_NORMAL;
	pass(1000);
	assert_int_equal(next(EFFECT_SURVEY).domain, 0);
}

/* With the longest budget, never answering, there again before it is gone. */
static void one_that_comes_and_goes_puts_nothing_off(void **state)
{
	const uint64_t logger = join("logger", 10, 1);
	struct session_offer offer = { .name = "flood", .pid = 8, .domains = 1,
				       .budget_us = { 0, 0, 0, 60 * US_PER_S } };
	struct sample sample = { .has = SAMPLE_HAS_MEMORY, .total_bytes = RIG_TOTAL, .free_bytes = MIB,
				 .distress = DISTRESS_PSI_FULL };
	uint64_t entered_us, before = 0;
	struct session *s;

	(void)state;
	run_out(logger);
	entered_us = core.domain[0].stage.since_us;
	core.domain[0].escalate.deadline_us = NEVER_US; /* and that survey found nobody */
	while (now_us < entered_us + 3 * US_PER_S) {
		drain();
		assert_int_equal(core_join(&core, &offer, now_us, &s), SESSION_OK);
		assert_int_equal(next(EFFECT_ORDER).client, s->id);
		core_leave(&core, before, now_us);
		before = s->id;
		pass(100 * US_PER_MS);
		sample.time_us = now_us;
		core_sample(&core, &sample);
		if (next(EFFECT_SURVEY).kind)
			break;
	}
	assert_in_range(now_us, entered_us + 2 * US_PER_S, entered_us + 2200 * US_PER_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_domain_of_the_stage, with_cgroup),
		cmocka_unit_test_setup(the_dying_is_no_pool, with_cgroup),
		cmocka_unit_test_setup(asked_for_the_one_held_for_the_other, with_cgroup),
		cmocka_unit_test_setup(held_by_the_one_ended_by_the_other, with_cgroup),
		cmocka_unit_test_setup(another_one_stays_held, with_cgroup),
		cmocka_unit_test_setup(nobody_is_held_before_clients_are_back, with_cgroup),
		cmocka_unit_test_setup(whoever_has_become_a_client, with_cgroup),
		cmocka_unit_test_setup(one_of_a_group_has_become_a_client, with_cgroup),
		cmocka_unit_test_setup(held_while_nobody_can_be_ended, with_cgroup),
		cmocka_unit_test_setup(one_that_comes_and_goes_puts_nothing_off, with_cgroup),
		cmocka_unit_test_setup(the_machine_goes_when_all_have_answered, with_cgroup),
	};

	return cmocka_run_group_tests_name("core_between", tests, NULL, NULL);
}
