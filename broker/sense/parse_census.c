/* SPDX-License-Identifier: MIT */
#include "sense/parse_census.h"

#include <errno.h>
#include <string.h>

#include "sense/parse_process.h"

/* The whole word, so that a cut or foreign figure is none. */
static int take_u64(struct scan *line, uint64_t *ret)
{
	struct scan word;
	uint64_t value;

	if (!scan_word(line, &word))
		return -ENODATA;
	if (!scan_u64(&word, &value) || scan_left(&word))
		return -EINVAL;
	*ret = value;
	return 0;
}

int parse_census_statm(const char *text, size_t size, struct parse_census_statm *ret)
{
	struct scan s = scan_of(text, size), line;
	struct parse_census_statm m = { 0 };
	uint64_t total;
	int r;

	if (!scan_line(&s, &line))
		return -ENODATA;
	r = take_u64(&line, &total);
	if (r == 0)
		r = take_u64(&line, &m.resident);
	if (r == 0)
		r = take_u64(&line, &m.shared);
	if (r < 0)
		return r;
	m.has_memory = total > 0;
	*ret = m;
	return 0;
}

/* Never fails: what is too long is cut, and what is no ASCII is no text for JSON and D-Bus. */
static void copy_name(struct scan s, char *ret, size_t size)
{
	size_t used = 0;

	for (; s.at < s.end && used + 1 < size; s.at++)
		ret[used++] = *s.at < ' ' || *s.at > '~' ? '?' : *s.at;
	ret[used] = '\0';
}

int parse_census_stat(const char *text, size_t size, struct parse_census_stat *ret)
{
	const char *open = size ? memchr(text, '(', size) : NULL;
	const char *close = size ? memrchr(text, ')', size) : NULL;
	struct parse_census_stat p = { 0 };
	struct scan s, state;
	uint64_t parent;
	int r;

	/* The name may hold parentheses itself: it ends at the last one. */
	if (!open || !close || close < open)
		return -EINVAL;
	r = parse_process_start(text, size, &p.start_ticks);
	if (r < 0)
		return r;
	s = scan_of(close + 1, (size_t)(text + size - close - 1));
	if (!scan_word(&s, &state))
		return -ENODATA;
	r = take_u64(&s, &parent);
	if (r < 0)
		return r;
	if (parent > INT32_MAX)
		return -EINVAL;
	p.state = *state.at;
	p.parent = (int32_t)parent;
	copy_name((struct scan){ open + 1, close }, p.name, sizeof(p.name));
	*ret = p;
	return 0;
}
