/* SPDX-License-Identifier: MIT */
/*
 * base/scan.h against plain loops. The first byte says how many of the next ones are steps, what
 * follows is the text that they go through.
 */
#include "base/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "fuzz.h"

#define STEPS_MAX 24u

static const char *const literals[] = {"a", "ab", "aab", ", ", "MemFree:", "max", "Node "};

static bool is_at(const char *at, const char *end, const char *literal)
{
	return (size_t)(end - at) >= strlen(literal) && memcmp(at, literal, strlen(literal)) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void step_until(struct scan *s, char stop)
{
	const struct scan before = *s;
	struct scan part;

	if (!scan_until(s, stop, &part)) {
		MUST(s->at == before.at && !memchr(before.at, stop, scan_left(&before)));
		return;
	}
	MUST(part.at == before.at && part.end == s->at - 1 && *part.end == stop);
	MUST(!memchr(part.at, stop, scan_left(&part)));
}

static void step_word(struct scan *s)
{
	const char *from = s->at;
	struct scan word;
	bool found = scan_word(s, &word);

	while (from < s->end && is_blank(*from))
		from++;
	MUST(found == (from < s->end));
	if (!found) {
		MUST(s->at == s->end);
		return;
	}
	MUST(word.at == from && word.end == s->at && word.at < word.end);
	MUST(s->at == s->end || is_blank(*s->at));
	for (; from < word.end; from++)
		MUST(!is_blank(*from));
}

static void step_skip(struct scan *s, const char *literal)
{
	const struct scan before = *s;
	bool is_there = is_at(s->at, s->end, literal);

	MUST(scan_is(s, literal) == (is_there && scan_left(s) == strlen(literal)));
	MUST(scan_skip(s, literal) == is_there);
	MUST(s->at == before.at + (is_there ? strlen(literal) : 0));
}

static void step_find(struct scan *s, const char *literal)
{
	const char *at = s->at, *hit = NULL;

	for (; at < s->end && !hit; at++)
		if (is_at(at, s->end, literal))
			hit = at + strlen(literal);
	at = s->at;
	MUST(scan_find(s, literal) == (hit != NULL));
	MUST(s->at == (hit ? hit : at));
}

/* The digits from `at` on in many bits; stops counting where it cannot fit any more. */
static const char *digits(const char *at, const char *end, unsigned __int128 *ret)
{
	const unsigned __int128 most = (unsigned __int128)1 << 100;

	for (*ret = 0; at < end && *at >= '0' && *at <= '9'; at++)
		*ret = *ret > most ? most : *ret * 10 + (unsigned)(*at - '0');
	return at;
}

static void step_u64(struct scan *s)
{
	const char *before = s->at;
	unsigned __int128 expect;
	uint64_t value = 7;
	const char *behind = digits(before, s->end, &expect);
	bool fits = behind > before && expect <= UINT64_MAX;

	MUST(scan_u64(s, &value) == fits);
	MUST(value == (fits ? (uint64_t)expect : 7) && s->at == (fits ? behind : before));
}

static void step_hundredths(struct scan *s)
{
	const char *before = s->at;
	unsigned __int128 expect, share = 0;
	uint64_t value = 7;
	const char *behind = digits(before, s->end, &expect);
	bool fits = behind > before;

	if (fits && behind < s->end && *behind == '.') {
		const char *from = ++behind;

		behind = digits(from, s->end, &share);
		share = behind > from ? (unsigned)(*from - '0') * 10u : 0;
		share += behind > from + 1 ? (unsigned)(from[1] - '0') : 0;
	}
	expect = expect * 100 + share;
	fits = fits && expect <= UINT64_MAX;
	MUST(scan_hundredths(s, &value) == fits);
	MUST(value == (fits ? (uint64_t)expect : 7) && s->at == (fits ? behind : before));
}

static void step_copy(const struct scan *s, size_t size)
{
	char *to = malloc(size);
	bool fits = scan_left(s) < size;

	MUST(to || !size);
	MUST(scan_copy(s, to, size) == fits);
	MUST(!fits || (to[scan_left(s)] == 0 && memcmp(to, s->at, scan_left(s)) == 0));
	free(to);
}

static void step(struct scan *s, uint8_t what)
{
	const char *literal = literals[what / 8 % ARRAY_LEN(literals)];

	switch (what % 8) {
	case 0:
		step_until(s, '\n');
		break;
	case 1:
		step_until(s, literal[0]);
		break;
	case 2:
		step_word(s);
		break;
	case 3:
		step_skip(s, literal);
		break;
	case 4:
		step_find(s, literal);
		break;
	case 5:
		step_u64(s);
		break;
	case 6:
		step_hundredths(s);
		break;
	case 7:
		step_copy(s, what / 8);
		break;
	}
}

void fuzz_scan(const uint8_t *bytes, size_t size)
{
	size_t steps = size ? MIN_OF(bytes[0] % STEPS_MAX, size - 1) : 0;
	size_t left = size ? size - 1 - steps : 0;
	char *exact = fuzz_exact(bytes + size - left, left);
	struct scan s = scan_of(exact, left);

	for (size_t i = 0; i < steps; i++) {
		const char *before = s.at;

		step(&s, bytes[1 + i]);
		MUST(s.at >= before && s.at <= s.end && s.end == exact + left);
	}
	free(exact);
}
