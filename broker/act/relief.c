/* SPDX-License-Identifier: MIT */
#include "act/relief.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/units.h"

#define DIRECTORY_MAX	256	/* bytes of its path; a setting has no more */
/* A directory is read so often from its beginning, because what is deleted moves the rest on some file
 * systems. Half: files that come in meanwhile stay; double: a directory that is filled as fast holds us. */
#define PASSES		2u

struct entries {
	_Alignas(struct dirent64) char bytes[4 * KIB];
};

static int open_directory(int root_fd, const char *pattern)
{
	const char *name = strrchr(pattern, '/');
	char path[DIRECTORY_MAX];
	struct statfs fs;
	int fd;

	if ((size_t)(name - pattern) >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, pattern, (size_t)(name - pattern));
	path[name - pattern] = '\0';
	fd = openat(root_fd, path[0] ? path + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC))
		return fd;
	(void)file_close(fd);
	return -EXDEV;
}

static void fail(struct relief_result *ret, int error)
{
	ret->error = ret->error ? ret->error : error;
}

static void take(int dir_fd, const char *name, bool is_dry, struct relief_result *ret)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return; /* gone by itself, or no file */
	if (!is_dry && unlinkat(dir_fd, name, 0) < 0) {
		if (errno != ENOENT)
			fail(ret, -errno);
		return;
	}
	ret->files++;
	ret->bytes += st.st_nlink == 1 ? (uint64_t)st.st_blocks * 512 : 0;
}

static void pass(int dir_fd, const char *pattern, bool is_dry, struct relief_result *ret)
{
	struct entries entries;
	ssize_t n;

	if (lseek(dir_fd, 0, SEEK_SET) < 0)
		fail(ret, -errno);
	while ((n = getdents64(dir_fd, entries.bytes, sizeof(entries.bytes))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const struct dirent64 *)(entries.bytes + at);

			if (fnmatch(pattern, e->d_name, FNM_PERIOD) == 0)
				take(dir_fd, e->d_name, is_dry, ret);
			at += e->d_reclen;
		}
	}
	if (n < 0)
		fail(ret, -errno);
}

void relief_run(int root_fd, const char *pattern, bool is_dry, struct relief_result *ret)
{
	_cleanup_close_ int dir_fd = open_directory(root_fd, pattern);

	memset(ret, 0, sizeof(*ret));
	if (dir_fd < 0) {
		ret->error = dir_fd == -ENOENT ? 0 : dir_fd; /* no directory, no files */
		return;
	}
	for (unsigned i = 0; i < (is_dry ? 1 : PASSES); i++)
		pass(dir_fd, strrchr(pattern, '/') + 1, is_dry, ret);
}
