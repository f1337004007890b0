/* SPDX-License-Identifier: MIT */
#include "act/last.h"
#include "rig.h"

#define NOW	(100 * US_PER_S)
#define S	US_PER_S
#define MS	US_PER_MS

static const struct last_policies policies = {
	.after_us = S, .sync_us = 5 * S, .reboots_most = 3, .reboots_within_us = 3600 * S,
};

/* In a phase with its deadline at `due_us`, seen so. */
static const struct row {
	const char *name;
	enum last_policy policy, running;
	enum last_phase at;
	uint64_t due_us;
	struct last_view view;
	enum last_phase to;
	enum last_do what;
	enum last_policy then;
	uint64_t new_due_us;		/* 0: not looked at */
} rows[] = {
	{ "somebody may be ended", LAST_REBOOT, 0, LAST_IDLE, NEVER_US, { .tte_low_us = NEVER_US },
	  LAST_IDLE, LAST_NOTHING, 0, NEVER_US },
	{ "nobody: the files first", LAST_REBOOT, 0, LAST_IDLE, NEVER_US,
	  { .is_stuck = true, .tte_low_us = NEVER_US }, LAST_TRYING, LAST_FREE, 0, NOW + S },
	{ "little time: half of it", LAST_REBOOT, 0, LAST_IDLE, NEVER_US,
	  { .is_stuck = true, .tte_low_us = 800 * MS, .least_us = 200 * MS }, LAST_TRYING, LAST_FREE, 0,
	  NOW + 400 * MS },
	{ "no time: what an end needs to settle", LAST_REBOOT, 0, LAST_IDLE, NEVER_US,
	  { .is_stuck = true, .tte_low_us = 0, .least_us = 200 * MS }, LAST_TRYING, LAST_FREE, 0,
	  NOW + 200 * MS },
	{ "nothing at all: a moment", LAST_REBOOT, 0, LAST_IDLE, NEVER_US, { .is_stuck = true }, LAST_TRYING,
	  LAST_FREE, 0, NOW + 20 * MS },
	{ "files: not yet", LAST_REBOOT, 0, LAST_TRYING, NOW + 1, { .is_stuck = true }, LAST_TRYING,
	  LAST_NOTHING, 0, NOW + 1 },
	{ "files helped", LAST_REBOOT, 0, LAST_TRYING, NOW, { .is_stuck = false }, LAST_IDLE, LAST_NOTHING, 0,
	  NEVER_US },
	{ "relieve: said, and looked at again", LAST_RELIEVE, 0, LAST_TRYING, NOW, { .is_stuck = true },
	  LAST_OVER, LAST_TELL, LAST_RELIEVE, NOW + 10 * S },
	{ "barebone", LAST_BAREBONE, 0, LAST_TRYING, NOW, { .is_stuck = true }, LAST_RUNNING, LAST_RUN,
	  LAST_BAREBONE, NOW + 60 * S },
	{ "program", LAST_PROGRAM, 0, LAST_TRYING, NOW, { .is_stuck = true }, LAST_RUNNING, LAST_RUN,
	  LAST_PROGRAM, NOW + 60 * S },
	{ "reboot: clients first", LAST_REBOOT, 0, LAST_TRYING, NOW, { .is_stuck = true }, LAST_ASKING,
	  LAST_ASK, LAST_REBOOT, NEVER_US },
	{ "reboot, another domain ends the machine: it is waited for", LAST_REBOOT, 0, LAST_TRYING, NOW,
	  { .is_stuck = true, .is_going = true }, LAST_TRYING, LAST_NOTHING, 0, NOW + 20 * MS },
	{ "power off: the same", LAST_POWEROFF, 0, LAST_TRYING, NOW, { .is_stuck = true }, LAST_ASKING,
	  LAST_ASK, LAST_POWEROFF, NEVER_US },
	{ "the third reboot", LAST_REBOOT, 0, LAST_TRYING, NOW, { .is_stuck = true, .reboots = 2 },
	  LAST_ASKING, LAST_ASK, LAST_REBOOT, 0 },
	{ "the fourth: barebone", LAST_REBOOT, 0, LAST_TRYING, NOW, { .is_stuck = true, .reboots = 3 },
	  LAST_RUNNING, LAST_RUN, LAST_BAREBONE, 0 },
	{ "dry run of a reboot", LAST_REBOOT, 0, LAST_TRYING, NOW, { .is_stuck = true, .is_dry = true },
	  LAST_OVER, LAST_TELL, LAST_REBOOT, NEVER_US },
	{ "clients still shut down", LAST_REBOOT, LAST_REBOOT, LAST_ASKING, NEVER_US, { .is_enabled = true },
	  LAST_ASKING, LAST_NOTHING, LAST_REBOOT, 0 },
	{ "they have: it goes", LAST_REBOOT, LAST_REBOOT, LAST_ASKING, NEVER_US,
	  { .is_enabled = true, .have_settled = true }, LAST_ENDING, LAST_END, LAST_REBOOT, NOW + 25 * S },
	{ "headroom is back: called off", LAST_REBOOT, LAST_REBOOT, LAST_ASKING, NEVER_US,
	  { .is_enabled = true, .have_settled = true, .is_back = true }, LAST_IDLE, LAST_CALL_OFF,
	  LAST_REBOOT, 0 },
	{ "a dry run now: called off", LAST_REBOOT, LAST_REBOOT, LAST_ASKING, NEVER_US,
	  { .is_enabled = true, .is_dry = true }, LAST_IDLE, LAST_CALL_OFF, LAST_REBOOT, 0 },
	{ "switched off: called off", LAST_REBOOT, LAST_REBOOT, LAST_ASKING, NEVER_US,
	  { .is_enabled = false },
	  LAST_IDLE, LAST_CALL_OFF, LAST_REBOOT, 0 },
	{ "another policy now: called off", LAST_RELIEVE, LAST_REBOOT, LAST_ASKING, NEVER_US,
	  { .is_enabled = true }, LAST_IDLE, LAST_CALL_OFF, LAST_REBOOT, 0 },
	{ "it goes", LAST_REBOOT, LAST_REBOOT, LAST_ENDING, NOW + 1, { .is_back = true }, LAST_ENDING,
	  LAST_NOTHING, LAST_REBOOT, 0 },
	{ "it has not gone", LAST_REBOOT, LAST_REBOOT, LAST_ENDING, NOW, { .is_stuck = true }, LAST_ENDING,
	  LAST_GIVE_UP, LAST_REBOOT, 0 },
	{ "the program runs", LAST_PROGRAM, LAST_PROGRAM, LAST_RUNNING, NOW + 1, { .is_stuck = true },
	  LAST_RUNNING, LAST_NOTHING, LAST_PROGRAM, 0 },
	{ "nothing is heard of it", LAST_PROGRAM, LAST_PROGRAM, LAST_RUNNING, NOW, { .is_stuck = true },
	  LAST_RUNNING, LAST_GIVE_UP, LAST_PROGRAM, 0 },
	{ "over", LAST_REBOOT, LAST_BAREBONE, LAST_OVER, NEVER_US, { .is_stuck = true }, LAST_OVER,
	  LAST_NOTHING,
	  LAST_BAREBONE, NEVER_US },
	{ "over, files may be worth a look again", LAST_RELIEVE, LAST_RELIEVE, LAST_OVER, NOW,
	  { .is_stuck = true }, LAST_IDLE, LAST_NOTHING, LAST_RELIEVE, NEVER_US },
};

static void each_step(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct last l = {
			.policy = row->policy, .phase = row->at, .running = row->running,
			.deadline_us = row->due_us,
		};
		struct last_view v = row->view;

		SAY(row);
		v.now_us = NOW;
		assert_int_equal(last_step(&l, &policies, &v), row->what);
		assert_int_equal(l.phase, row->to);
		assert_int_equal(l.policy, row->policy);
		if (row->then)
			assert_int_equal(l.running, row->then);
		if (row->new_due_us)
			assert_int_equal(l.deadline_us, row->new_due_us);
		assert_int_equal(last_is_busy(&l), l.phase == LAST_ASKING || l.phase == LAST_RUNNING ||
						   l.phase == LAST_ENDING);
		assert_int_equal(last_ends_machine(&l), l.phase == LAST_ASKING || l.phase == LAST_ENDING);
	}
}

/* The kernel has killed: the policy waits for what comes back, and no longer. */
static void waits_after_a_kill(void **state)
{
	struct last l = { .phase = LAST_TRYING, .deadline_us = NOW };

	(void)state;
	last_wait(&l, NOW + 200 * MS);
	assert_int_equal(l.deadline_us, NOW + 200 * MS);
	last_wait(&l, NOW + 100 * MS);
	assert_int_equal(l.deadline_us, NOW + 200 * MS);
	l = (struct last){ .phase = LAST_RUNNING, .deadline_us = NOW };
	last_wait(&l, NOW + 200 * MS);
	assert_int_equal(l.deadline_us, NOW);
}

static void told_once(void **state)
{
	struct last_view v = { .now_us = NOW, .is_stuck = true };
	struct last l = { .policy = LAST_RELIEVE };
	unsigned told = 0, freed = 0;

	(void)state;
	last_init(&l);
	for (unsigned i = 0; i < 3000; i++, v.now_us += 20 * MS) {
		enum last_do what = last_step(&l, &policies, &v);

		told += what == LAST_TELL;
		freed += what == LAST_FREE;
	}
	assert_int_equal(told, 1);
	assert_in_range(freed, 5, 7); /* a minute, every ten seconds */
}

static void what_follows_a_failure(void **state)
{
	struct last l = { .policy = LAST_REBOOT, .running = LAST_REBOOT, .phase = LAST_ENDING };

	(void)state;
	last_failed(&l, NOW);
	assert_int_equal(l.running, LAST_BAREBONE);
	assert_int_equal(l.phase, LAST_RUNNING);
	last_ran(&l, NOW);
	assert_int_equal(l.phase, LAST_OVER);
	last_init(&l);
	assert_int_equal(l.phase, LAST_IDLE);
	assert_int_equal(l.policy, LAST_REBOOT); /* it is the domain's, not the episode's */
}

static void words(void **state)
{
	(void)state;
	for (enum last_policy p = 0; p < LAST_POLICY_COUNT; p++)
		assert_int_equal(last_policy_find(last_policy_name(p)), p);
	assert_int_equal(last_policy_find(""), LAST_POLICY_COUNT);
	assert_int_equal(last_policy_find("reboots"), LAST_POLICY_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step), cmocka_unit_test(waits_after_a_kill),
		cmocka_unit_test(told_once),
		cmocka_unit_test(what_follows_a_failure), cmocka_unit_test(words),
	};

	return cmocka_run_group_tests_name("last", tests, NULL, NULL);
}
