/* SPDX-License-Identifier: MIT */
/*
 * Delays: how long a process has waited for memory and CPU, as the kernel's taskstats tell. Edge.
 * Counters in microseconds. After open asking and reading allocate nothing here: the request is
 * built once, the room is in the struct, which owns the socket and the request.
 *
 * The kernel answers while it is asked, so answers can be read at once: ask for a few processes,
 * then read until -EAGAIN; no loop is needed. 8 us each on a 1000 MIPS core (kernel-facts, section
 * 4). The kernel allocates some 2 KiB for an answer and may have to reclaim for it, as for any
 * program: next to the cliff do not ask.
 */
#pragma once

#include <stdint.h>

#include "sense/netlink.h"
#include "sense/parse_netlink.h"
#include "sense/source.h"

/*
 * Room in the kernel's queue for answers; the kernel doubles it. Measured: 102 answers can be
 * outstanding (Linux 6.1, 6.18). Halved: 51; doubled: 204, for kernel memory that is used only in
 * between.
 */
#define DELAYS_QUEUE_BYTES	(64u * 1024u)

struct nl_msg;

struct delays {
	struct source source;		/* fd; its note: what delay accounting lacks here */
	struct netlink link;
	struct nl_msg *request;
	uint32_t *request_tgid;		/* the place of the pid in it */
	int family;
	int32_t failed_pid;		/* whose answer was an error, by the last delays_next */
	uint64_t overruns;		/* how often answers were lost */
	uint64_t ignored;		/* attributes that we do not know, messages to nobody */
	uint64_t malformed;		/* answers that were dropped */
	char room[2048];		/* an answer has 452 bytes (Linux 6.1), 596 (6.18) */
};

extern const struct source_ops delays_ops;

/*
 * Finds the family, asks for this process itself and looks at proc/sys/kernel/task_delayacct below
 * root_fd, which is borrowed for this call. Never switches delay accounting on. queue_bytes:
 * DELAYS_QUEUE_BYTES, tests give less. Returns 0, or a negative errno that is kept in source.error,
 * with source.fd -1: -ENOENT: no taskstats in this kernel; -EPERM: no CAP_NET_ADMIN.
 * Works in a network namespace of our own; pids are those of our pid namespace.
 */
int delays_open(struct delays *d, int root_fd, uint32_t queue_bytes);

/*
 * Asks for all threads of a process. Returns 0; -EINVAL: not a pid; -ENOTCONN: not open; other
 * negative errno.
 */
int delays_ask(struct delays *d, int32_t pid);

/*
 * The next answer, in the order of asking. Never waits. Returns 0; -EAGAIN: none left; -ENOBUFS:
 * answers were lost, because too much was asked without reading: after those that were not;
 * -ENOTCONN: not open. Other negative errno: instead of an answer for failed_pid; -ESRCH: it is
 * gone. Counters fall to 0 when a process dies and its parent has not looked yet.
 */
int delays_next(struct delays *d, struct parse_netlink_delays *ret);

/* Takes one that is not open. */
void delays_close(struct delays *d);
