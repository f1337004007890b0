/* SPDX-License-Identifier: MIT */
#include "sense/pidwalk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/scan.h"

/* Room for at least one entry with a name of 255 bytes (NAME_MAX). */
#define ENTRY_ROOM_BYTES	1024u

void pidwalk_init(struct pidwalk *w, int proc_fd)
{
	memset(w, 0, sizeof(*w));
	w->proc_fd = proc_fd;
	w->cgroup_fd = w->procs_fd = -1;
}

static void stop(struct pidwalk *w)
{
	while (w->depth)
		(void)file_close(w->dir_fd[--w->depth]);
	w->procs_fd = file_close(w->procs_fd);
	w->is_running = false;
	w->at = w->size = 0;
	w->digits = 0;
}

void pidwalk_fini(struct pidwalk *w)
{
	stop(w);
}

void pidwalk_within(struct pidwalk *w, int cgroup_fd)
{
	stop(w);
	w->cgroup_fd = cgroup_fd;
}

/* getdents64, because readdir needs an allocation. */
static ssize_t read_entries(int fd, char *piece, size_t size)
{
	long n = syscall(SYS_getdents64, fd, piece, size);

	return n < 0 ? -errno : n;
}

static int next_of_proc(struct pidwalk *w, int32_t *ret_pid)
{
	if (!w->is_running && lseek(w->proc_fd, 0, SEEK_SET) < 0)
		return -errno;
	w->is_running = true;
	for (;;) {
		ssize_t size;

		while (w->at < w->size) {
			const struct dirent64 *entry = (const void *)(w->piece + w->at);

			w->at += entry->d_reclen;
			if (scan_pid(entry->d_name, ret_pid))
				return 1;
		}
		size = read_entries(w->proc_fd, w->piece, sizeof(w->piece));
		if (size <= 0)
			return (int)size;
		w->at = 0;
		w->size = (size_t)size;
	}
}

/* Opens the next cgroup down. A threaded one has no processes of its own (EOPNOTSUPP at the read):
 * they are those of its root. */
static int enter(struct pidwalk *w, int parent_fd, const char *name)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), procs_fd;

	if (fd < 0)
		return -errno;
	procs_fd = file_open_at(fd, "cgroup.procs");
	if (procs_fd < 0) {
		(void)file_close(fd);
		return procs_fd;
	}
	w->dir_fd[w->depth++] = fd;
	w->procs_fd = procs_fd;
	w->at = w->size = 0;
	w->digits = 0;
	return 0;
}

/* The next pid of the open cgroup.procs; 0: none left. */
static int next_of_procs(struct pidwalk *w, int32_t *ret_pid)
{
	for (;;) {
		ssize_t size;

		while (w->at < w->size) {
			char c = w->piece[w->at++];
			uint64_t pid = w->digits;

			if (c >= '0' && c <= '9') {
				if (pid <= INT32_MAX)
					w->digits = pid * 10 + (uint64_t)(c - '0');
				continue;
			}
			w->digits = 0;
			if (c == '\n' && pid && pid <= INT32_MAX) {
				*ret_pid = (int32_t)pid;
				return 1;
			}
		}
		size = read(w->procs_fd, w->piece, sizeof(w->piece));
		if (size <= 0) {
			w->procs_fd = file_close(w->procs_fd);
			return 0;
		}
		w->at = 0;
		w->size = (size_t)size;
	}
}

/* Enters the next directory below the deepest open one. false: there is none. */
static bool descend(struct pidwalk *w)
{
	char room[ENTRY_ROOM_BYTES] __attribute__((aligned(8)));
	int fd = w->dir_fd[w->depth - 1];
	ssize_t size;

	if (w->depth == PIDWALK_DEPTH_MAX)
		return false;
	while ((size = read_entries(fd, room, sizeof(room))) > 0)
		for (ssize_t at = 0; at < size;) {
			const struct dirent64 *entry = (const void *)(room + at);

			at += entry->d_reclen;
			if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
				continue;
			/* The rest of the entries is read again when this one is done. */
			if (lseek(fd, entry->d_off, SEEK_SET) < 0)
				return false;
			if (enter(w, fd, entry->d_name) == 0)
				return true;
			break; /* gone meanwhile: on from behind it */
		}
	return false;
}

static int next_of_cgroup(struct pidwalk *w, int32_t *ret_pid)
{
	if (!w->is_running) {
		int r = enter(w, w->cgroup_fd, ".");

		if (r < 0)
			return r == -ENOENT ? -ENODEV : r;
		w->is_running = true;
	}
	while (w->depth) {
		if (w->procs_fd >= 0 && next_of_procs(w, ret_pid))
			return 1;
		if (!descend(w))
			(void)file_close(w->dir_fd[--w->depth]);
	}
	return 0;
}

int pidwalk_next(struct pidwalk *w, int32_t *ret_pid)
{
	int32_t pid = 0;
	int r = w->cgroup_fd < 0 ? next_of_proc(w, &pid) : next_of_cgroup(w, &pid);

	if (r > 0)
		*ret_pid = pid;
	else
		stop(w);
	return r;
}
