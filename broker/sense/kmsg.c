/* SPDX-License-Identifier: MIT */
#include "sense/kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/units.h"

/*
 * The kernel announces at most 10 kills in 5 s by cgroup (oom_rs in mm/oom_kill.c), but logs every
 * kill; one of memory.oom.group takes all processes. Longer: a kill is charged to the wrong cgroup;
 * shorter: the last processes of a large group are charged to none.
 */
#define ANNOUNCED_MAX_US	US_PER_S

static int open_source(struct source *s, int root_fd)
{
	int fd = openat(root_fd, s->ops->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	/* Old kills are history. A pipe in a test cannot seek and has none. */
	if (lseek(fd, 0, SEEK_END) < 0 && errno != ESPIPE) {
		int r = -errno;

		file_close(fd);
		return r;
	}
	s->fd = fd;
	return 0;
}

static const struct source_ops kmsg_ops = {
	.name = "kernel-log",
	.path = "dev/kmsg",
	.gives = "OOM kills by name, told apart by machine and cgroup",
	.remedy = "CONFIG_PRINTK=y; CAP_SYSLOG where sysctl kernel.dmesg_restrict=1",
	.open = open_source,
	.close = source_close,
};

void kmsg_open(struct kmsg *k, int root_fd)
{
	*k = (struct kmsg){ .source = { .ops = &kmsg_ops, .fd = -1 } };
	k->source.error = kmsg_ops.open(&k->source, root_fd);
}

void kmsg_close(struct kmsg *k)
{
	source_close(&k->source);
}

/* One read is one record. true: *ret is a kill. */
static bool take_record(struct kmsg *k, const char *text, size_t size, struct kmsg_kill *ret)
{
	struct parse_process_oom oom;

	if (parse_process_oom(text, size, &oom) < 0)
		return false;
	if (oom.kind == PARSE_PROCESS_OOM_LIMIT) {
		memcpy(k->cgroup, oom.cgroup, sizeof(k->cgroup));
		k->announced_us = oom.time_us;
		return false;
	}
	if (oom.time_us - k->announced_us > ANNOUNCED_MAX_US)
		k->cgroup[0] = '\0';
	ret->pid = oom.pid;
	memcpy(ret->name, oom.name, sizeof(ret->name));
	ret->is_global = oom.kind == PARSE_PROCESS_OOM_KILLED;
	ret->cgroup = ret->is_global ? "" : k->cgroup;
	return true;
}

int kmsg_next(struct kmsg *k, const struct source_room *room, struct kmsg_kill *ret)
{
	for (;;) {
		ssize_t size = read(k->source.fd, room->buffer, room->size);

		/* EPIPE: records were overwritten before we read them; the next read goes on. */
		if (size < 0 && (errno == EINTR || errno == EPIPE))
			continue;
		if (size < 0)
			return -errno;
		if (size == 0)
			return -EAGAIN;
		if (take_record(k, room->buffer, (size_t)size, ret))
			return 0;
	}
}
