/* SPDX-License-Identifier: MIT */
#include "rig.h"

static struct event ring[4];
static struct record record;

static void fill(uint64_t events)
{
	record_init(&record, ring, 4);
	for (uint64_t i = 1; i <= events; i++)
		assert_int_equal(record_add(&record, &(struct event){ .a = i })->number, i);
}

static const struct row {
	const char *name;
	uint64_t events, after, expect, lost;	/* expect 0: none */
} rows[] = {
	{ "empty", 0, 0, 0, 0 },
	{ "the first", 3, 0, 1, 0 },
	{ "the next", 3, 2, 3, 0 },
	{ "nothing new", 3, 3, 0, 0 },
	{ "two were overwritten", 6, 0, 3, 2 },
	{ "just not overwritten", 6, 2, 3, 0 },
	{ "from the future", 3, 99, 0, 0 },
};

static void reading(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t number = rows[i].after, lost = 0;
		const struct event *e;

		SAY(&rows[i]);
		fill(rows[i].events);
		e = record_next(&record, &number, &lost);
		assert_int_equal(e ? e->a : 0, rows[i].expect);
		assert_int_equal(e ? number : 0, rows[i].expect);
		assert_int_equal(lost, rows[i].lost);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(reading) };

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
