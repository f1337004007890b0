/* SPDX-License-Identifier: MIT */
#include "sense/delays.h"

#include <errno.h>
#include <linux/taskstats.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"

#define NOTE_OFF "delay accounting is off: sysctl kernel.task_delayacct=1 or boot word delayacct"
#define NOTE_MISSING "no delay accounting in this kernel: CONFIG_TASK_DELAY_ACCT=y"
#define NOTE_OLD "no delays for memory in this kernel's taskstats"

const struct source_ops delays_ops = {
	.name = "taskstats",
	.path = "generic netlink TASKSTATS",
	.gives = "which processes wait for memory or a CPU, and how long",
	.remedy = "CONFIG_TASKSTATS=y, CONFIG_TASK_DELAY_ACCT=y and CAP_NET_ADMIN",
};

/* Everything but the pid. */
static int build_request(struct delays *d)
{
	struct nlattr *tgid;

	d->request = nlmsg_alloc();
	if (!d->request)
		return -ENOMEM;
	if (!genlmsg_put(d->request, NL_AUTO_PORT, NL_AUTO_SEQ, d->family, 0, NLM_F_REQUEST,
			 TASKSTATS_CMD_GET, TASKSTATS_GENL_VERSION))
		return -ENOMEM;
	tgid = nla_reserve(d->request, TASKSTATS_CMD_ATTR_TGID, sizeof(*d->request_tgid));
	if (!tgid)
		return -ENOMEM;
	d->request_tgid = nla_data(tgid);
	return 0;
}

/* This process has been put on a CPU, so that a count of 0 is no accounting. */
static const char *note_of(const struct parse_netlink_delays *own, int root_fd)
{
	char text[16];
	ssize_t size = file_read_at(root_fd, "proc/sys/kernel/task_delayacct", text, sizeof(text));

	if (size > 0 && text[0] == '0')
		return NOTE_OFF;
	if (!(own->has & PARSE_NETLINK_HAS_RECLAIM))
		return NOTE_OLD;
	return own->cpu_count == 0 ? NOTE_MISSING : NULL;
}

static int probe(struct delays *d, int root_fd)
{
	struct parse_netlink_delays own;
	int r = delays_ask(d, getpid());

	if (r == 0)
		r = delays_next(d, &own);
	if (r == 0)
		d->source.note = note_of(&own, root_fd);
	return r == -EAGAIN ? -EOPNOTSUPP : r;
}

static int open_family(struct delays *d, uint32_t queue_bytes)
{
	int r = netlink_open(&d->link, NETLINK_GENERIC, queue_bytes);

	if (r < 0)
		return r;
	d->family = genl_ctrl_resolve(d->link.socket, TASKSTATS_GENL_NAME);
	if (d->family < 0)
		return netlink_errno(d->family);
	r = nl_socket_set_nonblocking(d->link.socket);
	return r < 0 ? netlink_errno(r) : build_request(d);
}

int delays_open(struct delays *d, int root_fd, uint32_t queue_bytes)
{
	int r;

	*d = (struct delays){ .source = { .ops = &delays_ops, .fd = -1 } };
	r = open_family(d, queue_bytes);
	if (r == 0)
		r = probe(d, root_fd);
	if (r == 0)
		d->source.fd = nl_socket_get_fd(d->link.socket);
	else
		delays_close(d);
	d->source.error = r;
	return r;
}

void delays_close(struct delays *d)
{
	nlmsg_free(d->request);
	d->request = NULL;
	netlink_close(&d->link);
	d->source.fd = -1;
}

int delays_ask(struct delays *d, int32_t pid)
{
	struct nlmsghdr *header;

	if (pid <= 0)
		return -EINVAL;
	if (!d->link.socket)
		return -ENOTCONN;
	header = nlmsg_hdr(d->request);
	/* The answer repeats it, so that an error, too, says whose it is. */
	header->nlmsg_seq = (uint32_t)pid;
	*d->request_tgid = (uint32_t)pid;
	if (send(nl_socket_get_fd(d->link.socket), header, header->nlmsg_len, MSG_DONTWAIT) < 0)
		return -errno;
	return 0;
}

/* 0, an errno as of delays_next, or -ENOMSG: it was nothing for us. */
static int take_message(struct delays *d, size_t size, struct parse_netlink_delays *ret)
{
	struct parse_netlink_message m;
	int r = parse_netlink_message(d->room, size, &m);

	if (r < 0) {
		d->malformed++;
		return -ENOMSG;
	}
	if (!m.error && m.type != d->family) {
		d->ignored++;
		return -ENOMSG;
	}
	d->failed_pid = (int32_t)m.sequence;
	/* Its answer was lost: it found the queue full. */
	if (m.error)
		return m.error == -EAGAIN ? -ENOBUFS : m.error;
	r = parse_netlink_delays(m.attributes, ret);
	d->malformed += r < 0;
	return r;
}

int delays_next(struct delays *d, struct parse_netlink_delays *ret)
{
	struct parse_netlink_delays answer;
	int r;

	if (!d->link.socket)
		return -ENOTCONN;
	do {
		ssize_t size = netlink_receive(&d->link, d->room, sizeof(d->room));

		if (size == -EMSGSIZE) {
			d->malformed++;
			size = 0;
		}
		r = size < 0 ? (int)size : take_message(d, (size_t)size, &answer);
	} while (r == -ENOMSG);
	d->overruns += r == -ENOBUFS;
	if (r < 0)
		return r;
	d->ignored += answer.ignored;
	d->failed_pid = 0;
	*ret = answer;
	return 0;
}
