/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

#define STAIN 0xa5

_Noreturn void fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: must hold: %s\n", file, line, what);
	abort();
}

void *fuzz_exact(const void *bytes, size_t size)
{
	void *exact = malloc(size);

	if (!exact)
		abort();
	if (size)
		memcpy(exact, bytes, size);
	return exact;
}

void fuzz_stain(void *memory, size_t size)
{
	memset(memory, STAIN, size);
}

void fuzz_must_be_stained(const void *memory, size_t size)
{
	const uint8_t *bytes = memory;

	for (size_t i = 0; i < size; i++)
		MUST(bytes[i] == STAIN);
}

void fuzz_take_text(struct fuzz_figures *f, int i, const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	MUST(length < size && size <= sizeof(f->text[i]));
	memcpy(f->text[i], text, length);
}

/* ---- the same result, whatever stands around the text ---- */

struct result {
	int r;
	struct fuzz_figures figures;
};

static void parse(const struct fuzz_text *t, struct scan text, struct result *ret)
{
	void *out = malloc(t->ret_size);

	if (!out)
		abort();
	fuzz_stain(out, t->ret_size);
	memset(ret, 0, sizeof(*ret));
	ret->r = t->parse(text.at, scan_left(&text), out);
	MUST(ret->r == 0 || ret->r == -ENODATA || ret->r == -EINVAL || ret->r == -ENAMETOOLONG);
	if (ret->r == 0)
		t->check(out, text, &ret->figures);
	else
		fuzz_must_be_stained(out, t->ret_size);
	free(out);
}

static void must_be_same(const struct result *a, const struct result *b)
{
	MUST(a->r == b->r);
	MUST(memcmp(&a->figures, &b->figures, sizeof(a->figures)) == 0);
}

/* before + text + after, of which only `size` bytes are the parser's. */
static void parse_between(const struct fuzz_text *t, const char *before, struct scan text,
			  const char *after, struct result *ret)
{
	size_t first = strlen(before), size = first + scan_left(&text);
	char *all = malloc(size + strlen(after));

	if (!all)
		abort();
	memcpy(all, before, first);
	if (scan_left(&text))
		memcpy(all + first, text.at, scan_left(&text));
	memcpy(all + size, after, strlen(after));
	parse(t, scan_of(all, size), ret);
	free(all);
}

void fuzz_text(const struct fuzz_text *t, const uint8_t *bytes, size_t size)
{
	char *exact = fuzz_exact(bytes, size);
	const char *newline = size ? memrchr(exact, '\n', size) : NULL;
	struct scan text = scan_of(exact, size);
	struct result first, again;

	parse(t, text, &first);
	/* What would make a last figure longer, or a line of it. */
	parse_between(t, "", text, "7 kB\n", &again);
	must_be_same(&first, &again);
	if (t->ignored) {
		parse_between(t, t->ignored, text, "", &again);
		must_be_same(&first, &again);
	}
	if (!t->is_free) {
		parse_between(t, "", scan_of(exact, newline ? (size_t)(newline + 1 - exact) : 0),
			      "", &again);
		must_be_same(&first, &again);
	}
	free(exact);
}

/* ---- a second opinion ---- */

static bool word_figure(const struct scan *word, uint64_t *ret)
{
	unsigned __int128 value = 0;

	for (const char *c = word->at; c < word->end; c++) {
		if (*c < '0' || *c > '9')
			return false;
		value = value * 10 + (unsigned)(*c - '0');
		if (value > UINT64_MAX)
			return false;
	}
	*ret = (uint64_t)value;
	return word->at < word->end;
}

/* The first words of a line; how many, at most `max`. */
static int words_of(const char *line, const char *end, struct scan *word, int max)
{
	int count = 0;

	while (count < max) {
		while (line < end && (*line == ' ' || *line == '\t'))
			line++;
		if (line == end)
			break;
		word[count].at = line;
		while (line < end && *line != ' ' && *line != '\t')
			line++;
		word[count++].end = line;
	}
	return count;
}

int fuzz_find(struct scan text, const char *key, bool is_kib, uint64_t *ret)
{
	int times = 0;

	*ret = 0;
	for (const char *line = text.at, *end; line < text.end; line = end + 1) {
		struct scan word[3];
		int words;

		end = memchr(line, '\n', (size_t)(text.end - line));
		if (!end)
			break;
		words = words_of(line, end, word, 3);
		if (words == 0 || !scan_is(&word[0], key))
			continue;
		if (times++)
			return 2;
		MUST(words >= 2 + is_kib);
		MUST(word_figure(&word[1], ret));
		MUST(!is_kib || (scan_is(&word[2], "kB") && *ret <= UINT64_MAX / KIB));
		*ret *= is_kib ? KIB : 1;
	}
	return times;
}

void fuzz_must_agree(struct scan text, const char *key, bool is_kib, uint64_t figure)
{
	uint64_t found;

	MUST(fuzz_find(text, key, is_kib, &found) == 2 || found == figure);
}
