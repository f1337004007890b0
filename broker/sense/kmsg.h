/* SPDX-License-Identifier: MIT */
/*
 * Kmsg: the kernel's log, for its OOM kills: who was killed, and whether the machine or which
 * cgroup was out of memory. Edge.
 */
#pragma once

#include "sense/parse_process.h"
#include "sense/source.h"

struct kmsg {
	struct source source;		/* fd: poll it for EPOLLIN */
	char cgroup[PARSE_PATH_MAX];	/* whose limit was announced last */
	uint64_t announced_us;		/* by the log's clock */
};

/* One kill. cgroup "": unknown, or is_global: the machine was out of memory. Borrowed until the
 * next call. */
struct kmsg_kill {
	int32_t pid;
	char name[16];
	const char *cgroup;
	bool is_global;
};

void kmsg_open(struct kmsg *k, int root_fd);
void kmsg_close(struct kmsg *k);

/* The next kill that was logged since open. Returns 0, -EAGAIN: none, or a negative errno. */
int kmsg_next(struct kmsg *k, const struct source_room *room, struct kmsg_kill *ret);
