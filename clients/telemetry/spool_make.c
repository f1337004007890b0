/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "spool_inner.h"

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_fd_ __attribute__((cleanup(close_fd)))

/* A file in memory, and what it says. */
struct image {
	void *map;
	size_t bytes;
	struct spool_sight sight;
};

static void image_unmap(struct image *image)
{
	if (image->map)
		munmap(image->map, image->bytes);
	image->map = NULL;
}

static size_t bytes_of(uint32_t slots)
{
	return SPOOL_FILE_HEAD_BYTES + (size_t)slots * SPOOL_SLOT_BYTES;
}

static int map_file(int fd, size_t bytes, void **ret)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	*ret = map;
	return 0;
}

/* ---- one process ---- */

/* On a file of its own, which is never renamed: so a file that takes the spool's place cannot come
 * between the lock and what it protects. */
static int lock(struct spool *s, const char *path)
{
	char name[PATH_MAX];

	if (snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	s->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return -errno;
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

/* ---- what is there ---- */

/* No file, or an empty one: 0 with no map. */
static int look(const char *path, struct image *ret)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EPROTO;
	if (st.st_size == 0)
		return 0;
	ret->bytes = (size_t)st.st_size;
	/* What is behind the largest spool is not read. */
	if (ret->bytes > bytes_of(SPOOL_SLOTS_MAX))
		ret->bytes = bytes_of(SPOOL_SLOTS_MAX);
	r = map_file(fd, ret->bytes, &ret->map);
	return r < 0 ? r : spool_file_read(ret->map, ret->bytes, &ret->sight);
}

static bool fits(const struct image *image, uint32_t slots)
{
	return image->map && image->sight.is_known && image->sight.slots_present == slots &&
	       image->sight.slots_missing == 0;
}

static int allocate_entries(struct spool_order *o, uint32_t count)
{
	o->entry = calloc(count, sizeof(o->entry[0]));
	o->count = o->entry ? count : 0;
	return o->entry ? 0 : -ENOMEM;
}

static void read_entries(const struct image *image, struct spool_order *o)
{
	for (uint32_t i = 0; i < o->count; i++)
		if (spool_file_look(spool_file_slot(image->map, i)) == SPOOL_SLOT_GOOD)
			o->entry[i] = spool_file_entry(spool_file_slot(image->map, i));
}

/*
 * Where nothing is left that says which numbers this boot has used, begin above all that it can have: no
 * device makes a message each microsecond. A number that came back would be taken for the message that had
 * it before, and its alarm for one that was sent twice.
 */
static uint64_t numbers_of_boot(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t); /* cannot fail */
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void take_over(struct spool *s, const struct image *image, uint32_t slots)
{
	const struct spool_sight *sight = &image->sight;

	s->damaged = sight->damaged + sight->slots_missing;
	s->sequence = sight->sequence_limit + 1;
	if (!sight->is_known)
		s->sequence += numbers_of_boot();
	s->session = sight->session_limit + 1;
	s->head = (struct spool_head){
		.magic = SPOOL_FILE_MAGIC,
		.version = SPOOL_FILE_VERSION,
		.slots = slots,
		.instance = sight->instance,
		.sequence_limit = s->sequence - 1,
		.session_limit = sight->session_limit,
	};
	memcpy(s->head.evicted, sight->evicted, sizeof(s->head.evicted));
	if (sight->is_known)
		s->head.generation = spool_file_head(image->map, sight->newest)->generation;
}

/* ---- the same size: in place ---- */

static int use(struct spool *s, struct image *image)
{
	s->map = image->map;
	s->map_bytes = bytes_of(image->sight.slots_present);
	if (image->bytes > s->map_bytes)
		munmap((char *)image->map + s->map_bytes, image->bytes - s->map_bytes);
	image->map = NULL;
	for (uint32_t i = 0; i < s->order.count; i++) {
		struct spool_slot *slot = spool_file_slot(s->map, i);

		if (spool_file_look(slot) == SPOOL_SLOT_DAMAGED)
			memset(slot, 0, sizeof(*slot));
		else if (spool_file_look(slot) == SPOOL_SLOT_GOOD)
			s->entry[i] = spool_file_entry(slot);
	}
	/* The newest head may be in the kernel's memory alone: before the other copy is written, it
	 * is not. */
	s->durable = image->sight.newest;
	return spool_flush(s, s->map, s->map_bytes);
}

/* ---- another size, or the first time: a new file ---- */

/* The least important first, so that the more important ones that follow find what they may evict. */
static void carry(struct spool *s, const struct image *image, const struct spool_order *past)
{
	static const struct spool_order_wish passes[] = {
		{ SPOOL_SENT, SPOOL_HEARTBEAT, SPOOL_ALARM, 0 },
		{ SPOOL_WAITING, SPOOL_HEARTBEAT, SPOOL_HEARTBEAT, 0 },
		{ SPOOL_WAITING, SPOOL_EVENT, SPOOL_EVENT, 0 },
		{ SPOOL_WAITING, SPOOL_ALARM, SPOOL_ALARM, 0 },
	};

	for (size_t pass = 0; pass < sizeof(passes) / sizeof(passes[0]); pass++) {
		struct spool_order_wish wish = passes[pass];
		uint32_t from, to;

		while ((from = spool_order_next(past, &wish)) != SPOOL_ORDER_NONE) {
			wish.after = past->entry[from].sequence;
			to = spool_take(s, (enum spool_priority)past->entry[from].priority);
			if (to == SPOOL_ORDER_NONE)
				continue;
			*spool_file_slot(s->map, to) = *spool_file_slot(image->map, from);
			s->entry[to] = past->entry[from];
		}
	}
}

static int carry_over(struct spool *s, const struct image *image)
{
	struct spool_order past = { 0 };
	int r;

	if (!image->map || image->sight.slots_present == 0)
		return 0;
	r = allocate_entries(&past, image->sight.slots_present);
	if (r < 0)
		return r;
	read_entries(image, &past);
	carry(s, image, &past);
	free(past.entry);
	return 0;
}

/* Every block is written once: what the disk allots on the first write only is allotted here. */
static int allot(struct spool *s, int fd)
{
	const size_t bytes = bytes_of(s->head.slots);
	int r = posix_fallocate(fd, 0, (off_t)bytes);

	if (r)
		return -r;
	r = map_file(fd, bytes, &s->map);
	if (r < 0)
		return r;
	s->map_bytes = bytes;
	memset(s->map, 0, bytes);
	return 0;
}

static int sync_directory(const char *path)
{
	char copy[PATH_MAX];
	int r;

	strcpy(copy, path);
	{
		_cleanup_fd_ int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = fd < 0 || fsync(fd) < 0 ? -errno : 0;
	}
	/* Some file systems have nothing to sync in a directory. */
	return r == -EINVAL ? 0 : r;
}

static int fill(struct spool *s, const struct image *image, int fd)
{
	int r = allot(s, fd);

	if (r == 0)
		r = carry_over(s, image);
	if (r == 0)
		r = spool_write_head(s, true);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

/* Under another name until it is whole and on the disk: before that the old one is all there is. */
static int make(struct spool *s, const char *path, const struct image *image)
{
	char name[PATH_MAX];
	int r;

	snprintf(name, sizeof(name), "%s.new", path);
	if (!s->head.instance && getrandom(&s->head.instance, sizeof(s->head.instance), 0) < 0)
		return -errno;
	_cleanup_fd_ int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = fill(s, image, fd);
	if (r == 0 && rename(name, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(name); /* else the next one truncates it */
		return r;
	}
	return sync_directory(path);
}

/* ---- both ---- */

struct spool *spool_free(struct spool *s)
{
	if (!s)
		return NULL;
	if (s->map)
		munmap(s->map, s->map_bytes);
	close_fd(&s->lock_fd);
	free(s->entry);
	free(s);
	return NULL;
}

/* What a process left that ended while it carried over: room that the disk may need. */
static void remove_unfinished(const char *path)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s.new", path);
	(void)unlink(name); /* mostly there is none */
}

/* ---- what does not go as it should ---- */

static bool is_no_room(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EROFS || r == -EIO;
}

/* A link in its place is not followed, and is no spool either; nor is a directory. */
static bool is_no_spool(int r)
{
	return r == -EPROTO || r == -ELOOP || r == -EISDIR;
}

static int set_aside(const char *path, struct image *image, struct spool_opening *how)
{
	char name[PATH_MAX];

	image_unmap(image);
	*image = (struct image){0};
	if (snprintf(name, sizeof(name), "%s.bad", path) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	if (rename(path, name) < 0)
		return errno == ENOTDIR || errno == EISDIR || errno == ENOTEMPTY ? -EPROTO : -errno;
	how->is_aside = true;
	return 0;
}

static void start_again(struct spool *s)
{
	if (s->map)
		munmap(s->map, s->map_bytes);
	s->map = NULL;
	free(s->entry);
	s->entry = NULL;
	s->order = (struct spool_order){0};
}

static int begin(struct spool *s, const struct image *image, uint32_t slots)
{
	int r = allocate_entries(&s->order, slots);

	s->entry = s->order.entry;
	if (r == 0)
		take_over(s, image, slots);
	return r;
}

/* A good one of another size is better than one in memory. */
static int keep_size(struct spool *s, struct image *image)
{
	const uint32_t slots = image->sight.slots_present;
	int r;

	start_again(s);
	r = begin(s, image, slots);
	return r < 0 ? r : use(s, image);
}

static int make_in_memory(struct spool *s, uint32_t slots)
{
	const struct image none = {0};
	_cleanup_fd_ int fd = memfd_create("failsoft-spool", MFD_CLOEXEC);
	int r;

	start_again(s);
	r = fd < 0 ? -errno : begin(s, &none, slots);
	if (r == 0 && getrandom(&s->head.instance, sizeof(s->head.instance), 0) < 0)
		r = -errno;
	return r < 0 ? r : fill(s, &none, fd);
}

/* how NULL: no spool rather than another one than was asked for. */
static int open_file(struct spool *s, const char *path, uint32_t slots, struct spool_opening *how)
{
	__attribute__((cleanup(image_unmap))) struct image image = { 0 };
	int r = look(path, &image);

	remove_unfinished(path);
	if (how && is_no_spool(r))
		r = set_aside(path, &image, how);
	if (r == 0)
		r = begin(s, &image, slots);
	if (r < 0)
		return r;
	s->damaged += how && how->is_aside;
	if (fits(&image, slots))
		return use(s, &image);
	r = make(s, path, &image);
	/* EIO may have come when the new one was in its place already. */
	if (!how || (r != -ENOSPC && r != -EDQUOT) || !fits(&image, image.sight.slots_present))
		return r;
	how->is_old_size = true;
	how->error = r;
	return keep_size(s, &image);
}

static int open_somewhere(struct spool *s, const char *path, uint32_t slots, struct spool_opening *how)
{
	int r = lock(s, path);

	if (r == 0)
		r = open_file(s, path, slots, how);
	if (how && (is_no_room(r) || is_no_spool(r))) {
		how->is_in_memory = true;
		how->is_old_size = false;
		how->error = r;
		r = make_in_memory(s, slots);
	}
	if (r < 0)
		return r;
	s->is_locked = mlock(s->map, s->map_bytes) == 0;
	r = spool_reserve(s);
	return how && is_no_room(r) ? 0 : r; /* asked again with the next number */
}

int spool_open_anyway(struct spool **ret, const char *path, uint32_t slots, struct spool_opening *how)
{
	struct spool *s;
	int r;

	if (slots < SPOOL_SLOTS_MIN || slots > SPOOL_SLOTS_MAX)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->lock_fd = -1;
	if (how)
		*how = (struct spool_opening){0};
	r = open_somewhere(s, path, slots, how);
	if (r < 0) {
		(void)spool_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

int spool_open(struct spool **ret, const char *path, uint32_t slots)
{
	return spool_open_anyway(ret, path, slots, NULL);
}
