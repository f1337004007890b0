/* SPDX-License-Identifier: MIT */
#include "sense/fields.h"

#include <errno.h>

#include "base/units.h"

bool fields_figure(struct scan *line, bool is_kib, uint64_t *ret)
{
	struct scan word, unit;
	uint64_t value;

	if (!scan_word(line, &word) || !scan_u64(&word, &value) || scan_left(&word))
		return false;
	if (is_kib && (!scan_word(line, &unit) || !scan_is(&unit, "kB") ||
		       __builtin_mul_overflow(value, KIB, &value)))
		return false;
	*ret = value;
	return true;
}

const struct field *fields_find(const struct fields *f, const struct scan *key)
{
	for (size_t i = 0; i < f->count; i++)
		if (*key->at == *f->field[i].key && scan_is(key, f->field[i].key))
			return &f->field[i];
	return NULL;
}

int fields_read(struct scan text, const struct fields *f, void *ret)
{
	const uint32_t all = (uint32_t)((UINT64_C(1) << f->count) - 1);
	struct scan line, key;
	uint32_t seen = 0;

	/* Most of a file comes behind what we need of it. */
	while (seen != all && scan_line(&text, &line)) {
		const struct field *hit = scan_word(&line, &key) ? fields_find(f, &key) : NULL;

		if (!hit)
			continue;
		if (!fields_figure(&line, f->is_kib, (uint64_t *)((char *)ret + hit->offset)))
			return -EINVAL;
		seen |= 1u << (hit - f->field);
	}
	for (size_t i = 0; i < f->count; i++)
		if (!f->field[i].is_optional && !(seen & 1u << i))
			return -ENODATA;
	return 0;
}
