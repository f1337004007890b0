/* SPDX-License-Identifier: MIT */
/* A reload: what the broker reads only when it starts stays, and is named; the rest is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "config_table.h"

#define KEPT_MAX 100

static void one_of_each_type(void **state)
{
	static struct config next, in_force;
	char kept[KEPT_MAX];

	(void)state;
	config_default(&in_force);
	config_default(&next);
	next.hold_us = in_force.hold_us = 60 * US_PER_MS;
	assert_int_equal(config_keep(&next, &in_force, kept, KEPT_MAX), 0);
	assert_string_equal(kept, "");
	next.max_clients = 1;
	next.lock_memory = false;
	strcpy(next.export_file, "/x");
	assert_int_equal(config_keep(&next, &in_force, kept, KEPT_MAX), 3);
	assert_string_equal(kept, "max_clients, export_file, lock_memory");
	assert_memory_equal(&next, &in_force, sizeof(next));
}

static void what_needs_none_is_taken(void **state)
{
	static struct config next, in_force;
	char kept[KEPT_MAX];

	(void)state;
	config_default(&in_force);
	config_default(&next);
	next.max_per_uid = next.max_monitors = 1;
	next.shield = false;
	assert_int_equal(config_keep(&next, &in_force, kept, KEPT_MAX), 0);
	assert_int_equal(next.max_per_uid, 1);
	assert_int_equal(next.max_monitors, 1);
	assert_false(next.shield);
}

/* Too many for a sentence: as many whole keys as fit, but all are kept. */
static void little_room(void **state)
{
	static const char *const expect[] = { [7] = "", [9] = "events", [25] = "events",
					      [26] = "events, realtime_priority" };
	static struct config next, in_force;
	char kept[KEPT_MAX];

	(void)state;
	config_default(&in_force);
	for (size_t i = 0; i < ARRAY_LEN(expect); i++) {
		if (!expect[i])
			continue;
		config_default(&next);
		next.events = 64;
		next.realtime_priority = 1;
		assert_int_equal(config_keep(&next, &in_force, kept, i), 2);
		assert_string_equal(kept, expect[i]);
		assert_memory_equal(&next, &in_force, sizeof(next));
	}
}

static void text_and_flag_agree(void **state)
{
	unsigned count = 0;

	(void)state;
	for (size_t i = 0; i < config_options_count; i++) {
		bool says = strstr(config_options[i].text, "needs a restart") != NULL;

		assert_int_equal(says, config_options[i].needs_restart);
		count += says;
	}
	assert_true(count >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_each_type),
		cmocka_unit_test(what_needs_none_is_taken),
		cmocka_unit_test(little_room),
		cmocka_unit_test(text_and_flag_agree),
	};

	return cmocka_run_group_tests_name("config_keep", tests, NULL, NULL);
}
