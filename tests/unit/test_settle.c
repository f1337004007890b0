/* SPDX-License-Identifier: MIT */
#include "act/settle.h"
#include "core_rig.h"

#define NOW	(100 * US_PER_S)
#define MS	US_PER_MS
#define NONE	UINT64_MAX	/* headroom was not read */
#define STEPS	10

struct step {
	uint64_t at_ms;			/* after NOW */
	bool is_killed;
	uint64_t kib;			/* headroom */
	bool is_on;			/* expected: nobody is chosen */
};

/* The ladder's settle_us is 200 ms. */
static const struct row {
	const char *name;
	struct step steps[STEPS];
} rows[] = {
	{ "no kill", { { 0, false, 500, false }, { 5, false, 400, false } } },
	{ "a kill, memory comes back",
	  { { 0, true, 500, true }, { 5, false, 3000, true }, { 60, false, 40000, true },
	    { 199, false, 40000, true }, { 200, false, 40000, false } } },
	{ "told by the log, then by the counter: one wait",
	  { { 0, true, NONE, true }, { 1, true, 500, true }, { 100, true, 500, true },
	    { 200, false, 500, false } } },
	{ "the counter comes after the wait: none more",
	  { { 0, true, NONE, true }, { 210, true, 500, false }, { 399, true, 500, false } } },
	{ "nothing comes back: a delay, no more",
	  { { 0, true, 500, true }, { 100, false, 100, true }, { 200, false, 100, false } } },
	{ "half of what came back is gone again: at once",
	  { { 0, true, 500, true }, { 20, false, 20000, true }, { 40, false, 10001, true },
	    { 45, false, 9999, false }, { 60, false, 15000, false } } },
	{ "cut short, the next kill is the same leak",
	  { { 0, true, 500, true }, { 20, false, 20000, true }, { 45, false, 9999, false },
	    { 50, true, 500, false }, { 205, true, 500, false }, { 400, true, 500, true } } },
	{ "a little that moves is no leak",
	  { { 0, true, 1000, true }, { 20, false, 400, true }, { 30, false, 100, true } } },
	{ "one kill after the other: half of the time is the ladder's",
	  { { 0, true, 500, true }, { 100, true, 500, true }, { 200, true, 500, false },
	    { 300, true, 500, false }, { 399, true, 500, false }, { 400, true, 500, true },
	    { 500, true, 500, true }, { 600, true, 500, false } } },
	{ "a loop that comes late finds a kill each time: it is the ladder's turn",
	  { { 0, true, 500, true }, { 4000, true, 500, false }, { 8000, true, 500, true },
	    { 12000, true, 500, false } } },
	{ "another kill, later", { { 0, true, 500, true }, { 200, false, 40000, false },
	    { 5000, true, 500, true } } },
};

static void each_step(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct settle s = { 0 };

		SAY(&rows[i]);
		for (unsigned k = 0; k < STEPS && (!k || rows[i].steps[k].at_ms); k++) {
			const struct step *at = &rows[i].steps[k];
			const struct settle_view view = {
				.now_us = NOW + at->at_ms * MS, .settle_us = 200 * MS,
				.is_killed = at->is_killed, .has_headroom = at->kib != NONE,
				.headroom_bytes = at->kib * KIB,
			};

			settle_step(&s, &view);
			assert_int_equal(settle_is_on(&s, view.now_us), at->is_on);
		}
	}
}

static void switched_off(void **state)
{
	const struct settle_view view = { .now_us = NOW, .is_killed = true };
	struct settle s = { 0 };

	(void)state;
	settle_step(&s, &view);
	assert_false(settle_is_on(&s, NOW));
}

/* ---- in the core ---- */

/*
 * The kernel has ended whom nobody else may end, and its memory is on its way: of who is left nobody is
 * ended, whether the survey was asked for before the kill or after it.
 */
static void what_the_kernel_killed_comes_back_first(void **state)
{
	uint64_t logger = join("logger", 10, 1);
	struct victim victim = victim_of(logger);
	uint64_t killed_us;

	(void)state;
	run_out(logger);
	killed_us = now_us;
	core_kernel_oom(&core, 0, 99, "liar", now_us);
	core_survey(&core, 0, &victim, now_us);
	assert_int_equal(core.domain[0].escalate.victim.kind, VICTIM_NONE);
	assert_int_equal(newest(EVENT_VICTIM).number, 0);
	drain();
	while (now_us < killed_us + 195000) { /* settle_us is 200 ms */
		pass(5000);
		free_mib(0, 1);
		assert_int_equal(next(EFFECT_SURVEY).kind, EFFECT_NONE);
	}
	pass(5000);
	free_mib(0, 1); /* nothing came back: there is another cause */
	assert_int_equal(next(EFFECT_SURVEY).kind, EFFECT_SURVEY);
	core_survey(&core, 0, &victim, now_us);
	assert_int_equal(newest(EVENT_VICTIM).client, logger);
}

/*
 * A leak that is started again whenever the kernel ends it is not there when the survey is: who is largest
 * then is spared, also if the kill came before the survey had ended; but not for ever.
 */
static void the_largest_is_no_cause_after_a_kill(void **state)
{
	struct victim victim = victim_of(0);

	(void)state;
	victim.is_by_size = true;
	victim.all_growth_bytes = 0;
	run_out(join("logger", 10, 1));
	core.domain[0].settle.is_owed = true; /* the wait for what comes back was before */
	for (int look = 0; look < 3; look++) {
		core_kernel_oom(&core, 0, 99, "hog", now_us);
		core.domain[0].settle.until_us = 0;
		pass(1000000); /* so long did the survey take */
		victim.seen_us = now_us - (look == 1 ? 900000 : 1100000);
		core_survey(&core, 0, &victim, now_us);
		assert_int_equal(core.domain[0].escalate.victim.kind, VICTIM_NONE);
	}
	core_survey(&core, 0, &victim, now_us);
	assert_int_equal(core.domain[0].escalate.victim.pid, victim.pid);
}

/* ... and a kill that was long before it says nothing. */
static void an_old_kill_spares_nobody(void **state)
{
	struct victim victim = victim_of(0);

	(void)state;
	victim.is_by_size = true;
	run_out(join("logger", 10, 1));
	core_kernel_oom(&core, 0, 99, "hog", now_us);
	pass(400000);
	free_mib(0, 1);
	victim.seen_us = now_us;
	core_survey(&core, 0, &victim, now_us);
	assert_int_equal(core.domain[0].escalate.victim.pid, victim.pid);
}

/* Half of what came back is gone again: somebody else leaks on. */
static void a_leak_that_goes_on_is_met_at_once(void **state)
{
	uint64_t logger = join("logger", 10, 1);

	(void)state;
	run_out(logger);
	core_survey(&core, 0, NULL, now_us);
	core_kernel_oom(&core, 0, 99, "tree", now_us);
	pass(190000);
	free_mib(0, 5);
	drain();
	pass(5000);
	free_mib(0, 2);
	assert_false(settle_is_on(&core.domain[0].settle, now_us));
	pass(5000);
	free_mib(0, 1);
	assert_int_equal(next(EFFECT_SURVEY).kind, EFFECT_SURVEY);
}

/* Without the kernel's log its counter tells. */
static void a_counted_kill_is_one(void **state)
{
	struct sample s = { .time_us = now_us, .has = SAMPLE_HAS_MEMORY | SAMPLE_HAS_VMSTAT,
			    .total_bytes = RIG_TOTAL, .free_bytes = 90 * MIB, .oom_kills = 7 };

	(void)state;
	core_sample(&core, &s);
	assert_false(settle_is_on(&core.domain[0].settle, now_us));
	s.time_us = now_us += 100000;
	s.oom_kills++;
	core_sample(&core, &s);
	assert_true(settle_is_on(&core.domain[0].settle, now_us + 199999));
	assert_false(settle_is_on(&core.domain[0].settle, now_us + 200000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step),
		cmocka_unit_test(switched_off),
		cmocka_unit_test_setup(what_the_kernel_killed_comes_back_first, reset),
		cmocka_unit_test_setup(the_largest_is_no_cause_after_a_kill, reset),
		cmocka_unit_test_setup(an_old_kill_spares_nobody, reset),
		cmocka_unit_test_setup(a_leak_that_goes_on_is_met_at_once, reset),
		cmocka_unit_test_setup(a_counted_kill_is_one, reset),
	};

	return cmocka_run_group_tests_name("settle", tests, NULL, NULL);
}
