/* SPDX-License-Identifier: MIT */
#include "sense/census.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/units.h"
#include "sense/parse_census.h"
#include "sense/parse_process.h"
#include "sense/pidwalk.h"

/* status has about 1.5 KiB, plus the lists of CPUs and nodes on very large machines. */
#define FILE_ROOM_BYTES	8192u

/* What is remembered lies in sets of this many by the low bits of the pid. Half: with random pids
 * every 20th is forgotten at half load; double: two more cache lines per process. */
#define WAYS		8u

/* A process that became another program keeps its pid: its name is read again when its memory
 * doubled or halved, by at least this, and every so many rounds. Half: stat is read twice as often
 * by who grows; double: a growing program has its old name for longer. */
#define RENAME_BYTES	MIB
#define RENAME_ROUNDS	16u

/* A pid that was a kernel thread's or a zombie's may become a program's. Half: twice the files read
 * of them; double: without process events such a program is found later. */
#define EMPTY_ROUNDS	8u

/* status costs three times statm. Half: 30 % more per round at 1 s a round; double: what was
 * swapped is known 2 s late. */
#define SWAP_US		US_PER_S

/* A known kernel thread costs its entry in the list, about an eighth of a file. */
#define COST_READ	8u
#define COST_SKIPPED	1u

struct known {
	int32_t pid;			/* 0: empty */
	int32_t parent;
	uint32_t uid;
	uint32_t round;			/* last seen in */
	bool is_named, is_empty;
	char name[16];
	uint64_t start_ticks, started_us;
	uint64_t named_bytes;		/* anonymous memory when the name was read */
	uint64_t anon_bytes, swap_bytes;
	uint64_t swap_us;		/* when swap_bytes was read; 0: never */
};

struct census {
	int proc_fd;
	uint64_t page_bytes, ticks_per_s;
	bool has_swap;
	bool is_running;		/* in the middle of a round */
	uint32_t round;
	uint64_t round_us;
	uint64_t boot_us;		/* our clock when the boot clock was 0, modulo 2^64 */
	bool has_boot;			/* of this step */
	uint64_t step_us, clock_us;	/* now_us of the step, and our clock then */
	struct pidwalk walk;
	char room[FILE_ROOM_BYTES];
	struct growth_reading reading[CENSUS_SLICE_MAX];
	uint32_t sets;			/* a power of two */
	struct known known[];
};

int census_open(const char *root, uint32_t max_processes, struct census **ret)
{
	_cleanup_close_ int root_fd = open(root ? root : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct census *c;
	uint64_t sets = 1;

	if (root_fd < 0)
		return -errno;
	while (sets * WAYS < max_processes)
		sets *= 2;
	c = calloc(1, sizeof(*c) + sets * WAYS * sizeof(c->known[0]));
	if (!c)
		return -ENOMEM;
	c->sets = (uint32_t)sets;
	c->round = 1; /* nothing was seen in round 0 or before */
	c->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	c->ticks_per_s = (uint64_t)sysconf(_SC_CLK_TCK);
	c->proc_fd = openat(root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pidwalk_init(&c->walk, c->proc_fd);
	if (c->proc_fd < 0) {
		int r = -errno;

		census_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct census *census_close(struct census *c)
{
	if (!c)
		return NULL;
	pidwalk_fini(&c->walk);
	(void)file_close(c->proc_fd);
	free(c);
	return NULL;
}

void census_within(struct census *c, int cgroup_fd)
{
	pidwalk_within(&c->walk, cgroup_fd);
	c->is_running = false;
}

void census_swap(struct census *c, bool has_swap)
{
	c->has_swap = has_swap;
}

static struct known *set_of(struct census *c, int32_t pid)
{
	return &c->known[((uint32_t)pid & (c->sets - 1)) * WAYS];
}

void census_forget(struct census *c, int32_t pid)
{
	struct known *k = set_of(c, pid);

	for (uint32_t i = 0; i < WAYS; i++)
		if (k[i].pid == pid)
			k[i] = (struct known){ 0 };
}

/* What is known of the pid, or nothing yet, in the place of who was not seen for longest. A pid that
 * was missing in a whole round is another process. */
static struct known *recall(struct census *c, int32_t pid)
{
	struct known *set = set_of(c, pid), *oldest = set;

	for (uint32_t i = 0; i < WAYS; i++) {
		if (set[i].pid == pid && set[i].round + 1 >= c->round) {
			set[i].round = c->round;
			return &set[i];
		}
		if (set[i].pid == pid || (oldest->pid != pid && set[i].round < oldest->round))
			oldest = &set[i];
	}
	*oldest = (struct known){ .pid = pid, .round = c->round };
	return oldest;
}

/* "PID" and what follows, without printf. Returns room. */
static const char *path_of(char room[32], int32_t pid, const char *follows)
{
	char *at = room + 31 - strlen(follows);

	strcpy(at, follows);
	do {
		*--at = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid);
	return at;
}

/* One read: both files are shorter than the page that the kernel hands out at once. */
static ssize_t read_line(struct census *c, int32_t pid, const char *file)
{
	char path[32];
	_cleanup_close_ int fd = file_open_at(c->proc_fd, path_of(path, pid, file));
	ssize_t size;

	if (fd < 0)
		return fd;
	do
		size = read(fd, c->room, sizeof(c->room));
	while (size < 0 && errno == EINTR);
	return size < 0 ? -errno : size;
}

static bool is_due(const struct census *c, int32_t pid, uint32_t rounds)
{
	return (c->round + (uint32_t)pid) % rounds == 0;
}

/* When a process started, on our clock; 0: before it, or nobody knows. */
static uint64_t started(struct census *c, uint64_t ticks)
{
	uint64_t uptime_us, boot_us = ticks / c->ticks_per_s * US_PER_S +
				      ticks % c->ticks_per_s * US_PER_S / c->ticks_per_s;

	if (!c->has_boot) {
		ssize_t size = file_read_at(c->proc_fd, "uptime", c->room, sizeof(c->room));

		if (size < 0 || parse_uptime(c->room, (size_t)size, &uptime_us) < 0)
			return 0;
		c->boot_us = c->step_us + (clock_now_us() - c->clock_us) - uptime_us;
		c->has_boot = true;
	}
	boot_us += c->boot_us;
	return (int64_t)boot_us > 0 ? boot_us : 0;
}

/* Name, parent, user and birth. */
static int identify(struct census *c, struct known *k, uint64_t anon_bytes)
{
	struct parse_census_stat p;
	ssize_t size = read_line(c, k->pid, "/stat");
	struct stat owner;
	char path[32];
	int r = size < 0 ? (int)size : parse_census_stat(c->room, (size_t)size, &p);

	if (r < 0)
		return r;
	/* The directory's owner is the effective user (fs/proc/base.c, task_dump_owner). */
	if (fstatat(c->proc_fd, path_of(path, k->pid, ""), &owner, 0) < 0)
		return -errno;
	if (!k->is_named || k->start_ticks != p.start_ticks)
		k->started_us = started(c, p.start_ticks);
	k->is_named = true;
	k->named_bytes = anon_bytes;
	k->uid = owner.st_uid;
	k->parent = p.parent;
	k->start_ticks = p.start_ticks;
	memcpy(k->name, p.name, sizeof(k->name));
	return 0;
}

static bool is_name_due(const struct census *c, const struct known *k, uint64_t anon_bytes)
{
	return !k->is_named || anon_bytes >= 2 * k->named_bytes + RENAME_BYTES ||
	       anon_bytes + RENAME_BYTES <= k->named_bytes / 2 || is_due(c, k->pid, RENAME_ROUNDS);
}

/* Between two readings of what is swapped, what left memory is taken for swapped. */
static void weigh(struct census *c, struct known *k, uint64_t anon_bytes, uint64_t now_us)
{
	struct parse_process_status status;
	char path[32];
	ssize_t size;

	if (!c->has_swap) {
		k->anon_bytes = anon_bytes;
		k->swap_bytes = k->swap_us = 0;
		return;
	}
	k->anon_bytes = MAX_OF(k->anon_bytes, anon_bytes);
	if (k->swap_us && now_us < k->swap_us + SWAP_US)
		return;
	size = file_read_at(c->proc_fd, path_of(path, k->pid, "/status"), c->room, sizeof(c->room));
	if (size < 0 || parse_process_status(c->room, (size_t)size, &status) < 0)
		return;
	k->anon_bytes = status.anon_bytes;
	k->swap_bytes = status.swap_bytes;
	k->swap_us = now_us;
}

static int read_anon(struct census *c, struct known *k, uint64_t *ret_bytes)
{
	struct parse_census_statm m;
	ssize_t size = read_line(c, k->pid, "/statm");
	int r = size < 0 ? (int)size : parse_census_statm(c->room, (size_t)size, &m);
	uint64_t bytes = 0;

	if (r < 0)
		return r;
	if (m.resident > m.shared &&
	    __builtin_mul_overflow(m.resident - m.shared, c->page_bytes, &bytes))
		return -EINVAL;
	k->is_empty = !m.has_memory;
	*ret_bytes = bytes;
	return 0;
}

/* false: no reading. */
static bool visit(struct census *c, struct known *k, struct growth_reading *ret)
{
	uint64_t now_us = c->step_us + (clock_now_us() - c->clock_us), anon_bytes;

	if (read_anon(c, k, &anon_bytes) < 0 ||
	    (!k->is_empty && is_name_due(c, k, anon_bytes) && identify(c, k, anon_bytes) < 0)) {
		*k = (struct known){ 0 };
		return false;
	}
	if (k->is_empty) {
		k->is_named = false;
		return false;
	}
	weigh(c, k, anon_bytes, now_us);
	*ret = (struct growth_reading){
		.pid = k->pid, .parent = k->parent, .uid = k->uid,
		.start_ticks = k->start_ticks, .started_us = k->started_us,
		.bytes = k->anon_bytes + k->swap_bytes, .time_us = now_us,
	};
	memcpy(ret->name, k->name, sizeof(ret->name));
	return true;
}

static void begin(struct census *c, uint64_t now_us)
{
	c->step_us = now_us;
	c->clock_us = clock_now_us();
	c->has_boot = false;
	if (c->is_running)
		return;
	c->is_running = true;
	c->round++;
	c->round_us = now_us;
}

int census_step(struct census *c, uint64_t now_us, uint32_t max_processes, struct census_slice *ret)
{
	uint32_t budget = max_processes * COST_READ, count = 0;
	int r = 1;

	if (!max_processes || max_processes > CENSUS_SLICE_MAX)
		return -EINVAL;
	begin(c, now_us);
	while (budget) {
		struct known *k;
		int32_t pid;

		r = pidwalk_next(&c->walk, &pid);
		if (r <= 0)
			break;
		k = recall(c, pid);
		if (k->is_empty && !is_due(c, pid, EMPTY_ROUNDS)) {
			budget -= COST_SKIPPED;
			continue;
		}
		budget -= MIN_OF(budget, COST_READ);
		count += visit(c, k, &c->reading[count]);
	}
	c->is_running = r > 0;
	if (r < 0)
		return r;
	*ret = (struct census_slice){
		.reading = c->reading, .count = count, .is_round_end = r == 0, .round_us = c->round_us,
	};
	return 0;
}
