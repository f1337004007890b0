/* SPDX-License-Identifier: MIT */
/*
 * Parse rows: a table of given text and the figures expected of it, run whole, cut at every byte and
 * damaged. Include after cmocka.h; the table is `rows`.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

/* One face for all parsers: the figures that came out, as one array. */
typedef int parser(const char *text, size_t size, uint64_t *figure);

struct row {
	const char *name;
	parser *parse;
	const char *given;
	int expect;
	uint64_t figure[6];
	bool is_one_line;		/* its format has newlines inside of a figure's line */
};

static inline void rows_whole(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t figure[6] = { 0 };
		int r = rows[i].parse(rows[i].given, strlen(rows[i].given), figure);

		if (r != rows[i].expect || memcmp(figure, rows[i].figure, sizeof(figure)) != 0)
			fail_msg("%s: returned %d, first figures %llu %llu %llu %llu", rows[i].name,
				 r, (unsigned long long)figure[0], (unsigned long long)figure[1],
				 (unsigned long long)figure[2], (unsigned long long)figure[3]);
	}
}

/* Exactly as much memory as there is input, so that a sanitizer or valgrind sees one byte too far.
 */
static inline int parse_exact(const struct row *row, const char *text, size_t size, uint64_t *figure)
{
	char *exact = malloc(size + !size);
	int r;

	assert_non_null(exact);
	memcpy(exact, text, size);
	r = row->parse(exact, size, figure);
	free(exact);
	return r;
}

/*
 * Every input cut at every byte: an error, or figures that were wholly there. A figure may be
 * absent (0, or the sum of those before), never larger or a part of its digits.
 */
static inline void rows_cut(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t size = 0; size < strlen(rows[i].given); size++) {
			uint64_t figure[6] = { 0 }, whole[6] = { 0 };
			size_t lines = size;
			int r;

			while (lines && rows[i].given[lines - 1] != '\n')
				lines--;
			r = parse_exact(&rows[i], rows[i].given, size, figure);
			assert_true(r == 0 || r == -EINVAL || r == -ENODATA);
			if (r < 0 || rows[i].is_one_line)
				continue;
			assert_int_equal(rows[i].parse(rows[i].given, lines, whole), 0);
			assert_memory_equal(figure, whole, sizeof(figure));
		}
}

/* Deterministic damage: bytes replaced one by one and random garbage never crash, never hang. */
static inline void rows_damaged(const struct row *rows, size_t count)
{
	static const char damage[] = { '\0', '\n', ' ', ':', ')', '9', '-', '\xff', '/', ',' };
	uint32_t random = 12345;
	uint64_t figure[6];
	char text[512];

	for (size_t i = 0; i < count; i++)
		for (size_t at = 0; at < strlen(rows[i].given); at++)
			for (size_t d = 0; d < sizeof(damage); d++) {
				size_t size = strlen(rows[i].given);

				memcpy(text, rows[i].given, MIN_OF(size, sizeof(text)));
				text[at % sizeof(text)] = damage[d];
				(void)parse_exact(&rows[i], text, MIN_OF(size, sizeof(text)),
						  figure);
			}
	for (size_t round = 0; round < 2000; round++) {
		for (size_t at = 0; at < sizeof(text); at++) {
			random = random * 1664525u + 1013904223u;
			text[at] = (char)(random >> 24);
		}
		for (size_t i = 0; i < count; i++)
			(void)parse_exact(&rows[i], text, round % sizeof(text), figure);
	}
}
