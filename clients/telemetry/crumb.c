/* SPDX-License-Identifier: MIT */
/*
 * Of the two copies one is known to be on the disk and not touched; the other takes every note. A note
 * that is waited for (msync) makes its copy the known one. So that the known one never grows old, one
 * note in SYNC_US of the device's time is waited for, too.
 */
#include "crumb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crumb_file.h"

/* Half: twice the flash writes, 288 pages a day. Double: a page torn while the kernel wrote it back, which
 * takes microseconds, costs up to 20 min of the counts. */
#define SYNC_US		(UINT64_C(10) * 60 * 1000 * 1000)

struct crumb {
	void *map;
	uint32_t durable;
	uint64_t generation, synced_us;
	bool is_synced;			/* since it was opened */
};

static int allot(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EPROTO;
	/* Of a shorter one what is there is kept; of a longer one the rest is not ours. */
	if (st.st_size > CRUMB_FILE_BYTES && ftruncate(fd, CRUMB_FILE_BYTES) < 0)
		return -errno;
	return -posix_fallocate(fd, 0, CRUMB_FILE_BYTES);
}

static int map_file(const char *path, void **ret)
{
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int fd = path ? open(path, flags, 0600) : memfd_create("failsoft-crumb", MFD_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = allot(fd);
	if (r == 0) {
		*ret = mmap(NULL, CRUMB_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
		if (*ret == MAP_FAILED)
			r = -errno;
		else if (fsync(fd) < 0) /* the length, which no msync of a page writes */
			r = -errno;
	}
	close(fd);
	return r;
}

int crumb_open(struct crumb **ret, const char *path, struct crumb_note *ret_past)
{
	const struct crumb_page *newest;
	struct crumb *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->map = MAP_FAILED;
	r = map_file(path, &c->map);
	if (r < 0) {
		(void)crumb_close(c);
		return r;
	}
	(void)mlock(c->map, CRUMB_FILE_BYTES); /* else its pages may have to be read again */
	newest = crumb_file_newest(c->map, CRUMB_FILE_BYTES, &c->durable);
	*ret_past = newest ? crumb_file_note(newest) : (struct crumb_note){ 0 };
	c->generation = newest ? newest->generation : 0;
	*ret = c;
	return 0;
}

struct crumb *crumb_close(struct crumb *c)
{
	if (!c)
		return NULL;
	if (c->map != MAP_FAILED)
		munmap(c->map, CRUMB_FILE_BYTES);
	free(c);
	return NULL;
}

static bool is_due(const struct crumb *c, const struct crumb_note *note)
{
	return !c->is_synced || note->alive_us - c->synced_us >= SYNC_US;
}

int crumb_write(struct crumb *c, const struct crumb_note *note, bool is_urgent)
{
	const uint32_t copy = !c->durable;
	struct crumb_page *page = crumb_file_page(c->map, copy);

	page->generation = ++c->generation;
	page->note = *note;
	crumb_file_seal(page);
	if (!is_urgent && !is_due(c, note))
		return 0;
	if (msync(page, CRUMB_FILE_PAGE, MS_SYNC) < 0)
		return -errno;
	c->durable = copy;
	c->synced_us = note->alive_us;
	c->is_synced = true;
	return 0;
}
