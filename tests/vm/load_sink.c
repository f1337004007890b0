/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define REGION_BYTES	(1ull << 30)	/* more than any guest has */
#define RANDOM_BYTES	1408u		/* of a page; the rest is zero: lzo packs it to 36 % */
#define POOL_BYTES	65536u
#define POPULATE_PAGES	16384u
#define PIPE_PAGES	256u		/* 1 MiB, what anybody may ask for (pipe-max-size) */
#define PACKETS		64u		/* pages that wait in one socket: its queue has a limit */
#define ENDS_MAX	4096u

static uint8_t pool[POOL_BYTES];

static void fill_pool(void)
{
	uint64_t x = 88172645463325252u; /* any, but always the same */

	for (size_t i = 0; i < POOL_BYTES; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(pool + i, &x, 8);
	}
}

void fill_page(void *page, uint64_t index)
{
	if (!pool[0])
		fill_pool();
	memcpy(page, pool + index * 640 % (POOL_BYTES - RANDOM_BYTES), RANDOM_BYTES);
}

/* ---- anonymous memory ---- */

static uint8_t *region;

static void open_anon(const struct load *l)
{
	(void)l;
	region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (region == MAP_FAILED)
		load_fail("mmap");
	(void)madvise(region, REGION_BYTES, MADV_DONTFORK); /* a child takes memory of its own */
}

static void take_anon(uint64_t index)
{
	fill_page(region + index * PAGE % REGION_BYTES, index);
}

static void release_anon(uint64_t pages)
{
	if (madvise(region + pages * PAGE, REGION_BYTES - pages * PAGE, MADV_DONTNEED) < 0)
		load_fail("madvise");
}

/* ---- anonymous memory, 64 MiB in one system call: a signal to stop waits for its end ---- */

static void open_populate(const struct load *l)
{
	(void)l;
}

static void take_populate(uint64_t index)
{
	if (index % POPULATE_PAGES == 0 &&
	    mmap(NULL, (size_t)POPULATE_PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
		load_fail("mmap");
}

/* ---- a file, which is meant to be in a tmpfs ---- */

static int file = -1;

static void open_file(const struct load *l)
{
	file = open(l->file ? l->file : "/tmp/load", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0)
		load_fail(l->file);
}

static void take_file(uint64_t index)
{
	static uint8_t page[PAGE];

	fill_page(page, index);
	if (pwrite(file, page, PAGE, (off_t)(index * PAGE)) < 0 && errno != ENOSPC && errno != ENOMEM)
		load_fail("write");
}

static void release_file(uint64_t pages)
{
	if (ftruncate(file, (off_t)(pages * PAGE)) < 0)
		load_fail("ftruncate");
}

/* The same in a file without a name: it goes with its process. */
static void open_memfd(const struct load *l)
{
	(void)l;
	file = memfd_create("load", MFD_CLOEXEC);
	if (file < 0)
		load_fail("memfd_create");
}

/* ---- what only the kernel sees: pipes and sockets that nobody reads ---- */

static int ends[ENDS_MAX][2];

static void open_ends(const struct load *l)
{
	const struct rlimit files = { 2 * ENDS_MAX + 64, 2 * ENDS_MAX + 64 };

	(void)l;
	(void)setrlimit(RLIMIT_NOFILE, &files); /* where it is refused, the usual limit must do */
}

static void write_page(const int *pair, uint64_t index)
{
	static uint8_t page[PAGE];

	fill_page(page, index);
	if (write(pair[1], page, PAGE) < 0)
		load_fail("write");
}

static void take_pipe(uint64_t index)
{
	int *pair = ends[index / PIPE_PAGES % ENDS_MAX];

	if (index % PIPE_PAGES == 0 && (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0 ||
					fcntl(pair[1], F_SETPIPE_SZ, PIPE_PAGES * PAGE) < 0))
		load_fail("pipe");
	write_page(pair, index);
}

static void take_socket(uint64_t index)
{
	const int size = 2 << 20;
	int *pair = ends[index / PACKETS % ENDS_MAX];

	if (index % PACKETS == 0 &&
	    (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
	     setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0))
		load_fail("socketpair");
	write_page(pair, index);
}

const struct sink *sink_find(const char *name)
{
	static const struct sink sinks[] = {
		{ "anon", open_anon, take_anon, release_anon },
		{ "populate", open_populate, take_populate, NULL },
		{ "tmpfs", open_file, take_file, release_file },
		{ "memfd", open_memfd, take_file, release_file },
		{ "pipes", open_ends, take_pipe, NULL },
		{ "sockets", open_ends, take_socket, NULL },
	};

	for (size_t i = 0; i < sizeof(sinks) / sizeof(sinks[0]); i++)
		if (!strcmp(name, sinks[i].name))
			return &sinks[i];
	errno = EINVAL;
	load_fail(name);
	return NULL;
}
