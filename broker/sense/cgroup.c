/* SPDX-License-Identifier: MIT */
#include "sense/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/units.h"
#include "sense/parse_cgroup.h"
#include "sense/parse_process.h"

struct file_name {
	const char *name;
	bool is_needed;
};

static const struct file_name v2_files[CGROUP_FILE_COUNT] = {
	[CGROUP_USAGE] = { "memory.current", true },
	[CGROUP_LIMIT] = { "memory.max", true },
	[CGROUP_HIGH] = { "memory.high", false },
	[CGROUP_STAT] = { "memory.stat", true },
	[CGROUP_EVENTS] = { "memory.events", false },
	[CGROUP_SWAP_USAGE] = { "memory.swap.current", false },
	[CGROUP_SWAP_LIMIT] = { "memory.swap.max", false },
};

static const struct file_name v1_files[CGROUP_FILE_COUNT] = {
	[CGROUP_USAGE] = { "memory.usage_in_bytes", true },
	[CGROUP_LIMIT] = { "memory.limit_in_bytes", true },
	[CGROUP_STAT] = { "memory.stat", true },
	[CGROUP_EVENTS] = { "memory.oom_control", false },
	[CGROUP_HITS] = { "memory.failcnt", false },
	[CGROUP_SWAP_USAGE] = { "memory.memsw.usage_in_bytes", false },
	[CGROUP_SWAP_LIMIT] = { "memory.memsw.limit_in_bytes", false },
};

static const struct source_ops cgroup_ops = {
	.name = "cgroup",
	.path = "proc/mounts",
	.gives = "limits of cgroups: domains of their own",
	.remedy = "CONFIG_MEMCG=y (v1: and CONFIG_MEMCG_V1=y from Linux 6.11), boot word "
		  "cgroup_enable=memory, and mount -t cgroup2 none /sys/fs/cgroup",
};

static int open_directory(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int read_figure(int fd, const struct source_room *room, uint64_t *ret)
{
	ssize_t size = file_reread(fd, room->buffer, room->size);

	return size < 0 ? (int)size : parse_value(room->buffer, (size_t)size, ret);
}

static bool has_memory_controller(int fd, char *buffer, size_t size)
{
	ssize_t length = file_read_at(fd, "cgroup.controllers", buffer, size);
	struct scan s, line, word;

	if (length < 0)
		return false;
	s = scan_of(buffer, (size_t)length);
	if (scan_line(&s, &line))
		while (scan_word(&line, &word))
			if (scan_is(&word, "memory"))
				return true;
	return false;
}

/* A machine may have both mounted; the memory controller is in only one of them. */
static bool take_mount(struct cgroup_tree *t, int root_fd, const struct parse_mount *m)
{
	char controllers[512];
	int fd = open_directory(root_fd, m->path + (m->path[0] == '/'));

	if (fd < 0)
		return false;
	if (m->is_v2 && !has_memory_controller(fd, controllers, sizeof(controllers))) {
		file_close(fd);
		return false;
	}
	t->source.fd = fd;
	t->is_v2 = m->is_v2;
	t->source.note = m->is_v2 ? "v2" : "v1";
	return true;
}

void cgroup_tree_open(struct cgroup_tree *t, int root_fd, const struct source_room *room)
{
	ssize_t size = file_read_at(root_fd, cgroup_ops.path, room->buffer, room->size);
	struct parse_mount m;
	struct scan s;

	*t = (struct cgroup_tree){ .source = { .ops = &cgroup_ops, .fd = -1, .error = -ENODEV } };
	if (size < 0) {
		t->source.error = (int)size;
		return;
	}
	s = scan_of(room->buffer, (size_t)size);
	while (t->source.error && parse_mount_next(&s, "memory", &m) == 0)
		if (take_mount(t, root_fd, &m))
			t->source.error = 0;
}

void cgroup_tree_close(struct cgroup_tree *t)
{
	t->source.fd = file_close(t->source.fd);
}

/* Only down from the root of the hierarchy. A path of another cgroup namespace begins with "/..".
 */
static bool is_good_name(const char *name)
{
	size_t length = strlen(name);

	return length >= 2 && length < PARSE_PATH_MAX && name[0] == '/' && name[1] != '/' &&
	       !strstr(name, "/../") && strcmp(name + length - MIN_OF(length, 3u), "/..") != 0;
}

/* The lower of its limits; PARSE_UNLIMITED: none. */
static int read_limit(const struct cgroup *c, const struct source_room *room, uint64_t *ret)
{
	uint64_t max, high = PARSE_UNLIMITED;
	int r = read_figure(c->fd[CGROUP_LIMIT], room, &max);

	if (r == 0 && c->fd[CGROUP_HIGH] >= 0)
		r = read_figure(c->fd[CGROUP_HIGH], room, &high);
	if (r == 0)
		*ret = MIN_OF(max, high);
	return r;
}

static int add_if_limited(const struct cgroup_tree *t, const char *name, uint64_t ceiling_bytes,
			  struct cgroup_paths *paths)
{
	const struct source_room room = { .buffer = (char[64]){ 0 }, .size = 64 };
	uint64_t limit_bytes;
	struct cgroup c;
	int r;

	if (!text_is_utf8(name))
		return 0; /* no name for a domain; a limit further up may have one */
	r = cgroup_open(&c, t, name);
	if (r < 0)
		return r;
	r = read_limit(&c, &room, &limit_bytes);
	cgroup_close(&c);
	if (r < 0)
		return r;
	if (limit_bytes < ceiling_bytes && paths->count < CGROUP_PATHS_MAX)
		(void)snprintf(paths->name[paths->count++], PARSE_PATH_MAX, "%s", name);
	return 0;
}

int cgroup_find(const struct cgroup_tree *t, const struct cgroup_question *q,
		const struct source_room *room, struct cgroup_paths *ret)
{
	struct parse_process_cgroups member;
	struct cgroup_paths paths = { 0 };
	char path[32], *name;
	ssize_t size;
	int r;

	if (t->source.fd < 0)
		return -ENODEV;
	(void)snprintf(path, sizeof(path), "proc/%d/cgroup", q->pid);
	size = file_read_at(q->root_fd, path, room->buffer, room->size);
	if (size < 0)
		return size == -ENOENT ? -ESRCH : (int)size;
	r = parse_process_cgroups(room->buffer, (size_t)size, "memory", &member);
	if (r < 0)
		return r;
	name = t->is_v2 ? member.v2 : member.v1;
	while (is_good_name(name)) {
		r = add_if_limited(t, name, q->ceiling_bytes, &paths);
		if (r < 0 && r != -ENOENT)
			return r;
		*strrchr(name, '/') = '\0';
	}
	*ret = paths;
	return 0;
}

static int open_files(struct cgroup *c)
{
	const struct file_name *file = c->is_v2 ? v2_files : v1_files;

	for (int f = 0; f < CGROUP_FILE_COUNT; f++) {
		int fd = file[f].name ? file_open_at(c->dir_fd, file[f].name) : -ENOENT;

		if (fd < 0 && file[f].is_needed)
			return fd;
		c->fd[f] = MAX_OF(fd, -1);
	}
	if (c->is_v2) {
		/* Since Linux 5.2, and better: a child at its own limit is not our distress. */
		int fd = file_open_at(c->dir_fd, "memory.events.local");

		if (fd >= 0) {
			file_close(c->fd[CGROUP_EVENTS]);
			c->fd[CGROUP_EVENTS] = fd;
			c->has_local_events = true;
		}
	}
	return 0;
}

int cgroup_open(struct cgroup *c, const struct cgroup_tree *t, const char *name)
{
	struct cgroup opened = { .is_v2 = t->is_v2 };
	int r;

	if (t->source.fd < 0)
		return -ENODEV;
	if (!is_good_name(name) || !text_is_utf8(name))
		return -EINVAL;
	memset(opened.fd, 0xff, sizeof(opened.fd));
	opened.dir_fd = open_directory(t->source.fd, name + 1);
	if (opened.dir_fd < 0)
		return opened.dir_fd;
	r = open_files(&opened);
	if (r == 0 && strcmp(name, t->tripwire) == 0)
		opened.fd[CGROUP_HIGH] = file_close(opened.fd[CGROUP_HIGH]);
	if (r < 0)
		cgroup_close(&opened);
	else
		*c = opened;
	return r;
}

void cgroup_close(struct cgroup *c)
{
	for (int f = 0; f < CGROUP_FILE_COUNT; f++)
		c->fd[f] = file_close(c->fd[f]);
	c->dir_fd = file_close(c->dir_fd);
}

static int read_counters(const struct cgroup *c, const struct source_room *room,
			 struct cgroup_counters *ret)
{
	struct cgroup_counters now = { 0 };
	ssize_t size = file_reread(c->fd[CGROUP_EVENTS], room->buffer, room->size);
	struct scan text;
	int r;

	if (size < 0)
		return (int)size;
	text = scan_of(room->buffer, (size_t)size);
	if (c->is_v2) {
		struct parse_cgroup_events e;

		r = parse_cgroup_events(room->buffer, (size_t)size, &e);
		if (r < 0)
			return r;
		now = (struct cgroup_counters){ e.high, e.max, e.oom_kill };
		/* A local oom_kill counts victims that live here, whoever was out of memory; a
		 * local oom counts that our limit was, wherever the victim lives. */
		if (c->has_local_events)
			now.oom = e.oom;
	} else {
		r = parse_key(&text, "oom_kill", &now.oom);
		if (r < 0 && r != -ENODATA)
			return r; /* -ENODATA: before Linux 4.13 */
		r = c->fd[CGROUP_HITS] < 0 ? 0 : read_figure(c->fd[CGROUP_HITS], room, &now.hits);
		if (r < 0)
			return r;
	}
	*ret = now;
	return 0;
}

static void add_counters(struct cgroup *c, const struct cgroup_counters *now, struct sample *ret)
{
	const struct cgroup_counters *old = &c->counters;

	ret->has |= SAMPLE_HAS_VMSTAT;
	ret->oom_kills = now->oom;
	if (c->has_counters) {
		ret->distress |= now->high > old->high ? DISTRESS_CGROUP_HIGH : 0;
		ret->distress |= now->hits > old->hits ? DISTRESS_CGROUP_MAX : 0;
		ret->distress |= now->oom > old->oom ? DISTRESS_OOM : 0;
	}
	c->counters = *now;
	c->has_counters = true;
}

/* What the cgroup may still put into swap, at most what the machine has free. */
static int read_swap(const struct cgroup *c, const struct source_room *room, uint64_t usage_bytes,
		     struct sample *ret)
{
	uint64_t used, limit, total, free;
	int r;

	if (!ret->swap_total_bytes || c->fd[CGROUP_SWAP_USAGE] < 0 || c->fd[CGROUP_SWAP_LIMIT] < 0)
		return 0;
	r = read_figure(c->fd[CGROUP_SWAP_USAGE], room, &used);
	r = r ? r : read_figure(c->fd[CGROUP_SWAP_LIMIT], room, &limit);
	if (r < 0)
		return r;
	if (!c->is_v2) { /* v1 counts memory and swap together */
		limit = limit > c->limit_bytes ? limit - c->limit_bytes : 0;
		used = used > usage_bytes ? used - usage_bytes : 0;
	}
	total = MIN_OF(limit, ret->swap_total_bytes);
	free = limit > used ? MIN_OF(limit - used, ret->swap_free_bytes) : 0;
	ret->swap_total_bytes = total;
	ret->swap_free_bytes = free;
	return 0;
}

/* Usage was read first: what came since is no more than its share of the seen. */
static void add_pools(const struct parse_cgroup_stat *stat, uint64_t usage_bytes, struct sample *ret)
{
	if (!stat->has_pools)
		return;
	ret->anon_bytes = stat->anon_bytes;
	ret->shmem_bytes = stat->shmem_bytes;
	ret->kernel_bytes = stat->kernel_bytes;
	ret->unseen_bytes = usage_bytes > stat->seen_bytes ? usage_bytes - stat->seen_bytes : 0;
	ret->has |= SAMPLE_HAS_POOLS;
}

static int read_memory(struct cgroup *c, const struct source_room *room, struct sample *ret)
{
	uint64_t usage_bytes, limit_bytes;
	struct parse_cgroup_stat stat;
	ssize_t size;
	int r = read_limit(c, room, &limit_bytes);

	r = r ? r : read_figure(c->fd[CGROUP_USAGE], room, &usage_bytes);
	if (r < 0)
		return r;
	size = file_reread(c->fd[CGROUP_STAT], room->buffer, room->size);
	r = size < 0 ? (int)size : parse_cgroup_stat(room->buffer, (size_t)size, &stat);
	if (r < 0)
		return r;
	c->limit_bytes = MIN_OF(limit_bytes, ret->total_bytes);
	ret->total_bytes = c->limit_bytes;
	ret->free_bytes = c->limit_bytes > usage_bytes ? c->limit_bytes - usage_bytes : 0;
	ret->file_bytes = stat.file_bytes;
	ret->has |= SAMPLE_HAS_MEMORY | SAMPLE_HAS_RESERVE;
	add_pools(&stat, usage_bytes, ret);
	r = read_swap(c, room, usage_bytes, ret);
	if (r == 0 && ret->swap_total_bytes)
		ret->has |= SAMPLE_HAS_SWAP;
	return r;
}

int cgroup_figures(struct cgroup *c, const struct source_room *room, struct cgroup_figures *ret)
{
	struct cgroup_counters counters;
	struct parse_cgroup_stat stat;
	struct cgroup_figures f;
	ssize_t size;
	int r = c->fd[CGROUP_HIGH] < 0 || c->fd[CGROUP_EVENTS] < 0 ? -ENOENT : 0;

	r = r ? r : read_figure(c->fd[CGROUP_USAGE], room, &f.usage_bytes);
	r = r ? r : read_figure(c->fd[CGROUP_HIGH], room, &f.high_bytes);
	r = r ? r : read_counters(c, room, &counters);
	if (r < 0)
		return r;
	size = file_reread(c->fd[CGROUP_STAT], room->buffer, room->size);
	r = size < 0 ? (int)size : parse_cgroup_stat(room->buffer, (size_t)size, &stat);
	if (r < 0)
		return r;
	f.file_bytes = stat.file_bytes;
	f.high_events = counters.high;
	*ret = f;
	return 0;
}

int cgroup_read(struct cgroup *c, const struct source_room *room, struct sample *ret)
{
	struct cgroup_counters counters;
	struct sample s = *ret;
	int r = read_memory(c, room, &s);

	if (r == 0 && c->fd[CGROUP_EVENTS] >= 0) {
		r = read_counters(c, room, &counters);
		if (r == 0)
			add_counters(c, &counters, &s);
	}
	if (r == 0)
		*ret = s;
	return r;
}
