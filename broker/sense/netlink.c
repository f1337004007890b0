/* SPDX-License-Identifier: MIT */
#include "sense/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include "base/units.h"

int netlink_errno(int nl_error)
{
	static const struct {
		int nl, error;
	} known[] = {
		{ NLE_INTR, EINTR }, { NLE_BAD_SOCK, EBADF }, { NLE_AGAIN, EAGAIN },
		{ NLE_NOMEM, ENOMEM }, { NLE_EXIST, EEXIST }, { NLE_INVAL, EINVAL },
		{ NLE_MSGSIZE, EMSGSIZE }, { NLE_MSG_TOOSHORT, EPROTO },
		{ NLE_OPNOTSUPP, EOPNOTSUPP }, { NLE_AF_NOSUPPORT, EAFNOSUPPORT },
		{ NLE_PROTO_MISMATCH, EPROTONOSUPPORT }, { NLE_OBJ_NOTFOUND, ENOENT },
		{ NLE_NOACCESS, EACCES }, { NLE_PERM, EPERM }, { NLE_BUSY, EBUSY },
		{ NLE_NODEV, ENODEV },
	};

	if (nl_error >= 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].nl == -nl_error)
			return -known[i].error;
	return -EIO;
}

/* A queue that stays small only overruns earlier, and that is told. */
static void enlarge_queue(int fd, uint32_t queue_bytes)
{
	int bytes = (int)MIN_OF(queue_bytes, (uint32_t)INT32_MAX / 2);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

int netlink_open(struct netlink *n, int protocol, uint32_t queue_bytes)
{
	struct nl_sock *socket = nl_socket_alloc();
	int r;

	if (!socket)
		return -ENOMEM;
	/* Our messages have no answers of the kind that libnl would wait for. */
	nl_socket_disable_auto_ack(socket);
	r = nl_connect(socket, protocol);
	if (r < 0) {
		nl_socket_free(socket);
		return netlink_errno(r);
	}
	enlarge_queue(nl_socket_get_fd(socket), queue_bytes);
	*n = (struct netlink){ .socket = socket };
	return 0;
}

void netlink_close(struct netlink *n)
{
	nl_socket_free(n->socket);
	n->socket = NULL;
}

/* One datagram of anybody. */
static ssize_t receive_any(int fd, void *buffer, size_t size, bool *ret_is_kernel)
{
	struct sockaddr_nl from = { 0 };
	socklen_t from_bytes = sizeof(from);
	ssize_t got;

	do
		got = recvfrom(fd, buffer, size, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from,
			       &from_bytes);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	*ret_is_kernel = from_bytes == sizeof(from) && from.nl_pid == 0;
	return got;
}

ssize_t netlink_receive(struct netlink *n, void *buffer, size_t size)
{
	int fd = nl_socket_get_fd(n->socket);
	bool is_kernel;
	ssize_t got;

	do {
		is_kernel = false;
		got = receive_any(fd, buffer, size, &is_kernel);
		n->is_overrun |= got == -ENOBUFS;
	} while (got == -ENOBUFS || (got >= 0 && !is_kernel));
	if (got == -EAGAIN && n->is_overrun) {
		n->is_overrun = false;
		return -ENOBUFS;
	}
	return got > (ssize_t)size ? -EMSGSIZE : got;
}
