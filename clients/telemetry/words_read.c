/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/watchdog.h>
#include <lzma.h>

#include "words.h"

/* ramoops has 64 KiB a record, systemd-pstore's joined text some of them. Of more, the end counts.
 */
#define TEXT_BYTES_MAX (256u * 1024)

/* ---- small files ---- */

static int open_directory(int dir_fd, const char *path)
{
	return openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* One line of a file of the kernel; false: none. */
static bool read_line(int dir_fd, const char *path, char *ret, size_t size)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

/* The end of a text, NUL added; NULs within are spaces. NULL: nothing to be read. free() it. */
static char *read_text(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	char *text = malloc(TEXT_BYTES_MAX + 1);
	struct stat s;
	ssize_t n = -1;

	if (fd >= 0 && text && fstat(fd, &s) == 0 && S_ISREG(s.st_mode)) {
		off_t from = s.st_size > TEXT_BYTES_MAX ? s.st_size - TEXT_BYTES_MAX : 0;

		n = pread(fd, text, TEXT_BYTES_MAX, from);
	}
	if (fd >= 0)
		close(fd);
	if (n <= 0) {
		free(text);
		return NULL;
	}
	for (ssize_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	text[n] = '\0';
	return text;
}

static void read_boot(int root_fd, struct words *w)
{
	char text[64], *to = w->boot;

	if (!read_line(root_fd, "proc/sys/kernel/random/boot_id", text, sizeof(text)))
		return;
	for (const char *from = text; *from && to < w->boot + sizeof(w->boot) - 1; from++)
		if (strchr("0123456789abcdef", *from))
			*to++ = *from;
	if (to < w->boot + sizeof(w->boot) - 1)
		to = w->boot; /* no boot id: not known */
	*to = '\0';
}

/* ---- last words ---- */

struct search {
	struct words *words;
	enum words_place place;
};

static bool is_dump(const char *name)
{
	return !strncmp(name, "dmesg", 5) || !strncmp(name, "console-", 8);
}

static bool is_packed(const char *name)
{
	const size_t length = strlen(name);

	return length > 6 && !strcmp(name + length - 6, ".enc.z");
}

static void take_file(const struct search *s, int dir_fd, const char *name, int64_t time_s)
{
	struct words_dump *d = words_add(s->words, s->place, name);
	char *text = d ? read_text(dir_fd, name) : NULL;

	if (!d)
		return;
	d->time_s = time_s > 0 ? time_s : 0;
	if (!text) /* an empty one may be read, and says nothing */
		d->kind =
			faccessat(dir_fd, name, R_OK, AT_EACCESS) < 0 ? WORDS_CLOSED : WORDS_PLAIN;
	else if (is_packed(name))
		d->kind = WORDS_PACKED;
	else
		words_sift(s->words, text);
	d->crc = text ? lzma_crc32((const uint8_t *)text, strlen(text), 0) : 0;
	free(text);
}

static void take_directory(const struct search *s, int root_fd, const char *path, unsigned depth);

static void take_entry(const struct search *s, int dir_fd, const char *name, unsigned depth)
{
	struct stat st;

	if (name[0] == '.' || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISDIR(st.st_mode) && depth)
		take_directory(s, dir_fd, name, depth - 1);
	else if (S_ISREG(st.st_mode) && is_dump(name))
		take_file(s, dir_fd, name, st.st_mtime);
}

/* The same in the same order everywhere; of an archive the newest directories, which are last. */
static void take_directory(const struct search *s, int root_fd, const char *path, unsigned depth)
{
	int fd = open_directory(root_fd, path), count;
	struct dirent **entries;

	if (fd < 0) {
		/* there may be no systemd-pstore; but a backend is nothing without its directory */
		s->words->is_closed[s->place] |=
			errno != ENOENT || (s->place == WORDS_LIVE && s->words->is_kept);
		return;
	}
	count = scandirat(fd, ".", &entries, NULL, versionsort);
	for (int i = count - 1; i >= 0; i--) {
		take_entry(s, fd, entries[i]->d_name, depth);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	close(fd);
}

/* ---- who keeps them ---- */

static void take_backend(int root_fd, struct words *w)
{
	char name[OUTCOME_NAME_MAX];

	if (!read_line(root_fd, "sys/module/pstore/parameters/backend", name, sizeof(name)))
		return;
	if (!name[0] || !strcmp(name, "(null)"))
		return; /* the module is there, and nowhere to write */
	w->is_kept = true;
	words_copy(w->kept_by, sizeof(w->kept_by), name);
}

/* Its status is 0 on boards that cannot tell, so that says nothing. */
static void take_watchdog(int dir_fd, const char *name, struct words *w)
{
	char path[300], text[32];
	unsigned long status;

	(void)snprintf(path, sizeof(path), "%s/bootstatus", name); /* a name has at most 255 */
	if (!read_line(dir_fd, path, text, sizeof(text)))
		return;
	status = strtoul(text, NULL, 10);
	if (status && !w->is_kept)
		words_copy(w->kept_by, sizeof(w->kept_by), name);
	w->is_kept |= status != 0;
	if (!(status & WDIOF_CARDRESET) || w->has_watchdog)
		return;
	w->has_watchdog = true;
	words_copy(w->watchdog, sizeof(w->watchdog), name);
}

static void take_watchdogs(int root_fd, struct words *w)
{
	int fd = open_directory(root_fd, "sys/class/watchdog");
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!directory) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			take_watchdog(fd, entry->d_name, w);
	closedir(directory);
}

void words_read(int root_fd, struct words *ret)
{
	static const unsigned depths[WORDS_PLACE_COUNT] = {[WORDS_ARCHIVE] = 2};

	memset(ret, 0, sizeof(*ret));
	read_boot(root_fd, ret);
	take_backend(root_fd, ret);
	for (enum words_place p = 0; p < WORDS_PLACE_COUNT; p++)
		take_directory(&(struct search){ret, p}, root_fd, words_place_path(p) + 1,
			       depths[p]);
	take_watchdogs(root_fd, ret);
}
