/* SPDX-License-Identifier: MIT */
#include "growth_rig.h"

/* Row: a program that grows steadily is read at these distances for this long. */
static void steady_rates(void **state)
{
	static const struct {
		const char *name;
		uint64_t gap_us[3], reads, bytes_per_s;
	} rows[] = {
		{ "every 10 ms", { 10 * US_PER_MS, 10 * US_PER_MS, 10 * US_PER_MS }, 50, 20 * MIB },
		{ "two readings", { 200 * US_PER_MS, US_PER_S, US_PER_S }, 1, 5 * MIB },
		{ "irregular", { 3 * US_PER_MS, 170 * US_PER_MS, 40 * US_PER_MS }, 60, MIB },
		{ "every 2 s", { 2 * US_PER_S, 2 * US_PER_S, 2 * US_PER_S }, 6, 64 * KIB },
		{ "full speed", { US_PER_MS, 2 * US_PER_MS, US_PER_MS }, 40, 1024 * MIB },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t bytes = 30 * MIB;

		reset(state);
		SAY(&rows[i]);
		see(50, 1, "leaky", bytes);
		see(51, 1, "calm", bytes);
		for (uint64_t k = 0; k < rows[i].reads; k++) {
			uint64_t gap_us = rows[i].gap_us[k % 3];

			now_us += gap_us;
			bytes += rows[i].bytes_per_s * gap_us / US_PER_S;
			see(50, 1, "leaky", bytes);
			see(51, 1, "calm", 30 * MIB);
		}
		assert_int_equal(count_top(), 1);
		assert_int_equal(top[0].kind, GROWER_PROCESS);
		assert_int_equal(top[0].pid, 50);
		assert_int_equal(top[0].processes, 1);
		assert_int_equal(top[0].bytes, bytes);
		assert_int_equal(top[0].share_permyriad, 10000);
		if (rows[i].gap_us[0] >= 10 * US_PER_MS || rows[i].reads > 10) {
			assert_near(top[0].bytes_per_s, rows[i].bytes_per_s, 2);
			assert_near(top[0].recent_bytes_per_s, rows[i].bytes_per_s, 2);
		}
	}
}

/* A leak that begins in a program that rested for long: the fast rate is there first. */
static void a_leak_begins(void **state)
{
	uint64_t bytes = 30 * MIB;

	(void)state;
	for (int i = 0; i < 50; i++, now_us += 100 * US_PER_MS)
		see(50, 1, "leaky", bytes);
	for (int i = 0; i < 5; i++, now_us += 100 * US_PER_MS)
		see(50, 1, "leaky", bytes += 1000 * KIB);
	now_us -= 100 * US_PER_MS;
	assert_int_equal(count_top(), 1);
	assert_true(top[0].recent_bytes_per_s > 7000 * KIB);
	assert_true(top[0].bytes_per_s > 1800 * KIB);
	assert_true(top[0].bytes_per_s < top[0].recent_bytes_per_s);
}

/* What a collector takes and gives back is no growth in the long run. */
static void saw_teeth(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++, now_us += 50 * US_PER_MS) {
		see(50, 1, "java", 100 * MIB + (uint64_t)(i % 8) * 2 * MIB);
		see(51, 1, "leaky", 20 * MIB + (uint64_t)i * 512 * KIB);
	}
	assert_true(count_top() >= 1);
	assert_int_equal(top[0].pid, 51);
	assert_near(top[0].bytes_per_s, 10 * MIB, 3);
}

/* Row: a process that was not there before, and what of it is growth. */
static void newcomers(void **state)
{
	static const struct {
		const char *name;
		uint64_t started_us, since_bytes;
	} rows[] = {
		{ "started after the table began", START + 100 * US_PER_MS, 9 * MIB },
		{ "in the future, by a tick", START + 1100 * US_PER_MS, 9 * MIB },
		{ "started before the table began", START - US_PER_S, 0 },
		{ "nobody knows when", 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct growth_reading r;

		reset(state);
		SAY(&rows[i]);
		see(50, 1, "calm", MIB);
		now_us += US_PER_S;
		r = reading(70, 1, "new", 9 * MIB);
		r.started_us = rows[i].started_us;
		growth_see(&table, &r);
		assert_int_equal(count_top(), rows[i].since_bytes ? 1 : 0);
		assert_int_equal(top[0].since_bytes, rows[i].since_bytes);
	}
	/* Born at START + 0.1 s, 9 MiB at START + 1 s; and a moved one, too old to be young. */
	reset(state);
	see(50, 1, "calm", MIB);
	now_us += US_PER_S;
	growth_fork(&table, 70, 50, START + 100 * US_PER_MS);
	assert_string_equal(entries[growth_find(&table, 70)].name, "calm");
	see(70, 50, "new", 9 * MIB);
	assert_int_equal(count_top(), 1);
	assert_near(top[0].recent_bytes_per_s, 9 * MIB * 100 / 115, 1); /* over 0.25 s + 0.9 s */
	assert_near(top[0].bytes_per_s, 9 * MIB * 10 / 29, 1);		 /* over 2 s + 0.9 s */
	now_us += 100 * US_PER_S;
	see(50, 1, "calm", MIB);
	table.began_us = START;
	{
		struct growth_reading r = reading(71, 1, "moved", 9 * MIB);

		r.started_us = START + US_PER_S;
		growth_see(&table, &r);
	}
	assert_int_equal(entries[growth_find(&table, 71)].level.base_bytes, 9 * MIB);
}

/* The same pid with another start is another process; the one that went took its growth along. */
static void pids_are_used_again(void **state)
{
	(void)state;
	see(50, 1, "leaky", MIB);
	now_us += US_PER_S;
	see(50, 1, "leaky", 90 * MIB);
	assert_int_equal(count_top(), 1);
	now_us += US_PER_S;
	{
		struct growth_reading r = reading(50, 1, "other", 2 * MIB);

		r.start_ticks = 5;
		growth_see(&table, &r);
	}
	assert_int_equal(count_top(), 0);
	assert_int_equal(table.count, 1);
	/* A parent that is younger than its child is another one: no tree. */
	reset(state);
	for (int i = 0; i < 10; i++, now_us += US_PER_S) {
		struct growth_reading r = reading(50, 1, "new", MIB);

		r.start_ticks = 99999;
		growth_see(&table, &r);
		for (int32_t k = 0; k < 9; k++) {
			char name[] = "program0";

			name[7] = (char)('0' + k);
			see(60 + k, 50, name, (uint64_t)i * MIB);
		}
	}
	assert_true(count_top() == TOP);
	assert_int_equal(top[0].kind, GROWER_PROCESS);
}

static void the_unseen_fade(void **state)
{
	(void)state;
	see(50, 1, "leaky", MIB);
	now_us += US_PER_S;
	see(50, 1, "leaky", 11 * MIB);
	now_us += 3 * US_PER_S;
	assert_int_equal(count_top(), 1);
	assert_near(top[0].bytes_per_s, 10 * MIB, 1);
	now_us += 2 * US_PER_S;
	assert_int_equal(count_top(), 1);
	assert_near(top[0].bytes_per_s, 10 * MIB / 4, 1);
	now_us += 60 * US_PER_S;
	assert_int_equal(count_top(), 0);
	growth_sweep(&table, now_us);
	assert_int_equal(table.count, 0);
}

static void a_full_table(void **state)
{
	uint32_t room = 64 / 4 * 3;

	assert_int_equal(growth_init(&table, entries, nodes, 3), -EINVAL);
	assert_int_equal(growth_init(&table, entries, nodes, 100), 0); /* 64 are used */
	for (int32_t i = 0; i < 100; i++)
		see(1000 + i, 1, "old", MIB);
	assert_int_equal(table.count, room);
	assert_int_equal(table.untracked, 100 - room);
	/* What comes and grows finds room, also more of it than there are places. */
	for (int32_t i = 0; i < 200; i++) {
		struct growth_reading r;

		now_us += US_PER_MS;
		growth_fork(&table, 3000 + i, 1, now_us);
		r = reading(2000 + i, 1, "hog", MIB);
		r.started_us = now_us;
		growth_see(&table, &r);
		assert_true(table.count <= room);
	}
	assert_int_equal(count_top(), 1);
	assert_int_equal(top[0].kind, GROWER_NAMESAKES);
	assert_true(top[0].processes >= room - 2);
	reset(state);
}

/* Against a plain array: what is put in is found until it is taken out, whatever collides. */
static void places(void **state)
{
	enum { PIDS = 80 };
	bool there[PIDS + 1] = { false };
	uint32_t random = 99, count = 0;

	assert_int_equal(growth_init(&table, entries, nodes, 128), 0);
	for (int step = 0; step < 50000; step++) {
		int32_t i;

		random = random * 1664525u + 1013904223u;
		i = 1 + (int32_t)((random >> 8) % PIDS);
		if (random >> 31) {
			see(i * 64, 1, "x", MIB);
			count += !there[i];
			there[i] = true;
		} else {
			growth_exit(&table, i * 64);
			count -= there[i];
			there[i] = false;
		}
		assert_int_equal(table.count, count);
		i = 1 + (int32_t)((random >> 16) % PIDS);
		assert_int_equal(growth_find(&table, i * 64) != GROWTH_NOWHERE, there[i]);
	}
	now_us++;
	for (int32_t i = 1; i <= PIDS; i += 2)
		if (there[i])
			see(i * 64, 1, "x", MIB);
	growth_sweep(&table, now_us);
	for (int32_t i = 1; i <= PIDS; i++)
		assert_int_equal(growth_find(&table, i * 64) != GROWTH_NOWHERE, i % 2 && there[i]);
	reset(state);
}

static void bad_input(void **state)
{
	const uint64_t huge[] = { 0, UINT64_MAX, 1, UINT64_MAX / 2, 0 };
	struct growth_reading r = reading(0, 0, "none", MIB);

	(void)state;
	growth_see(&table, &r);
	r.pid = -5;
	growth_see(&table, &r);
	r.pid = 5;
	r.time_us = 0;
	growth_see(&table, &r);
	growth_fork(&table, 0, 1, now_us);
	growth_exit(&table, -1);
	assert_int_equal(table.count, 0);
	assert_int_equal(growth_find(&table, 0), GROWTH_NOWHERE);
	assert_int_equal(count_top(), 0);
	/* A table that is torn, figures that cannot be, a name without end, time that goes back. */
	for (size_t i = 0; i < ARRAY_LEN(huge); i++) {
		see(10, 11, "a", huge[i]);
		see(11, 10, "b", huge[i] / 3);
		see(12, 12, "c", huge[ARRAY_LEN(huge) - 1 - i]);
		r = reading(13, 11, "", huge[i]);
		memset(r.name, 'x', sizeof(r.name));
		growth_see(&table, &r);
		growth_pool(&table, GROWTH_POOL_SHMEM, huge[i], now_us);
		for (int calm = 0; calm < 2; calm++) {
			growth_calm(&table, calm);
			assert_true(count_top() <= 5);
			for (uint32_t k = 0; k < count_top(); k++)
				assert_true(top[k].share_permyriad <= PERMYRIAD);
		}
		now_us += i == 2 ? UINT64_C(1) << 60 : US_PER_MS;
	}
	now_us = START;
	see(10, 11, "a", 5 * MIB);
	assert_int_equal(growth_top(&table, now_us, top, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(steady_rates, reset),
		cmocka_unit_test_setup(a_leak_begins, reset),
		cmocka_unit_test_setup(saw_teeth, reset),
		cmocka_unit_test_setup(newcomers, reset),
		cmocka_unit_test_setup(pids_are_used_again, reset),
		cmocka_unit_test_setup(the_unseen_fade, reset),
		cmocka_unit_test_setup(a_full_table, reset),
		cmocka_unit_test_setup(places, reset),
		cmocka_unit_test_setup(bad_input, reset),
	};

	return cmocka_run_group_tests_name("growth", tests, NULL, NULL);
}
