/* SPDX-License-Identifier: MIT */
/* The parsers of sense/parse.h for zoneinfo: its sums, and zone by zone. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

struct zones {
	int result;
	struct parse_zoneinfo sum;
	uint64_t count;
	int bad;
	unsigned __int128 free, min, low, high, managed;
};

static void check_zone(const struct parse_zone *z)
{
	size_t length = strnlen(z->name, sizeof(z->name));

	MUST(length > 0 || !*z->name);
	MUST(length < sizeof(z->name) && z->protection_count <= PARSE_ZONES_MAX);
	for (uint32_t i = z->protection_count; i < PARSE_ZONES_MAX; i++)
		MUST(!z->protection[i]);
}

static void step_zones(struct scan s, struct zones *ret)
{
	const char *end = s.end;

	for (;;) {
		const char *before = s.at;
		struct parse_zone z;
		int r;

		fuzz_stain(&z, sizeof(z));
		r = parse_zone_next(&s, &z);
		MUST(s.end == end && s.at <= s.end && s.at >= before);
		if (r != 0)
			fuzz_must_be_stained(&z, sizeof(z));
		if (r == -ENODATA)
			return;
		MUST(s.at > before);
		ret->bad += r != 0;
		if (r != 0 || ret->bad)
			continue;
		check_zone(&z);
		ret->count++;
		ret->free += z.free, ret->min += z.min, ret->low += z.low, ret->high += z.high;
		ret->managed += z.managed;
	}
}

static int parse_zones(const char *text, size_t size, void *ret)
{
	struct zones z = {0};

	fuzz_stain(&z.sum, sizeof(z.sum));
	z.result = parse_zoneinfo(text, size, &z.sum);
	if (z.result)
		fuzz_must_be_stained(&z.sum, sizeof(z.sum));
	step_zones(scan_of(text, size), &z);
	memcpy(ret, &z, sizeof(z));
	return 0;
}

static void check_zones(const void *ret, struct scan text, struct fuzz_figures *f)
{
	struct zones z;

	(void)text;
	memcpy(&z, ret, sizeof(z));
	f->n[0] = (uint64_t)z.result, f->n[1] = z.count, f->n[2] = (uint64_t)z.bad;
	MUST(z.result != -ENODATA || (!z.count && !z.bad));
	if (z.result != 0)
		return;
	MUST(!z.bad && z.count > 0 && z.sum.zones == z.count);
	MUST(z.sum.free == z.free && z.sum.min == z.min && z.sum.low == z.low);
	MUST(z.sum.high == z.high && z.sum.managed == z.managed && z.sum.reserve <= z.sum.free);
	f->n[3] = z.sum.free, f->n[4] = z.sum.reserve, f->n[5] = z.sum.managed;
}

void fuzz_zoneinfo(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_zones, check_zones, sizeof(struct zones),
					   "per-node stats\n", false};

	fuzz_text(&t, bytes, size);
}
