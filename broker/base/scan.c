/* SPDX-License-Identifier: MIT */
#include "base/scan.h"

#include <string.h>

bool scan_until(struct scan *s, char stop, struct scan *ret)
{
	const char *hit = s->at == s->end ? NULL : memchr(s->at, stop, scan_left(s));

	if (!hit)
		return false;
	*ret = (struct scan){ s->at, hit };
	s->at = hit + 1;
	return true;
}

bool scan_line(struct scan *s, struct scan *ret)
{
	return scan_until(s, '\n', ret);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool scan_word(struct scan *s, struct scan *ret)
{
	const char *from = s->at, *to;

	while (from < s->end && is_blank(*from))
		from++;
	for (to = from; to < s->end && !is_blank(*to);)
		to++;
	s->at = to;
	if (from == to)
		return false;
	*ret = (struct scan){ from, to };
	return true;
}

bool scan_skip(struct scan *s, const char *literal)
{
	size_t length = strlen(literal);

	if (scan_left(s) < length || memcmp(s->at, literal, length) != 0)
		return false;
	s->at += length;
	return true;
}

bool scan_find(struct scan *s, const char *literal)
{
	struct scan here = *s;

	for (; here.at < here.end; here.at++)
		if (scan_skip(&here, literal)) {
			*s = here;
			return true;
		}
	return false;
}

bool scan_is(const struct scan *s, const char *literal)
{
	return scan_left(s) == strlen(literal) && memcmp(s->at, literal, scan_left(s)) == 0;
}

bool scan_u64(struct scan *s, uint64_t *ret)
{
	const char *at = s->at;
	uint64_t value = 0;

	for (; at < s->end && *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return false;
	if (at == s->at)
		return false;
	s->at = at;
	*ret = value;
	return true;
}

bool scan_pid(const char *name, int32_t *ret)
{
	struct scan s = scan_of(name, strlen(name));
	uint64_t value;

	if (!scan_u64(&s, &value) || scan_left(&s) || value == 0 || value > INT32_MAX)
		return false;
	*ret = (int32_t)value;
	return true;
}

bool scan_hundredths(struct scan *s, uint64_t *ret)
{
	struct scan here = *s;
	uint64_t value, share = 0;

	if (!scan_u64(&here, &value))
		return false;
	if (scan_skip(&here, "."))
		for (unsigned weight = 10;
		     here.at < here.end && *here.at >= '0' && *here.at <= '9'; here.at++) {
			share += (uint64_t)(*here.at - '0') * weight;
			weight /= 10;
		}
	if (__builtin_mul_overflow(value, 100u, &value) ||
	    __builtin_add_overflow(value, share, &value))
		return false;
	*s = here;
	*ret = value;
	return true;
}

bool scan_copy(const struct scan *s, char *ret, size_t size)
{
	if (scan_left(s) >= size)
		return false;
	memcpy(ret, s->at, scan_left(s));
	ret[scan_left(s)] = '\0';
	return true;
}
