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

static void touch(const void *at, size_t bytes, size_t page)
{
	const volatile char *p = at;

	for (size_t i = 0; i < bytes; i += page)
		(void)p[i];
	if (bytes)
		(void)p[bytes - 1];
}

/* Touches and locks; the touching stays useful when the locking is refused. */
static int hold(const void *at, size_t bytes)
{
	if (!bytes)
		return 0;
	touch(at, bytes, (size_t)sysconf(_SC_PAGESIZE));
	return mlock(at, bytes) < 0 ? -errno : 0;
}

__attribute__((noinline)) static int hold_stack(void)
{
	volatile char room[STACK_BYTES];

	memset((char *)room, 0, sizeof(room));
	return hold((const char *)room, sizeof(room));
}

/* Code, and the constants of libraries; locale archives and other data are not needed. */
static bool is_code(const char *line, const char *access)
{
	if (access[0] != 'r' || access[1] == 'w' || strstr(line, "[vsyscall]"))
		return false;
	return access[2] == 'x' || strstr(line, ".so");
}

static int hold_code(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], access[5];
	unsigned long from, to;
	int r = 0, failed;

	if (!maps)
		return -errno;
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %4s", &from, &to, access) != 3 || !is_code(line, access))
			continue;
		failed = hold((const void *)from, to - from);
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
	memset(at, 0, bytes);
	return 0;
}

static int worse(int a, int b)
{
	return a < 0 ? a : b;
}

int failsoft_prepare(struct failsoft *f, void *buffers, size_t length, size_t reserve_bytes,
		     void **ret_reserve)
{
	int r;

	if (!f || (!buffers && length) || reserve_bytes > RESERVE_MAX || f->reserve)
		return -EINVAL;
	r = make_reserve(f, reserve_bytes);
	if (r < 0)
		return r;
	r = hold(f->reserve, f->reserve_bytes);
	r = worse(r, hold(f, sizeof(*f)));
	r = worse(r, hold(buffers, length));
	r = worse(r, hold_stack());
	r = worse(r, hold_code());
	if (ret_reserve)
		*ret_reserve = f->reserve;
	return r == -EAGAIN ? -ENOMEM : r;
}
