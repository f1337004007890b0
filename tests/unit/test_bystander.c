/* SPDX-License-Identifier: MIT */
#include "act/bystander.h"
#include "rig.h"

#define NOW	(100 * US_PER_S)
#define MS	US_PER_MS

/* The survey saw 20 and 21; 30 is a client, 40 feeds a watchdog. */
static const struct process seen[] = { { .pid = 20 }, { .pid = 21 } };
static const int32_t protect[] = { 0, 40 };

static const struct row {
	const char *name;
	int32_t pid;
	uint32_t domain, of_domain;
	uint64_t taken_us;
	bool expect;
} rows[] = {
	{ "forked since", 50, 3, 3, NOW, true },
	{ "... as a survey of the machine shows, too", 50, 3, 0, NOW, true },
	{ "seen: it is not the victim's", 21, 3, 3, NOW, false },
	{ "a client that the survey did not see", 30, 3, 3, NOW, false },
	{ "one that nobody may end", 40, 3, 3, NOW, false },
	{ "a process of a namespace above", 0, 3, 3, NOW, false },
	{ "the first process", 1, 3, 3, NOW, false },
	{ "the survey was of another cgroup", 50, 3, 4, NOW, false },
	{ "of a cgroup, and the victim is the machine's", 50, 0, 4, NOW, false },
	{ "it failed", 50, 3, 3, 0, false },
	{ "a tenth of a second old", 50, 3, 3, NOW - 100 * MS, true },
	{ "older", 50, 3, 3, NOW - 100 * MS - 1, false },
};

static void who_may_stand_still(void **state)
{
	const struct session_policy policy = rig_policy().session;
	const struct session_offer offer = { .name = "x", .pid = 30, .domains = 1 };
	static struct session slots[RIG_CLIENTS];
	struct session_table clients;
	struct session *s;

	(void)state;
	session_init(&clients, slots, RIG_CLIENTS);
	assert_int_equal(session_add(&clients, &policy, &offer, &s), SESSION_OK);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const struct bystander_view v = {
			.survey = { rows[i].of_domain, rows[i].taken_us },
			.processes = seen, .count = ARRAY_LEN(seen), .clients = &clients,
			.protect_pids = protect, .protect_count = ARRAY_LEN(protect),
			.domain = rows[i].domain, .now_us = NOW,
		};

		SAY(&rows[i]);
		assert_int_equal(bystander_may_stand_still(&v, rows[i].pid), rows[i].expect);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_stand_still),
	};

	return cmocka_run_group_tests_name("bystander", tests, NULL, NULL);
}
