/* SPDX-License-Identifier: MIT */
#include "sense/parse.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "sense/fields.h"

int parse_meminfo(const char *text, size_t size, struct parse_meminfo *ret)
{
	static const struct field field[] = {
		{ "MemTotal:", offsetof(struct parse_meminfo, total_bytes), false },
		{ "MemFree:", offsetof(struct parse_meminfo, free_bytes), false },
		{ "MemAvailable:", offsetof(struct parse_meminfo, available_bytes), true },
		{ "Active(file):", offsetof(struct parse_meminfo, active_file_bytes), false },
		{ "Inactive(file):", offsetof(struct parse_meminfo, inactive_file_bytes), false },
		{ "SwapTotal:", offsetof(struct parse_meminfo, swap_total_bytes), true },
		{ "SwapFree:", offsetof(struct parse_meminfo, swap_free_bytes), true },
	};
	static const struct fields fields = { field, ARRAY_LEN(field), true };
	struct parse_meminfo m = { 0 };
	int r = fields_read(scan_of(text, size), &fields, &m);

	if (r == 0)
		*ret = m;
	return r;
}

int parse_pools(const char *text, size_t size, struct parse_pools *ret)
{
	struct {
		uint64_t total, free, buffers, cached, swap_cached, anon, shmem, reclaimable;
		uint64_t unreclaimable, stacks, tables, per_cpu, huge;
	} m = { 0 };
	static const struct field field[] = {
		{ "MemTotal:", 0 * sizeof(uint64_t), false },
		{ "MemFree:", 1 * sizeof(uint64_t), false },
		{ "Buffers:", 2 * sizeof(uint64_t), true },
		{ "Cached:", 3 * sizeof(uint64_t), true },
		{ "SwapCached:", 4 * sizeof(uint64_t), true },
		{ "AnonPages:", 5 * sizeof(uint64_t), false },
		{ "Shmem:", 6 * sizeof(uint64_t), true },
		{ "SReclaimable:", 7 * sizeof(uint64_t), true },
		{ "SUnreclaim:", 8 * sizeof(uint64_t), true },
		{ "KernelStack:", 9 * sizeof(uint64_t), true },
		{ "PageTables:", 10 * sizeof(uint64_t), true },
		{ "Percpu:", 11 * sizeof(uint64_t), true },
		{ "Hugetlb:", 12 * sizeof(uint64_t), true },
	};
	static const struct fields fields = { field, ARRAY_LEN(field), true };
	int r = fields_read(scan_of(text, size), &fields, &m);
	uint64_t seen;

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(field); i++)
		if (*(const uint64_t *)((const char *)&m + field[i].offset) > UINT64_MAX / ARRAY_LEN(field))
			return -EINVAL; /* their sum would go round */
	seen = m.free + m.buffers + m.cached + m.swap_cached + m.anon + m.reclaimable +
	       m.unreclaimable + m.stacks + m.tables + m.per_cpu + m.huge;
	*ret = (struct parse_pools){
		.anon_bytes = m.anon, .shmem_bytes = m.shmem,
		.kernel_bytes = m.unreclaimable + m.stacks + m.tables + m.per_cpu,
		.unseen_bytes = m.total > seen ? m.total - seen : 0,
	};
	return 0;
}

int parse_zram(const char *text, size_t size, struct parse_zram *ret)
{
	struct scan s = scan_of(text, size), line, compressed;
	struct parse_zram z;

	if (!scan_line(&s, &line))
		return -ENODATA;
	if (!fields_figure(&line, false, &z.stored_bytes) || !scan_word(&line, &compressed) ||
	    !fields_figure(&line, false, &z.used_bytes) || !fields_figure(&line, false, &z.limit_bytes))
		return -EINVAL;
	*ret = z;
	return 0;
}

/* Lines of "name type figure"; type 4 is an unsigned number. */
int parse_arc(const char *text, size_t size, struct parse_arc *ret)
{
	struct scan s = scan_of(text, size), line, name, type;
	uint64_t bytes[2];
	unsigned seen = 0;

	while (seen != 3 && scan_line(&s, &line)) {
		int i = !scan_word(&line, &name) ? -1 : scan_is(&name, "size") ? 0 :
			scan_is(&name, "c_min") ? 1 : -1;

		if (i < 0)
			continue;
		if (!scan_word(&line, &type) || !fields_figure(&line, false, &bytes[i]))
			return -EINVAL;
		seen |= 1u << i;
	}
	if (seen != 3)
		return -ENODATA;
	ret->droppable_bytes = bytes[0] > bytes[1] ? bytes[0] - bytes[1] : 0;
	return 0;
}

/* "(0, 3019, 4555)"; zones beyond what we hold are at the end and protect the same. */
static bool take_protection(struct scan *line, struct parse_zone *z)
{
	uint64_t pages;

	z->protection_count = 0;
	if (!scan_find(line, "("))
		return false;
	while (scan_u64(line, &pages)) {
		if (z->protection_count < PARSE_ZONES_MAX)
			z->protection[z->protection_count++] = pages;
		if (scan_skip(line, ")"))
			return true;
		if (!scan_skip(line, ", "))
			return false;
	}
	return false;
}

/* "Node 0, zone    DMA32": the header of a zone. */
static bool take_zone_name(struct scan line, char *ret, size_t size)
{
	struct scan name;

	return scan_skip(&line, "Node ") && scan_find(&line, ", zone") && scan_word(&line, &name) &&
	       scan_copy(&name, ret, size);
}

/*
 * Line by line up to "protection:". Before Linux 4.14 and in the parts after it per CPU figures are
 * called "high:", with a colon, so exact words are enough to tell them apart.
 */
static int zone_read(struct scan *text, struct parse_zone *z)
{
	static const struct field field[] = {
		{ "free", offsetof(struct parse_zone, free), false },
		{ "min", offsetof(struct parse_zone, min), false },
		{ "low", offsetof(struct parse_zone, low), false },
		{ "high", offsetof(struct parse_zone, high), false },
		{ "managed", offsetof(struct parse_zone, managed), false },
	};
	static const struct fields fields = { field, ARRAY_LEN(field), false };
	struct scan line, word;
	uint32_t seen = 0;

	while (scan_line(text, &line)) {
		const struct field *hit;

		if (!scan_word(&line, &word) ||
		    (scan_is(&word, "pages") && !scan_word(&line, &word)))
			continue;
		if (scan_is(&word, "protection:"))
			return take_protection(&line, z) && seen == 0x1f ? 0 : -EINVAL;
		hit = fields_find(&fields, &word);
		if (!hit || seen & 1u << (hit - field))
			continue;
		if (!fields_figure(&line, false, (uint64_t *)((char *)z + hit->offset)))
			return -EINVAL;
		seen |= 1u << (hit - field);
	}
	return -EINVAL;
}

int parse_zone_next(struct scan *text, struct parse_zone *ret)
{
	struct parse_zone z = { 0 };
	struct scan line;
	int r;

	do
		if (!scan_line(text, &line))
			return -ENODATA;
	while (!take_zone_name(line, z.name, sizeof(z.name)));
	r = zone_read(text, &z);
	if (r == 0)
		*ret = z;
	return r;
}

static bool zones_add(struct parse_zoneinfo *sum, const struct parse_zone *z)
{
	uint64_t held = 0;

	/* The protection grows with the zone number and empty zones add nothing, so the largest
	 * entry is that of the highest populated zone (setup_per_zone_lowmem_reserve). */
	for (uint32_t i = 0; i < z->protection_count; i++)
		held = MAX_OF(held, z->protection[i]);
	sum->zones++;
	return !__builtin_add_overflow(held, z->min, &held) &&
	       !__builtin_add_overflow(sum->reserve, MIN_OF(held, z->free), &sum->reserve) &&
	       !__builtin_add_overflow(sum->free, z->free, &sum->free) &&
	       !__builtin_add_overflow(sum->min, z->min, &sum->min) &&
	       !__builtin_add_overflow(sum->low, z->low, &sum->low) &&
	       !__builtin_add_overflow(sum->high, z->high, &sum->high) &&
	       !__builtin_add_overflow(sum->managed, z->managed, &sum->managed);
}

int parse_zoneinfo(const char *text, size_t size, struct parse_zoneinfo *ret)
{
	struct scan s = scan_of(text, size);
	struct parse_zoneinfo sum = { 0 };
	struct parse_zone z;
	int r;

	while ((r = parse_zone_next(&s, &z)) == 0)
		if (!zones_add(&sum, &z))
			return -EINVAL;
	if (r != -ENODATA)
		return r;
	if (!sum.zones)
		return -ENODATA;
	*ret = sum;
	return 0;
}

int parse_vmstat(const char *text, size_t size, struct parse_vmstat *ret)
{
	struct scan s = scan_of(text, size), line, key;
	struct parse_vmstat v = { 0 };
	bool has_stall = false;
	uint64_t figure;

	while (scan_line(&s, &line)) {
		struct scan rest;
		bool is_stall;

		if (!scan_word(&line, &key) || !strchr("aop", *key.at))
			continue; /* so do two thirds of 180 lines */
		rest = key;
		is_stall = scan_skip(&rest, "allocstall");
		if (!is_stall && !scan_is(&key, "oom_kill") && !scan_is(&key, "pgscan_direct"))
			continue;
		if (!fields_figure(&line, false, &figure))
			return -EINVAL;
		if (is_stall && __builtin_add_overflow(v.allocstall, figure, &v.allocstall))
			return -EINVAL;
		has_stall |= is_stall;
		if (!is_stall)
			*(scan_is(&key, "oom_kill") ? &v.oom_kill : &v.pgscan_direct) = figure;
	}
	if (!has_stall)
		return -ENODATA;
	*ret = v;
	return 0;
}

/* The first word of the file, "0.75", times `factor`. */
static int parse_decimal(const char *text, size_t size, uint64_t factor, uint64_t *ret)
{
	struct scan s = scan_of(text, size), line, word;
	uint64_t value;

	if (!scan_line(&s, &line) || !scan_word(&line, &word))
		return -ENODATA;
	if (!scan_hundredths(&word, &value) || scan_left(&word) ||
	    __builtin_mul_overflow(value, factor, &value))
		return -EINVAL;
	*ret = value;
	return 0;
}

int parse_loadavg(const char *text, size_t size, uint64_t *ret_permyriad)
{
	return parse_decimal(text, size, PERMYRIAD / 100, ret_permyriad);
}

int parse_uptime(const char *text, size_t size, uint64_t *ret_us)
{
	return parse_decimal(text, size, US_PER_S / 100, ret_us);
}

/* "avg10=0.05 avg60=0.06 avg300=0.12 total=10751858"; percent with two digits is permyriad. */
static bool take_pressure(struct scan *line, uint64_t *ret_avg10, uint64_t *ret_total)
{
	struct scan word;
	bool has_avg = false, has_total = false;

	while (scan_word(line, &word))
		if (scan_skip(&word, "avg10="))
			has_avg = scan_hundredths(&word, ret_avg10) && !scan_left(&word);
		else if (scan_skip(&word, "total="))
			has_total = scan_u64(&word, ret_total) && !scan_left(&word);
	return has_avg && has_total;
}

int parse_pressure(const char *text, size_t size, struct parse_pressure *ret)
{
	struct scan s = scan_of(text, size), line;
	struct parse_pressure p = { 0 };
	bool has_some = false;

	while (scan_line(&s, &line)) {
		if (scan_skip(&line, "some ")) {
			has_some = take_pressure(&line, &p.some_avg10_permyriad, &p.some_total_us);
			if (!has_some)
				return -EINVAL;
		} else if (scan_skip(&line, "full ")) {
			p.has_full =
				take_pressure(&line, &p.full_avg10_permyriad, &p.full_total_us);
			if (!p.has_full)
				return -EINVAL;
		}
	}
	if (!has_some)
		return -ENODATA;
	*ret = p;
	return 0;
}

int parse_value(const char *text, size_t size, uint64_t *ret)
{
	struct scan s = scan_of(text, size), line;

	if (!scan_line(&s, &line))
		return -ENODATA;
	if (scan_is(&line, "max"))
		*ret = PARSE_UNLIMITED;
	else if (!fields_figure(&line, false, ret))
		return -EINVAL;
	return 0;
}

int parse_key(const struct scan *text, const char *key, uint64_t *ret)
{
	const struct field field[] = { { key, 0, false } };
	const struct fields fields = { field, 1, false };
	uint64_t value;
	int r = fields_read(*text, &fields, &value);

	if (r == 0)
		*ret = value;
	return r;
}

/* Mount paths write blank, tab, newline and backslash as three octal digits. */
static bool copy_unescaped(struct scan s, char *ret, size_t size)
{
	size_t used = 0;

	while (s.at < s.end && used + 1 < size)
		if (*s.at == '\\' && scan_left(&s) >= 4) {
			ret[used++] =
				(char)((s.at[1] & 3) << 6 | (s.at[2] & 7) << 3 | (s.at[3] & 7));
			s.at += 4;
		} else {
			ret[used++] = *s.at++;
		}
	ret[used] = '\0';
	return s.at == s.end;
}

/* "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0" */
static bool take_mount(struct scan line, const char *controller, struct parse_mount *m)
{
	struct scan path, type, options, option;
	bool has_it = false;

	if (!scan_word(&line, &path) || !scan_word(&line, &path) || !scan_word(&line, &type) ||
	    !scan_word(&line, &options))
		return false;
	while (!has_it && scan_until(&options, ',', &option))
		has_it = scan_is(&option, controller);
	has_it |= scan_is(&options, controller);
	m->is_v2 = scan_is(&type, "cgroup2");
	return (m->is_v2 || (scan_is(&type, "cgroup") && has_it)) &&
	       copy_unescaped(path, m->path, sizeof(m->path));
}

int parse_mount_next(struct scan *text, const char *controller, struct parse_mount *ret)
{
	struct parse_mount m;
	struct scan line;

	while (scan_line(text, &line))
		if (take_mount(line, controller, &m)) {
			*ret = m;
			return 0;
		}
	return -ENODATA;
}
