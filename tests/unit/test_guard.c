/* SPDX-License-Identifier: MIT */
/* When the second thread acts in place of the loop, and when it does not. */
#include "rig.h"

#include "act/guard.h"

#define MS(n)		((n) * US_PER_MS)
#define ARMED		(GUARD_IS_ARMED | GUARD_MAY_STOP | GUARD_MAY_END)
#define STEPS_MAX	8
#define LAST		(MIB - 1)	/* below a quarter of the floor of shutdown */

/* The loop turned at 1 s, is due 10 ms later, and may be 250 ms late. */
static const struct guard_basis turned = {
	.turn = 1, .flags = ARMED, .beat_us = MS(1000), .due_us = MS(1010), .after_us = MS(250),
	.headroom_bytes = 20 * MIB, .level_bytes = 24 * MIB, .sampled_us = MS(1000),
	.floor_imminent_bytes = 8 * MIB, .floor_shutdown_bytes = 4 * MIB, .lead_us = MS(500),
	.swap_weight_permyriad = 5000,
};

/* A step that wants a look is given one at once; expect is what follows. */
struct step {
	uint64_t now_ms, left_bytes;
	enum guard_do expect;
	uint64_t wake_ms;		/* after SLEEP; 0: never */
};

static const struct row {
	const char *name;
	uint64_t flags;
	bool has_no_aim, has_procedure;
	uint64_t owed_ms, told_ms, due_ms;
	struct step step[STEPS_MAX];
} rows[] = {
	{ "the loop is not late", ARMED, .step = {
		{ 1005, 20 * MIB, GUARD_SLEEP, 1260 }, { 1259, LAST, GUARD_SLEEP, 1260 } } },
	{ "late: a second look first", ARMED, .step = {
		{ 1005, LAST, GUARD_SLEEP, 1260 }, { 1260, LAST, GUARD_SLEEP, 1280 },
		{ 1270, LAST, GUARD_SLEEP, 1280 }, { 1280, LAST, GUARD_STOP } } },
	{ "stops, tells, and ends at once where next to nothing is left", ARMED, .step = {
		{ 1260, LAST, GUARD_SLEEP, 1280 }, { 1280, LAST, GUARD_STOP }, { 1280, LAST, GUARD_TELL },
		{ 1280, LAST, GUARD_END }, { 1280, LAST, GUARD_SLEEP, 1300 },
		{ 1300, 0, GUARD_SLEEP, 1320 } } },
	{ "who was told has its time", ARMED, .told_ms = 1500, .step = {
		{ 1260, 3 * MIB, GUARD_SLEEP, 1280 }, { 1280, 3 * MIB, GUARD_STOP },
		{ 1280, 3 * MIB, GUARD_TELL }, { 1280, 3 * MIB, GUARD_SLEEP, 1300 },
		{ 1300, 3 * MIB, GUARD_SLEEP, 1320 }, { 1320, 3 * MIB, GUARD_SLEEP, 1340 },
		{ 1340, LAST, GUARD_END } } },
	{ "its time is over", ARMED, .told_ms = 1300, .step = {
		{ 1260, 3 * MIB, GUARD_SLEEP, 1280 }, { 1280, 3 * MIB, GUARD_STOP },
		{ 1280, 3 * MIB, GUARD_TELL }, { 1280, 3 * MIB, GUARD_SLEEP, 1300 },
		{ 1299, 3 * MIB, GUARD_SLEEP, 1319 }, { 1319, 3 * MIB, GUARD_END } } },
	{ "so has whom the loop had asked", ARMED, .owed_ms = 1400, .step = {
		{ 1260, 3 * MIB, GUARD_SLEEP, 1280 }, { 1280, 3 * MIB, GUARD_STOP },
		{ 1280, 3 * MIB, GUARD_TELL }, { 1280, 3 * MIB, GUARD_SLEEP, 1300 } } },
	{ "above the floor of shutdown nobody is ended", ARMED, .step = {
		{ 1260, 5 * MIB, GUARD_SLEEP, 1280 }, { 1280, 5 * MIB, GUARD_STOP },
		{ 1280, 5 * MIB, GUARD_TELL }, { 1280, 5 * MIB, GUARD_SLEEP, 1300 },
		{ 1300, 5 * MIB, GUARD_SLEEP, 1320 } } },
	{ "memory is not short", ARMED, .step = {
		{ 1260, 20 * MIB, GUARD_SLEEP, 1280 }, { 1280, 20 * MIB, GUARD_SLEEP, 1300 },
		{ 1300, 20 * MIB, GUARD_SLEEP, 1320 }, { 1320, 20 * MIB, GUARD_SLEEP, 1340 },
		{ 1340, 8 * MIB - 1, GUARD_STOP } } },
	{ "it falls so fast that the time is short", ARMED, .step = {
		{ 1260, 13 * MIB, GUARD_SLEEP, 1280 }, { 1280, 13 * MIB, GUARD_SLEEP, 1300 },
		{ 1300, 12 * MIB, GUARD_STOP } } },
	{ "nobody is known who grew", ARMED, .has_no_aim = true, .step = {
		{ 1260, LAST, GUARD_SLEEP, 1280 }, { 1280, LAST, GUARD_TELL },
		{ 1280, LAST, GUARD_SLEEP, 1300 } } },
	{ "who grew stands still already", ARMED | GUARD_IS_HELD, .step = {
		{ 1260, LAST, GUARD_SLEEP, 1280 }, { 1280, LAST, GUARD_TELL }, { 1280, LAST, GUARD_END } } },
	{ "without the brake", ARMED & ~GUARD_MAY_STOP, .step = {
		{ 1260, LAST, GUARD_SLEEP, 1280 }, { 1280, LAST, GUARD_TELL }, { 1280, LAST, GUARD_END } } },
	{ "nobody may be ended", ARMED & ~GUARD_MAY_END, .step = {
		{ 1260, 0, GUARD_SLEEP, 1280 }, { 1280, 0, GUARD_STOP }, { 1280, 0, GUARD_TELL },
		{ 1280, 0, GUARD_SLEEP, 1300 }, { 1300, 0, GUARD_SLEEP, 1320 } } },
	{ "a procedure that it cannot run: not before the kernel would", ARMED, .has_procedure = true,
	  .step = { { 1260, 2 * MIB, GUARD_SLEEP, 1280 }, { 1280, 2 * MIB, GUARD_STOP },
		{ 1280, 2 * MIB, GUARD_TELL }, { 1280, 2 * MIB, GUARD_SLEEP, 1300 },
		{ 1300, LAST, GUARD_END } } },
	{ "not armed", ARMED & ~GUARD_IS_ARMED, .step = { { 5000, 0, GUARD_SLEEP, 0 } } },
	{ "the loop waits for something to come", ARMED, .due_ms = NEVER_US / US_PER_MS, .step = {
		{ 5000, 0, GUARD_SLEEP, 0 } } },
	{ "the loop said that it would be silent", ARMED, .due_ms = 3000, .step = {
		{ 1260, 0, GUARD_SLEEP, 3250 }, { 3250, 0, GUARD_SLEEP, 3270 } } },
	{ "the guard itself was kept from running: both have their time anew", ARMED, .step = {
		{ 1005, 0, GUARD_SLEEP, 1260 }, { 1311, 0, GUARD_SLEEP, 1561 },
		{ 1561, 0, GUARD_SLEEP, 1581 }, { 1581, 0, GUARD_STOP } } },
	{ "also in the second look", ARMED, .step = {
		{ 1260, 0, GUARD_SLEEP, 1280 }, { 1400, 0, GUARD_SLEEP, 1650 } } },
	{ "and while it acts", ARMED & ~GUARD_MAY_END, .step = {
		{ 1260, 0, GUARD_SLEEP, 1280 }, { 1280, 0, GUARD_STOP }, { 1280, 0, GUARD_TELL },
		{ 1280, 0, GUARD_SLEEP, 1300 }, { 1351, 0, GUARD_SLEEP, 1601 } } },
};

static enum guard_do step(struct guard *g, struct guard_view *v)
{
	enum guard_do what;

	v->has_level = false;
	what = guard_step(g, v);
	if (what != GUARD_LOOK)
		return what;
	v->has_level = true;
	return guard_step(g, v);
}

static void play(const struct row *row)
{
	struct guard_basis basis = turned;
	struct guard_view v = { .basis = &basis, .has_aim = !row->has_no_aim,
				.has_procedure = row->has_procedure };
	struct guard g;

	SAY(row);
	guard_init(&g);
	basis.flags = row->flags;
	basis.owed_us = MS(row->owed_ms);
	if (row->due_ms)
		basis.due_us = row->due_ms == NEVER_US / US_PER_MS ? NEVER_US : MS(row->due_ms);
	for (const struct step *s = row->step; s < row->step + STEPS_MAX && s->now_ms; s++) {
		v.now_us = MS(s->now_ms);
		v.level_bytes = s->left_bytes + turned.level_bytes - turned.headroom_bytes;
		assert_int_equal(step(&g, &v), s->expect);
		if (s->expect == GUARD_SLEEP)
			assert_int_equal(g.wake_us, s->wake_ms ? MS(s->wake_ms) : NEVER_US);
		if (s->expect == GUARD_TELL)
			guard_told(&g, MS(row->told_ms));
	}
}

static void when_it_acts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		play(&rows[i]);
}

/* A turn that begins ends everything; the next stall begins anew. */
static void the_loop_turns_again(void **state)
{
	struct guard_basis basis = turned;
	struct guard_view v = { .basis = &basis, .has_aim = true, .now_us = MS(1260) };
	struct guard g;

	(void)state;
	guard_init(&g);
	assert_int_equal(step(&g, &v), GUARD_SLEEP);
	v.now_us = MS(1280);
	assert_int_equal(step(&g, &v), GUARD_STOP);
	basis.turn++;
	basis.beat_us = basis.due_us = MS(1280);
	assert_int_equal(step(&g, &v), GUARD_SLEEP);
	assert_int_equal(g.phase, GUARD_WATCHING);
	assert_int_equal(g.wake_us, MS(1530));
	v.now_us = MS(1530);
	assert_int_equal(step(&g, &v), GUARD_SLEEP);
	v.now_us = MS(1550);
	assert_int_equal(step(&g, &v), GUARD_STOP);
	assert_int_equal(g.late_us, MS(270));
	guard_did(&g, MS(1900)); /* what it does may take long: that is no lateness of its own */
	v.now_us = MS(1901);
	assert_int_equal(step(&g, &v), GUARD_TELL);
}

static const struct headroom_row {
	const char *name;
	uint64_t headroom_bytes, then_bytes, now_bytes, expect;
} headrooms[] = {
	{ "as it was", 20, 24, 24, 20 }, { "less", 20, 24, 10, 6 }, { "at the cliff", 20, 24, 4, 0 },
	{ "never below it", 20, 24, 0, 0 }, { "more", 20, 24, 30, 26 },
	{ "more, from behind the cliff", 0, 4, 30, 26 },
};

static void how_much_is_left(void **state)
{
	const struct sample s = { .free_bytes = MIB, .file_bytes = 2 * MIB, .swap_free_bytes = 40000 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(headrooms); i++) {
		const struct guard_basis b = { .headroom_bytes = headrooms[i].headroom_bytes,
					       .level_bytes = headrooms[i].then_bytes };

		SAY(&headrooms[i]);
		assert_int_equal(guard_headroom_bytes(&b, headrooms[i].now_bytes), headrooms[i].expect);
	}
	assert_int_equal(guard_level_bytes(&s, 5000), 3 * MIB + 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when_it_acts),
		cmocka_unit_test(the_loop_turns_again),
		cmocka_unit_test(how_much_is_left),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
