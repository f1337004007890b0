/* SPDX-License-Identifier: MIT */
/*
 * Netlink: what all netlink sources need of a socket: a queue that is large enough, datagrams that
 * are the kernel's, and a loss that is told when it is over. Edge, over libnl-3. struct netlink
 * owns the socket. Opened and subscribed by libnl, but read here: libnl allocates for every message
 * that it receives.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct nl_sock;

struct netlink {
	struct nl_sock *socket;		/* NULL: not open */
	bool is_overrun;		/* some were lost, those of before are still queued */
};

/*
 * A socket of NETLINK_CONNECTOR, NETLINK_GENERIC or the like, with room for queue_bytes, which the
 * kernel doubles. Above net.core.rmem_max that needs CAP_NET_ADMIN, else it is as much as that
 * allows. 0 or a negative errno; -EPROTONOSUPPORT: not in this kernel. libnl's own dialogues with
 * the kernel wait for its answer.
 */
int netlink_open(struct netlink *n, int protocol, uint32_t queue_bytes);

/* Takes one that is not open. */
void netlink_close(struct netlink *n);

/*
 * The next datagram of the kernel's; those of other processes are dropped. Never waits. Returns its
 * bytes; -EAGAIN: none; -EMSGSIZE: it did not fit and is gone; other negative errno.
 *
 * -ENOBUFS: the queue was full and datagrams were lost. That comes instead of the next -EAGAIN, not
 * at once: after an overrun the kernel drops everything until the queue is empty, and does not say
 * so again (netlink_overrun and netlink_rcv_wake in net/netlink/af_netlink.c). What is found out
 * anew before that would be out of date.
 */
ssize_t netlink_receive(struct netlink *n, void *buffer, size_t size);

/* libnl's own error numbers as negative errno. */
int netlink_errno(int nl_error);
