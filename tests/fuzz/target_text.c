/* SPDX-License-Identifier: MIT */
/* The parsers of sense/parse.h for files of the machine. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "sense/parse_census.h"

/* ---- meminfo, both readings of it ---- */

struct meminfo {
	int m_result, p_result;
	struct parse_meminfo m;
	struct parse_pools p;
};

static int parse_both(const char *text, size_t size, void *ret)
{
	struct meminfo both;

	fuzz_stain(&both, sizeof(both));
	both.m_result = parse_meminfo(text, size, &both.m);
	both.p_result = parse_pools(text, size, &both.p);
	if (both.m_result)
		fuzz_must_be_stained(&both.m, sizeof(both.m));
	if (both.p_result)
		fuzz_must_be_stained(&both.p, sizeof(both.p));
	memcpy(ret, &both, sizeof(both));
	return 0;
}

static void check_memory(const struct parse_meminfo *m, struct scan text, uint64_t *n)
{
	const struct {
		const char *key;
		uint64_t figure;
	} rows[] = {
		{"MemTotal:", m->total_bytes},
		{"MemFree:", m->free_bytes},
		{"MemAvailable:", m->available_bytes},
		{"Active(file):", m->active_file_bytes},
		{"Inactive(file):", m->inactive_file_bytes},
		{"SwapTotal:", m->swap_total_bytes},
		{"SwapFree:", m->swap_free_bytes},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fuzz_must_agree(text, rows[i].key, true, rows[i].figure);
		n[i] = rows[i].figure;
	}
}

/* The parts added up again, in more bits. false: a key stands there twice. */
static bool sum_of(struct scan text, const char *const *keys, unsigned __int128 *ret)
{
	*ret = 0;
	for (; *keys; keys++) {
		uint64_t part;

		if (fuzz_find(text, *keys, true, &part) == 2)
			return false;
		*ret += part;
	}
	return true;
}

static void check_pools(const struct parse_pools *p, struct scan text, uint64_t *n)
{
	static const char *const kernel[] = {
		"SUnreclaim:", "KernelStack:", "PageTables:", "Percpu:", NULL,
	};
	static const char *const all[] = {
		"MemFree:",    "Buffers:",	"Cached:",     "SwapCached:",
		"AnonPages:",  "SReclaimable:", "SUnreclaim:", "KernelStack:",
		"PageTables:", "Percpu:",	"Hugetlb:",    NULL,
	};
	unsigned __int128 sum;
	uint64_t total;

	fuzz_must_agree(text, "AnonPages:", true, p->anon_bytes);
	fuzz_must_agree(text, "Shmem:", true, p->shmem_bytes);
	if (sum_of(text, kernel, &sum))
		MUST(p->kernel_bytes == sum);
	if (sum_of(text, all, &sum) && fuzz_find(text, "MemTotal:", true, &total) == 1)
		MUST(p->unseen_bytes == (total > sum ? total - sum : 0));
	n[0] = p->anon_bytes, n[1] = p->shmem_bytes, n[2] = p->kernel_bytes, n[3] = p->unseen_bytes;
}

static void check_both(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct meminfo *both = ret;

	f->n[0] = (uint64_t)both->m_result, f->n[1] = (uint64_t)both->p_result;
	if (both->m_result == 0)
		check_memory(&both->m, text, f->n + 2);
	if (both->p_result == 0)
		check_pools(&both->p, text, f->n + 16);
}

void fuzz_meminfo(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_both, check_both, sizeof(struct meminfo),
					   "Foreign: 4 kB\n", false};

	fuzz_text(&t, bytes, size);
}

/* ---- one line of figures: zram's mm_stat, a process's statm ---- */

struct columns {
	int zram_result, statm_result;
	struct parse_zram zram;
	struct parse_census_statm statm;
};

static int parse_columns(const char *text, size_t size, void *ret)
{
	struct columns c;

	fuzz_stain(&c, sizeof(c));
	c.zram_result = parse_zram(text, size, &c.zram);
	c.statm_result = parse_census_statm(text, size, &c.statm);
	if (c.zram_result)
		fuzz_must_be_stained(&c.zram, sizeof(c.zram));
	if (c.statm_result)
		fuzz_must_be_stained(&c.statm, sizeof(c.statm));
	memcpy(ret, &c, sizeof(c));
	return 0;
}

/* Both take the third figure, and of the first two one each. */
static void check_columns(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct columns *c = ret;

	(void)text;
	f->n[0] = (uint64_t)c->zram_result, f->n[1] = (uint64_t)c->statm_result;
	if (c->zram_result == 0)
		f->n[2] = c->zram.stored_bytes, f->n[3] = c->zram.used_bytes,
		f->n[7] = c->zram.limit_bytes;
	if (c->statm_result == 0)
		f->n[4] = c->statm.has_memory, f->n[5] = c->statm.resident,
		f->n[6] = c->statm.shared;
	if (c->zram_result == 0 && c->statm_result == 0)
		MUST(c->statm.shared == c->zram.used_bytes &&
		     c->statm.has_memory == (c->zram.stored_bytes > 0));
}

void fuzz_columns(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_columns, check_columns, sizeof(struct columns),
					   NULL, false};

	fuzz_text(&t, bytes, size);
}

/* ---- ZFS's arcstats ---- */

static int parse_arc_into(const char *text, size_t size, void *ret)
{
	return parse_arc(text, size, ret);
}

static void check_arc(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct parse_arc *a = ret;

	MUST(text.end - text.at >= (ptrdiff_t)sizeof("size 4 0\nc_min 4 0") - 1);
	f->n[0] = a->droppable_bytes;
}

void fuzz_arc(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_arc_into, check_arc, sizeof(struct parse_arc),
					   "hits 4 5\n", false};

	fuzz_text(&t, bytes, size);
}

/* ---- vmstat ---- */

static int parse_vmstat_into(const char *text, size_t size, void *ret)
{
	return parse_vmstat(text, size, ret);
}

static void check_vmstat(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct parse_vmstat *v = ret;
	uint64_t stall;

	fuzz_must_agree(text, "oom_kill", false, v->oom_kill);
	fuzz_must_agree(text, "pgscan_direct", false, v->pgscan_direct);
	if (fuzz_find(text, "allocstall_normal", false, &stall) != 2)
		MUST(v->allocstall >= stall);
	f->n[0] = v->allocstall, f->n[1] = v->pgscan_direct, f->n[2] = v->oom_kill;
}

void fuzz_vmstat(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_vmstat_into, check_vmstat,
					   sizeof(struct parse_vmstat), "pgfault 5\n", false};

	fuzz_text(&t, bytes, size);
}

/* ---- loadavg and uptime: both the first word of a file, a decimal ---- */

struct decimal {
	int load_result, uptime_result;
	uint64_t permyriad, us;
};

static int parse_decimals(const char *text, size_t size, void *ret)
{
	struct decimal d;

	fuzz_stain(&d, sizeof(d));
	d.load_result = parse_loadavg(text, size, &d.permyriad);
	d.uptime_result = parse_uptime(text, size, &d.us);
	if (d.load_result)
		fuzz_must_be_stained(&d.permyriad, sizeof(d.permyriad));
	if (d.uptime_result)
		fuzz_must_be_stained(&d.us, sizeof(d.us));
	memcpy(ret, &d, sizeof(d));
	return 0;
}

static void check_decimals(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct decimal *d = ret;
	const uint64_t to_us = US_PER_S / PERMYRIAD;

	(void)text;
	f->n[0] = (uint64_t)d->load_result, f->n[1] = (uint64_t)d->uptime_result;
	MUST(d->load_result == 0 || d->uptime_result == d->load_result);
	if (d->load_result == 0)
		f->n[2] = d->permyriad;
	if (d->uptime_result == 0)
		MUST(d->us / to_us == d->permyriad && d->us % (US_PER_S / 100) == 0);
	else if (d->load_result == 0)
		MUST(d->permyriad > UINT64_MAX / to_us);
}

void fuzz_decimal(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_decimals, check_decimals, sizeof(struct decimal),
					   NULL, false};

	fuzz_text(&t, bytes, size);
}

/* ---- pressure ---- */

static int parse_pressure_into(const char *text, size_t size, void *ret)
{
	return parse_pressure(text, size, ret);
}

static void check_pressure(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct parse_pressure *p = ret;

	(void)text;
	MUST(p->has_full || (!p->full_avg10_permyriad && !p->full_total_us));
	f->n[0] = p->has_full;
	f->n[1] = p->some_avg10_permyriad, f->n[2] = p->some_total_us;
	f->n[3] = p->full_avg10_permyriad, f->n[4] = p->full_total_us;
}

void fuzz_pressure(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_pressure_into, check_pressure,
					   sizeof(struct parse_pressure), "irq avg10=x\n", false};

	fuzz_text(&t, bytes, size);
}
