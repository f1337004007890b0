/* SPDX-License-Identifier: MIT */
/* parse_netlink.c: messages of a family, and those of taskstats. */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/taskstats.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/units.h"
#include "netlink_bytes.h"
#include "sense/parse_netlink.h"

/* Statistics of a kernel whose struct may be longer than ours. */
struct longer {
	struct taskstats known;
	uint64_t unknown[24];
};

static struct longer statistics_of(uint16_t version)
{
	return (struct longer){ .known = {
		.version = version,
		.cpu_count = 1, .cpu_delay_total = 2000, .cpu_run_virtual_total = 3999,
		.swapin_count = 4, .swapin_delay_total = 5000,
		.freepages_count = 6, .freepages_delay_total = UINT64_MAX,
		.thrashing_count = 8, .thrashing_delay_total = 9000,
	} };
}

/* What the kernel answers: a nest with a pid and statistics of that many bytes. */
static struct bytes answer_of(uint16_t nest, uint16_t version, size_t size)
{
	const struct longer statistics = statistics_of(version);
	struct bytes inner = { .size = 0 }, b = { .size = 0 };
	const uint32_t pid = 77;

	put_attribute(&inner,
		      nest == TASKSTATS_TYPE_AGGR_PID ? TASKSTATS_TYPE_PID : TASKSTATS_TYPE_TGID,
		      &pid, sizeof(pid));
	put_attribute(&inner, TASKSTATS_TYPE_STATS, &statistics, size);
	put_attribute(&b, nest, inner.at, inner.size);
	return b;
}

static int delays(const struct bytes *b, struct parse_netlink_delays *ret)
{
	char *exact = exact_of(b);
	int r = parse_netlink_delays(scan_of(exact, b->size), ret);
	free(exact);
	return r;
}

#define END(field) (offsetof(struct taskstats, field) + sizeof(uint64_t))
#define CPU PARSE_NETLINK_HAS_CPU
#define RECLAIM PARSE_NETLINK_HAS_RECLAIM
#define THRASHING PARSE_NETLINK_HAS_THRASHING
#define ALL (CPU | RECLAIM | THRASHING)

static void delays_of_every_version(void **state)
{
	static const struct {
		const char *name;
		uint16_t nest, version;
		size_t bytes;
		int expect;
		uint32_t has;
	} rows[] = {
		{ "6.1", TASKSTATS_TYPE_AGGR_TGID, 13, sizeof(struct taskstats), 0, ALL },
		{ "of a thread", TASKSTATS_TYPE_AGGR_PID, 13, sizeof(struct taskstats), 0, ALL },
		{ "6.18", TASKSTATS_TYPE_AGGR_TGID, 16, 560, 0, ALL },
		{ "6.14", TASKSTATS_TYPE_AGGR_TGID, 15, 560, 0, 0 },
		{ "4.20", TASKSTATS_TYPE_AGGR_TGID, 9, END(thrashing_delay_total), 0, ALL },
		{ "one byte less", TASKSTATS_TYPE_AGGR_TGID, 9, END(thrashing_delay_total) - 1, 0,
		  CPU | RECLAIM },
		{ "2.6.28", TASKSTATS_TYPE_AGGR_TGID, 7, END(freepages_delay_total), 0,
		  CPU | RECLAIM },
		{ "2.6.27", TASKSTATS_TYPE_AGGR_TGID, 6, END(cpu_scaled_run_real_total), 0, CPU },
		{ "first", TASKSTATS_TYPE_AGGR_TGID, 1, END(cpu_run_virtual_total), 0, CPU },
		{ "never", TASKSTATS_TYPE_AGGR_TGID, 1, END(cpu_run_virtual_total) - 1, -EINVAL,
		  0 },
		{ "nothing", TASKSTATS_TYPE_AGGR_TGID, 1, 0, -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes b = answer_of(rows[i].nest, rows[i].version, rows[i].bytes);
		struct parse_netlink_delays d = { .pid = -1 };
		int r = delays(&b, &d);

		if (r != rows[i].expect || d.has != rows[i].has || d.pid != (r ? -1 : 77))
			fail_msg("%s: returned %d, has %x, pid %d", rows[i].name, r, d.has, d.pid);
		assert_int_equal(d.version, r ? 0 : rows[i].version);
		assert_int_equal(d.cpu_run_us, d.has & CPU ? 3 : 0);
		assert_int_equal(d.cpu_delay_us, d.has & CPU ? 2 : 0);
		assert_int_equal(d.cpu_count, d.has & CPU ? 1 : 0);
		assert_int_equal(d.swapin_delay_us, d.has & CPU ? 5 : 0);
		assert_int_equal(d.swapin_count, d.has & CPU ? 4 : 0);
		assert_int_equal(d.reclaim_delay_us, d.has & RECLAIM ? UINT64_MAX / 1000 : 0);
		assert_int_equal(d.reclaim_count, d.has & RECLAIM ? 6 : 0);
		assert_int_equal(d.thrashing_delay_us, d.has & THRASHING ? 9 : 0);
		assert_int_equal(d.thrashing_count, d.has & THRASHING ? 8 : 0);
	}
	(void)state;
}

/* Offsets in answer_of(): the nest at 0, the pid's attribute at 4, that of the statistics at 12. */
static void delays_lies(void **state)
{
	const uint16_t whole = 4 + 8 + 4 + sizeof(struct taskstats);
	const struct {
		const char *name;
		size_t at;
		uint16_t value;
		int expect;
	} rows[] = {
		{ "nest of length 0", 0, 0, -EINVAL },
		{ "nest without its header", 0, 3, -EINVAL },
		{ "empty nest", 0, 4, -EINVAL },
		{ "nest one too far", 0, whole + 1, -EINVAL },
		{ "nest one short", 0, whole - 1, -EINVAL },
		{ "nest with the pid alone", 0, 12, -ENODATA },
		{ "flagged as nest", 2, TASKSTATS_TYPE_AGGR_TGID | NLA_F_NESTED, 0 },
		{ "unknown nest", 2, TASKSTATS_TYPE_MAX + 1, -ENODATA },
		{ "nest of no type", 2, TASKSTATS_TYPE_UNSPEC, -ENODATA },
		{ "nest of the other type", 2, TASKSTATS_TYPE_AGGR_PID, -ENODATA },
		{ "nest as pid", 2, TASKSTATS_TYPE_TGID, -EINVAL },
		{ "nest as statistics", 2, TASKSTATS_TYPE_STATS, -ENODATA },
		{ "pid of 3 bytes", 4, 7, -EINVAL },
		{ "pid of 5 bytes", 4, 9, -EINVAL },
		{ "pid of 8 bytes", 4, 12, -EINVAL },
		{ "pid too long for its nest", 4, UINT16_MAX, -EINVAL },
		{ "unknown instead of pid", 6, 99, -ENODATA },
		{ "pid 0", 8, 0, -EINVAL },
		{ "statistics beyond the nest", 12, 4 + sizeof(struct taskstats) + 1, -EINVAL },
		{ "statistics without header", 12, 2, -EINVAL },
		{ "statistics too short", 12, 4 + 8, -EINVAL },
		{ "unknown instead of statistics", 14, TASKSTATS_TYPE_NULL, -ENODATA },
		{ "statistics as pid", 14, TASKSTATS_TYPE_TGID, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes b = answer_of(TASKSTATS_TYPE_AGGR_TGID, 13, sizeof(struct taskstats));
		struct parse_netlink_delays d = { .pid = -1 };
		int r;

		memcpy(b.at + rows[i].at, &rows[i].value, sizeof(rows[i].value));
		r = delays(&b, &d);
		if (r != rows[i].expect || d.pid != (r ? -1 : 77))
			fail_msg("%s: returned %d, pid %d", rows[i].name, r, d.pid);
	}
	(void)state;
}

static void delays_cut(void **state)
{
	struct bytes b = answer_of(TASKSTATS_TYPE_AGGR_TGID, 13, sizeof(struct taskstats));
	struct parse_netlink_delays d = { .pid = -1 };

	while (b.size-- > 0) {
		assert_int_equal(delays(&b, &d), b.size ? -EINVAL : -ENODATA);
		assert_int_equal(d.pid, -1);
	}
	(void)state;
}

/* What a later kernel may add, at either level, and twice the same. */
static void delays_with_more(void **state)
{
	const struct longer statistics = statistics_of(16);
	struct bytes inner = { .size = 0 }, b = { .size = 0 };
	struct parse_netlink_delays d;
	const uint32_t other = 76, pid = 77;

	put_attribute(&inner, TASKSTATS_TYPE_TGID, &other, sizeof(other));
	put_attribute(&inner, 99, "12345", 5);
	put_attribute(&inner, TASKSTATS_TYPE_NULL, "", 0);
	put_attribute(&inner, TASKSTATS_TYPE_STATS, &statistics, sizeof(statistics));
	put_attribute(&inner, TASKSTATS_TYPE_TGID, &pid, sizeof(pid));
	put_attribute(&b, TASKSTATS_TYPE_MAX + 1, "", 0);
	put_attribute(&b, TASKSTATS_TYPE_AGGR_TGID, inner.at, inner.size);
	put_attribute(&b, TASKSTATS_TYPE_UNSPEC, "1", 1);
	assert_int_equal(delays(&b, &d), 0);
	assert_int_equal(d.pid, 77);
	assert_int_equal(d.ignored, 3);
	assert_int_equal(d.has, ALL);
	(void)state;
}

static int message(const struct bytes *b, struct parse_netlink_message *ret)
{
	struct parse_netlink_delays d;
	char *exact = exact_of(b);
	int r = parse_netlink_message(exact, b->size, ret);
	if (r == 0) {
		(void)parse_netlink_delays(ret->attributes, &d);
		ret->attributes.at = b->at + (ret->attributes.at - exact);
		ret->attributes.end = b->at + (ret->attributes.end - exact);
	}
	free(exact);
	return r;
}

static void messages(void **state)
{
	static const struct {
		const char *name;
		uint16_t type;
		int32_t word;		/* the body begins with it */
		size_t bytes;
		int expect, error;
		uint16_t expect_type;
		size_t attributes;
	} rows[] = {
		{ "no such process", NLMSG_ERROR, -ESRCH, 36, 0, -ESRCH, 0, 0 },
		{ "no such process, short", NLMSG_ERROR, -ESRCH, 4, 0, -ESRCH, 0, 0 },
		{ "acknowledged", NLMSG_ERROR, 0, 20, 0, 0, 0, 0 },
		{ "error without its number", NLMSG_ERROR, -ESRCH, 3, -EINVAL, 0, 0, 0 },
		{ "positive error", NLMSG_ERROR, ESRCH, 4, -EINVAL, 0, 0, 0 },
		{ "no errno", NLMSG_ERROR, -4096, 4, -EINVAL, 0, 0, 0 },
		{ "smallest error", NLMSG_ERROR, INT32_MIN, 4, -EINVAL, 0, 0, 0 },
		{ "done", NLMSG_DONE, 0, 4, 0, 0, 0, 0 },
		{ "nothing", NLMSG_NOOP, 0, 0, 0, 0, 0, 0 },
		{ "of a family", FAMILY, 0, 4, 0, 0, FAMILY, 0 },
		{ "of a family, with something", FAMILY, 0, 12, 0, 0, FAMILY, 8 },
		{ "of a family, cut", FAMILY, 0, 3, -EINVAL, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct parse_netlink_message m = { .type = UINT16_MAX };
		struct bytes b = { .size = 0 };
		char body[64] = { 0 };
		int r;

		memcpy(body, &rows[i].word, sizeof(rows[i].word));
		put_message(&b, rows[i].type, body, rows[i].bytes);
		r = message(&b, &m);
		if (r != rows[i].expect)
			fail_msg("%s: returned %d", rows[i].name, r);
		if (r < 0) {
			assert_int_equal(m.type, UINT16_MAX);
			continue;
		}
		if (m.type != rows[i].expect_type || m.error != rows[i].error ||
		    m.sequence != SEQUENCE ||
		    scan_left(&m.attributes) != rows[i].attributes)
			fail_msg("%s: type %u, error %d", rows[i].name, m.type, m.error);
	}
	(void)state;
}

static struct bytes datagram(void)
{
	const struct genlmsghdr generic = { .cmd = TASKSTATS_CMD_NEW, .version = 1 };
	struct bytes attributes = answer_of(TASKSTATS_TYPE_AGGR_TGID, 16, 560);
	struct bytes body = { .size = 0 }, b = { .size = 0 };

	put(&body, &generic, sizeof(generic));
	put(&body, attributes.at, attributes.size);
	put_message(&b, FAMILY, body.at, body.size);
	return b;
}

/* A whole answer cut at every byte; then deterministic damage, which never crashes, never hangs. */
static void damaged(void **state)
{
	struct parse_netlink_message m;
	uint32_t random = 12345;

	for (struct bytes b = datagram(); b.size-- > 0;)
		assert_int_equal(message(&b, &m), b.size ? -EINVAL : -ENODATA);
	for (size_t round = 0; round < 40000; round++) {
		struct bytes b = datagram();

		for (size_t i = 0; i <= round % 4; i++) {
			size_t at = next_random(&random) % 48; /* the headers */

			b.at[at] = (char)next_random(&random);
		}
		(void)message(&b, &m);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delays_of_every_version),
		cmocka_unit_test(delays_lies),
		cmocka_unit_test(delays_cut),
		cmocka_unit_test(delays_with_more),
		cmocka_unit_test(messages),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests_name("parse_netlink_delays", tests, NULL, NULL);
}
