/* SPDX-License-Identifier: MIT */
#include "growth_rig.h"

static void fork_tree(bool with_parents, bool with_events)
{
	see(1, 0, "init", 2 * MIB);
	see(5, 1, "sh", MIB);
	see(60, 1, "logger", 4 * MIB);
	for (int32_t i = 0; i < 200; i++) {
		struct growth_reading r;

		now_us += 2 * US_PER_MS;
		if (with_events)
			growth_fork(&table, 100 + i, i ? 100 + (i - 1) / 2 : 5, now_us);
		r = reading(100 + i, i ? 100 + (i - 1) / 2 : 5, "hog", 300 * KIB);
		r.started_us = now_us - US_PER_MS;
		r.start_ticks = 9000 + (uint64_t)i;
		if (!with_parents)
			r.parent = 1;
		now_us += US_PER_MS;
		r.time_us = now_us;
		growth_see(&table, &r);
	}
	see(5, 1, "sh", MIB + 4 * KIB);
	see(60, 1, "logger", 4 * MIB + 64 * KIB);
}

static void a_fork_tree_is_one(void **state)
{
	for (int events = 0; events < 2; events++) {
		reset(state);
		fork_tree(true, events);
		assert_true(count_top() >= 1);
		assert_int_equal(top[0].kind, GROWER_TREE);
		assert_int_equal(top[0].pid, 100);
		assert_int_equal(top[0].processes, 200);
		assert_string_equal(top[0].name, "hog");
		assert_int_equal(top[0].bytes, 200 * 300 * KIB);
		assert_int_equal(top[0].since_bytes, 200 * 300 * KIB);
		assert_true(top[0].share_permyriad > 9900);
	}
}

static void orphans_of_one_name_are_one(void **state)
{
	(void)state;
	fork_tree(false, false);
	assert_true(count_top() >= 1);
	assert_int_equal(top[0].kind, GROWER_NAMESAKES);
	assert_int_equal(top[0].processes, 200);
	assert_string_equal(top[0].name, "hog");
	/* Those of another user are others. */
	for (int32_t i = 0; i < 150; i++) {
		struct growth_reading r = reading(100 + i, 1, "hog", 300 * KIB);

		r.start_ticks = 9000 + (uint64_t)i;
		r.time_us = now_us + 1;
		r.uid = 7;
		growth_see(&table, &r);
	}
	now_us++;
	assert_true(count_top() >= 2);
	assert_int_equal(top[0].processes + top[1].processes, 200);
	assert_int_equal(top[0].uid + top[1].uid, 7);
}

/* Two that grow by themselves are two, the larger first, and nobody is in both. */
static void two_growers(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++, now_us += 50 * US_PER_MS) {
		see(1, 0, "init", MIB);
		see(50, 1, "big", 30 * MIB + (uint64_t)i * 3 * MIB);
		for (int32_t k = 0; k < 20; k++)
			see(60 + k, k ? 60 : 1, "worker", MIB + (uint64_t)i * 100 * KIB);
	}
	assert_int_equal(count_top(), 2);
	assert_int_equal(top[0].kind, GROWER_PROCESS);
	assert_int_equal(top[0].pid, 50);
	assert_int_equal(top[1].kind, GROWER_TREE);
	assert_int_equal(top[1].pid, 60);
	assert_int_equal(top[1].processes, 20);
	assert_near(top[0].share_permyriad, 6057, 1);
	assert_near(top[1].share_permyriad, 3942, 1);
}

static void pools(void **state)
{
	static const char *const names[] = {
		"tmpfs and shared memory", "kernel memory (slab)", "pipes, sockets, drivers",
	};

	for (int pool = 0; pool < GROWTH_POOL_COUNT; pool++) {
		reset(state);
		for (int i = 0; i < 20; i++, now_us += 100 * US_PER_MS) {
			see(50, 1, "writer", 5 * MIB + (uint64_t)i * 10 * KIB);
			growth_pool(&table, (enum growth_pool)pool, 8 * MIB + (uint64_t)i * MIB, now_us);
			growth_pool(&table, (enum growth_pool)((pool + 1) % 3), 8 * MIB, now_us);
		}
		assert_int_equal(count_top(), 2);
		assert_int_equal(top[0].kind, GROWER_POOL);
		assert_int_equal(top[0].pool, pool);
		assert_string_equal(top[0].name, names[pool]);
		assert_int_equal(top[0].pid, 0);
		assert_int_equal(top[0].processes, 0);
		assert_int_equal(top[0].bytes, 27 * MIB);
		assert_near(top[0].bytes_per_s, 10 * MIB, 2);
		assert_true(top[0].share_permyriad > 9800);
		assert_int_equal(top[1].pid, 50);
	}
	growth_pool(&table, GROWTH_POOL_COUNT, 1, now_us);
	assert_string_equal(growth_pool_name(GROWTH_POOL_COUNT), "");
}

/* A client that leaks is named, alone; and the tree that holds one is none. */
static void apart(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++, now_us += 100 * US_PER_MS) {
		see(1, 0, "init", MIB + (uint64_t)i * 8 * KIB);
		see(5, 1, "shell", MIB);
		for (int32_t k = 0; k < 10; k++) {
			struct growth_reading r =
				reading(60 + k, 5, "worker", MIB + (uint64_t)i * 50 * KIB);

			r.is_apart = k == 9;
			growth_see(&table, &r);
		}
	}
	assert_int_equal(count_top(), 3);
	assert_int_equal(top[0].kind, GROWER_NAMESAKES);
	assert_int_equal(top[0].processes, 9);
	assert_int_equal(top[1].kind, GROWER_PROCESS);
	assert_int_equal(top[1].pid, 69);
	assert_int_equal(top[2].pid, 1);
}

static void out_of_calm(void **state)
{
	(void)state;
	see(50, 1, "burst", MIB);
	see(51, 1, "slow", MIB);
	now_us += US_PER_S;
	see(50, 1, "burst", 5 * MIB);
	see(51, 1, "slow", MIB);
	growth_mark(&table);
	growth_calm(&table, false);
	now_us += US_PER_S;
	see(50, 1, "burst", 40 * MIB);
	see(51, 1, "slow", 2 * MIB);
	for (int i = 1; i < 20; i++) {
		now_us += US_PER_S;
		see(50, 1, "burst", 40 * MIB);
		see(51, 1, "slow", 2 * MIB + (uint64_t)i * MIB);
	}
	/* By rate it is the slow one, by what was grown it is the other: so for the victim. */
	assert_int_equal(count_top(), 2);
	assert_int_equal(top[0].pid, 50);
	assert_int_equal(top[0].since_bytes, 35 * MIB);
	assert_true(top[0].bytes_per_s < 100 * KIB);
	growth_calm(&table, true);
	assert_true(count_top() >= 1);
	assert_int_equal(top[0].pid, 51);
	/* Noise is by rate. */
	growth_calm(&table, false);
	growth_mark(&table);
	now_us += US_PER_S;
	see(51, 1, "slow", 22 * MIB);
	see(50, 1, "burst", 40 * MIB);
	assert_true(count_top() >= 1);
	assert_int_equal(top[0].pid, 51);
}

#define MANY	60

/* A family of random shape, names and growth. */
static void make_family(struct process *family, uint32_t round, uint32_t *random)
{
	for (uint32_t i = 0; i < MANY; i++) {
		struct process *p = &family[i];
		uint32_t dice = *random = *random * 1664525u + 1013904223u;

		*p = (struct process){
			.pid = i ? 10 + (int32_t)i : 1, .in_domain = true, .is_protected = !i,
			.start_ticks = 1000 + i, .uid = dice >> 30 & 1,
			.parent = i > 1 ? family[(dice >> 8) % i].pid : (int32_t)i,
			.growth_bytes = (uint64_t)(dice >> 12) * (dice >> 5 & 3) * 4 + i,
			.is_new = true, /* old ones of the name that do not grow are no victims */
		};
		snprintf(p->name, sizeof(p->name), "n%u", (dice >> 16) % (1 + round % 9));
		if (round % 3 == 0 && i == 7)
			p->growth_bytes *= 40;
		if (!i)
			p->growth_bytes = 0;
		p->memory_bytes = p->growth_bytes + MIB;
	}
}

static void see_family(const struct process *family, bool has_grown)
{
	now_us += US_PER_S;
	for (uint32_t i = 0; i < MANY; i++) {
		const struct process *p = &family[i];
		struct growth_reading r = {
			.pid = p->pid, .parent = p->parent, .uid = p->uid,
			.start_ticks = p->start_ticks, .time_us = now_us,
			.bytes = has_grown ? p->memory_bytes : MIB,
		};

		memcpy(r.name, p->name, sizeof(r.name));
		growth_see(&table, &r);
	}
}

/* Whom growth names first and whom the victim rule ends are the same. */
static void agrees_with_the_victim(void **state)
{
	static const enum grower_kind kinds[] = {
		[VICTIM_PROCESS] = GROWER_PROCESS, [VICTIM_TREE] = GROWER_TREE,
		[VICTIM_NAMESAKES] = GROWER_NAMESAKES,
	};
	static struct process family[MANY];
	static uint64_t scratch[VICTIM_SCRATCH(MANY)];
	struct session slots[2] = { 0 };
	struct session_table clients;
	struct victim victim;
	const struct victim_view view = {
		.processes = family, .count = MANY, .scratch = scratch, .clients = &clients,
	};
	uint32_t random = 7, seen[VICTIM_KIND_COUNT] = { 0 };

	session_init(&clients, slots, 2);
	for (uint32_t round = 0; round < 3000; round++) {
		reset(state);
		make_family(family, round, &random);
		see_family(family, false);
		growth_mark(&table);
		growth_calm(&table, false);
		see_family(family, true);
		assert_true(victim_choose(&view, &victim));
		assert_int_equal(growth_top(&table, now_us, top, 1), 1);
		assert_int_equal(top[0].kind, kinds[victim.kind]);
		assert_string_equal(top[0].name, victim.name);
		assert_int_equal(top[0].processes, victim.pids_count);
		assert_int_equal(top[0].since_bytes, victim.growth_bytes);
		assert_int_equal(top[0].bytes, victim.memory_bytes);
		if (victim.kind != VICTIM_NAMESAKES)
			assert_int_equal(top[0].pid, victim.pid);
		seen[victim.kind]++;
	}
	print_message("# %u processes, %u trees, %u namesakes\n", seen[1], seen[2], seen[3]);
	assert_true(seen[1] > 100 && seen[2] > 100 && seen[3] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_fork_tree_is_one, reset),
		cmocka_unit_test_setup(orphans_of_one_name_are_one, reset),
		cmocka_unit_test_setup(two_growers, reset),
		cmocka_unit_test_setup(pools, reset),
		cmocka_unit_test_setup(apart, reset),
		cmocka_unit_test_setup(out_of_calm, reset),
		cmocka_unit_test_setup(agrees_with_the_victim, reset),
	};

	return cmocka_run_group_tests_name("growth_top", tests, NULL, NULL);
}
