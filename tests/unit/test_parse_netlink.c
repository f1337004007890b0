/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/units.h"
#include "netlink_bytes.h"
#include "sense/parse_netlink.h"

#define EVENT_BYTES(member)                          \
	(offsetof(struct proc_event, event_data) +   \
	 sizeof(((struct proc_event *)0)->event_data.member))

static void put_event(struct bytes *b, const struct proc_event *e, size_t size)
{
	const struct cn_msg h = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = (uint16_t)size };
	struct bytes body = { .size = 0 };

	put(&body, &h, sizeof(h));
	put(&body, e, size);
	put_message(b, NLMSG_DONE, body.at, body.size);
}

static int first_event(const struct bytes *b, struct parse_netlink_event *ret,
		       uint32_t *ret_ignored)
{
	struct parse_netlink_event after;
	char *exact = exact_of(b);
	struct parse_netlink p;
	int r;

	parse_netlink_init(&p, exact, b->size);
	r = parse_netlink_next(&p, ret);
	*ret_ignored = p.ignored;
	if (r == -EINVAL)
		assert_int_equal(parse_netlink_next(&p, &after), -ENODATA);
	free(exact);
	return r;
}

#define NS 1234567890
#define US 1234567
#define FORK(thread, process, parent) \
	{ .what = PROC_EVENT_FORK, .timestamp_ns = NS, \
	  .event_data.fork = { parent, parent, thread, process } }
#define EXEC(thread, process) \
	{ .what = PROC_EVENT_EXEC, .timestamp_ns = NS, .event_data.exec = { thread, process } }
#define EXIT(thread, process, code, parent) \
	{ .what = PROC_EVENT_EXIT, .timestamp_ns = NS, \
	  .event_data.exit = { thread, process, code, SIGCHLD, parent, parent } }
#define ACK(error) { .what = PROC_EVENT_NONE, .timestamp_ns = NS, .event_data.ack.err = error }

static const struct event_row {
	const char *name;
	struct proc_event given;
	size_t bytes;			/* 0: all */
	int expect;
	uint32_t ignored;
	struct parse_netlink_event event;
} event_rows[] = {
	{ "fork", FORK(7, 7, 3), 0, 0, 0, { PARSE_NETLINK_FORK, 0, 7, 3, 0, 0, US } },
	{ "fork by a kernel thread", FORK(7, 7, 0), 0, 0, 0,
	  { PARSE_NETLINK_FORK, 0, 7, 0, 0, 0, US } },
	{ "a thread is born", FORK(8, 7, 3), 0, -ENODATA, 0, { 0 } },
	{ "exec", EXEC(7, 7), 0, 0, 0, { PARSE_NETLINK_EXEC, 0, 7, 0, 0, 0, US } },
	{ "exec by a thread", EXEC(8, 7), 0, -ENODATA, 0, { 0 } },
	{ "exec, and no byte more", EXEC(7, 7), EVENT_BYTES(exec), 0, 0,
	  { PARSE_NETLINK_EXEC, 0, 7, 0, 0, 0, US } },
	{ "killed", EXIT(7, 7, 9, 3), 0, 0, 0, { PARSE_NETLINK_EXIT, 0, 7, 3, 9, SIGCHLD, US } },
	{ "exit(2)", EXIT(7, 7, 0x200, 1), 0, 0, 0,
	  { PARSE_NETLINK_EXIT, 0, 7, 1, 0x200, SIGCHLD, US } },
	{ "a thread ends", EXIT(8, 7, 9, 3), 0, -ENODATA, 0, { 0 } },
	{ "killed, before Linux 4.18", EXIT(7, 7, 9, 3),
	  offsetof(struct proc_event, event_data.exit.parent_pid), 0, 0,
	  { PARSE_NETLINK_EXIT, 0, 7, 0, 9, SIGCHLD, US } },
	{ "killed, cut", EXIT(7, 7, 9, 3),
	  offsetof(struct proc_event, event_data.exit.parent_pid) - 1, -EINVAL, 0, { 0 } },
	{ "fork, cut", FORK(7, 7, 3), EVENT_BYTES(fork) - 1, -EINVAL, 0, { 0 } },
	{ "exec, cut", EXEC(7, 7), EVENT_BYTES(exec) - 1, -EINVAL, 0, { 0 } },
	{ "no event", EXEC(7, 7), 15, -EINVAL, 0, { 0 } },
	{ "another name", { .what = PROC_EVENT_COMM }, 0, -ENODATA, 1, { 0 } },
	{ "another user", { .what = PROC_EVENT_UID }, 0, -ENODATA, 1, { 0 } },
	{ "to come", { .what = (enum what)0x400 }, 16, -ENODATA, 1, { 0 } },
	{ "process 0", EXEC(0, 0), 0, -EINVAL, 0, { 0 } },
	{ "negative process", EXEC(-7, -7), 0, -EINVAL, 0, { 0 } },
	{ "negative parent", FORK(7, 7, -1), 0, -EINVAL, 0, { 0 } },
	{ "subscribed", ACK(0), 0, 0, 0, { PARSE_NETLINK_ACK, 0, 0, 0, 0, 0, US } },
	{ "refused", ACK(EPERM), 0, 0, 0, { PARSE_NETLINK_ACK, -EPERM, 0, 0, 0, 0, US } },
	{ "refused, largest", ACK(4095), 0, 0, 0, { PARSE_NETLINK_ACK, -4095, 0, 0, 0, 0, US } },
	{ "no errno", ACK(4096), 0, -EINVAL, 0, { 0 } },
	{ "negative errno", ACK((uint32_t)-EPERM), 0, -EINVAL, 0, { 0 } },
};

static void events(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(event_rows); i++) {
		const struct event_row *row = &event_rows[i];
		const struct parse_netlink_event *e = &row->event;
		struct parse_netlink_event event = { 0 };
		struct bytes b = { .size = 0 };
		uint32_t ignored;
		int r;

		put_event(&b, &row->given, row->bytes ? row->bytes : sizeof(row->given));
		r = first_event(&b, &event, &ignored);
		if (r != row->expect || ignored != row->ignored || event.kind != e->kind ||
		    event.error != e->error || event.pid != e->pid || event.parent != e->parent ||
		    event.exit_code != e->exit_code || event.exit_signal != e->exit_signal ||
		    event.time_us != e->time_us)
			fail_msg("%s: returned %d, pid %d, ignored %u", row->name, r, event.pid,
				 ignored);
	}
	(void)state;
}

static const struct proc_event death = EXIT(7, 7, 9, 3);

/* Figures of the message's and the connector's header that lie. */
static void event_lies(void **state)
{
	const size_t total = sizeof(struct nlmsghdr) + sizeof(struct cn_msg) + sizeof(death);
	const size_t cn = sizeof(struct nlmsghdr);
	const struct {
		const char *name;
		size_t at, width;
		uint32_t value;
		int expect;
		uint32_t ignored;
	} rows[] = {
		{ "length 0", 0, 4, 0, -EINVAL, 0 },
		{ "length without its header", 0, 4, 15, -EINVAL, 0 },
		{ "header alone", 0, 4, 16, -EINVAL, 0 },
		{ "header and half a connector's", 0, 4, 35, -EINVAL, 0 },
		{ "event one short", 0, 4, (uint32_t)total - 1, -EINVAL, 0 },
		{ "length one too far", 0, 4, (uint32_t)total + 1, -EINVAL, 0 },
		{ "length overflows when aligned", 0, 4, UINT32_MAX, -EINVAL, 0 },
		{ "an error message", 4, 2, NLMSG_ERROR, -ENODATA, 1 },
		{ "an overrun message", 4, 2, NLMSG_OVERRUN, -ENODATA, 1 },
		{ "another connector", cn, 4, CN_IDX_PROC + 1, -ENODATA, 1 },
		{ "another value", cn + 4, 4, CN_VAL_PROC + 1, -ENODATA, 1 },
		{ "no event", cn + 16, 2, 0, -EINVAL, 0 },
		{ "event one too far", cn + 16, 2, sizeof(death) + 1, -EINVAL, 0 },
		{ "longest event", cn + 16, 2, UINT16_MAX, -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct parse_netlink_event event = { .pid = -1 };
		struct bytes b = { .size = 0 };
		uint32_t ignored;
		int r;

		put_event(&b, &death, sizeof(death));
		memcpy(b.at + rows[i].at, &rows[i].value, rows[i].width);
		r = first_event(&b, &event, &ignored);
		if (r != rows[i].expect || ignored != rows[i].ignored || event.pid != -1)
			fail_msg("%s: returned %d, ignored %u", rows[i].name, r, ignored);
	}
	(void)state;
}

static void events_cut(void **state)
{
	struct parse_netlink_event event = { .pid = -1 };
	struct bytes b = { .size = 0 };
	uint32_t ignored;

	put_event(&b, &death, sizeof(death));
	while (b.size-- > 0) {
		assert_int_equal(first_event(&b, &event, &ignored), b.size ? -EINVAL : -ENODATA);
		assert_int_equal(event.pid, -1);
	}
	(void)state;
}

/* Several in a datagram, of odd length and with strangers between. */
static void events_in_a_row(void **state)
{
	const struct proc_event birth = FORK(7, 7, 3), name = { .what = PROC_EVENT_COMM },
				thread = EXIT(8, 7, 0, 3);
	struct parse_netlink_event event;
	struct bytes b = { .size = 0 };
	struct parse_netlink p;

	put_event(&b, &birth, EVENT_BYTES(fork) + 1);
	put_event(&b, &name, sizeof(name));
	put_event(&b, &thread, sizeof(thread));
	put_message(&b, NLMSG_NOOP, "12345", 5);
	put_event(&b, &death, sizeof(death) - 3);
	b.size -= 3; /* the last one needs no padding */
	parse_netlink_init(&p, b.at, b.size);
	assert_int_equal(parse_netlink_next(&p, &event), 0);
	assert_int_equal(event.kind, PARSE_NETLINK_FORK);
	assert_int_equal(parse_netlink_next(&p, &event), 0);
	assert_int_equal(event.kind, PARSE_NETLINK_EXIT);
	assert_int_equal(parse_netlink_next(&p, &event), -ENODATA);
	assert_int_equal(parse_netlink_next(&p, &event), -ENODATA);
	assert_int_equal(p.ignored, 2);
	(void)state;
}

/* Deterministic damage never crashes, never hangs. */
static void damaged(void **state)
{
	uint32_t random = 12345;

	for (size_t round = 0; round < 40000; round++) {
		struct parse_netlink_event event;
		struct bytes b = { .size = 0 };
		uint32_t ignored;

		put_event(&b, &death, sizeof(death));
		for (size_t i = 0; i <= round % 4; i++) {
			size_t at = next_random(&random) % b.size;

			b.at[at] = (char)next_random(&random);
		}
		(void)first_event(&b, &event, &ignored);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events),
		cmocka_unit_test(event_lies),
		cmocka_unit_test(events_cut),
		cmocka_unit_test(events_in_a_row),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests_name("parse_netlink", tests, NULL, NULL);
}
