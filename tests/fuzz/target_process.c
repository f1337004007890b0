/* SPDX-License-Identifier: MIT */
/* The parsers of parse_process.h and parse_census.h: what /proc and the log say of processes. */
#include "sense/parse_process.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "fuzz.h"
#include "sense/parse_census.h"

static bool is_printable(const char *name)
{
	for (; *name; name++)
		if (*name < ' ' || *name > '~')
			return false;
	return true;
}

/* ---- /proc/PID/cgroup ---- */

static int parse_cgroups_into(const char *text, size_t size, void *ret)
{
	return parse_process_cgroups(text, size, "memory", ret);
}

static void check_cgroups(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct parse_process_cgroups *c = ret;

	MUST(scan_left(&text) > 0);
	fuzz_take_text(f, 0, c->v1, sizeof(c->v1));
	fuzz_take_text(f, 1, c->v2, sizeof(c->v2));
}

void fuzz_cgroups(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_cgroups_into, check_cgroups,
					   sizeof(struct parse_process_cgroups), NULL, false};

	fuzz_text(&t, bytes, size);
}

/* ---- /proc/PID/status ---- */

static int parse_status_into(const char *text, size_t size, void *ret)
{
	return parse_process_status(text, size, ret);
}

static void check_status(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct parse_process_status *s = ret;
	uint64_t anon, resident;
	int times = fuzz_find(text, "RssAnon:", true, &anon);

	fuzz_take_text(f, 0, s->name, sizeof(s->name));
	MUST(is_printable(f->text[0]) && s->parent >= 0);
	MUST(s->has_memory || !s->anon_bytes);
	fuzz_must_agree(text, "RssShmem:", true, s->shmem_bytes);
	fuzz_must_agree(text, "VmSwap:", true, s->swap_bytes);
	if (times == 1)
		MUST(s->anon_bytes == anon && s->has_memory);
	else if (times == 0 && fuzz_find(text, "VmRSS:", true, &resident) < 2)
		MUST(s->anon_bytes == resident);
	f->n[0] = (uint64_t)s->parent, f->n[1] = s->uid, f->n[2] = s->has_memory;
	f->n[3] = s->anon_bytes, f->n[4] = s->shmem_bytes, f->n[5] = s->swap_bytes;
}

void fuzz_status(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_status_into, check_status,
					   sizeof(struct parse_process_status), "Threads:\t1\n",
					   false};

	fuzz_text(&t, bytes, size);
}

/* ---- /proc/PID/stat, both readings of it ---- */

struct stat_both {
	int start_result, census_result;
	uint64_t start_ticks;
	struct parse_census_stat census;
};

static int parse_stat(const char *text, size_t size, void *ret)
{
	struct stat_both s;

	fuzz_stain(&s, sizeof(s));
	s.start_result = parse_process_start(text, size, &s.start_ticks);
	s.census_result = parse_census_stat(text, size, &s.census);
	if (s.start_result)
		fuzz_must_be_stained(&s.start_ticks, sizeof(s.start_ticks));
	if (s.census_result)
		fuzz_must_be_stained(&s.census, sizeof(s.census));
	memcpy(ret, &s, sizeof(s));
	return 0;
}

static void check_stat(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct stat_both *s = ret;

	f->n[0] = (uint64_t)s->start_result, f->n[1] = (uint64_t)s->census_result;
	if (s->start_result == 0)
		f->n[2] = s->start_ticks;
	if (s->census_result != 0)
		return;
	MUST(scan_left(&text) > 0 && s->start_result == 0);
	MUST(s->census.start_ticks == s->start_ticks && s->census.parent >= 0);
	fuzz_take_text(f, 0, s->census.name, sizeof(s->census.name));
	MUST(is_printable(f->text[0]));
	f->n[3] = (uint64_t)s->census.parent;
}

/* A name may hold newlines, so it is not made of lines. */
void fuzz_stat(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_stat, check_stat, sizeof(struct stat_both), NULL,
					   true};

	fuzz_text(&t, bytes, size);
}

/* ---- a signed figure ---- */

static int parse_adj_into(const char *text, size_t size, void *ret)
{
	return parse_process_adj(text, size, ret);
}

static void check_adj(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const int32_t value = *(const int32_t *)ret;

	MUST(scan_left(&text) > 1 && value != INT32_MIN);
	MUST((*text.at == '-') == (value < 0) || value == 0);
	f->n[0] = (uint64_t)(int64_t)value;
}

void fuzz_adj(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_adj_into, check_adj, sizeof(int32_t), NULL, false};

	fuzz_text(&t, bytes, size);
}

/* ---- what it wrote ---- */

static int parse_io_into(const char *text, size_t size, void *ret)
{
	return parse_process_io(text, size, ret);
}

static void check_io(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const uint64_t *written = ret;
	uint64_t all, to_disk;
	bool is_once = fuzz_find(text, "wchar:", false, &all) != 2 &&
		       fuzz_find(text, "write_bytes:", false, &to_disk) != 2;

	MUST(!is_once || *written == all - MIN_OF(all, to_disk));
	f->n[0] = *written;
}

void fuzz_io(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_io_into, check_io, sizeof(uint64_t), "syscr: 5\n",
					   false};

	fuzz_text(&t, bytes, size);
}

/* ---- a record of the kernel's log ---- */

static int parse_kmsg_into(const char *text, size_t size, void *ret)
{
	return parse_process_oom(text, size, ret);
}

static void check_kmsg(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct parse_process_oom *o = ret;
	uint64_t priority;

	fuzz_take_text(f, 0, o->name, sizeof(o->name));
	fuzz_take_text(f, 1, o->cgroup, sizeof(o->cgroup));
	MUST(is_printable(f->text[0]));
	/* Whoever may write there must not be able to forge a kill. */
	MUST(scan_u64(&text, &priority) && priority <= 7);
	switch (o->kind) {
	case PARSE_PROCESS_OOM_LIMIT:
		MUST(o->pid == 0 && !*o->name);
		break;
	case PARSE_PROCESS_OOM_KILLED:
	case PARSE_PROCESS_OOM_KILLED_IN_CGROUP:
		MUST(o->pid > 0 && !*o->cgroup);
		break;
	}
	f->n[0] = o->kind, f->n[1] = o->time_us, f->n[2] = (uint64_t)o->pid;
}

void fuzz_kmsg(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_kmsg_into, check_kmsg,
					   sizeof(struct parse_process_oom), NULL, false};

	fuzz_text(&t, bytes, size);
}
