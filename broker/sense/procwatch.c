/* SPDX-License-Identifier: MIT */
#include "sense/procwatch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/units.h"

const struct source_ops procwatch_ops = {
	.name = "process-events",
	.path = "netlink connector",
	.gives = "births and ends of processes at once, and new programs in them",
	.remedy = "CONFIG_PROC_EVENTS=y, CONFIG_CONNECTOR=y and CAP_NET_ADMIN",
};

static int send_request(struct nl_sock *socket, enum proc_cn_mcast_op op)
{
	const struct cn_msg header = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = sizeof(op) };
	struct nl_msg *m = nlmsg_alloc_simple(NLMSG_DONE, 0);
	int r;

	if (!m)
		return -ENOMEM;
	r = nlmsg_append(m, (void *)&header, sizeof(header), NLMSG_ALIGNTO);
	if (r == 0)
		r = nlmsg_append(m, &op, sizeof(op), NLMSG_ALIGNTO);
	r = netlink_errno(r);
	/* Not nl_send: it has no word for "connection refused". */
	if (r == 0 && send(nl_socket_get_fd(socket), nlmsg_hdr(m), nlmsg_hdr(m)->nlmsg_len, 0) < 0)
		r = -errno;
	nlmsg_free(m);
	return r;
}

/* 0: *ret is the next event of any kind. */
static int next_event(struct procwatch *w, struct parse_netlink_event *ret)
{
	for (;;) {
		int r = parse_netlink_next(&w->datagram, ret);
		ssize_t size;

		w->ignored += w->datagram.ignored;
		w->datagram.ignored = 0;
		w->malformed += r == -EINVAL;
		if (r == 0)
			return 0;
		size = netlink_receive(&w->link, w->room, sizeof(w->room));
		w->malformed += size == -EMSGSIZE;
		w->overruns += size == -ENOBUFS;
		if (size < 0 && size != -EMSGSIZE)
			return (int)size;
		parse_netlink_init(&w->datagram, w->room, size < 0 ? 0 : (size_t)size);
	}
}

/* The kernel answers while it is asked, so the answer is there; no answer is a refusal. */
static int take_answer(struct procwatch *w)
{
	struct parse_netlink_event event = { 0 };
	int r;

	do
		r = next_event(w, &event);
	while (r == -ENOBUFS || (r == 0 && event.kind != PARSE_NETLINK_ACK));
	if (r == -EAGAIN)
		return -EOPNOTSUPP;
	return r < 0 ? r : event.error;
}

static int subscribe(struct procwatch *w, uint32_t queue_bytes)
{
	int r = netlink_open(&w->link, NETLINK_CONNECTOR, queue_bytes);

	if (r < 0)
		return r;
	nl_socket_disable_seq_check(w->link.socket);
	r = nl_socket_set_nonblocking(w->link.socket);
	if (r == 0)
		r = nl_socket_add_membership(w->link.socket, CN_IDX_PROC);
	if (r < 0)
		return netlink_errno(r);
	r = send_request(w->link.socket, PROC_CN_MCAST_LISTEN);
	return r < 0 ? r : take_answer(w);
}

int procwatch_open(struct procwatch *w, uint32_t queue_bytes)
{
	*w = (struct procwatch){ .source = { .ops = &procwatch_ops, .fd = -1 } };
	parse_netlink_init(&w->datagram, w->room, 0);
	w->source.error = subscribe(w, queue_bytes);
	if (w->source.error)
		netlink_close(&w->link);
	else
		w->source.fd = nl_socket_get_fd(w->link.socket);
	return w->source.error;
}

#define EVENT_AT(member) \
	(NLMSG_HDRLEN + (uint32_t)sizeof(struct cn_msg) + (uint32_t)offsetof(struct proc_event, member))

void procwatch_want(struct procwatch *w, enum procwatch_want want)
{
	/* A load swaps bytes as if the wire's order were meant; so do the constants. */
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, EVENT_AT(what)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_EXIT), 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, EVENT_AT(event_data.exit.process_pid)),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, EVENT_AT(event_data.exit.process_tgid)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, EVENT_AT(event_data.exit.exit_code)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htonl(0x7f), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = { ARRAY_LEN(code), (struct sock_filter *)code };
	const int unused = 0;

	if (!w->link.socket)
		return;
	/* either may fail: then more is told than was asked for */
	if (want == PROCWATCH_KILLED)
		(void)setsockopt(w->source.fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	else
		(void)setsockopt(w->source.fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
}

void procwatch_close(struct procwatch *w)
{
	/* Before Linux 6.6 the kernel goes on telling listeners that are gone. Cannot be helped. */
	if (w->link.socket)
		(void)send_request(w->link.socket, PROC_CN_MCAST_IGNORE);
	netlink_close(&w->link);
	w->source.fd = -1;
}

int procwatch_next(struct procwatch *w, struct parse_netlink_event *ret)
{
	struct parse_netlink_event event;
	int r;

	if (!w->link.socket)
		return -ENOTCONN;
	/* An answer is to somebody else's subscription. */
	do
		r = next_event(w, &event);
	while (r == 0 && event.kind == PARSE_NETLINK_ACK);
	if (r == 0)
		*ret = event;
	return r;
}
