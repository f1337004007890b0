/* SPDX-License-Identifier: MIT */
/* The parsers of sense/parse.h for cgroup files and mounts. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "sense/parse_cgroup.h"

static void check_figure(const void *ret, struct scan text, struct fuzz_figures *f)
{
	(void)text;
	f->n[0] = *(const uint64_t *)ret;
}

/* ---- a file with one figure ---- */

static int parse_value_into(const char *text, size_t size, void *ret)
{
	return parse_value(text, size, ret);
}

void fuzz_value(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_value_into, check_figure, sizeof(uint64_t), NULL,
					   false};

	fuzz_text(&t, bytes, size);
}

/* ---- any key: here the first line is the key, the file follows ---- */

#define KEY_MAX 32

static void take_key(struct scan *text, char *ret)
{
	struct scan line = {0}, word;

	strcpy(ret, "anon");
	if (scan_line(text, &line) && scan_word(&line, &word) && scan_left(&word) < KEY_MAX &&
	    !memchr(word.at, 0, scan_left(&word)))
		(void)scan_copy(&word, ret, KEY_MAX); /* fits */
}

static int parse_key_into(const char *text, size_t size, void *ret)
{
	struct scan file = scan_of(text, size);
	char key[KEY_MAX];

	take_key(&file, key);
	return parse_key(&file, key, ret);
}

static void check_key(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const uint64_t *figure = ret;
	char key[KEY_MAX];

	take_key(&text, key);
	fuzz_must_agree(text, key, false, *figure);
	f->n[0] = *figure;
}

void fuzz_key(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_key_into, check_key, sizeof(uint64_t), NULL,
					   false};

	fuzz_text(&t, bytes, size);
}

/* ---- memory.stat ---- */

static int parse_cgroup_stat_into(const char *text, size_t size, void *ret)
{
	return parse_cgroup_stat(text, size, ret);
}

static void check_cgroup_stat(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct parse_cgroup_stat *stat = ret;
	uint64_t sum = stat->file_bytes, active, inactive;

	f->n[0] = sum;
	f->n[1] = stat->seen_bytes;
	MUST(stat->has_pools || !(stat->anon_bytes | stat->shmem_bytes | stat->seen_bytes));
	MUST(stat->seen_bytes >= stat->anon_bytes && stat->seen_bytes >= stat->kernel_bytes);
	if (fuzz_find(text, "total_active_file", false, &active) == 1 &&
	    fuzz_find(text, "total_inactive_file", false, &inactive) == 1)
		MUST(sum >= active && sum - active == inactive);
	else if (fuzz_find(text, "total_active_file", false, &active) == 0 &&
		 fuzz_find(text, "active_file", false, &active) == 1 &&
		 fuzz_find(text, "inactive_file", false, &inactive) == 1)
		MUST(sum >= active && sum - active == inactive);
}

void fuzz_cgroup_stat(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_cgroup_stat_into, check_cgroup_stat,
					   sizeof(struct parse_cgroup_stat), "workingset 7\n", false};

	fuzz_text(&t, bytes, size);
}

/* ---- memory.events ---- */

static int parse_cgroup_events_into(const char *text, size_t size, void *ret)
{
	return parse_cgroup_events(text, size, ret);
}

static void check_cgroup_events(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct parse_cgroup_events *e = ret;

	fuzz_must_agree(text, "high", false, e->high);
	fuzz_must_agree(text, "max", false, e->max);
	fuzz_must_agree(text, "oom", false, e->oom);
	fuzz_must_agree(text, "oom_kill", false, e->oom_kill);
	f->n[0] = e->high, f->n[1] = e->max, f->n[2] = e->oom, f->n[3] = e->oom_kill;
}

void fuzz_cgroup_events(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_cgroup_events_into, check_cgroup_events,
					   sizeof(struct parse_cgroup_events), "low 7\n", false};

	fuzz_text(&t, bytes, size);
}

/* ---- mounts: all of them, one after the other ---- */

struct mounts {
	uint64_t count, v2;
	struct parse_mount last;
};

static int parse_mounts(const char *text, size_t size, void *ret)
{
	struct scan s = scan_of(text, size);
	struct mounts *m = ret;
	struct parse_mount one;

	memset(m, 0, sizeof(*m));
	for (;;) {
		const char *before = s.at;

		fuzz_stain(&one, sizeof(one));
		if (parse_mount_next(&s, "memory", &one) != 0)
			break;
		MUST(s.at > before && s.at <= s.end && s.end == text + size);
		MUST(memchr(one.path, 0, sizeof(one.path)) != NULL);
		m->count++;
		m->v2 += one.is_v2;
		m->last = one;
	}
	fuzz_must_be_stained(&one, sizeof(one));
	MUST(parse_mount_next(&s, "memory", &one) == -ENODATA && s.end == text + size);
	return 0;
}

static void check_mounts(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct mounts *m = ret;

	(void)text;
	f->n[0] = m->count, f->n[1] = m->v2, f->n[2] = m->last.is_v2;
	fuzz_take_text(f, 0, m->last.path, sizeof(m->last.path));
}

void fuzz_mount(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {parse_mounts, check_mounts, sizeof(struct mounts),
					   "proc /proc proc rw 0 0\n", false};

	fuzz_text(&t, bytes, size);
}
