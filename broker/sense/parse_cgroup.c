/* SPDX-License-Identifier: MIT */
#include "sense/parse_cgroup.h"

#include <errno.h>
#include <stddef.h>

#include "base/units.h"
#include "sense/fields.h"

/* The figures of memory.stat, in the order of the tables below. */
struct cgroup_stat {
	uint64_t active, inactive, anon, cache, shmem, reclaimable, unreclaimable, stacks, tables, per_cpu,
		 zswap;
};

#define STAT_AT(member) offsetof(struct cgroup_stat, member)
static const struct field stat_v1[] = {
	{ "total_active_file", STAT_AT(active), false }, { "total_inactive_file", STAT_AT(inactive), false },
	{ "total_rss", STAT_AT(anon), true }, { "total_cache", STAT_AT(cache), true },
	{ "total_shmem", STAT_AT(shmem), true },
};
static const struct field stat_v2[] = {
	{ "active_file", STAT_AT(active), false }, { "inactive_file", STAT_AT(inactive), false },
	{ "anon", STAT_AT(anon), true }, { "file", STAT_AT(cache), true },
	{ "shmem", STAT_AT(shmem), true }, { "slab_reclaimable", STAT_AT(reclaimable), true },
	{ "slab_unreclaimable", STAT_AT(unreclaimable), true }, { "kernel_stack", STAT_AT(stacks), true },
	{ "pagetables", STAT_AT(tables), true }, { "percpu", STAT_AT(per_cpu), true },
	{ "zswap", STAT_AT(zswap), true },
};

/* No figure, and more than any can be. */
#define STAT_MISSING	UINT64_MAX
#define STAT_MOST	(UINT64_MAX / (sizeof(struct cgroup_stat) / sizeof(uint64_t)))

static int stat_read(const struct scan *text, const struct fields *fields, struct cgroup_stat *ret)
{
	struct cgroup_stat m = { .anon = STAT_MISSING, .cache = STAT_MISSING };
	int r = fields_read(*text, fields, &m);

	if (r < 0)
		return r;
	for (size_t i = 0; i < fields->count; i++) {
		uint64_t figure = *(const uint64_t *)((const char *)&m + fields->field[i].offset);

		if (figure > STAT_MOST && figure != STAT_MISSING)
			return -EINVAL; /* their sum would go round */
	}
	if (m.active == STAT_MISSING || m.inactive == STAT_MISSING)
		return -EINVAL;
	*ret = m;
	return 0;
}

int parse_cgroup_stat(const char *text, size_t size, struct parse_cgroup_stat *ret)
{
	static const struct fields v1 = { stat_v1, ARRAY_LEN(stat_v1), false };
	static const struct fields v2 = { stat_v2, ARRAY_LEN(stat_v2), false };
	const struct scan s = scan_of(text, size);
	struct cgroup_stat m;
	int r = stat_read(&s, &v1, &m);

	if (r == -ENODATA)
		r = stat_read(&s, &v2, &m);
	if (r < 0)
		return r;
	*ret = (struct parse_cgroup_stat){ .file_bytes = m.active + m.inactive };
	if (m.anon == STAT_MISSING || m.cache == STAT_MISSING)
		return 0;
	ret->anon_bytes = m.anon;
	ret->shmem_bytes = m.shmem;
	ret->kernel_bytes = m.unreclaimable + m.stacks + m.tables + m.per_cpu;
	/* pages of the swap cache are in the page cache's figure */
	ret->seen_bytes = m.anon + m.cache + m.reclaimable + ret->kernel_bytes + m.zswap;
	ret->has_pools = true;
	return 0;
}

int parse_cgroup_events(const char *text, size_t size, struct parse_cgroup_events *ret)
{
	static const struct field field[] = {
		{ "high", offsetof(struct parse_cgroup_events, high), false },
		{ "max", offsetof(struct parse_cgroup_events, max), false },
		{ "oom", offsetof(struct parse_cgroup_events, oom), false },
		{ "oom_kill", offsetof(struct parse_cgroup_events, oom_kill), true },
	};
	static const struct fields fields = { field, ARRAY_LEN(field), false };
	struct parse_cgroup_events e = { 0 };
	int r = fields_read(scan_of(text, size), &fields, &e);

	if (r == 0)
		*ret = e;
	return r;
}
