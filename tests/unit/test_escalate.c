/* SPDX-License-Identifier: MIT */
#include "rig.h"

#define NOW	(100 * US_PER_S)
#define S	US_PER_S
#define MS	US_PER_MS

enum who { NOBODY, PROGRAM, CLIENT, GIVEN, GIVEN_CLIENT, GIVEN_ENDED }; /* GIVEN: a procedure */

/* At a rung with a deadline, seen so: where to, what to do, until when. */
static const struct row {
	const char *name;
	enum escalate_rung at;
	enum who who;
	uint64_t deadline_us;
	struct escalate_view view;
	enum escalate_rung to;
	enum escalate_do what;
	uint64_t new_deadline_us;	/* 0: not looked at */
} rows[] = {
	{ "idle, not wanted", RUNG_IDLE, NOBODY, NEVER_US, { .is_wanted = false },
	  RUNG_IDLE, ESCALATE_NOTHING, NEVER_US },
	{ "idle, wanted: choose, look again after settle", RUNG_IDLE, NOBODY, NEVER_US, { .is_wanted = true },
	  RUNG_IDLE, ESCALATE_CHOOSE, NOW + 200 * MS },
	{ "idle, wanted, chosen in vain just now", RUNG_IDLE, NOBODY, NOW + 1, { .is_wanted = true },
	  RUNG_IDLE, ESCALATE_NOTHING, 0 },
	{ "idle, wanted but headroom is back", RUNG_IDLE, NOBODY, NEVER_US,
	  { .is_wanted = true, .is_back = true },
	  RUNG_IDLE, ESCALATE_NOTHING, 0 },
	{ "a program: SIGTERM", RUNG_IDLE, PROGRAM, NEVER_US, { .tte_low_us = NEVER_US },
	  RUNG_TERM, ESCALATE_TERM, NOW + 500 * MS },
	{ "a program, time is short: half of what is left", RUNG_IDLE, PROGRAM, NEVER_US,
	  { .tte_low_us = 200 * MS },
	  RUNG_TERM, ESCALATE_TERM, NOW + 100 * MS },
	{ "a program, no time at all: 20 ms", RUNG_IDLE, PROGRAM, NEVER_US, { .tte_low_us = 0 },
	  RUNG_TERM, ESCALATE_TERM, NOW + 20 * MS },
	{ "a client: its own shutdown first", RUNG_IDLE, CLIENT, NEVER_US, { .tte_low_us = NEVER_US },
	  RUNG_FINAL, ESCALATE_ASK_FINAL, 0 },
	{ "final: waits", RUNG_FINAL, CLIENT, 0, { .final_deadline_us = NOW + 1 },
	  RUNG_FINAL, ESCALATE_NOTHING, NOW + 1 },
	{ "final, answered: a moment to leave", RUNG_FINAL, CLIENT, 0,
	  { .final_deadline_us = NOW + S, .final_ended = true, .tte_low_us = NEVER_US },
	  RUNG_LEAVE, ESCALATE_NOTHING, NOW + 200 * MS },
	{ "final, missed: SIGTERM", RUNG_FINAL, CLIENT, 0,
	  { .final_deadline_us = NOW, .final_ended = true, .final_missed = true, .tte_low_us = NEVER_US },
	  RUNG_TERM, ESCALATE_TERM, NOW + 500 * MS },
	{ "final, it has gone", RUNG_FINAL, CLIENT, 0, { .final_deadline_us = NOW + S, .victim_gone = true },
	  RUNG_SETTLE, ESCALATE_DONE, NOW + 200 * MS },
	{ "final, answered, headroom is back: spared", RUNG_FINAL, CLIENT, 0,
	  { .final_deadline_us = NOW + S, .final_ended = true, .is_back = true },
	  RUNG_IDLE, ESCALATE_NOTHING, NEVER_US },
	{ "leave, gone", RUNG_LEAVE, CLIENT, NOW + S, { .victim_gone = true },
	  RUNG_SETTLE, ESCALATE_DONE, 0 },
	{ "leave, still there", RUNG_LEAVE, CLIENT, NOW, { .tte_low_us = NEVER_US },
	  RUNG_TERM, ESCALATE_TERM, 0 },
	{ "given a procedure: it runs first, as long as it may", RUNG_IDLE, GIVEN, NEVER_US,
	  { .tte_low_us = 0 }, RUNG_PROCEDURE, ESCALATE_PROCEDURE, NOW + 300 * MS },
	{ "a client with a procedure: asked first", RUNG_IDLE, GIVEN_CLIENT, NEVER_US,
	  { .tte_low_us = NEVER_US }, RUNG_FINAL, ESCALATE_ASK_FINAL, 0 },
	{ "final, missed: its procedure", RUNG_FINAL, GIVEN_CLIENT, 0,
	  { .final_deadline_us = NOW, .final_ended = true, .final_missed = true },
	  RUNG_PROCEDURE, ESCALATE_PROCEDURE, NOW + 300 * MS },
	{ "leave, still there: its procedure", RUNG_LEAVE, GIVEN_CLIENT, NOW, { .tte_low_us = NEVER_US },
	  RUNG_PROCEDURE, ESCALATE_PROCEDURE, 0 },
	{ "leave, gone by itself: no procedure", RUNG_LEAVE, GIVEN_CLIENT, NOW, { .victim_gone = true },
	  RUNG_SETTLE, ESCALATE_DONE, 0 },
	{ "procedure: waits", RUNG_PROCEDURE, GIVEN, NOW + 1, { .tte_low_us = 0 },
	  RUNG_PROCEDURE, ESCALATE_NOTHING, 0 },
	{ "procedure: waits although headroom is back", RUNG_PROCEDURE, GIVEN, NOW + 1, { .is_back = true },
	  RUNG_PROCEDURE, ESCALATE_NOTHING, 0 },
	{ "procedure, due: SIGTERM", RUNG_PROCEDURE, GIVEN, NOW, { .tte_low_us = NEVER_US },
	  RUNG_TERM, ESCALATE_TERM, NOW + 500 * MS },
	{ "procedure, ended early: SIGTERM", RUNG_PROCEDURE, GIVEN_ENDED, NOW + S, { .tte_low_us = NEVER_US },
	  RUNG_TERM, ESCALATE_TERM, NOW + 500 * MS },
	{ "procedure is no reprieve", RUNG_PROCEDURE, GIVEN_ENDED, NOW + S,
	  { .tte_low_us = NEVER_US, .is_back = true }, RUNG_TERM, ESCALATE_TERM, 0 },
	{ "procedure, it is a client by now: it is asked first", RUNG_PROCEDURE, GIVEN_ENDED, NOW + S,
	  { .has_joined = true }, RUNG_IDLE, ESCALATE_NOTHING, NEVER_US },
	{ "procedure, the victim has gone", RUNG_PROCEDURE, GIVEN, NOW + S, { .victim_gone = true },
	  RUNG_SETTLE, ESCALATE_DONE, 0 },
	{ "term, half of what was left then", RUNG_TERM, PROGRAM, NOW + S, { .tte_low_us = 0 },
	  RUNG_TERM, ESCALATE_NOTHING, NOW + S },
	{ "term, its procedure was forbidden then", RUNG_TERM, GIVEN, NOW + S, { .tte_low_us = 0 },
	  RUNG_TERM, ESCALATE_NOTHING, NOW + S },
	{ "term after a procedure: half of what is left by now", RUNG_TERM, GIVEN_ENDED, NOW + S,
	  { .tte_low_us = 200 * MS }, RUNG_TERM, ESCALATE_NOTHING, NOW + 100 * MS },
	{ "term after a procedure, no time at all: 20 ms", RUNG_TERM, GIVEN_ENDED, NOW + S,
	  { .tte_low_us = 0 }, RUNG_TERM, ESCALATE_NOTHING, NOW + 20 * MS },
	{ "term after a procedure, more time by now: as was said", RUNG_TERM, GIVEN_ENDED, NOW + 1,
	  { .tte_low_us = NEVER_US }, RUNG_TERM, ESCALATE_NOTHING, NOW + 1 },
	{ "term after a procedure, headroom is back: as long as was said", RUNG_TERM, GIVEN_ENDED, NOW + S,
	  { .is_back = true, .tte_low_us = 0 }, RUNG_TERM, ESCALATE_NOTHING, NOW + S },
	{ "term, waits although headroom is back", RUNG_TERM, PROGRAM, NOW + 1, { .is_back = true },
	  RUNG_TERM, ESCALATE_NOTHING, 0 },
	{ "term, due, headroom is back: spared", RUNG_TERM, PROGRAM, NOW, { .is_back = true },
	  RUNG_PART, ESCALATE_NOTHING, NOW + S },
	{ "part, waits for its end", RUNG_PART, PROGRAM, NOW + 1, { .is_back = true },
	  RUNG_PART, ESCALATE_NOTHING, 0 },
	{ "part, gone", RUNG_PART, PROGRAM, NOW + 1, { .is_back = true, .victim_gone = true },
	  RUNG_SETTLE, ESCALATE_DONE, 0 },
	{ "part, lives on: spared", RUNG_PART, PROGRAM, NOW, { .is_back = true },
	  RUNG_IDLE, ESCALATE_NOTHING, NEVER_US },
	{ "part, less again but nothing wanted: waits", RUNG_PART, PROGRAM, NOW + 1, { .is_back = false },
	  RUNG_PART, ESCALATE_NOTHING, 0 },
	{ "part, falls again: SIGKILL, without a second SIGTERM", RUNG_PART, PROGRAM, NOW + 1,
	  { .is_wanted = true }, RUNG_KILL, ESCALATE_KILL, 0 },
	{ "term, due: SIGKILL", RUNG_TERM, PROGRAM, NOW, { .is_back = false },
	  RUNG_KILL, ESCALATE_KILL, NOW + S },
	{ "term, gone", RUNG_TERM, PROGRAM, NOW, { .victim_gone = true }, RUNG_SETTLE, ESCALATE_DONE, 0 },
	{ "kill, waits", RUNG_KILL, PROGRAM, NOW + 1, { .is_back = false }, RUNG_KILL, ESCALATE_NOTHING, 0 },
	{ "kill, does not go: another may be chosen", RUNG_KILL, PROGRAM, NOW, { .is_back = false },
	  RUNG_IDLE, ESCALATE_NOTHING, NEVER_US },
	{ "kill, gone", RUNG_KILL, PROGRAM, NOW + 1, { .victim_gone = true }, RUNG_SETTLE, ESCALATE_DONE, 0 },
	{ "settled", RUNG_SETTLE, NOBODY, NOW, { .is_wanted = true }, RUNG_IDLE, ESCALATE_NOTHING, NEVER_US },
};

static const struct escalate_policy policy = { true, false, 500 * MS, S, 200 * MS, true };

static struct escalate at(const struct row *r)
{
	struct escalate e;

	escalate_init(&e);
	e.rung = r->at;
	e.deadline_us = r->deadline_us;
	e.victim.kind = r->who == NOBODY ? VICTIM_NONE : VICTIM_PROCESS;
	e.victim.client = r->who == CLIENT || r->who == GIVEN_CLIENT ? 77 : 0;
	e.victim.procedure = r->who >= GIVEN ? 3 : 0;
	e.victim.procedure_us = 300 * MS;
	e.procedure_ended = r->who == GIVEN_ENDED;
	e.procedure_began_us = r->who == GIVEN_ENDED ? NOW - 100 * MS : 0;
	return e;
}

static void the_ladder(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct escalate e = at(&rows[i]);
		struct escalate_view view = rows[i].view;

		SAY(&rows[i]);
		view.now_us = NOW;
		assert_int_equal(escalate_step(&e, &policy, &view), rows[i].what);
		assert_int_equal(e.rung, rows[i].to);
		if (rows[i].new_deadline_us)
			assert_true(e.deadline_us == rows[i].new_deadline_us);
		if (rows[i].to == RUNG_IDLE && rows[i].at != RUNG_IDLE)
			assert_int_equal(e.victim.kind, VICTIM_NONE);
	}
}

/* What lives until its deadline forks on: a group that is larger than any list gets none. */
static void a_bomb_has_no_moment_to_leave(void **state)
{
	const struct row program = { .at = RUNG_IDLE, .who = PROGRAM, .deadline_us = NEVER_US };
	const struct escalate_view view = { .now_us = NOW, .is_wanted = true, .tte_low_us = NEVER_US };
	struct escalate e = at(&program);

	(void)state;
	e.victim.pids_count = VICTIM_PIDS_MAX;
	assert_int_equal(escalate_step(&e, &policy, &view), ESCALATE_TERM);
	assert_int_equal(escalate_step(&e, &policy, &view), ESCALATE_KILL);
	e = at(&program);
	e.victim.pids_count = VICTIM_PIDS_MAX - 1;
	assert_int_equal(escalate_step(&e, &policy, &view), ESCALATE_TERM);
	assert_int_equal(escalate_step(&e, &policy, &view), ESCALATE_NOTHING);
}

/* Each rung at the time at which it would be climbed, the last one for good. */
static void a_dry_run_tells_each_rung(void **state)
{
	static const struct {
		uint64_t at_us;
		enum escalate_do what;
		enum escalate_rung rung;
	} steps[] = {
		{ NOW, ESCALATE_ASK_FINAL, RUNG_FINAL },
		{ NOW + 400 * MS - 1, ESCALATE_NOTHING, RUNG_FINAL },
		{ NOW + 400 * MS, ESCALATE_PROCEDURE, RUNG_PROCEDURE },
		{ NOW + 700 * MS - 1, ESCALATE_NOTHING, RUNG_PROCEDURE },
		{ NOW + 700 * MS, ESCALATE_TERM, RUNG_TERM },
		{ NOW + 1200 * MS - 1, ESCALATE_NOTHING, RUNG_TERM },
		{ NOW + 1200 * MS, ESCALATE_KILL, RUNG_KILL },
		{ NOW + 90 * S, ESCALATE_NOTHING, RUNG_KILL },
	};
	const struct row client = { .at = RUNG_IDLE, .who = GIVEN_CLIENT, .deadline_us = NEVER_US };
	struct escalate_view view = { .is_wanted = true, .tte_low_us = NEVER_US, .final_ended = true };
	struct escalate_policy dry = policy;
	struct escalate e = at(&client);

	(void)state;
	dry.dry_run = true;
	for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
		view.now_us = steps[i].at_us;
		assert_int_equal(escalate_step(&e, &dry, &view), steps[i].what);
		assert_int_equal(e.rung, steps[i].rung);
		assert_true(e.is_dry);
		if (steps[i].what == ESCALATE_ASK_FINAL) /* by who tells it */
			e.deadline_us = NOW + 400 * MS;
	}
	assert_true(e.deadline_us == NEVER_US);
	assert_int_equal(escalate_step(&e, &policy, &view), ESCALATE_NOTHING); /* now it is meant */
	assert_int_equal(e.rung, RUNG_IDLE);
	assert_int_equal(e.victim.kind, VICTIM_NONE);
}

static void dry_run_and_off(void **state)
{
	const struct row term = { .at = RUNG_TERM, .who = PROGRAM, .deadline_us = NOW };
	const struct row given = { .at = RUNG_IDLE, .who = GIVEN, .deadline_us = NEVER_US };
	struct escalate_policy off = policy, none = policy;
	struct escalate_view view = { .now_us = NOW, .is_wanted = true, .tte_low_us = 0 };
	struct escalate e;

	(void)state;
	off.enabled = none.procedures = false;
	e = at(&given);
	assert_int_equal(escalate_step(&e, &none, &view), ESCALATE_TERM);
	escalate_init(&e);
	assert_int_equal(escalate_step(&e, &off, &view), ESCALATE_NOTHING);
	e = at(&term);
	assert_int_equal(escalate_step(&e, &off, &view), ESCALATE_NOTHING);
	assert_int_equal(e.rung, RUNG_IDLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ladder),
		cmocka_unit_test(dry_run_and_off),
		cmocka_unit_test(a_dry_run_tells_each_rung),
		cmocka_unit_test(a_bomb_has_no_moment_to_leave),
	};

	return cmocka_run_group_tests_name("escalate", tests, NULL, NULL);
}
