/* SPDX-License-Identifier: MIT */
/*
 * Procwatch: births, calls of programs and ends of processes, as the kernel's process connector
 * tells them. Edge. Times are CLOCK_MONOTONIC in microseconds, pids those of the initial namespace.
 * Reading allocates nothing: the room is in the struct, which owns the socket.
 */
#pragma once

#include <stdint.h>

#include "sense/netlink.h"
#include "sense/parse_netlink.h"
#include "sense/source.h"

/*
 * Room in the kernel's queue; the kernel doubles it. Measured: 2730 events fit (Linux 6.1), 2520
 * (6.18), which is 95 ms of a core that does nothing but vfork and exit (14000 per s on a 1000 MIPS
 * core, 2 events each). Halved: an overrun after half the time in which we do not run; doubled:
 * twice the kernel memory (2 MiB now) in that time.
 */
#define PROCWATCH_QUEUE_BYTES	(1024u * 1024u)

struct procwatch {
	struct source source;		/* fd: poll it for EPOLLIN */
	struct netlink link;
	uint64_t overruns;		/* how often events were lost */
	uint64_t ignored;		/* events of a kind that we do not know or want */
	uint64_t malformed;		/* datagrams that were dropped */
	struct parse_netlink datagram;
	char room[512];			/* a datagram has 76 bytes (Linux 6.1, 6.18) */
};

extern const struct source_ops procwatch_ops;

/*
 * Subscribes. queue_bytes: PROCWATCH_QUEUE_BYTES, tests give less. Returns 0, or a negative errno
 * that is kept in source.error, with source.fd -1:
 *   -EPROTONOSUPPORT  no connector in this kernel
 *   -EPERM            no CAP_NET_ADMIN (needed before Linux 6.6)
 *   -ECONNREFUSED     in a network namespace of our own (systemd: PrivateNetwork)
 *   -EOPNOTSUPP       no answer: no process events in this kernel, or we are in a pid or user
 *                     namespace of our own
 * Processes of before are for the caller to find: scan after open, so that none is missed.
 */
int procwatch_open(struct procwatch *w, uint32_t queue_bytes);

enum procwatch_want {
	PROCWATCH_ALL,			/* as it is opened */
	PROCWATCH_KILLED		/* EXIT of processes that a signal ended */
};

/*
 * What is queued from now on; the kernel drops the rest before it costs us anything. One that cannot
 * (no memory for the filter) goes on as before. KILLED allocates in the kernel, ALL does not.
 */
void procwatch_want(struct procwatch *w, enum procwatch_want want);

/*
 * The next event: FORK, EXEC or EXIT. Never waits. Returns 0; -EAGAIN: none left; -ENOBUFS: events
 * were lost, scan all processes now; -ENOTCONN: it is not open; other negative errno.
 * Events that were queued before a loss come before its -ENOBUFS, and whatever happens after
 * -ENOBUFS is told again: see netlink_receive.
 */
int procwatch_next(struct procwatch *w, struct parse_netlink_event *ret);

/* Takes one that is not open. */
void procwatch_close(struct procwatch *w);
