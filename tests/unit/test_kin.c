/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "act/kin.h"
#include "rig.h"

#define MANY	300u

static struct process processes[MANY];
static uint64_t scratch[VICTIM_SCRATCH(MANY)];
static uint32_t count;
static struct session slots[RIG_CLIENTS];
static struct session_table clients;
static struct victim victim;
static uint64_t pools_bytes, pools_done_bytes, wanted_bytes;

static int reset(void **state)
{
	(void)state;
	count = 0;
	pools_bytes = pools_done_bytes = wanted_bytes = 0;
	memset(slots, 0, sizeof(slots));
	session_init(&clients, slots, RIG_CLIENTS);
	return 0;
}

static struct process *add(int32_t pid, int32_t parent, const char *name, uint64_t growth_mib)
{
	struct process *p = &processes[count++];

	*p = (struct process){
		.pid = pid, .parent = parent, .in_domain = true, .start_ticks = 1000 + (uint64_t)pid,
		.memory_bytes = growth_mib * MIB, .growth_bytes = growth_mib * MIB,
	};
	strcpy(p->name, name);
	return p;
}

static void add_client(int32_t pid, bool may_be_ended)
{
	const struct session_policy policy = rig_policy().session;
	struct session_offer offer = { .name = "client", .pid = pid, .may_be_ended = may_be_ended };
	struct session *s;

	assert_int_equal(session_add(&clients, &policy, &offer, &s), SESSION_OK);
}

static bool choose(void)
{
	const struct victim_view view = {
		.processes = processes, .count = count, .scratch = scratch, .clients = &clients,
		.pools_bytes = pools_bytes, .pools_done_bytes = pools_done_bytes,
		.wanted_bytes = wanted_bytes, .total_bytes = 1000 * MIB,
	};

	return victim_choose(&view, &victim);
}

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
		bool is_kin;
	} rows[] = {
		{ "forked since", 1000, 5000, true },
		{ "of another user", 0, 5000, false },
		{ "was there before, and was not chosen", 1000, 900, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct process *p;

		reset(NULL);
		for (int32_t k = 0; k < 8; k++)
			add(100 + k, 1, "sh", 2)->uid = 1000;
		assert_true(choose());
		assert_int_equal(victim.kind, VICTIM_NAMESAKES);
		p = add(300, 1, "sh", 1);
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
