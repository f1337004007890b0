/* SPDX-License-Identifier: MIT */
#include "victim_rig.h"

static void nobody(void **state)
{
	(void)state;
	assert_false(choose());
	add(1, 0, "init", 90)->is_protected = true;
	add(50, 1, "elsewhere", 90)->in_domain = false;
	add(60, 1, "kept", 90);
	add_client(60, false);
	assert_false(choose());
	assert_int_equal(victim.kind, VICTIM_NONE);
}

static void the_one_that_grew(void **state)
{
	(void)state;
	add(10, 1, "large", 0)->memory_bytes = 80 * MIB;
	add(11, 1, "leaky", 30);
	assert_true(choose());
	assert_int_equal(victim.kind, VICTIM_PROCESS);
	assert_int_equal(victim.pid, 11);
	assert_int_equal(victim.pids_count, 1);
	assert_int_equal(victim.start_ticks[0], 1011);
	assert_int_equal(victim.all_growth_bytes, 30 * MIB);
}

static struct process *add_writer(int32_t pid, const char *name, uint64_t written_mib)
{
	struct process *p = add(pid, 1, name, 1);

	p->written_bytes = written_mib * MIB;
	return p;
}

static void who_wrote_what_no_process_shows(void **state)
{
	(void)state;
	pools_bytes = 40 * MIB;
	add(10, 1, "logger", 4)->written_bytes = MIB; /* grew most of all that is seen */
	add_writer(11, "filler", 36);
	assert_true(choose());
	assert_int_equal(victim.pid, 11);
	assert_true(victim.is_writer);
	assert_int_equal(victim.growth_bytes, 36 * MIB);
	assert_int_equal(victim.all_growth_bytes, 40 * MIB);
}

/* What it wrote lies in a tmpfs; itself it is smaller than what is worth ending. */
static void a_small_writer_beside_a_client(void **state)
{
	(void)state;
	pools_bytes = 40 * MIB;
	add_writer(10, "logger", 9);
	add_client(10, true);
	add_writer(11, "filler", 36)->memory_bytes = 100 * KIB;
	assert_true(choose());
	assert_int_equal(victim.pid, 11);
}

static void bystanders_are_not_ended_for_a_tmpfs(void **state)
{
	(void)state;
	pools_bytes = 40 * MIB;
	add(10, 1, "logger", 4)->written_bytes = MIB;
	add_writer(11, "small", 9);
	assert_false(choose());
	assert_int_equal(victim.kind, VICTIM_NONE);
}

static void a_process_that_grew_more_than_the_pools(void **state)
{
	(void)state;
	pools_bytes = 10 * MIB;
	add(10, 1, "leaky", 30);
	add_writer(11, "filler", 10);
	assert_true(choose());
	assert_int_equal(victim.pid, 10);
	assert_false(victim.is_writer);
}

static void the_largest_when_nobody_grew(void **state)
{
	(void)state;
	add(10, 1, "large", 0)->memory_bytes = 80 * MIB;
	add(11, 1, "small", 1);
	assert_true(choose());
	assert_int_equal(victim.pid, 10);
}

static void a_client_alone(void **state)
{
	(void)state;
	add(10, 1, "logger", 40);
	add_client(10, true);
	assert_true(choose());
	assert_int_equal(victim.client, slots[0].id);
	assert_int_equal(victim.kind, VICTIM_PROCESS);
}

static void a_tree_without_its_shell_or_a_client(void **state)
{
	(void)state;
	add(5, 1, "shell", 0);
	add(10, 5, "hog", 2);
	for (int32_t i = 0; i < 20; i++)
		add(11 + i, 10 + i / 2, i % 2 ? "hog" : "worker", 2);
	add(90, 5, "logger", 1);
	add_client(90, true);
	assert_true(choose());
	assert_int_equal(victim.kind, VICTIM_TREE);
	assert_int_equal(victim.pid, 10);
	assert_int_equal(victim.pids_count, 21);
	for (uint32_t i = 0; i < victim.pids_count; i++)
		assert_true(victim.pids[i] >= 10 && victim.pids[i] <= 30);
}

static void orphans_of_one_name(void **state)
{
	(void)state;
	for (int32_t i = 0; i < 30; i++)
		add(100 + i, 1, "hog", 2);
	add(50, 1, "other", 3);
	add(51, 1, "hog", 2)->uid = 7;
	assert_true(choose());
	assert_int_equal(victim.kind, VICTIM_NAMESAKES);
	assert_int_equal(victim.pids_count, 30); /* not the other user's */
}

/* Thirty programs that leak alike, of thirty names, beside a client that filled its buffer. */
static void several_that_grew_alike(void **state)
{
	char name[16];

	(void)state;
	wanted_bytes = 15 * MIB;
	add(90, 1, "logger", 8);
	add_client(90, true);
	add(91, 1, "idle", 0)->growth_bytes = 100 * KIB;
	for (int32_t i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "p%d", (int)i);
		add(100 + i, 1, name, i == 7 ? 3 : 2);
	}
	assert_true(choose());
	assert_int_equal(victim.kind, VICTIM_SEVERAL);
	assert_int_equal(victim.pid, 107);
	assert_int_equal(victim.client, 0);
	assert_int_equal(victim.pids_count, 7); /* 3 MiB, and 6 of 2 MiB: what is missing, not all */
	assert_int_equal(victim.memory_bytes, 15 * MIB);
	assert_int_equal(victim.growth_bytes, 15 * MIB);
	assert_int_equal(victim.all_growth_bytes, 69 * MIB + 100 * KIB);
	for (uint32_t i = 0; i < victim.pids_count; i++)
		assert_true(victim.pids[i] >= 100);
	add(200, 107, "child", 1);
	add(201, 1, "p7", 1); /* a namesake is no kin of several */
	assert_int_equal(kin_extend(&victim, processes, count, &clients), 1);
}

static void one_of_several_is_enough(void **state)
{
	(void)state;
	wanted_bytes = 2 * MIB;
	for (int32_t i = 0; i < 9; i++) {
		add(100 + i, 1, "a", 4)->name[0] = (char)('a' + i);
	}
	assert_true(choose());
	assert_int_equal(victim.kind, VICTIM_PROCESS);
	assert_int_equal(victim.pids_count, 1);
}

/* Small processes, each of which costs the kernel as much as it has itself. */
static void a_fork_bomb_is_no_kernel_memory(void **state)
{
	(void)state;
	pools_bytes = 13 * MIB;
	add(90, 1, "logger", 2)->written_bytes = 2 * MIB;
	add_client(90, true);
	for (int32_t i = 0; i < 130; i++) {
		struct process *p = add(100 + i, 1, "sh", 0);

		p->is_new = true;
		p->kernel_growth_bytes = 60 * KIB;
		p->memory_bytes = p->growth_bytes = 120 * KIB;
	}
	assert_true(choose());
	assert_int_equal(victim.kind, VICTIM_NAMESAKES);
	assert_int_equal(victim.pids_count, 130);
	assert_false(victim.is_writer);
}

/* Row: what the client and the largest other grew by, or have where nobody grew; who is ended. */
static void clients_are_last(void **state)
{
	static const struct {
		const char *name;
		uint64_t client_mib, stranger_mib, other_mib, kept_mib;
		bool has_grown, expect_client;
	} rows[] = {
		{ "half of all growth is the client's", 20, 10, 10, 0, true, true },
		{ "less than half", 12, 10, 9, 0, true, false },
		{ "twice as much as the stranger", 12, 6, 6, 6, true, true },
		{ "nobody grew: the client is larger", 60, 10, 2, 0, false, false },
		{ "nobody else gives back anything", 60, 0, 0, 0, false, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		reset(state);
		add(10, 1, "logger", rows[i].client_mib);
		add_client(10, true);
		add(11, 1, "stranger", rows[i].stranger_mib);
		add(12, 1, "other", rows[i].other_mib);
		add(13, 1, "third", rows[i].kept_mib);
		for (uint32_t k = 0; k < count && !rows[i].has_grown; k++)
			processes[k].growth_bytes = 0;
		assert_true(choose());
		if ((victim.client != 0) != rows[i].expect_client)
			fail_msg("%s: pid %d", rows[i].name, victim.pid);
	}
}

static void preferred_comes_first(void **state)
{
	(void)state;
	add(10, 1, "leaky", 30);
	add(11, 1, "cache", 0)->memory_bytes = 5 * MIB;
	add(12, 1, "cache", 0)->memory_bytes = 8 * MIB;
	add(13, 1, "crumb", 0)->memory_bytes = MIB - 1;
	add(14, 1, "kept", 0)->memory_bytes = 50 * MIB;
	for (uint32_t i = 1; i < count; i++)
		processes[i].is_preferred = true;
	processes[4].is_protected = true;
	assert_true(choose());
	assert_int_equal(victim.pid, 12);
	assert_true(victim.is_preferred);
	processes[1].is_preferred = processes[2].is_preferred = false;
	assert_true(choose()); /* a crumb gives nothing back */
	assert_int_equal(victim.pid, 10);
	assert_false(victim.is_preferred);
}

/* Row: nobody grew; size and adjustment of two; who is ended. */
static void by_size_the_adjustment_counts(void **state)
{
	static const struct {
		uint64_t a_mib, b_mib;
		int32_t a_adj, b_adj, expect;
	} rows[] = {
		{ 80, 60, 0, 0, 10 },
		{ 80, 60, -30, 0, 11 },		/* 50 against 60 */
		{ 80, 60, 0, 21, 11 },		/* 80 against 81 */
		{ 80, 60, 0, 19, 10 },
		{ 80, 2, -1000, 0, 11 },
		{ 80, 60, -1000, -1000, 10 },	/* both count 1: the first */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		reset(state);
		*add(10, 1, "a", rows[i].a_mib) = (struct process){ .pid = 10, .in_domain = true,
			.memory_bytes = rows[i].a_mib * MIB, .oom_score_adj = rows[i].a_adj };
		*add(11, 1, "b", rows[i].b_mib) = (struct process){ .pid = 11, .in_domain = true,
			.memory_bytes = rows[i].b_mib * MIB, .oom_score_adj = rows[i].b_adj };
		assert_true(choose());
		if (victim.pid != rows[i].expect)
			fail_msg("row %zu: pid %d", i, victim.pid);
	}
}

/* Row: who leaks may not be ended; a client and a program beside it. */
static void nobody_is_ended_in_vain(void **state)
{
	static const struct {
		const char *name;
		uint64_t liar_mib, client_mib, wanted_mib, stranger_kib;
		int32_t expect;		/* 0: nobody */
	} rows[] = {
		{ "the client's buffer, a crumb beside it", 40, 4, 14, 490, 0 },
		{ "the client gives back half of what is missing, for a moment", 40, 8, 14, 490, 0 },
		{ "the same beside one who is not half of it", 8, 8, 14, 2000, 11 },
		{ "the client explains a quarter", 20, 8, 14, 490, 11 },
		{ "the client grew most", 3, 4, 14, 490, 11 },
		{ "the program gives something back, for a moment", 40, 4, 14, 1100, 0 },
		{ "the program explains more than a quarter", 3, 1, 14, 3000, 12 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		reset(state);
		wanted_bytes = rows[i].wanted_mib * MIB;
		add(10, 1, "liar", rows[i].liar_mib);
		add_client(10, false);
		add(11, 1, "logger", rows[i].client_mib);
		add_client(11, true);
		add(12, 1, "sh", 0);
		processes[count - 1].growth_bytes = processes[count - 1].memory_bytes =
			rows[i].stranger_kib * KIB;
		if ((choose() ? victim.pid : 0) != rows[i].expect)
			fail_msg("%s: pid %d", rows[i].name, victim.pid);
	}
}

static void a_torn_survey_ends(void **state)
{
	(void)state;
	add(10, 11, "a", 5);
	add(11, 10, "b", 5);
	add(12, 12, "c", 5);
	assert_true(choose());
}

static void more_than_the_array(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < MANY; i++)
		add((int32_t)(1000 + i), 1, "hog", 1);
	assert_true(choose());
	assert_int_equal(victim.pids_count, VICTIM_PIDS_MAX);
	assert_int_equal(victim.memory_bytes, MANY * MIB);
}

/* The machine's own shells have the name of the bomb's, and have not grown. */
static void old_namesakes_are_spared(void **state)
{
	(void)state;
	add(50, 1, "sh", 0)->memory_bytes = MIB; /* respawns the application */
	add(51, 1, "sh", 0)->growth_bytes = 64 * KIB; /* reads a script */
	for (int32_t i = 0; i < 20; i++)
		add(100 + i, 1, "sh", 1)->is_new = true;
	add(52, 1, "sh", 2); /* an older one that leaks as they do */
	assert_true(choose());
	assert_int_equal(victim.kind, VICTIM_NAMESAKES);
	assert_int_equal(victim.pids_count, 21);
}

/* Row: what one that has just started has, the other's growth, and who is ended. */
static void starting_is_no_leak(void **state)
{
	static const struct {
		const char *name;
		uint64_t newborn_mib, other_mib;
		int32_t expect_pid;
	} rows[] = {
		{ "it has what every program has: by size", 2, 0, 50 },
		{ "less than the other's growth, without that", 4, 3, 51 },
		{ "it takes far more", 9, 3, 60 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		reset(NULL);
		add(50, 1, "large", 0)->memory_bytes = 40 * MIB;
		add(51, 1, "other", rows[i].other_mib);
		add(60, 1, "starts", rows[i].newborn_mib)->is_new = true;
		processes[count - 1].is_newborn = true;
		assert_true(choose());
		if (victim.pid != rows[i].expect_pid)
			fail_msg("%s: %d", rows[i].name, victim.pid);
	}
}

/* Row: what has grown when the writer's end had settled, and now; who is ended for it. */
static void one_writer_after_the_other(void **state)
{
	static const struct {
		const char *name;
		uint64_t done_mib, now_mib, leak_mib;
		int32_t expect_pid;
	} rows[] = {
		{ "none was ended yet", 0, 20, 0, 70 },
		{ "it is as it was: the tmpfs stays full", 20, 20, 0, 0 },
		{ "a little more", 20, 21, 0, 0 },
		{ "it grows on", 20, 24, 0, 70 },
		{ "somebody leaks beside it", 20, 20, 9, 71 },
		{ "it was emptied meanwhile: by size", 20, 0, 0, 72 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		reset(NULL);
		add(70, 1, "stream", 0)->written_bytes = 30 * MIB;
		add(71, 1, "leak", rows[i].leak_mib);
		add(72, 1, "large", 0)->memory_bytes = 30 * MIB;
		pools_bytes = rows[i].now_mib * MIB;
		pools_done_bytes = rows[i].done_mib * MIB;
		(void)choose();
		if (victim.pid != rows[i].expect_pid)
			fail_msg("%s: %d", rows[i].name, victim.pid);
	}
}

/* Its buffers, beside a tmpfs that stays full. Row: what the client grew, and whether it is ended for it. */
static void a_client_after_the_writer(void **state)
{
	static const struct {
		uint64_t growth_mib, done_mib;
		bool is_ended;
	} rows[] = {
		{ 3, 33, false }, { 9, 33, true }, { 3, 0, true }, { 3, 8, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		reset(NULL);
		add(10, 1, "logger", rows[i].growth_mib)->memory_bytes = 10 * MIB;
		add_client(10, true);
		pools_bytes = pools_done_bytes = rows[i].done_mib * MIB;
		assert_int_equal(choose(), rows[i].is_ended);
	}
}

/* One that may not be ended leaks. Row: what the largest other has, and what is missing. */
static void beside_one_that_may_not_be_ended(void **state)
{
	static const struct {
		const char *name;
		uint64_t leak_mib, large_mib, wanted_mib;
		bool expect;
	} rows[] = {
		{ "its end would buy a moment", 30, 9, 14, false },
		{ "it gives back all that is missing", 30, 40, 14, true },
		{ "nobody grew at all", 1, 9, 14, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		reset(NULL);
		wanted_bytes = rows[i].wanted_mib * MIB;
		add(50, 1, "liar", rows[i].leak_mib);
		add_client(50, false);
		add(51, 1, "large", 0)->memory_bytes = rows[i].large_mib * MIB;
		if (choose() != rows[i].expect)
			fail_msg("%s", rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nobody, reset),
		cmocka_unit_test_setup(the_one_that_grew, reset),
		cmocka_unit_test_setup(who_wrote_what_no_process_shows, reset),
		cmocka_unit_test_setup(a_small_writer_beside_a_client, reset),
		cmocka_unit_test_setup(bystanders_are_not_ended_for_a_tmpfs, reset),
		cmocka_unit_test_setup(a_process_that_grew_more_than_the_pools, reset),
		cmocka_unit_test_setup(the_largest_when_nobody_grew, reset),
		cmocka_unit_test_setup(a_client_alone, reset),
		cmocka_unit_test_setup(a_tree_without_its_shell_or_a_client, reset),
		cmocka_unit_test_setup(orphans_of_one_name, reset),
		cmocka_unit_test_setup(several_that_grew_alike, reset),
		cmocka_unit_test_setup(one_of_several_is_enough, reset),
		cmocka_unit_test_setup(a_fork_bomb_is_no_kernel_memory, reset),
		cmocka_unit_test_setup(clients_are_last, reset),
		cmocka_unit_test_setup(preferred_comes_first, reset),
		cmocka_unit_test_setup(by_size_the_adjustment_counts, reset),
		cmocka_unit_test_setup(nobody_is_ended_in_vain, reset),
		cmocka_unit_test_setup(a_torn_survey_ends, reset),
		cmocka_unit_test_setup(more_than_the_array, reset),
		cmocka_unit_test_setup(old_namesakes_are_spared, reset),
		cmocka_unit_test_setup(starting_is_no_leak, reset),
		cmocka_unit_test_setup(a_client_after_the_writer, reset),
		cmocka_unit_test_setup(one_writer_after_the_other, reset),
		cmocka_unit_test_setup(beside_one_that_may_not_be_ended, reset),
	};

	return cmocka_run_group_tests_name("victim", tests, NULL, NULL);
}
