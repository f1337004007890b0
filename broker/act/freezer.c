/* SPDX-License-Identifier: MIT */
#include "act/freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/units.h"
#include "sense/parse_process.h"

/* Lines of proc/PID/cgroup: one per hierarchy, 13 on a machine with all of v1. */
#define MEMBER_ROOM_BYTES	4096u
#define MOUNTS_ROOM_BYTES	(64 * KIB)
/* 1100 pids, twice what the ledger has room for; of more only SIGSTOP is used. */
#define PROCS_ROOM_BYTES	8192u
/* Of a directory in kernfs: one more for each directory in it (kernfs_refresh_inode). */
#define LINKS_OF_A_LEAF		2

static int open_directory(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void freezer_trees_open(struct freezer_trees *t, int root_fd)
{
	char mounts[MOUNTS_ROOM_BYTES];
	ssize_t size = file_read_at(root_fd, "proc/mounts", mounts, sizeof(mounts));
	struct scan s = scan_of(mounts, size < 0 ? 0 : (size_t)size);
	struct parse_mount m;

	*t = (struct freezer_trees){ .v2_fd = -1, .v1_fd = -1 };
	while (parse_mount_next(&s, "freezer", &m) == 0) {
		int *fd = m.is_v2 ? &t->v2_fd : &t->v1_fd;

		if (*fd < 0)
			*fd = MAX_OF(open_directory(root_fd, m.path + (m.path[0] == '/')), -1);
	}
}

void freezer_trees_close(struct freezer_trees *t)
{
	t->v2_fd = file_close(t->v2_fd);
	t->v1_fd = file_close(t->v1_fd);
}

static const char *switch_name(const struct ledger_freeze *place)
{
	return place->is_v2 ? "cgroup.freeze" : "freezer.state";
}

/* Only down from the root, and not the root itself. A cgroup that is not below what this broker
 * sees begins with "/..". */
static bool is_good_path(const char *path)
{
	size_t length = strlen(path);

	return length >= 2 && path[0] == '/' && path[1] != '/' && strcmp(path, "/..") != 0 &&
	       !strstr(path, "/../") && strcmp(path + length - MIN_OF(length, 3u), "/..") != 0;
}

int freezer_open(struct freezer *f, const struct freezer_trees *t,
		 const struct ledger_freeze *place)
{
	struct freezer opened = { .dir_fd = -1, .switch_fd = -1, .place = *place };
	int tree_fd = place->is_v2 ? t->v2_fd : t->v1_fd;
	struct stat st;
	int r = 0;

	if (tree_fd < 0 || !is_good_path(place->path))
		return -ENODEV;
	opened.dir_fd = open_directory(tree_fd, place->path + 1);
	if (opened.dir_fd < 0)
		return opened.dir_fd;
	opened.switch_fd = openat(opened.dir_fd, switch_name(place), O_RDWR | O_CLOEXEC);
	if (opened.switch_fd < 0 || fstat(opened.dir_fd, &st) < 0)
		r = -errno;
	else if (place->inode && place->inode != st.st_ino)
		r = -ESTALE;
	if (r < 0) {
		freezer_close(&opened);
		return r;
	}
	opened.place.inode = st.st_ino;
	*f = opened;
	return 0;
}

void freezer_close(struct freezer *f)
{
	f->dir_fd = file_close(f->dir_fd);
	f->switch_fd = file_close(f->switch_fd);
}

/* v1 says FROZEN also when only a cgroup above is: either way the thaw would not be ours to do. */
static bool is_thawed(const struct freezer *f)
{
	char text[32];

	return file_reread(f->switch_fd, text, sizeof(text)) > 0 &&
	       !strcmp(text, f->place.is_v2 ? "0\n" : "THAWED\n");
}

static int find_at(struct freezer *f, const struct freezer_trees *t, bool is_v2, const char *path)
{
	struct ledger_freeze place = { .is_v2 = is_v2 };
	struct freezer found;
	int r;

	memcpy(place.path, path, strlen(path) + 1); /* the same room, see the assertion */
	r = freezer_open(&found, t, &place);
	if (r < 0)
		return r == -ENOENT ? -ENODEV : r;
	if (!is_thawed(&found)) {
		freezer_close(&found);
		return -EBUSY;
	}
	*f = found;
	return 0;
}
_Static_assert(LEDGER_PATH_MAX == PARSE_PATH_MAX, "a path that was parsed fits");

static int read_places(int root_fd, int32_t pid, struct parse_process_cgroups *ret)
{
	char path[40], member[MEMBER_ROOM_BYTES];
	ssize_t size;

	(void)snprintf(path, sizeof(path), "proc/%d/cgroup", (int)pid); /* 23 bytes at most */
	size = file_read_at(root_fd, path, member, sizeof(member));
	return size < 0 ? (int)size : parse_process_cgroups(member, (size_t)size, "freezer", ret);
}

int freezer_kill_switch(const struct freezer_trees *t, int root_fd, int32_t pid,
			const struct freezer_question *q)
{
	struct ledger_freeze place = { .is_v2 = true };
	struct parse_process_cgroups c;
	struct freezer f;
	int r = read_places(root_fd, pid, &c);

	if (r < 0)
		return r;
	memcpy(place.path, c.v2, sizeof(place.path)); /* the same room, see the assertion */
	r = freezer_open(&f, t, &place);
	if (r < 0)
		return r == -ENOENT ? -ENODEV : r;
	r = -EPERM;
	if (freezer_is_only(&f, q)) {
		r = openat(f.dir_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
		if (r < 0)
			r = errno == ENOENT ? -ENODEV : -errno;
	}
	freezer_close(&f);
	return r;
}

int freezer_find(struct freezer *f, const struct freezer_trees *t, int root_fd, int32_t pid)
{
	struct parse_process_cgroups c;
	int r = read_places(root_fd, pid, &c);

	if (r == 0)
		r = find_at(f, t, true, c.v2);
	return r == -ENODEV ? find_at(f, t, false, c.v1) : r;
}

const char *freezer_word(const struct freezer *f, bool freeze)
{
	static const char *const words[2][2] = { { "THAWED", "FROZEN" }, { "0", "1" } };

	return words[f->place.is_v2 != 0][freeze];
}

/* Pid 0 is a process that this broker cannot see: one of a pid namespace above. */
static bool is_good_line(struct scan line, const struct freezer_question *q)
{
	uint64_t pid;

	return scan_u64(&line, &pid) && !scan_left(&line) && pid && pid <= INT32_MAX &&
	       q->is_good(q->userdata, (int32_t)pid);
}

bool freezer_is_only(const struct freezer *f, const struct freezer_question *q)
{
	char procs[PROCS_ROOM_BYTES];
	struct scan s, line;
	struct stat st;
	ssize_t size;

	if (fstat(f->dir_fd, &st) < 0 || st.st_nlink > LINKS_OF_A_LEAF)
		return false;
	size = file_read_at(f->dir_fd, "cgroup.procs", procs, sizeof(procs));
	if (size <= 0)
		return false; /* also a threaded cgroup, -EOPNOTSUPP */
	s = scan_of(procs, (size_t)size);
	while (scan_line(&s, &line))
		if (!is_good_line(line, q))
			return false;
	return true;
}
