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

/* Ranges from elsewhere, whatever they overlap. */
static void ranges(void **state)
{
	static const struct {
		uint64_t first, last;
		uint32_t ranges;
		uint64_t inside_first, inside_last; /* of the one that has `first` then */
	} row[] = {
		{ 10, 20, 1, 10, 20 }, { 30, 40, 2, 30, 40 }, { 12, 15, 2, 10, 20 }, { 10, 20, 2, 10, 20 },
		{ 21, 22, 2, 10, 22 }, { 28, 29, 2, 28, 40 }, { 24, 26, 3, 24, 26 }, { 5, 9, 3, 5, 22 },
		{ 1, 2, 4, 1, 2 }, { 2, 27, 1, 1, 40 }, { 60, 70, 2, 60, 70 }, { 80, 90, 3, 80, 90 },
		{ 50, 85, 2, 50, 90 }, { 1, UINT64_MAX, 1, 1, UINT64_MAX }, { 7, 7, 1, 1, UINT64_MAX },
	};
	struct window w = { 0 };

	(void)state;
	assert_null(window_find(&w, 1));
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const struct window_range *range;

		assert_int_equal(window_add_range(&w, (struct window_range){ row[i].first, row[i].last }),
				 WINDOW_NEW);
		assert_int_equal(w.count, row[i].ranges);
		range = window_find(&w, row[i].first);
		assert_non_null(range);
		assert_true(range->first == row[i].inside_first && range->last == row[i].inside_last);
	}
	window_fini(&w);
}

/* Its own ranges, given to another in any order, make the same window; full, too. */
static void copies(void **state)
{
	struct window w = { 0 }, copy = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= 2 * WINDOW_RANGES_MAX; i++)
		window_add(&w, 7 * i % 1000 + 3000 * (i / 1000) + 1);
	for (uint32_t i = 0; i < w.count; i++)
		window_add_range(&copy, w.range[i % 2 ? i : w.count - 1 - i]);
	for (uint32_t i = 0; i < w.count; i++)
		window_add_range(&copy, w.range[i]);
	assert_int_equal(copy.count, w.count);
	assert_memory_equal(copy.range, w.range, w.count * sizeof(w.range[0]));
	window_add_range(&copy, (struct window_range){ UINT64_MAX - 5, UINT64_MAX });
	assert_true(copy.count <= WINDOW_RANGES_MAX && window_highest(&copy) == UINT64_MAX);
	window_fini(&copy);
	window_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows), cmocka_unit_test(any_order), cmocka_unit_test(full),
		cmocka_unit_test(ranges), cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
