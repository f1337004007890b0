/* SPDX-License-Identifier: MIT */
#include "sense/parse_netlink.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/taskstats.h>
#include <string.h>

#include "base/units.h"

#define NS_PER_US	1000u

/* MAX_ERRNO in include/linux/err.h. */
#define ERRNO_MAX	4095u

/*
 * New fields in the middle of struct taskstats, so that nearly all that we read is somewhere else;
 * version 16 moved them to its end (include/uapi/linux/taskstats.h; Linux 6.14.0 has 15).
 */
#define VERSION_SHIFTED	15u

/* Copies the next bytes, which may be unaligned. */
static bool take(struct scan *s, void *ret, size_t bytes)
{
	if (scan_left(s) < bytes)
		return false;
	memcpy(ret, s->at, bytes);
	s->at += bytes;
	return true;
}

/* As much of it as there is; the rest of *ret is 0. */
static void copy_known(struct scan s, void *ret, size_t bytes)
{
	memset(ret, 0, bytes);
	memcpy(ret, s.at, MIN_OF(scan_left(&s), bytes));
}

/*
 * What is left of `bytes` that began at s->at with a header of `header` bytes; steps over them and
 * what aligns the next one to 4 bytes, which the last one may lack.
 */
static bool take_body(struct scan *s, size_t bytes, size_t header, struct scan *ret)
{
	if (bytes < header || bytes > scan_left(s))
		return false;
	*ret = scan_of(s->at + header, bytes - header);
	s->at += MIN_OF(NLMSG_ALIGN(bytes), scan_left(s));
	return true;
}

static int take_message(struct scan *s, struct nlmsghdr *ret_header, struct scan *ret_body)
{
	struct scan header = *s;

	if (!scan_left(s))
		return -ENODATA;
	if (!take(&header, ret_header, sizeof(*ret_header)) ||
	    !take_body(s, ret_header->nlmsg_len, sizeof(*ret_header), ret_body))
		return -EINVAL;
	return 0;
}

/* The kinds we want, and how much of an event must be there for each. */
static const struct kind {
	uint32_t what;
	enum parse_netlink_kind kind;
	size_t bytes;
} kinds[] = {
	{ PROC_EVENT_NONE, PARSE_NETLINK_ACK, offsetof(struct proc_event, event_data.ack) + 4 },
	{ PROC_EVENT_FORK, PARSE_NETLINK_FORK, offsetof(struct proc_event, event_data.fork) + 16 },
	{ PROC_EVENT_EXEC, PARSE_NETLINK_EXEC, offsetof(struct proc_event, event_data.exec) + 8 },
	{ PROC_EVENT_EXIT, PARSE_NETLINK_EXIT,
	  offsetof(struct proc_event, event_data.exit.parent_pid) },
};

static const struct kind *find_kind(uint32_t what)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].what == what)
			return &kinds[i];
	return NULL;
}

/* The event's own fields. Returns its thread. */
static int32_t translate(const struct proc_event *e, struct parse_netlink_event *ret)
{
	switch (ret->kind) {
	case PARSE_NETLINK_ACK:
		ret->error = -(int32_t)MIN_OF(e->event_data.ack.err, ERRNO_MAX + 1);
		return 0;
	case PARSE_NETLINK_FORK:
		ret->pid = e->event_data.fork.child_tgid;
		ret->parent = e->event_data.fork.parent_tgid;
		return e->event_data.fork.child_pid;
	case PARSE_NETLINK_EXEC:
		ret->pid = e->event_data.exec.process_tgid;
		return e->event_data.exec.process_pid;
	case PARSE_NETLINK_EXIT:
		ret->pid = e->event_data.exit.process_tgid;
		ret->parent = e->event_data.exit.parent_tgid;
		ret->exit_code = e->event_data.exit.exit_code;
		ret->exit_signal = (int32_t)e->event_data.exit.exit_signal;
		return e->event_data.exit.process_pid;
	}
	return 0;
}

static bool is_sane(const struct parse_netlink_event *e)
{
	if (e->kind == PARSE_NETLINK_ACK)
		return e->error >= -(int32_t)ERRNO_MAX;
	return e->pid > 0 && e->parent >= 0;
}

/* -ENODATA: not for us. */
static int parse_event(struct scan data, uint32_t *ignored, struct parse_netlink_event *ret)
{
	struct parse_netlink_event event = { 0 };
	const struct kind *kind;
	struct proc_event e;
	int32_t thread;

	if (scan_left(&data) < offsetof(struct proc_event, event_data))
		return -EINVAL;
	copy_known(data, &e, sizeof(e));
	kind = find_kind((uint32_t)e.what);
	if (!kind) {
		(*ignored)++;
		return -ENODATA;
	}
	if (scan_left(&data) < kind->bytes)
		return -EINVAL;
	event.kind = kind->kind;
	event.time_us = e.timestamp_ns / NS_PER_US;
	thread = translate(&e, &event);
	if (!is_sane(&event))
		return -EINVAL;
	if (thread != event.pid)
		return -ENODATA;
	*ret = event;
	return 0;
}

static int parse_connector(struct scan body, uint32_t *ignored, struct parse_netlink_event *ret)
{
	struct cn_msg header;

	if (!take(&body, &header, sizeof(header)) || header.len > scan_left(&body))
		return -EINVAL;
	if (header.id.idx != CN_IDX_PROC || header.id.val != CN_VAL_PROC) {
		(*ignored)++;
		return -ENODATA;
	}
	return parse_event(scan_of(body.at, header.len), ignored, ret);
}

void parse_netlink_init(struct parse_netlink *p, const void *bytes, size_t size)
{
	*p = (struct parse_netlink){ .left = scan_of(bytes, size) };
}

int parse_netlink_next(struct parse_netlink *p, struct parse_netlink_event *ret)
{
	struct nlmsghdr header;
	struct scan body;
	int r;

	while ((r = take_message(&p->left, &header, &body)) == 0) {
		/* The connector's messages all are "done": each is one of its own. */
		if (header.nlmsg_type != NLMSG_DONE) {
			p->ignored++;
			continue;
		}
		r = parse_connector(body, &p->ignored, ret);
		if (r != -ENODATA)
			break;
	}
	if (r == -EINVAL)
		p->left.at = p->left.end;
	return r;
}

int parse_netlink_message(const void *bytes, size_t size, struct parse_netlink_message *ret)
{
	struct scan datagram = scan_of(bytes, size), body;
	struct genlmsghdr generic;
	struct nlmsghdr header;
	int32_t error = 0;
	int r = take_message(&datagram, &header, &body);

	if (r < 0)
		return r;
	if (header.nlmsg_type == NLMSG_ERROR) {
		if (!take(&body, &error, sizeof(error)) || error > 0 || error < -(int32_t)ERRNO_MAX)
			return -EINVAL;
		body.at = body.end; /* our own request again */
	} else if (header.nlmsg_type < NLMSG_MIN_TYPE) {
		body.at = body.end;
	} else if (!take(&body, &generic, sizeof(generic))) {
		return -EINVAL;
	}
	*ret = (struct parse_netlink_message){
		.type = header.nlmsg_type < NLMSG_MIN_TYPE ? 0 : header.nlmsg_type,
		.sequence = header.nlmsg_seq,
		.error = error,
		.attributes = body,
	};
	return 0;
}

/* What each attribute may hold. Statistics grow with their version; version 1 is the shortest. */
static const struct policy {
	uint16_t min_bytes, max_bytes;
} policies[TASKSTATS_TYPE_MAX + 1] = {
	[TASKSTATS_TYPE_PID] = { sizeof(uint32_t), sizeof(uint32_t) },
	[TASKSTATS_TYPE_TGID] = { sizeof(uint32_t), sizeof(uint32_t) },
	[TASKSTATS_TYPE_STATS] = { offsetof(struct taskstats, ac_comm), UINT16_MAX },
	[TASKSTATS_TYPE_AGGR_PID] = { NLA_HDRLEN, UINT16_MAX },
	[TASKSTATS_TYPE_AGGR_TGID] = { NLA_HDRLEN, UINT16_MAX },
	[TASKSTATS_TYPE_NULL] = { 0, UINT16_MAX }, /* fills up to an alignment of 8 */
};

/* One level of attributes; the last one of a type counts, a missing one has at NULL. */
struct attributes {
	struct scan value[TASKSTATS_TYPE_MAX + 1];
	uint32_t ignored;
};

static int take_attribute(struct scan *s, struct attributes *found)
{
	struct scan header = *s, value;
	struct nlattr a;
	uint16_t type;

	if (!take(&header, &a, sizeof(a)) || !take_body(s, a.nla_len, sizeof(a), &value))
		return -EINVAL;
	type = a.nla_type & NLA_TYPE_MASK;
	if (type == TASKSTATS_TYPE_UNSPEC || type > TASKSTATS_TYPE_MAX) {
		found->ignored++;
		return 0;
	}
	if (scan_left(&value) < policies[type].min_bytes ||
	    scan_left(&value) > policies[type].max_bytes)
		return -EINVAL;
	found->value[type] = value;
	return 0;
}

static int take_attributes(struct scan s, struct attributes *found)
{
	memset(found->value, 0, sizeof(found->value));
	while (scan_left(&s)) {
		int r = take_attribute(&s, found);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The field and all before it are there. */
#define HAS(bytes, field) \
	((bytes) >= offsetof(struct taskstats, field) + sizeof(((struct taskstats *)0)->field))

static uint32_t has_of(uint32_t version, size_t bytes)
{
	if (version == VERSION_SHIFTED)
		return 0;
	return (HAS(bytes, cpu_run_virtual_total) ? PARSE_NETLINK_HAS_CPU : 0) |
	       (HAS(bytes, freepages_delay_total) ? PARSE_NETLINK_HAS_RECLAIM : 0) |
	       (HAS(bytes, thrashing_delay_total) ? PARSE_NETLINK_HAS_THRASHING : 0);
}

static void take_statistics(struct scan value, struct parse_netlink_delays *ret)
{
	struct taskstats t;

	copy_known(value, &t, sizeof(t));
	ret->version = t.version;
	ret->has = has_of(t.version, scan_left(&value));
	if (ret->has & PARSE_NETLINK_HAS_CPU) {
		ret->cpu_run_us = t.cpu_run_virtual_total / NS_PER_US;
		ret->cpu_delay_us = t.cpu_delay_total / NS_PER_US;
		ret->cpu_count = t.cpu_count;
		ret->swapin_delay_us = t.swapin_delay_total / NS_PER_US;
		ret->swapin_count = t.swapin_count;
	}
	if (ret->has & PARSE_NETLINK_HAS_RECLAIM) {
		ret->reclaim_delay_us = t.freepages_delay_total / NS_PER_US;
		ret->reclaim_count = t.freepages_count;
	}
	if (ret->has & PARSE_NETLINK_HAS_THRASHING) {
		ret->thrashing_delay_us = t.thrashing_delay_total / NS_PER_US;
		ret->thrashing_count = t.thrashing_count;
	}
}

int parse_netlink_delays(struct scan attributes, struct parse_netlink_delays *ret)
{
	struct attributes found = { 0 };
	struct parse_netlink_delays d = { 0 };
	const struct scan *nest = &found.value[TASKSTATS_TYPE_AGGR_TGID], *pid, *statistics;
	int r = take_attributes(attributes, &found);
	bool is_process = nest->at;

	if (r < 0)
		return r;
	if (!is_process)
		nest = &found.value[TASKSTATS_TYPE_AGGR_PID];
	if (!nest->at)
		return -ENODATA;
	r = take_attributes(*nest, &found);
	if (r < 0)
		return r;
	pid = &found.value[is_process ? TASKSTATS_TYPE_TGID : TASKSTATS_TYPE_PID];
	statistics = &found.value[TASKSTATS_TYPE_STATS];
	if (!pid->at || !statistics->at)
		return -ENODATA;
	memcpy(&d.pid, pid->at, sizeof(d.pid));
	if (d.pid <= 0)
		return -EINVAL;
	d.ignored = found.ignored;
	take_statistics(*statistics, &d);
	*ret = d;
	return 0;
}
