/* SPDX-License-Identifier: MIT */
#include "reserve.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* That malloc maps as it likes, and ends the process when it may not. */
#ifdef __SANITIZE_ADDRESS__
#define IS_SANITIZED	true
#else
#define IS_SANITIZED	false
#endif

#define HEAP_BYTES_MIN	((size_t)64 << 10)
#define HEAP_BYTES_MAX	((size_t)1 << 30)
#define PAGE_BYTES	4096u
/* A choice: the largest buffers on our own way are below 10 KiB, TLS libraries like to have 16 KiB ones. Half
 * would probably do, double costs memory alone. */
#define STACK_BYTES	((size_t)128 << 10)

/* glibc's malloc; another one (musl's, a sanitizer's) has no such settings, and says so by 0. */
static void keep_what_malloc_has(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_MAX, 0);		/* a large block comes from the heap, too */
	(void)mallopt(M_TRIM_THRESHOLD, -1);	/* the largest size_t: the top is never given back */
}

/* Touched and free again: with those settings it stays the process's. */
static int touch_heap(size_t bytes, void **ret_at)
{
	char *heap = malloc(bytes);

	if (!heap)
		return -ENOMEM;
	for (size_t i = 0; i < bytes; i += PAGE_BYTES)
		*(volatile char *)(heap + i) = 1;
	*(volatile char *)(heap + bytes - 1) = 1;
	*ret_at = heap;
	return 0;
}

__attribute__((noinline)) static void touch_stack(void)
{
	volatile char stack[STACK_BYTES];

	for (size_t i = 0; i < sizeof(stack); i += PAGE_BYTES)
		stack[i] = 1;
	(void)stack[0];
}

static void limit_text(char *ret, size_t size)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		snprintf(ret, size, "no limit");
	else
		snprintf(ret, size, "%llu KiB", (unsigned long long)limit.rlim_cur >> 10);
}

/* Our own code whole; of the libraries' what is used, when it is first used. */
static void lock_own_code(void)
{
	extern const char __executable_start, etext; /* of the linker's */

	/* refused: it is locked when it is used, as the libraries' */
	(void)mlock(&__executable_start, (size_t)(&etext - &__executable_start));
}

/*
 * MCL_FUTURE is left out on purpose: with a limit it turns every later growth into a failure, and a page
 * that may be paged out is better than an alarm that cannot be made. MCL_ONFAULT leaves out what is never
 * used: most of OpenSSL. Measured: 6.8 MiB instead of 13; so the way of an alarm must have been gone once
 * before the crisis.
 */
static void lock(void *heap, size_t bytes, struct reserve *r)
{
	char limit[32];
	int why;

	limit_text(limit, sizeof(limit));
	if (mlockall(MCL_CURRENT | MCL_ONFAULT) == 0) {
		lock_own_code();
		r->is_all_locked = r->is_heap_locked = true;
		snprintf(r->text, sizeof(r->text),
			 "code that is used, data, stack and a heap of %zu KiB are locked in memory",
			 bytes >> 10);
		return;
	}
	why = errno;
	r->is_heap_locked = mlock(heap, bytes) == 0;
	snprintf(r->text, sizeof(r->text),
		 "%s (%s, RLIMIT_MEMLOCK is %s): %s may have to be read from the disk in a shortage; "
		 "LimitMEMLOCK=infinity in the unit allows all",
		 r->is_heap_locked ? "only the heap is locked in memory" : "nothing is locked in memory",
		 strerror(why), limit,
		 r->is_heap_locked ? "code and data" : "code, data and what was swapped out");
}

int reserve_memory(size_t heap_bytes, struct reserve *ret)
{
	struct reserve r = { .heap_bytes = heap_bytes };
	void *heap;
	int error;

	if (heap_bytes < HEAP_BYTES_MIN || heap_bytes > HEAP_BYTES_MAX)
		return -EINVAL;
	keep_what_malloc_has();
	error = touch_heap(heap_bytes, &heap);
	if (error < 0)
		return error;
	touch_stack();
	lock(heap, heap_bytes, &r);
	free(heap);
	*ret = r;
	return 0;
}

/* In pages; 0: nothing tells it. */
static unsigned long data_pages(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages;
}

int reserve_no_more(size_t margin_bytes)
{
	const rlim_t page = (rlim_t)sysconf(_SC_PAGESIZE);
	const rlim_t most = data_pages() * page + margin_bytes;
	struct rlimit limit;

	if (IS_SANITIZED)
		return 0;
	if (most == margin_bytes)
		return -ENOENT;
	if (getrlimit(RLIMIT_DATA, &limit) < 0)
		return -errno;
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur <= most)
		return 0;
	limit.rlim_cur = most; /* the hard one stays: prlimit(1) helps who must */
	return setrlimit(RLIMIT_DATA, &limit) < 0 ? -errno : 0;
}
