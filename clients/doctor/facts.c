/* SPDX-License-Identifier: MIT */
#include "facts.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

/* The largest that is read here; a machine with 300 disks has as many lines of watchdogs, swaps,
 * figures. Larger is no such file. */
#define TEXT_BYTES    8192u
#define WATCHDOGS_MAX 8u

void figure_name(struct figure *f, const char *path)
{
	text_copy_tail(f->path, sizeof(f->path), path);
}

struct figure figure_of(int error, int64_t value)
{
	struct figure f = {.state = FIGURE_SEEN, .value = value};

	if (error == -ENOENT || error == -ENOTDIR || error == -ESRCH)
		f.state = FIGURE_ABSENT;
	else if (error == -EFBIG || error == -EINVAL || error == -ENODATA || error == -EISDIR)
		f.state = FIGURE_ODD;
	else if (error)
		f.state = FIGURE_HIDDEN;
	f.error = -error;
	return f;
}

/* 0 or -EINVAL: nothing but one figure and blanks. */
static int take_figure(const char *text, int64_t *ret)
{
	char *end;
	long long value;

	text += strspn(text, " \t");
	if (!strncmp(text, "max", 3) && (text[3] == '\n' || !text[3])) {
		*ret = FIGURE_UNLIMITED;
		return 0;
	}
	if (!isdigit((unsigned char)*text) && *text != '-')
		return -EINVAL;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || end == text || end[strspn(end, " \t\n")])
		return -EINVAL;
	*ret = value;
	return 0;
}

void figure_read(int root_fd, const char *path, struct figure *ret)
{
	char text[TEXT_BYTES];
	int64_t value = 0;
	ssize_t n = file_read_at(root_fd, path, text, sizeof(text));
	int r = n < 0 ? (int)n : take_figure(text, &value);

	*ret = figure_of(r, value);
	figure_name(ret, path);
}

void figure_line(ssize_t n, const char *text, const char *name, struct figure *ret)
{
	struct scan s = scan_of(text, n < 0 ? 0 : (size_t)n), line;
	uint64_t value;

	*ret = figure_of(n < 0 ? (int)n : -EINVAL, 0);
	while (n >= 0 && scan_line(&s, &line)) {
		struct scan word;

		if (!scan_skip(&line, name) || !scan_skip(&line, ":") || !scan_word(&line, &word))
			continue;
		if (scan_u64(&word, &value) && !scan_left(&word) && value <= INT64_MAX)
			*ret = figure_of(0, (int64_t)value);
		return;
	}
}

static void read_lines(int root_fd, const char *path, const char *const *names,
		       struct figure *const *ret)
{
	char text[TEXT_BYTES];
	ssize_t n = file_read_at(root_fd, path, text, sizeof(text));

	for (; *names; names++, ret++) {
		figure_line(n, text, *names, *ret);
		figure_name(*ret, path);
	}
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12": what is wanted is that it is one. Where PSI
 * was built but not switched on, reading says EOPNOTSUPP. */
static void read_psi(struct facts *f, int root_fd)
{
	static const char path[] = "proc/pressure/memory";
	char text[TEXT_BYTES];
	ssize_t n = file_read_at(root_fd, path, text, sizeof(text));
	int r = n == -EOPNOTSUPP ? -ENOENT : n < 0 ? (int)n : 0;

	if (!r && strncmp(text, "some avg10=", strlen("some avg10=")))
		r = -EINVAL;
	f->psi = figure_of(r, 0);
	figure_name(&f->psi, path);
}

/* The first line is a head. */
static void read_swaps(struct facts *f, int root_fd)
{
	char text[TEXT_BYTES];
	ssize_t n = file_read_at(root_fd, "proc/swaps", text, sizeof(text));
	struct scan s = scan_of(text, n < 0 ? 0 : (size_t)n), line;

	if (!scan_line(&s, &line))
		return;
	while (scan_line(&s, &line))
		f->has_disk_swap |= !scan_skip(&line, "/dev/zram");
}

static void read_memory(struct facts *f, int root_fd)
{
	static const char *const names[] = {"MemTotal", "SwapTotal", "CommitLimit", "Committed_AS",
					    NULL};
	struct figure *const to[] = {&f->total_kib, &f->swap_total_kib, &f->commit_limit_kib,
				     &f->committed_kib};

	read_psi(f, root_fd);
	read_swaps(f, root_fd);
	read_lines(root_fd, "proc/meminfo", names, to);
	figure_read(root_fd, "proc/sys/vm/watermark_boost_factor", &f->boost);
	figure_read(root_fd, "proc/sys/vm/min_free_kbytes", &f->min_free_kib);
	figure_read(root_fd, "proc/sys/vm/overcommit_memory", &f->overcommit);
	figure_read(root_fd, "proc/sys/vm/panic_on_oom", &f->panic);
	figure_read(root_fd, "proc/sys/vm/oom_kill_allocating_task", &f->kills_asker);
}

/* Without CONFIG_WATCHDOG_SYSFS nobody tells whether it is fed. */
static void read_watchdog(struct facts *f, int root_fd)
{
	f->watchdog = figure_of(-ENOENT, 0);
	figure_name(&f->watchdog, "sys/class/watchdog");
	for (unsigned i = 0; i < WATCHDOGS_MAX; i++) {
		char path[64], text[64];
		ssize_t n;

		snprintf(path, sizeof(path), "sys/class/watchdog/watchdog%u", i);
		if (faccessat(root_fd, path, F_OK, 0) < 0)
			continue;
		snprintf(path, sizeof(path), "sys/class/watchdog/watchdog%u/state", i);
		n = file_read_at(root_fd, path, text, sizeof(text));
		if (n < 0)
			f->watchdog = figure_of(n == -ENOENT ? -EACCES : (int)n, 0);
		else if (!strcmp(text, "active\n") || !strcmp(text, "inactive\n"))
			f->watchdog = figure_of(0, text[0] == 'a');
		else
			f->watchdog = figure_of(-EINVAL, 0);
		figure_name(&f->watchdog, path);
		if (f->watchdog.state == FIGURE_SEEN && f->watchdog.value)
			return;
	}
}

void facts_read(struct facts *f, const char *root, const struct facts_hint *hint)
{
	_cleanup_close_ int root_fd = open(root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int error = root_fd < 0 ? -errno : 0;
	struct facts_mounts mounts = {""};

	memset(f, 0, sizeof(*f));
	f->is_here = !root;
	if (!error && faccessat(root_fd, "proc/meminfo", F_OK, 0) < 0)
		error = -errno;
	f->proc = figure_of(error, 0);
	figure_name(&f->proc, root ? root : "/proc");
	if (error)
		return;
	read_memory(f, root_fd);
	read_watchdog(f, root_fd);
	facts_kernel(f, root_fd, &mounts);
	if (f->is_here && hint && hint->bus_pid > 0)
		facts_daemon(root_fd, &mounts, hint->bus_pid, &f->bus);
	if (f->is_here && hint && hint->broker_pid > 0)
		facts_daemon(root_fd, &mounts, hint->broker_pid, &f->broker);
	facts_daemons(f, root_fd, &mounts);
}
