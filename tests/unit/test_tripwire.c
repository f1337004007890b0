/* SPDX-License-Identifier: MIT */
/* Where the tripwire's limit stands, when it moves, and what being at it means. */
#include "rig.h"

#include "act/tripwire.h"

#define KEPT	(7 * MIB)	/* seven eighths of the floor below */

/* 128 MiB, 60 left, a cgroup of 30 with 10 of files: 20 + 60 - 7. */
static const struct tripwire_reading usual = {
	.total_bytes = 128 * MIB, .left_bytes = 60 * MIB, .low_bytes = MIB, .usage_bytes = 30 * MIB,
	.file_bytes = 10 * MIB, .before_bytes = TRIPWIRE_NONE,
};
#define USUAL_LIMIT	(73 * MIB)

static struct tripwire_view view_of(const struct tripwire_reading *r)
{
	return (struct tripwire_view){ .reading = r, .now_us = 5000000, .floor_bytes = 8 * MIB };
}

static const struct first_row {
	const char *name;
	uint64_t left_mib, low_mib, usage_mib, file_mib, before_mib, floor_mib;
	uint64_t limit_mib, kept_mib;
} firsts[] = {
	{ "usual", 60, 1, 30, 10, 0, 8, 73, 7 },
	{ "an empty cgroup", 60, 1, 0, 0, 0, 8, 53, 7 },
	{ "all of it files", 60, 1, 30, 30, 0, 8, 53, 7 },
	{ "the kernel reclaims from higher up", 60, 20, 30, 10, 0, 8, 60, 20 },
	{ "no floors", 60, 0, 30, 10, 0, 0, 79, 1 },
	{ "less is left than kept: nobody who holds still is slowed", 3, 1, 30, 10, 0, 8, 21, 7 },
	{ "nothing left", 0, 1, 30, 10, 0, 8, 21, 7 },
	{ "a lower limit stood there", 60, 1, 30, 10, 50, 8, 50, 7 },
	{ "one that is higher", 60, 1, 30, 10, 100, 8, 73, 7 },
	{ "files beyond usage", 60, 1, 5, 9, 0, 8, 53, 7 },
};

static void where_it_stands(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(firsts); i++) {
		const struct first_row *row = &firsts[i];
		const struct tripwire_reading r = {
			.total_bytes = 128 * MIB, .left_bytes = row->left_mib * MIB,
			.low_bytes = row->low_mib * MIB, .usage_bytes = row->usage_mib * MIB,
			.file_bytes = row->file_mib * MIB,
			.before_bytes = row->before_mib ? row->before_mib * MIB : TRIPWIRE_NONE,
		};
		struct tripwire_view v = view_of(&r);
		struct tripwire t;

		SAY(row);
		v.floor_bytes = row->floor_mib * MIB;
		tripwire_init(&t);
		assert_int_equal(tripwire_wanted_bytes(&t), TRIPWIRE_NONE);
		assert_int_equal(tripwire_step(&t, &v), row->limit_mib != row->before_mib);
		assert_int_equal(t.phase, TRIPWIRE_ARMED);
		assert_int_equal(tripwire_wanted_bytes(&t), row->limit_mib * MIB);
		assert_int_equal(t.kept_bytes, row->kept_mib * MIB);
	}
}

static const struct next_row {
	const char *name;
	int left_mib, usage_mib, file_mib;	/* changes against usual */
	uint64_t after_us;
	bool is_pressed, is_written;
	uint64_t limit_mib;
} nexts[] = {
	{ "a leak inside", -40, 40, 0, 1000000, false, false, 73 },
	{ "it is at the wire", -53, 53, 0, 1000000, false, false, 73 },
	{ "and beyond", -56, 56, 0, 1000000, false, false, 73 },
	{ "files are read inside", 0, 20, 20, 1000000, false, false, 73 },
	{ "a leak outside", -40, 0, 0, 1000000, false, true, 33 },
	{ "outside, up to the last page", -60, 0, 0, 1000000, false, true, 21 },
	{ "outside and inside, beyond", -60, 20, 0, 1000000, false, true, 41 },
	{ "a little outside is not worth it", 0, 0, 0, 1000000, false, false, 73 },
	{ "outside gives back", 20, 0, 0, 1000000, false, true, 93 },
	{ "moved a moment ago", -40, 0, 0, 249999, false, false, 73 },
	{ "that moment is over", -40, 0, 0, 250000, false, true, 33 },
	{ "from imminent on it stays", -40, 0, 0, 1000000, true, false, 73 },
};

static void when_it_moves(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(nexts); i++) {
		const struct next_row *row = &nexts[i];
		struct tripwire_reading r = usual;
		struct tripwire_view v = view_of(&r);
		struct tripwire t;

		SAY(row);
		tripwire_init(&t);
		assert_true(tripwire_step(&t, &v));
		assert_int_equal(t.limit_bytes, USUAL_LIMIT);
		r.left_bytes += (uint64_t)row->left_mib * MIB;
		r.usage_bytes += (uint64_t)row->usage_mib * MIB;
		r.file_bytes += (uint64_t)row->file_mib * MIB;
		v.now_us += row->after_us;
		v.is_pressed = row->is_pressed;
		assert_int_equal(tripwire_step(&t, &v), row->is_written);
		assert_int_equal(t.limit_bytes, row->limit_mib * MIB);
	}
}

/* Whatever is read, in whatever order: at most 4 writes a second, nobody who holds still is slowed. */
static void any_order(void **state)
{
	struct tripwire_reading r = usual;
	struct tripwire_view v = view_of(&r);
	uint64_t x = 88172645463325252u, writes = 0, begun_us = v.now_us;
	struct tripwire t;

	(void)state;
	tripwire_init(&t);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t before = t.phase == TRIPWIRE_OFF ? TRIPWIRE_NONE : t.limit_bytes;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		r.left_bytes = x % (100 * MIB);
		r.usage_bytes = (x >> 20) % (100 * MIB);
		r.file_bytes = (x >> 40) % (r.usage_bytes + 1);
		v.is_pressed = x >> 60 == 0;
		v.now_us += x % 100000;
		if (!tripwire_step(&t, &v))
			continue;
		writes++;
		assert_true(t.limit_bytes >= r.usage_bytes - r.file_bytes || t.limit_bytes >= before);
		assert_true(t.limit_bytes < before || r.left_bytes > t.kept_bytes || before == TRIPWIRE_NONE);
	}
	assert_true(writes > 100 && writes <= 4 * (v.now_us - begun_us) / US_PER_S + 1);
}

static const struct phase_row {
	const char *name;
	bool is_dry, is_saving, has_clients;
	enum tripwire_phase expect;
} phases[] = {
	{ "armed", false, false, false, TRIPWIRE_ARMED },
	{ "clients save elsewhere", false, true, false, TRIPWIRE_ARMED },
	{ "clients live there, nobody saves", false, false, true, TRIPWIRE_ARMED },
	{ "clients save there", false, true, true, TRIPWIRE_OPEN },
	{ "dry run", true, false, false, TRIPWIRE_DRY },
	{ "dry run, clients save there", true, true, true, TRIPWIRE_DRY },
};

/* From any phase to any other; what stood there before is what is wanted in all but one. */
static void each_phase(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(phases) * ARRAY_LEN(phases); i++) {
		const struct phase_row *from = &phases[i / ARRAY_LEN(phases)];
		const struct phase_row *to = &phases[i % ARRAY_LEN(phases)];
		struct tripwire_reading r = usual;
		struct tripwire_view v = view_of(&r);
		struct tripwire t;
		bool is_written;
		uint64_t was;

		SAY(to);
		tripwire_init(&t);
		v.is_dry = from->is_dry, v.is_saving = from->is_saving, r.has_clients = from->has_clients;
		assert_int_equal(tripwire_step(&t, &v), from->expect == TRIPWIRE_ARMED);
		was = tripwire_wanted_bytes(&t);
		v.is_dry = to->is_dry, v.is_saving = to->is_saving, r.has_clients = to->has_clients;
		is_written = tripwire_step(&t, &v);
		assert_int_equal(is_written, was != tripwire_wanted_bytes(&t));
		assert_int_equal(t.phase, to->expect);
		assert_int_equal(tripwire_wanted_bytes(&t),
				 to->expect == TRIPWIRE_ARMED ? USUAL_LIMIT : TRIPWIRE_NONE);
		assert_non_null(tripwire_phase_name(t.phase));
	}
}

/* What was only told, and what was taken away meanwhile, does not come back onto those who hold still. */
static void it_does_not_come_back_too_low(void **state)
{
	static const enum tripwire_phase before[] = { TRIPWIRE_DRY, TRIPWIRE_OPEN };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(before); i++) {
		struct tripwire_reading r = usual;
		struct tripwire_view v = view_of(&r);
		struct tripwire t;

		tripwire_init(&t);
		(void)tripwire_step(&t, &v);
		v.is_dry = before[i] == TRIPWIRE_DRY;
		v.is_saving = r.has_clients = before[i] == TRIPWIRE_OPEN;
		(void)tripwire_step(&t, &v);
		assert_int_equal(t.phase, before[i]);
		r.usage_bytes = USUAL_LIMIT + 10 * MIB; /* nothing held it */
		r.left_bytes = MIB;
		v.is_pressed = true;
		v.is_dry = v.is_saving = false;
		(void)tripwire_step(&t, &v);
		assert_int_equal(t.phase, TRIPWIRE_ARMED);
		assert_true(t.limit_bytes >= r.usage_bytes - r.file_bytes);
	}
}

static const struct trip_row {
	const char *name;
	uint64_t usage_mib, file_mib, trips;
	bool is_dry, expect;
} trips[] = {
	{ "at the wire", 73, 2, 4, false, true },
	{ "a page beyond", 74, 7, 4, false, true },
	{ "files only", 73, 40, 4, false, false },
	{ "told before", 73, 2, 3, false, false },
	{ "the counter began anew", 73, 2, 1, false, false },
	{ "dry run: it is not ours", 73, 2, 4, true, false },
};

static void what_a_trip_is(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(trips); i++) {
		const struct trip_row *row = &trips[i];
		struct tripwire_reading r = usual;
		struct tripwire_view v = view_of(&r);
		struct tripwire t;

		SAY(row);
		r.trips = 3;
		tripwire_init(&t);
		assert_false(tripwire_trip(&t, &r)); /* there is none yet */
		v.is_dry = row->is_dry;
		(void)tripwire_step(&t, &v);
		r.usage_bytes = row->usage_mib * MIB;
		r.file_bytes = row->file_mib * MIB;
		r.trips = row->trips;
		assert_int_equal(tripwire_trip(&t, &r), row->expect);
		assert_false(tripwire_trip(&t, &r));
	}
}

static void how_long_they_wait(void **state)
{
	struct tripwire_wait w = { 0 };

	(void)state;
	assert_true(tripwire_may_wait(&w, false, 1000000));
	assert_true(tripwire_may_wait(&w, true, 2000000));
	assert_true(tripwire_may_wait(&w, true, 4999999));
	assert_false(tripwire_may_wait(&w, true, 5000000));
	assert_false(tripwire_may_wait(&w, true, 9000000));
	assert_true(tripwire_may_wait(&w, false, 9000001));
	assert_true(tripwire_may_wait(&w, true, 9000002));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_it_stands), cmocka_unit_test(when_it_moves),
		cmocka_unit_test(any_order), cmocka_unit_test(each_phase),
		cmocka_unit_test(it_does_not_come_back_too_low),
		cmocka_unit_test(what_a_trip_is), cmocka_unit_test(how_long_they_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
