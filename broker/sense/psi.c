/* SPDX-License-Identifier: MIT */
#include "sense/psi.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/units.h"
#include "sense/parse.h"

/*
 * The only windows that Linux 6.5 and later take from a program without CAP_SYS_RESOURCE are
 * multiples of this (kernel/sched/psi.c, psi_trigger_create). Any other value: EINVAL there.
 */
#define UNPRIVILEGED_WINDOW_US	(2 * US_PER_S)

/* Enough for two lines of four figures each (at most 78 bytes a line). */
#define PRESSURE_TEXT_MAX	256

/* A recorded tree has ordinary files in the same places: never write a trigger into one. */
static bool is_kernel_file(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (fs.f_type == PROC_SUPER_MAGIC ||
					 fs.f_type == CGROUP2_SUPER_MAGIC);
}

static int read_total(const struct psi *p, char *buffer, size_t size, uint64_t *ret_us)
{
	ssize_t length = file_reread(p->source.fd, buffer, size);
	struct parse_pressure pressure;
	int r;

	if (length < 0)
		return (int)length;
	r = parse_pressure(buffer, (size_t)length, &pressure);
	if (r < 0)
		return r;
	*ret_us = p->distress == DISTRESS_PSI_FULL ? pressure.full_total_us :
						     pressure.some_total_us;
	return 0;
}

static int arm(const struct psi *p, uint64_t threshold_us, uint64_t window_us)
{
	char trigger[64];
	int length = snprintf(trigger, sizeof(trigger), "%s %llu %llu",
			      p->distress == DISTRESS_PSI_FULL ? "full" : "some",
			      (unsigned long long)threshold_us, (unsigned long long)window_us);

	/* With its NUL: the kernel overwrites the last byte, which would be a digit. */
	return write(p->source.fd, trigger, (size_t)length + 1) < 0 ? -errno : 0;
}

/* The same share of stall in the next window that needs no privilege. */
static int arm_unprivileged(struct psi *p)
{
	uint64_t windows = (p->window_us + UNPRIVILEGED_WINDOW_US - 1) / UNPRIVILEGED_WINDOW_US;
	uint64_t window_us = MAX_OF(windows, 1u) * UNPRIVILEGED_WINDOW_US;
	uint64_t threshold_us = p->threshold_us * window_us / MAX_OF(p->window_us, 1u);
	int r = arm(p, MAX_OF(threshold_us, 1u), window_us);

	if (r < 0)
		return r;
	/* Its first event may come at once, without any stall (oven-sh/bun, PR 42784). */
	p->is_doubtful = true;
	p->needed_us = MAX_OF(threshold_us, 1u);
	p->source.note = "windows of 2 s only: no CAP_SYS_RESOURCE";
	return 0;
}

static int psi_arm(struct psi *p, int dir_fd, const char *path)
{
	char text[PRESSURE_TEXT_MAX];
	int r, fd;

	do
		fd = openat(dir_fd, path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return -errno;
	p->source.fd = fd;
	if (!is_kernel_file(fd))
		return -ENOTTY;
	/* Before arming, so that no stall is missed between. */
	r = read_total(p, text, sizeof(text), &p->total_us);
	if (r < 0)
		return r;
	r = arm(p, p->threshold_us, p->window_us);
	return r == -EINVAL || r == -EPERM ? arm_unprivileged(p) : r;
}

void psi_open(struct psi *p, int dir_fd, const char *path)
{
	const struct source_ops *ops = p->distress == DISTRESS_PSI_FULL ? &psi_full_ops :
									  &psi_some_ops;

	p->source = (struct source){ .ops = ops, .fd = -1 };
	p->is_doubtful = false;
	p->source.error = psi_arm(p, dir_fd, path ? path : ops->path);
	if (p->source.error)
		psi_close(p);
}

void psi_close(struct psi *p)
{
	p->source.fd = file_close(p->source.fd);
}

bool psi_is_true(struct psi *p, const struct source_room *room)
{
	uint64_t total_us = 0;

	if (!p->is_doubtful)
		return true;
	if (read_total(p, room->buffer, room->size, &total_us) < 0 ||
	    total_us < p->total_us + p->needed_us)
		return false;
	p->total_us = total_us;
	p->needed_us = 1; /* later windows may overlap, so less than the threshold is enough */
	return true;
}

const struct source_ops psi_some_ops = {
	.name = "memory-pressure-some",
	.path = "proc/pressure/memory",
	.gives = "a call when some tasks stall for memory: thrashing",
	.remedy = "CONFIG_PSI=y; boot word psi=1 where CONFIG_PSI_DEFAULT_DISABLED=y; "
		  "CAP_SYS_RESOURCE for windows under 2 s",
};

const struct source_ops psi_full_ops = {
	.name = "memory-pressure-full",
	.path = "proc/pressure/memory",
	.gives = "a call when all tasks stall for memory: thrashing",
	.remedy = "CONFIG_PSI=y; boot word psi=1 where CONFIG_PSI_DEFAULT_DISABLED=y; "
		  "CAP_SYS_RESOURCE for windows under 2 s",
};
