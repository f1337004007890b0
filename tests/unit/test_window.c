/* SPDX-License-Identifier: MIT */
/* Each sequence counts once, in whatever order and however far apart they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "window.h"

#define MANY	2000u

static void rows(void **state)
{
	static const struct {
		uint64_t sequence;
		enum window_outcome expect;
		uint32_t ranges;
	} row[] = {
		{ 5, WINDOW_NEW, 1 }, { 5, WINDOW_SEEN, 1 }, { 6, WINDOW_NEW, 1 }, { 4, WINDOW_NEW, 1 },
		{ 10, WINDOW_NEW, 2 }, { 8, WINDOW_NEW, 3 }, { 9, WINDOW_NEW, 2 }, { 7, WINDOW_NEW, 1 },
		{ 4, WINDOW_SEEN, 1 }, { 10, WINDOW_SEEN, 1 }, { 1, WINDOW_NEW, 2 }, { 1, WINDOW_SEEN, 2 },
		{ INT64_MAX, WINDOW_NEW, 3 }, { INT64_MAX, WINDOW_SEEN, 3 }, { UINT64_MAX, WINDOW_NEW, 4 },
		{ UINT64_MAX, WINDOW_SEEN, 4 }, { 3, WINDOW_NEW, 4 }, { 2, WINDOW_NEW, 3 },
	};
	struct window w = { 0 };

	(void)state;
	assert_int_equal(window_highest(&w), 0);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(window_add(&w, row[i].sequence), row[i].expect);
		assert_int_equal(w.count, row[i].ranges);
	}
	assert_true(window_highest(&w) == UINT64_MAX);
	window_fini(&w);
}

/* Every order: what is new is new, and nothing is new twice. */
static void any_order(void **state)
{
	static bool seen[MANY + 1];
	struct window w = { 0 };

	(void)state;
	srand(7);
	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < 4 * MANY; i++) {
		/* in clusters, so that no more ranges are needed than there are */
		uint64_t sequence = 1 + ((unsigned)rand() % 50) * 40 + (unsigned)rand() % 40;

		assert_int_equal(window_add(&w, sequence), seen[sequence] ? WINDOW_SEEN : WINDOW_NEW);
		seen[sequence] = true;
		if (w.count >= WINDOW_RANGES_MAX)
			break;
	}
	assert_true(w.count < WINDOW_RANGES_MAX);
	window_fini(&w);
}

/* Full: the last ones are remembered exactly, the oldest count as seen. */
static void full(void **state)
{
	struct window w = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= 3 * WINDOW_RANGES_MAX; i++)
		assert_int_equal(window_add(&w, 10 * i), WINDOW_NEW);
	assert_int_equal(w.count, WINDOW_RANGES_MAX);
	for (uint64_t i = 1; i <= 3 * WINDOW_RANGES_MAX; i++)
		assert_int_equal(window_add(&w, 10 * i), WINDOW_SEEN);
	assert_int_equal(window_add(&w, 15), WINDOW_SEEN);
	assert_int_equal(window_add(&w, 30 * WINDOW_RANGES_MAX - 5), WINDOW_NEW);
	window_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows), cmocka_unit_test(any_order), cmocka_unit_test(full),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
