/* SPDX-License-Identifier: MIT */
/* What this kernel can do. Of a tree that is not this machine its release decides. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/units.h"
#include "facts.h"
#include "sense/parse.h"

/* A host of many containers has as many mounts; more is not looked through. */
#define MOUNTS_BYTES (256u * 1024u)

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448 /* one number on all architectures */
#endif

/* Without arguments that could do anything: the kernel complains of them, or of the call. */
static bool has_call(enum facts_call call)
{
	long r = 0;

	switch (call) {
	case CALL_PIDFD_OPEN:
		r = syscall(SYS_pidfd_open, 0, 0);
		break;
	case CALL_PIDFD_SEND_SIGNAL:
		r = syscall(SYS_pidfd_send_signal, -1, 0, NULL, 0);
		break;
	case CALL_PROCESS_MRELEASE:
		r = syscall(SYS_process_mrelease, -1, 0);
		break;
	case CALL_COUNT:
		break;
	}
	return r >= 0 || errno != ENOSYS;
}

/* When they came: kernel/pid.c, kernel/signal.c, mm/oom_kill.c. */
static const uint32_t call_release[CALL_COUNT] = {
	[CALL_PIDFD_OPEN] = 5003,
	[CALL_PIDFD_SEND_SIGNAL] = 5001,
	[CALL_PROCESS_MRELEASE] = 5015,
};

static void read_release(struct facts *f, int root_fd)
{
	char text[256];
	ssize_t n = file_read_at(root_fd, "proc/sys/kernel/osrelease", text, sizeof(text));
	unsigned major, minor;

	if (n > 0 && sscanf(text, "%3u.%3u", &major, &minor) == 2)
		f->release = major * 1000 + minor;
}

static void read_calls(struct facts *f)
{
	for (unsigned i = 0; i < CALL_COUNT; i++) {
		bool has =
			f->is_here ? has_call((enum facts_call)i) : f->release >= call_release[i];

		f->call[i] = figure_of(f->is_here || f->release ? 0 : -EINVAL, has);
		figure_name(&f->call[i], "proc/sys/kernel/osrelease");
	}
}

/* Absolute in the file, below our root here. */
static void take_v2(struct facts_mounts *m, const char *path)
{
	path += strspn(path, "/");
	if (!m->v2[0] && *path && strlen(path) < sizeof(m->v2))
		strcpy(m->v2, path);
}

static void read_mounts(struct facts *f, int root_fd, struct facts_mounts *m)
{
	static char text[MOUNTS_BYTES];
	ssize_t n = file_read_at(root_fd, "proc/mounts", text, sizeof(text));
	struct scan s = scan_of(text, n < 0 ? 0 : (size_t)n);
	struct parse_mount mount;
	int r;

	f->mounts = figure_of(n < 0 ? (int)n : 0, 0);
	figure_name(&f->mounts, "proc/mounts");
	while ((r = parse_mount_next(&s, "freezer", &mount)) != -ENODATA) {
		if (r < 0)
			continue;
		if (mount.is_v2)
			take_v2(m, mount.path);
		else
			f->has_v1_freezer = true;
	}
	f->has_v2 = m->v2[0];
}

static void read_controllers(struct facts *f, int root_fd, const struct facts_mounts *m)
{
	char path[sizeof(m->v2) + 32], text[512];
	struct scan s, word;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/cgroup.controllers", m->v2);
	n = file_read_at(root_fd, path, text, sizeof(text));
	f->controllers = figure_of(n < 0 ? (int)n : 0, 0);
	figure_name(&f->controllers, path);
	if (n < 0)
		return;
	text[strcspn(text, "\n")] = 0;
	s = scan_of(text, strlen(text));
	while (scan_word(&s, &word))
		f->controllers.value |= scan_is(&word, "memory");
}

static void look_for(int dir_fd, const char *name, struct figure *ret)
{
	*ret = figure_of(faccessat(dir_fd, name, F_OK, 0) < 0 ? -errno : 0, 1);
	figure_name(ret, name);
}

/* The root has none of these files; any cgroup below has them, or none has. */
static void look_into_cgroup(struct facts *f, int root_fd, const struct facts_mounts *m)
{
	int fd = openat(root_fd, m->v2, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (fd >= 0 && !dir)
		(void)file_close(fd);
	while (dir && !f->has_cgroup && (e = readdir(dir))) {
		_cleanup_close_ int below = -1;

		if (e->d_name[0] != '.')
			below = openat(dirfd(dir), e->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (below < 0)
			continue;
		f->has_cgroup = true;
		look_for(below, "cgroup.freeze", &f->freeze);
		look_for(below, "cgroup.kill", &f->kill);
	}
	if (dir)
		(void)closedir(dir); /* was read only */
}

void facts_kernel(struct facts *f, int root_fd, struct facts_mounts *ret)
{
	read_release(f, root_fd);
	read_calls(f);
	read_mounts(f, root_fd, ret);
	if (!f->has_v2)
		return;
	read_controllers(f, root_fd, ret);
	look_into_cgroup(f, root_fd, ret);
}
