/* SPDX-License-Identifier: MIT */
#include "keep/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/units.h"

#define MAGIC		UINT64_C(0x3165746174736673) /* "sfstate1" */
#define SHIELDS_MOST	4096u	/* as many as max_clients may be; a larger file is not ours */
#define EPISODE_BLOCK	1000u	/* more episodes in one run are possible but not foreseen */
#define BOOT_ID_BYTES	40u

struct state_file {
	uint64_t magic;
	uint64_t bytes;
	char boot_id[BOOT_ID_BYTES];
	struct state_episode episodes[STATE_EPISODES_MAX][2];
	struct state_shield shields[];
};

/* FNV-1a over everything behind the checksum itself; never 0, so that zeroes are no slot. */
static uint32_t check_of(const void *slot, size_t bytes)
{
	const unsigned char *p = slot;
	uint32_t hash = 2166136261u;

	for (size_t i = sizeof(uint32_t); i < bytes; i++)
		hash = (hash ^ p[i]) * 16777619u;
	return hash ? hash : 1;
}

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

static int map_file(struct state *s, int fd)
{
	void *at;

	if (ftruncate(fd, (off_t)s->file_bytes) < 0)
		return -errno;
	at = mmap(NULL, s->file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	s->file = at;
	return 0;
}

static bool is_whole(const struct state_episode *e)
{
	return e->check == check_of(e, sizeof(*e)) && e->number && e->stage <= 3 &&
	       memchr(e->domain, 0, sizeof(e->domain));
}

/* Of the two copies the newer whole one; NULL: neither is. */
static const struct state_episode *newest_copy(const struct state_episode copies[2])
{
	bool first = is_whole(&copies[0]), second = is_whole(&copies[1]);

	if (first && second)
		return &copies[copies[1].generation > copies[0].generation];
	return first ? &copies[0] : second ? &copies[1] : NULL;
}

/* Takes what a previous broker of this boot left; anything else is void. */
static void read_past(struct state *s, uint64_t had_bytes, const char *boot_id)
{
	const struct state_file *f = s->file;
	uint64_t shields;

	if (had_bytes < sizeof(*f) || f->magic != MAGIC || f->bytes > had_bytes ||
	    f->bytes < sizeof(*f) || memcmp(f->boot_id, boot_id, BOOT_ID_BYTES))
		return;
	shields = MIN_OF((MIN_OF(f->bytes, s->file_bytes) - sizeof(*f)) / sizeof(f->shields[0]),
			 s->shields_max);
	for (uint64_t i = 0; i < shields; i++)
		if (f->shields[i].check == check_of(&f->shields[i], sizeof(f->shields[i])) &&
		    f->shields[i].pid > 0)
			s->past_shields[i] = f->shields[i];
	for (unsigned i = 0; i < STATE_EPISODES_MAX; i++) {
		const struct state_episode *e = newest_copy(f->episodes[i]);

		if (e)
			s->past_episodes[i] = *e;
	}
}

static uint64_t file_bytes_of(uint32_t shields)
{
	return sizeof(struct state_file) + (uint64_t)shields * sizeof(struct state_shield);
}

static int open_mapped(struct state *s, const char *path, uint64_t *ret_had_bytes)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret_had_bytes = (uint64_t)st.st_size;
	/* a larger file of a broker with more clients keeps its size; one beyond all reason is cut,
	 * or mapping it would take the memory that we are to guard */
	*ret_had_bytes = MIN_OF(*ret_had_bytes, file_bytes_of(SHIELDS_MOST));
	s->file_bytes = MAX_OF(s->file_bytes, *ret_had_bytes);
	return map_file(s, fd);
}

int state_open(struct state *s, const char *directory, uint32_t shields_max)
{
	char path[PATH_MAX], boot_id[BOOT_ID_BYTES];
	uint64_t had_bytes = 0;
	int r;

	memset(s, 0, sizeof(*s));
	s->file_bytes = file_bytes_of(shields_max);
	s->shields_max = shields_max;
	s->past_shields = calloc(shields_max, sizeof(*s->past_shields));
	if (!s->past_shields)
		return -ENOMEM;
	r = make_directory(directory);
	if (snprintf(path, sizeof(path), "%s/state", directory) >= (int)sizeof(path))
		r = -ENAMETOOLONG;
	if (r == 0)
		r = open_mapped(s, path, &had_bytes);
	if (r < 0) {
		log_error("state file %s/state: %s; give a writable folder with --state-dir",
			  directory, strerror(-r));
		state_close(s);
		return r;
	}
	read_boot_id(boot_id);
	read_past(s, had_bytes, boot_id);
	memset(s->file, 0, s->file_bytes);
	memcpy(s->file->boot_id, boot_id, BOOT_ID_BYTES);
	s->file->bytes = s->file_bytes;
	atomic_thread_fence(memory_order_seq_cst);
	s->file->magic = MAGIC;
	return 0;
}

void state_close(struct state *s)
{
	if (s->file)
		(void)munmap(s->file, s->file_bytes); /* cannot fail for our own mapping */
	free(s->past_shields);
	memset(s, 0, sizeof(*s));
}

void state_shield_set(struct state *s, uint32_t slot, const struct state_shield *shield)
{
	struct state_shield copy = *shield;

	if (!s->file || slot >= s->shields_max)
		return;
	copy.check = check_of(&copy, sizeof(copy));
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

void state_episode_set(struct state *s, uint32_t slot, const struct state_episode *episode)
{
	struct state_episode copy = *episode, *copies;
	const struct state_episode *newest;

	if (!s->file || slot >= STATE_EPISODES_MAX)
		return;
	copies = s->file->episodes[slot];
	newest = newest_copy(copies);
	copy.generation = newest ? newest->generation + 1 : 1;
	copy.check = check_of(&copy, sizeof(copy));
	copies[newest == &copies[0]] = copy;
	atomic_signal_fence(memory_order_seq_cst);
}

void state_episode_clear(struct state *s, uint32_t slot)
{
	struct state_episode *copies;
	const struct state_episode *newest;

	if (!s->file || slot >= STATE_EPISODES_MAX)
		return;
	copies = s->file->episodes[slot];
	newest = newest_copy(copies);
	copies[newest == &copies[0]].check = 0; /* the older one first, or it would be the newest */
	atomic_signal_fence(memory_order_seq_cst);
	copies[newest != &copies[0]].check = 0;
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

/* No file is number 0, the first run; anything but one number is -EINVAL. */
static int read_number(const char *path, uint64_t *ret)
{
	char text[32], *end;
	ssize_t n = file_read_at(AT_FDCWD, path, text, sizeof(text));
	uint64_t number;

	if (n == -ENOENT)
		return 0;
	if (n <= 0 || text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || (*end && strcmp(end, "\n")) || number > UINT64_MAX / 2)
		return -EINVAL;
	*ret = number;
	return 0;
}

uint64_t state_reserve_episodes(const char *directory)
{
	char path[PATH_MAX];
	uint64_t number = 0;
	int r = make_directory(directory);

	if (snprintf(path, sizeof(path), "%s/episode", directory) >= (int)sizeof(path))
		r = -ENAMETOOLONG;
	if (r == 0 && read_number(path, &number) < 0) {
		log_warning("%s holds no episode number: the seconds of the clock stand in", path);
		number = (uint64_t)time(NULL);
	}
	if (r == 0)
		r = write_number(path, number + EPISODE_BLOCK);
	if (r < 0) {
		log_warning("episode numbers cannot be kept in %s/episode (%s): they begin at the "
			    "seconds of the clock instead", directory, strerror(-r));
		return (uint64_t)time(NULL);
	}
	return number;
}
