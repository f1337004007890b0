/* SPDX-License-Identifier: MIT */
/* The bus, the broker, who holds the bus's files, and daemons with rules of their own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/units.h"
#include "facts.h"
#include "sense/parse_process.h"
#include "sense/pidwalk.h"

#define STATUS_BYTES 8192u
/* Fields of /proc/PID/stat, counted from 1 as in proc(5). */
#define FIELD_STATE    3u
#define FIELD_PRIORITY 40u
#define FIELD_POLICY   41u

static ssize_t read_of(int root_fd, int32_t pid, const char *name, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/%s", (int)pid, name);
	return file_read_at(root_fd, path, text, size);
}

static void name_of(int32_t pid, const char *name, struct figure *f)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/%s", (int)pid, name);
	figure_name(f, path);
}

/* Behind the name, which may hold anything, ')' too. */
static int take_priority(const char *text, int64_t *ret)
{
	const char *at = strrchr(text, ')');
	struct scan s = scan_of(at ? at + 1 : text, at ? strlen(at + 1) : 0), word;
	uint64_t priority = 0, policy = 0;

	for (unsigned field = FIELD_STATE; field <= FIELD_POLICY; field++) {
		if (!scan_word(&s, &word))
			return -EINVAL;
		if (field == FIELD_PRIORITY && !scan_u64(&word, &priority))
			return -EINVAL;
		if (field == FIELD_POLICY && !scan_u64(&word, &policy))
			return -EINVAL;
	}
	*ret = policy == 1 || policy == 2 ? (int64_t)priority : 0; /* SCHED_FIFO, SCHED_RR */
	return 0;
}

static void read_priority(int root_fd, struct facts_daemon *d)
{
	char text[1024];
	int64_t value = 0;
	ssize_t n = read_of(root_fd, d->pid, "stat", text, sizeof(text));
	int r = n < 0 ? (int)n : take_priority(text, &value);

	d->priority = figure_of(r, value);
	name_of(d->pid, "stat", &d->priority);
}

static void read_words(int root_fd, struct facts_daemon *d)
{
	ssize_t n = read_of(root_fd, d->pid, "cmdline", d->words, sizeof(d->words));

	if (n < 0)
		d->words[0] = 0;
	for (ssize_t i = 0; i < n; i++)
		if (!d->words[i])
			d->words[i] = ' ';
}

/* Its path in v2; "": none. */
static void own_cgroup(int root_fd, int32_t pid, char *ret, size_t size)
{
	char text[4096];
	ssize_t n = read_of(root_fd, pid, "cgroup", text, sizeof(text));
	struct scan s = scan_of(text, n < 0 ? 0 : (size_t)n), line;

	ret[0] = 0;
	while (scan_line(&s, &line))
		if (scan_skip(&line, "0::/") && scan_copy(&line, ret, size))
			return;
}

/* A floor counts as far as every cgroup above has one; the root needs none. */
static void read_floor(int root_fd, const struct facts_mounts *m, struct facts_daemon *d)
{
	char cgroup[512], path[sizeof(m->v2) + sizeof(cgroup) + 32];

	d->floor_bytes = d->swap_max_bytes = figure_of(-ENOENT, 0);
	own_cgroup(root_fd, d->pid, cgroup, sizeof(cgroup));
	if (!m->v2[0] || !cgroup[0] || strstr(cgroup, ".."))
		return;
	snprintf(path, sizeof(path), "%s/%s/memory.swap.max", m->v2, cgroup);
	figure_read(root_fd, path, &d->swap_max_bytes);
	d->floor_bytes.value = FIGURE_UNLIMITED;
	for (char *slash;; *slash = 0) {
		struct figure one;

		snprintf(path, sizeof(path), "%s/%s/memory.min", m->v2, cgroup);
		figure_read(root_fd, path, &one);
		if (one.state != FIGURE_SEEN || one.value < d->floor_bytes.value)
			d->floor_bytes = one;
		slash = strrchr(cgroup, '/');
		if (one.state != FIGURE_SEEN || !slash)
			return;
	}
}

void facts_daemon(int root_fd, const struct facts_mounts *m, int32_t pid, struct facts_daemon *ret)
{
	char text[STATUS_BYTES], path[64];
	ssize_t n = read_of(root_fd, pid, "comm", text, sizeof(text));

	*ret = (struct facts_daemon){.pid = pid};
	if (n > 0)
		snprintf(ret->name, sizeof(ret->name), "%.*s", MIN_OF((int)strcspn(text, "\n"), 15),
			 text);
	n = read_of(root_fd, pid, "status", text, sizeof(text));
	figure_line(n, text, "VmLck", &ret->locked_kib);
	figure_line(n, text, "VmSwap", &ret->swap_kib);
	name_of(pid, "status", &ret->locked_kib);
	name_of(pid, "status", &ret->swap_kib);
	snprintf(path, sizeof(path), "proc/%d/oom_score_adj", (int)pid);
	figure_read(root_fd, path, &ret->oom_score_adj);
	read_priority(root_fd, ret);
	read_words(root_fd, ret);
	read_floor(root_fd, m, ret);
}

/* The system's own, not the one of somebody's desktop or of a container's user. */
static bool is_system_bus(int root_fd, int32_t pid, const char *name)
{
	struct facts_daemon d = {.pid = pid};
	char cgroup[512];

	if (strcmp(name, "dbus-daemon") && strcmp(name, "dbus-broker"))
		return false;
	read_words(root_fd, &d);
	own_cgroup(root_fd, pid, cgroup, sizeof(cgroup));
	return !strstr(d.words, "--session") && !strstr(cgroup, "user.slice");
}

struct finder {
	int root_fd;
	const struct facts_mounts *mounts;
	struct facts *facts;
};

/* Of several of a name, the oldest: /proc tells small numbers first. */
static void look_at(const struct finder *w, int32_t pid, const char *name)
{
	struct facts *f = w->facts;

	for (int r = 0; r < RIVAL_COUNT; r++)
		if (rival_process((enum rival)r) && !strcmp(name, rival_process((enum rival)r)))
			f->rivals |= 1u << r;
	if (!f->broker.pid && !strcmp(name, "failsoftd"))
		facts_daemon(w->root_fd, w->mounts, pid, &f->broker);
	else if (!f->holder.pid && !strcmp(name, "failsoft-hold"))
		facts_daemon(w->root_fd, w->mounts, pid, &f->holder);
	else if (!f->bus.pid && is_system_bus(w->root_fd, pid, name))
		facts_daemon(w->root_fd, w->mounts, pid, &f->bus);
}

static void walk(const struct finder *w, int proc_fd)
{
	struct pidwalk pids;
	int32_t pid;

	pidwalk_init(&pids, proc_fd);
	while (pidwalk_next(&pids, &pid) > 0) {
		char name[64];
		ssize_t n = read_of(w->root_fd, pid, "comm", name, sizeof(name));

		if (n <= 0)
			continue;
		name[strcspn(name, "\n")] = 0;
		look_at(w, pid, name);
	}
	pidwalk_fini(&pids);
}

void facts_daemons(struct facts *f, int root_fd, const struct facts_mounts *m)
{
	const struct finder w = {root_fd, m, f};
	_cleanup_close_ int proc_fd = openat(root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[64];
	ssize_t n = read_of(root_fd, 1, "comm", text, sizeof(text));

	/* hidepid: there are others, but not for us */
	f->others = figure_of(proc_fd < 0 ? -errno : n < 0 ? -EACCES : 0, 0);
	figure_name(&f->others, "proc/1/comm");
	if (proc_fd >= 0)
		walk(&w, proc_fd);
}
