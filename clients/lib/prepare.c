/* SPDX-License-Identifier: MIT */
/* Everything that the way from an order to its answer touches, made present and kept so. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

#define RESERVE_MAX	(16u << 20)
#define STACK_BYTES	(64u << 10)

enum how { HOLD, LET_GO };

/*
 * A page that was never written to is not there yet: reading it would only map the page of zeros.
 * Writing back what is read changes nothing, as nobody else uses the buffers yet.
 */
__attribute__((no_sanitize("address"))) /* pages, whatever lies on them */
static void touch(void *at, size_t bytes, bool is_writable)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	volatile char *p = at;

	for (size_t i = 0; i < bytes; i += page) {
		char now = p[i];

		if (is_writable)
			p[i] = now;
	}
	if (bytes && is_writable)
		p[bytes - 1] = p[bytes - 1];
}

/* Touches and locks; the touching stays useful when the locking is refused. */
static int hold(enum how how, void *at, size_t bytes, bool is_writable)
{
	if (!bytes)
		return 0;
	if (how == LET_GO) {
		(void)munlock(at, bytes); /* what was not locked stays so */
		return 0;
	}
	touch(at, bytes, is_writable);
	return mlock(at, bytes) < 0 ? -errno : 0;
}

__attribute__((noinline)) static int hold_stack(enum how how)
{
	volatile char room[STACK_BYTES];

	memset((char *)room, 0, sizeof(room));
	return hold(how, (char *)room, sizeof(room), true);
}

/* ---- the library's thread ---- */

/* Its stack is in use: a word is written back only where its thread has not changed it meanwhile. */
__attribute__((no_sanitize("address"))) /* as above */
static void touch_live(void *at, size_t bytes)
{
	size_t step = (size_t)sysconf(_SC_PAGESIZE) / sizeof(unsigned);
	volatile unsigned *p = at;

	for (size_t i = 0; i < bytes / sizeof(*p); i += step) {
		unsigned now = p[i];

		(void)__atomic_compare_exchange_n(&p[i], &now, now, false, __ATOMIC_RELAXED,
						  __ATOMIC_RELAXED);
	}
}

/* From any thread; locking makes the pages present by itself. */
static int hold_thread_locked(const struct failsoft *f, enum how how)
{
	void *at = (void *)(f->thread_stack - STACK_BYTES);
	int r = 0;

	if (how == LET_GO) {
		(void)munlock(at, STACK_BYTES); /* what was not locked stays so */
		return 0;
	}
	if (mlock(at, STACK_BYTES) < 0) {
		r = -errno;
		touch_live(at, STACK_BYTES);
	}
	return r;
}

void prepare_enter(struct failsoft *f, void *frame)
{
	pthread_mutex_lock(&f->lock);
	f->thread_stack = (uintptr_t)frame;
	if (f->is_held)
		(void)hold_thread_locked(f, HOLD); /* what may not be locked has been touched */
	pthread_mutex_unlock(&f->lock);
}

/* The next thread may get the same stack. */
void prepare_leave(struct failsoft *f)
{
	pthread_mutex_lock(&f->lock);
	if (f->is_held)
		(void)hold_thread_locked(f, LET_GO); /* cannot fail */
	f->thread_stack = 0;
	pthread_mutex_unlock(&f->lock);
}

/* Of who calls back: the library's thread if there is one, else, as far as we know, who is here. */
static int hold_stacks(struct failsoft *f, enum how how)
{
	bool is_threads;
	int r = 0;

	pthread_mutex_lock(&f->lock);
	f->is_held = how == HOLD;
	is_threads = f->thread_stack;
	if (is_threads)
		r = hold_thread_locked(f, how);
	pthread_mutex_unlock(&f->lock);
	return is_threads ? r : hold_stack(how);
}

/* ---- all of it ---- */

/*
 * Code, and the constants beside it: of the program (the first file that is mapped) and of what is
 * mapped like a library. Locale archives and other data are not needed.
 */
static bool is_code(const char *path, const char *program, const char *access)
{
	size_t length = strlen(path);

	if (access[0] != 'r' || access[1] == 'w' || path[0] != '/')
		return false;
	return access[2] == 'x' || !strcmp(path, program) || strstr(path, ".so.") ||
	       (length > 3 && !strcmp(path + length - 3, ".so"));
}

static int hold_code(enum how how)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4096 + 128], path[4096], program[4096] = "", access[5];
	unsigned long from, to;
	int r = 0, failed;

	if (!maps)
		return -errno;
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %4095s", &from, &to, access, path) != 4)
			continue;
		if (!program[0])
			strcpy(program, path);
		if (!is_code(path, program, access))
			continue;
		failed = hold(how, (void *)from, to - from, false);
		if (failed < 0)
			r = failed;
	}
	fclose(maps);
	return r;
}

static int make_reserve(struct failsoft *f, size_t bytes)
{
	void *at;

	if (!bytes)
		return 0;
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	f->reserve = at;
	f->reserve_bytes = bytes;
	return 0;
}

static int worse(int a, int b)
{
	return a < 0 ? a : b;
}

static int hold_all(struct failsoft *f, enum how how, void *buffers, size_t length)
{
	int r = hold(how, f->reserve, f->reserve_bytes, true);

	r = worse(r, hold(how, f, sizeof(*f), false));
	r = worse(r, hold(how, buffers, length, true));
	r = worse(r, hold_stacks(f, how));
	return worse(r, hold_code(how));
}

int failsoft_prepare(struct failsoft *f, void *buffers, size_t length, size_t reserve_bytes,
		     void **ret_reserve)
{
	int r;

	if (!f || (!buffers && length) || reserve_bytes > RESERVE_MAX || f->reserve)
		return -EINVAL;
	if (ret_reserve)
		*ret_reserve = NULL; /* not even the reserve can be made: then it is NULL */
	r = make_reserve(f, reserve_bytes);
	if (r < 0)
		return r;
	r = hold_all(f, HOLD, buffers, length);
	if (r < 0)
		(void)hold_all(f, LET_GO, buffers, length); /* locked in part is no use, only RSS */
	if (ret_reserve)
		*ret_reserve = f->reserve;
	return r == -EAGAIN ? -ENOMEM : r;
}
