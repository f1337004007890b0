/* SPDX-License-Identifier: MIT */
#include "victim_rig.h"

static void new_forks_are_found(void **state)
{
	(void)state;
	for (int32_t i = 0; i < 8; i++)
		add(100 + i, 1, "hog", 2);
	assert_true(choose());
	add(200, 100, "child", 1);
	add(201, 200, "grandchild", 1);
	add(202, 1, "hog", 1);
	add(203, 1, "other", 1);
	add(204, 100, "logger", 1);
	add_client(204, true);
	assert_int_equal(kin_extend(&victim, processes, count, &clients), 3);
	assert_int_equal(kin_extend(&victim, processes, count, &clients), 0);
}

/* Row: a process of the bomb's name that comes to be seen; is it one of the bomb? */
static void a_name_alone_is_no_kin(void **state)
{
	static const struct {
		const char *name;
		uint32_t uid;
		uint64_t start_ticks;
		int32_t parent;
		bool is_kin;
	} rows[] = {
		{ "forked since, and an orphan", 1000, 5000, 1, true },
		{ "of one of them", 1000, 5000, 103, true },
		{ "of who started one of them, or takes in their orphans", 1000, 5000, 40, true },
		{ "started by somebody else", 1000, 5000, 50, false },
		{ "of another user", 0, 5000, 1, false },
		{ "was there before, and was not chosen", 1000, 900, 1, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct process *p;

		reset(NULL);
		for (int32_t k = 0; k < 8; k++)
			add(100 + k, k ? 1 : 40, "sh", 2)->uid = 1000;
		assert_true(choose());
		assert_int_equal(victim.kind, VICTIM_NAMESAKES);
		p = add(300, rows[i].parent, "sh", 1);
		p->uid = rows[i].uid;
		p->start_ticks = rows[i].start_ticks;
		add(301, 300, "child of it", 1);
		if (kin_extend(&victim, processes, count, &clients) != (rows[i].is_kin ? 2 : 0))
			fail_msg("%s", rows[i].name);
	}
}

/* There is no room for it in the list, but it is one of them all the same. */
static void more_than_the_list(void **state)
{
	(void)state;
	for (int32_t i = 0; i < 280; i++)
		add(100 + i, 1, "bomb", 1)->is_new = true;
	assert_true(choose());
	assert_int_equal(victim.pids_count, VICTIM_PIDS_MAX);
	assert_true(kin_is(&victim, &processes[279], &clients));
	processes[279].parent = processes[278].pid; /* which is in no list either */
	processes[278].parent = processes[277].pid;
	add(900, 50, "bomb", 1)->is_new = true; /* somebody else's */
	kin_mark(&victim, &(struct victim_view){
		.processes = processes, .count = count, .scratch = scratch, .clients = &clients });
	assert_true(scratch[279] && scratch[278] && !scratch[280]);
	processes[279].parent = 1;
	processes[279].is_new = false;
	assert_false(kin_is(&victim, &processes[279], &clients));
	assert_int_equal(kin_extend(&victim, processes, count, &clients), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(new_forks_are_found, reset),
		cmocka_unit_test_setup(a_name_alone_is_no_kin, reset),
		cmocka_unit_test_setup(more_than_the_list, reset),
	};

	return cmocka_run_group_tests_name("kin", tests, NULL, NULL);
}
