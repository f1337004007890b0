/* SPDX-License-Identifier: MIT */
#include "keep/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/slot.h"
#include "base/units.h"

#define MAGIC		UINT64_C(0x3465746174736673) /* "sfstate4" */
/* Half of it is left when the next one is reserved. Half: two writes of the file where one does; double:
 * a gap of up to 2000 after each restart. */
#define EPISODE_BLOCK	1000u
#define EPISODES_RETRY	50u	/* and so many numbers later when that failed; halved: twice the warnings */
#define BOOT_ID_BYTES	40u
#define SHIELDS_MOST	65536u	/* a header that names more is damaged */

struct state_file {
	uint64_t magic;
	uint64_t bytes;
	char boot_id[BOOT_ID_BYTES];
	struct state_episode episodes[STATE_EPISODES_MAX][2]; /* the newer and the one before */
	struct ledger ledger;
	struct state_shield shields[];
};

static void read_boot_id(char ret[BOOT_ID_BYTES])
{
	char text[64];

	memset(ret, 0, BOOT_ID_BYTES);
	if (file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", text, sizeof(text)) > 0)
		memcpy(ret, text, strnlen(text, BOOT_ID_BYTES - 1));
}

/* mkdir -p of one or more missing folders. */
static int make_directory(const char *path)
{
	char part[PATH_MAX];
	size_t length = strlen(path);

	if (length >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != 0)
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static uint64_t bytes_of(uint32_t shields)
{
	return sizeof(struct state_file) + (uint64_t)shields * sizeof(struct state_shield);
}

/* How many shields the file of a previous broker of this boot has room for; 0: there was none. */
static uint32_t past_shields(int fd, const char *boot_id)
{
	struct state_file head;
	struct stat st;

	if (fstat(fd, &st) < 0 || pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    head.magic != MAGIC || memcmp(head.boot_id, boot_id, BOOT_ID_BYTES) ||
	    head.bytes > (uint64_t)st.st_size || head.bytes < bytes_of(1) ||
	    head.bytes > bytes_of(SHIELDS_MOST))
		return 0;
	return (uint32_t)((head.bytes - sizeof(head)) / sizeof(head.shields[0]));
}

static const struct state_episode *newest_of(const struct state_episode copies[2])
{
	const struct state_episode *newest = NULL;

	for (unsigned i = 0; i < 2; i++) {
		const struct state_episode *e = &copies[i];

		if (slot_is_whole(e, sizeof(*e)) && e->number && e->stage <= 3 &&
		    memchr(e->domain, 0, sizeof(e->domain)) &&
		    (!newest || e->version > newest->version))
			newest = e;
	}
	return newest;
}

static void read_past(struct state *s)
{
	const struct state_file *f = s->file;

	for (uint32_t i = 0; i < s->past_shields_count; i++)
		if (slot_is_whole(&f->shields[i], sizeof(f->shields[i])) && f->shields[i].pid > 0)
			s->past_shields[i] = f->shields[i];
	for (unsigned i = 0; i < STATE_EPISODES_MAX; i++) {
		const struct state_episode *e = newest_of(f->episodes[i]);

		if (e)
			s->past_episodes[i] = *e;
	}
}

static void begin_empty(struct state *s, const char *boot_id)
{
	s->file->magic = 0;
	atomic_signal_fence(memory_order_seq_cst);
	memset(s->file, 0, s->file_bytes);
	memcpy(s->file->boot_id, boot_id, BOOT_ID_BYTES);
	s->file->bytes = s->file_bytes;
	atomic_signal_fence(memory_order_seq_cst);
	s->file->magic = MAGIC;
}

static int map_file(struct state *s, int fd)
{
	char boot_id[BOOT_ID_BYTES];
	uint32_t past;
	void *at;

	read_boot_id(boot_id);
	past = past_shields(fd, boot_id);
	s->past_shields_count = MAX_OF(past, s->shields_max);
	s->file_bytes = bytes_of(s->past_shields_count);
	s->past_shields = calloc(s->past_shields_count, sizeof(*s->past_shields));
	if (!s->past_shields)
		return -ENOMEM;
	if (ftruncate(fd, (off_t)s->file_bytes) < 0)
		return -errno;
	at = mmap(NULL, s->file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	s->file = at;
	if (past)
		s->file->bytes = s->file_bytes;
	else
		begin_empty(s, boot_id);
	read_past(s);
	return 0;
}

static int open_mapped(struct state *s, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	r = map_file(s, fd);
	if (r < 0)
		return r;
	s->fd = fd;
	fd = -1;
	return 0;
}

int state_open(struct state *s, const char *directory, uint32_t shields_max)
{
	char path[PATH_MAX];
	int r;

	memset(s, 0, sizeof(*s));
	s->shields_max = shields_max;
	r = make_directory(directory);
	if (snprintf(path, sizeof(path), "%s/state", directory) >= (int)sizeof(path))
		r = -ENAMETOOLONG;
	if (r == 0)
		r = open_mapped(s, path);
	if (r == 0)
		return 0;
	log_error("state file %s/state: %s; %s", directory, strerror(-r),
		  r == -EBUSY ? "another failsoftd works with it: end that one, or give this one a "
				"folder of its own with --state-dir"
			      : "give a writable folder with --state-dir");
	state_close(s);
	return r;
}

void state_close(struct state *s)
{
	if (s->file) {
		(void)munmap(s->file, s->file_bytes); /* cannot fail for our own mapping */
		(void)file_close(s->fd);
	}
	free(s->past_shields);
	memset(s, 0, sizeof(*s));
}

void state_shields_forget(struct state *s)
{
	for (uint32_t i = 0; s->file && i < s->past_shields_count; i++)
		s->file->shields[i].check = 0;
	atomic_signal_fence(memory_order_seq_cst);
}

void state_shield_set(struct state *s, uint32_t slot, const struct state_shield *shield)
{
	struct state_shield copy = *shield;

	if (!s->file || slot >= s->shields_max)
		return;
	copy.check = slot_check(&copy, sizeof(copy));
	s->file->shields[slot] = copy;
	atomic_signal_fence(memory_order_seq_cst);
}

void state_shield_clear(struct state *s, uint32_t slot)
{
	if (!s->file || slot >= s->shields_max)
		return;
	atomic_signal_fence(memory_order_seq_cst);
	s->file->shields[slot].check = 0;
}

/* Beside the version that stands, which is the truth until this one is whole. */
void state_episode_set(struct state *s, uint32_t slot, const struct state_episode *episode)
{
	struct state_episode copy = *episode, *copies;
	const struct state_episode *newest;

	if (!s->file || slot >= STATE_EPISODES_MAX)
		return;
	copies = s->file->episodes[slot];
	newest = newest_of(copies);
	copy.version = newest ? newest->version : 0;
	copy.check = slot_check(&copy, sizeof(copy));
	if (newest && !memcmp(newest, &copy, sizeof(copy)))
		return;
	copy.version++;
	copy.check = slot_check(&copy, sizeof(copy));
	copies[newest == &copies[0]] = copy;
	atomic_signal_fence(memory_order_seq_cst);
}

/* The older first, or it would come back. */
void state_episode_clear(struct state *s, uint32_t slot)
{
	struct state_episode *copies;
	unsigned older;

	if (!s->file || slot >= STATE_EPISODES_MAX)
		return;
	copies = s->file->episodes[slot];
	older = newest_of(copies) == &copies[0];
	copies[older].check = 0;
	atomic_signal_fence(memory_order_seq_cst);
	copies[!older].check = 0;
	atomic_signal_fence(memory_order_seq_cst);
}

struct ledger *state_ledger(struct state *s)
{
	return s->file ? &s->file->ledger : NULL;
}

/* Written beside and renamed, so that the file is always one of the two. */
static int write_number(const char *path, uint64_t number)
{
	char beside[PATH_MAX + 8];
	_cleanup_close_ int fd = -1;

	(void)snprintf(beside, sizeof(beside), "%s.new", path); /* PATH_MAX + 8 holds it */
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || dprintf(fd, "%" PRIu64 "\n", number) < 0 || fsync(fd) < 0 ||
	    rename(beside, path) < 0)
		return -errno;
	return 0;
}

/* 0; -ENODATA: what stands there is no number that we wrote. */
static int read_number(const char *path, uint64_t *ret)
{
	char text[24], *end;
	ssize_t n = file_read_at(AT_FDCWD, path, text, sizeof(text));
	uint64_t number;

	if (n == -ENOENT) {
		*ret = 0;
		return 0;
	}
	if (n < 0)
		return n == -EFBIG ? -ENODATA : (int)n;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || errno || number > INT64_MAX - EPISODE_BLOCK ||
	    strcmp(end, *end ? "\n" : ""))
		return -ENODATA;
	*ret = number;
	return 0;
}

uint64_t state_reserve_episodes(const char *directory)
{
	const uint64_t clock_s = (uint64_t)time(NULL);
	uint64_t number = clock_s;
	char path[PATH_MAX];
	int r = make_directory(directory);

	if (snprintf(path, sizeof(path), "%s/episode", directory) >= (int)sizeof(path))
		r = -ENAMETOOLONG;
	if (r == 0) {
		r = read_number(path, &number);
		if (r == -ENODATA)
			log_warning("%s holds no episode number: they go on from the seconds of the "
				    "clock", path);
		if (r == 0 || r == -ENODATA)
			r = write_number(path, number + EPISODE_BLOCK);
	}
	if (r == 0)
		return number;
	log_warning("episode numbers cannot be kept in %s/episode (%s): they begin at the seconds of "
		    "the clock instead", directory, strerror(-r));
	return clock_s;
}

void state_keep_episodes(const char *directory, uint64_t last)
{
	uint64_t reserved;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/episode", directory) >= (int)sizeof(path) ||
	    read_number(path, &reserved) < 0 || last >= reserved || reserved - last > EPISODE_BLOCK)
		return; /* without a file, on the clock's numbers, or more than a block: not from it */
	if (write_number(path, last) < 0)
		log_warning("%s cannot be written: episodes go on at %" PRIu64, path, reserved + 1);
}

void state_numbers_init(struct state_numbers *n, const char *directory, uint64_t first)
{
	*n = (struct state_numbers){ .directory = directory, .more_at = first + EPISODE_BLOCK / 2 };
}

/* A number that is no number, or cannot be read, is written over. */
static int reserve_more(const char *directory, uint64_t used)
{
	uint64_t stands = 0;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/episode", directory) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	(void)read_number(path, &stands);
	return write_number(path, MAX_OF(stands, used + EPISODE_BLOCK));
}

void state_numbers_step(struct state_numbers *n, uint64_t used)
{
	int r;

	if (!n->directory || used < n->more_at)
		return;
	r = reserve_more(n->directory, used);
	n->more_at = used + (r < 0 ? EPISODES_RETRY : EPISODE_BLOCK / 2);
	if (r < 0)
		log_warning("the next episode numbers cannot be kept in %s/episode (%s): after a restart "
			    "they may begin with some that were used", n->directory, strerror(-r));
}
