/* SPDX-License-Identifier: MIT */
/* What the last boot left behind: read, and handed to outcome.c. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/watchdog.h>
#include <lzma.h>

#include "outcome.h"

#define LIVE		"sys/fs/pstore"
#define ARCHIVE		"var/lib/systemd/pstore"	/* where systemd-pstore moves them at boot */

/* A clock that is set in steps may be that much off between a last sign of life and a dump. */
#define SLACK_S		10
/* A clock before 2020 was never set. */
#define CLOCK_SET_S	1577836800
/* ramoops has 64 KiB a record, systemd-pstore's joined text some of them. Of more, the end counts. */
#define TEXT_BYTES_MAX	(256u * 1024)
/* EFI keeps some 10 dumps in parts of 1 KiB; an archive nobody clears grows, the newest is enough. */
#define FILES_MAX	512u

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

/* ---- which boot ---- */

static bool is_other_boot(int root_fd, const char *boot)
{
	char now[64], *to = now;

	if (!read_line(root_fd, "proc/sys/kernel/random/boot_id", now, sizeof(now)))
		return false; /* not known: then nothing is claimed */
	for (const char *from = now; *from; from++)
		if (*from != '-')
			*to++ = *from;
	*to = '\0';
	return strcmp(now, boot) != 0;
}

struct clocks {
	int64_t now_s, boot_s;		/* of the wall clock: now, and when this boot began */
	int64_t past_s;			/* the last sign of life; 0: that clock was not synchronised */
};

static struct clocks read_clocks(const struct crumb_note *past)
{
	struct timespec real, boot;

	(void)clock_gettime(CLOCK_REALTIME, &real); /* cannot fail */
	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	return (struct clocks){ real.tv_sec, real.tv_sec - boot.tv_sec, (int64_t)past->real_s };
}

/* A file of pstore itself has the time of the dump, if its backend knows any. */
static bool is_older(const struct clocks *c, int64_t time_s)
{
	return c->past_s && time_s >= CLOCK_SET_S && time_s < c->past_s - SLACK_S;
}

enum age { AGE_LAST_BOOT, AGE_OLDER, AGE_UNKNOWN };

/* One that systemd-pstore has moved has the time when it did: early in the boot after. */
static enum age age_of(const struct clocks *c, int64_t time_s)
{
	if (time_s >= c->boot_s - SLACK_S)
		return AGE_LAST_BOOT;
	if (!c->past_s || time_s < CLOCK_SET_S || c->now_s < c->past_s)
		return AGE_UNKNOWN;
	return time_s >= c->past_s - SLACK_S ? AGE_LAST_BOOT : AGE_OLDER;
}

/* ---- last words ---- */

struct found {
	const struct clocks *clocks;
	const struct crumb_note *past;
	struct outcome_facts *facts;
	uint32_t files;
	bool is_archive;
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

static bool is_of_last_boot(struct found *f, int64_t time_s)
{
	enum age age;

	if (!f->is_archive)
		return !is_older(f->clocks, time_s);
	age = age_of(f->clocks, time_s);
	f->facts->is_undated |= age == AGE_UNKNOWN;
	return age == AGE_LAST_BOOT;
}

static void note_closed(struct found *f, bool is_closed)
{
	if (is_closed)
		(void)snprintf(f->facts->closed, sizeof(f->facts->closed), "/%s",
			       f->is_archive ? ARCHIVE : LIVE);
}

/* Notes that it is there, for the next boot. true: it was there when the last boot began, so it is older. */
static bool is_seen(struct found *f, const char *text)
{
	const uint32_t crc = lzma_crc32((const uint8_t *)text, strlen(text), 0);
	bool is_known = false;

	for (uint32_t i = 0; i < CRUMB_DUMPS_MAX; i++)
		is_known |= crc && f->past->dumps[i] == crc;
	for (uint32_t i = 0; i < CRUMB_DUMPS_MAX; i++)
		if (!f->facts->dumps[i] || f->facts->dumps[i] == crc) {
			f->facts->dumps[i] = crc;
			break;
		}
	return is_known;
}

static void take_text(struct outcome_facts *facts, const char *name, const char *text)
{
	const struct outcome_facts before = *facts;

	outcome_kmsg(text, facts);
	/* the file that says most is named: the panic's, else the first with a kill */
	if ((facts->panic[0] && !before.panic[0]) || (facts->has_panic && !before.has_panic) ||
	    (facts->kills && !before.kills && !facts->has_panic))
		(void)snprintf(facts->source, sizeof(facts->source), "%.*s", OUTCOME_LINE_MAX - 1, name);
}

static void take_file(struct found *f, int dir_fd, const char *name)
{
	char *text = read_text(dir_fd, name);
	const bool is_old = text && is_seen(f, text);

	f->files++;
	if (!text)
		note_closed(f, faccessat(dir_fd, name, R_OK, AT_EACCESS) < 0);
	else if (!is_old && is_packed(name))
		f->facts->unreadable++;
	else if (!is_old)
		take_text(f->facts, name, text);
	free(text);
}

static void take_directory(struct found *f, int root_fd, const char *path, unsigned depth);

static void take_entry(struct found *f, int dir_fd, const char *name, unsigned depth)
{
	struct stat s;

	if (name[0] == '.' || f->files >= FILES_MAX || fstatat(dir_fd, name, &s, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISDIR(s.st_mode) && depth)
		take_directory(f, dir_fd, name, depth - 1);
	else if (S_ISREG(s.st_mode) && is_dump(name) && is_of_last_boot(f, s.st_mtime))
		take_file(f, dir_fd, name);
}

/* The same in the same order everywhere; of an archive the newest directories, which are last. */
static void take_directory(struct found *f, int root_fd, const char *path, unsigned depth)
{
	int fd = open_directory(root_fd, path), count;
	struct dirent **entries;

	if (fd < 0) {
		/* there may be no systemd-pstore; but a backend is nothing without its directory */
		note_closed(f, errno != ENOENT || (!f->is_archive && f->facts->kept_by[0]));
		return;
	}
	count = scandirat(fd, ".", &entries, NULL, versionsort);
	for (int i = count - 1; i >= 0; i--) {
		take_entry(f, fd, entries[i]->d_name, depth);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	close(fd);
}

/* ---- who keeps them ---- */

static void take_backend(int root_fd, struct outcome_facts *facts)
{
	char name[OUTCOME_NAME_MAX];

	if (!read_line(root_fd, "sys/module/pstore/parameters/backend", name, sizeof(name)))
		return;
	if (!name[0] || !strcmp(name, "(null)"))
		return; /* the module is there, and nowhere to write */
	facts->is_kept = true;
	(void)snprintf(facts->kept_by, sizeof(facts->kept_by), "%s", name);
}

/* Its status is 0 on boards that cannot tell, so that says nothing. */
static void take_watchdog(int dir_fd, const char *name, struct outcome_facts *facts)
{
	char path[300], text[32];
	unsigned long status;

	(void)snprintf(path, sizeof(path), "%s/bootstatus", name); /* a name has at most 255 */
	if (!read_line(dir_fd, path, text, sizeof(text)))
		return;
	status = strtoul(text, NULL, 10);
	if (status && !facts->is_kept)
		(void)snprintf(facts->kept_by, sizeof(facts->kept_by), "%.31s", name);
	facts->is_kept |= status != 0;
	if (!(status & WDIOF_CARDRESET) || facts->has_watchdog)
		return;
	facts->has_watchdog = true;
	(void)snprintf(facts->watchdog, sizeof(facts->watchdog), "%.31s", name);
}

static void take_watchdogs(int root_fd, struct outcome_facts *facts)
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
			take_watchdog(fd, entry->d_name, facts);
	closedir(directory);
}

void outcome_gather(int root_fd, const struct crumb_note *past, struct outcome_facts *ret)
{
	const struct clocks clocks = read_clocks(past);
	struct outcome_facts facts = { .is_other_boot = is_other_boot(root_fd, past->boot) };
	struct found live = { &clocks, past, &facts, 0, false }, archive = { &clocks, past, &facts, 0, true };

	take_backend(root_fd, &facts);
	take_directory(&live, root_fd, LIVE, 0);
	if (!live.files)
		take_directory(&archive, root_fd, ARCHIVE, 2);
	take_watchdogs(root_fd, &facts);
	*ret = facts;
}
