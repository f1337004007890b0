/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ask/lifeline.h"
#include "base/clock.h"
#include "base/units.h"

struct pair {
	int ours, theirs;
};

static struct pair pair_open(void)
{
	struct pair p = { -1, -1 };

	assert_int_equal(lifeline_open(&p.ours, &p.theirs), 0);
	return p;
}

static void pair_close(struct pair *p)
{
	close(p->ours);
	if (p->theirs >= 0)
		close(p->theirs);
}

/* Neither end may hold its owner, nor be inherited by what the owner starts. */
static void both_ends_are_harmless(void **state)
{
	struct pair p = pair_open();
	const int fds[] = { p.ours, p.theirs };

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		assert_true(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
	}
	pair_close(&p);
	(void)state;
}

static struct failsoft_order format(const char *domain, bool is_final, bool dry_run)
{
	static const struct estimate estimate = {
		.headroom_bytes = 7 * MIB, .tte_us = 4 * US_PER_S, .tte_low_us = 3 * US_PER_S };
	const struct session_request request = {
		.sequence = 12, .issued_us = 100, .deadline_us = 900, .step = STEP_DEGRADE,
		.is_final = is_final };
	struct failsoft_order order;

	memset(&order, 0xa5, sizeof(order)); /* nothing of what was there may go out */
	lifeline_format(&(struct lifeline_order){
		.client = 5, .request = &request, .stage = STAGE_IMMINENT, .estimate = &estimate,
		.episode = 1001, .wanted_bytes = 3 * MIB, .domain = domain, .dry_run = dry_run }, &order);
	return order;
}

static void an_order_says_everything(void **state)
{
	const struct failsoft_order o = format("system", false, false);
	static const char zeroes[sizeof(o.spare)];

	assert_int_equal(o.magic, FAILSOFT_ORDER_MAGIC);
	assert_memory_equal(&o, "FSO1", 4); /* on a little-endian machine, which these tests run on */
	assert_int_equal(o.version, 1);
	assert_int_equal(o.size, 192);
	assert_int_equal(o.stage, FAILSOFT_STAGE_IMMINENT);
	assert_int_equal(o.step, FAILSOFT_STEP_DEGRADE);
	assert_int_equal(o.reserved, 0);
	assert_int_equal(o.client, 5);
	assert_int_equal(o.episode, 1001);
	assert_int_equal(o.sequence, 12);
	assert_int_equal(o.issued_us, 100);
	assert_int_equal(o.deadline_us, 900);
	assert_int_equal(o.headroom_bytes, 7 * MIB);
	assert_int_equal(o.exhaustion_us, 4 * US_PER_S);
	assert_int_equal(o.exhaustion_low_us, 3 * US_PER_S);
	assert_int_equal(o.wanted_bytes, 3 * MIB);
	assert_memory_equal(o.spare, zeroes, sizeof(zeroes));
	(void)state;
}

static void flags_of_an_order(void **state)
{
	static const struct {
		bool is_final, dry_run;
		uint32_t expect;
	} rows[] = {
		{ false, false, 0 },
		{ true, false, FAILSOFT_ORDER_FINAL },
		{ false, true, FAILSOFT_ORDER_DRY_RUN },
		{ true, true, FAILSOFT_ORDER_FINAL | FAILSOFT_ORDER_DRY_RUN },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(format("system", rows[i].is_final, rows[i].dry_run).flags,
				 rows[i].expect);
	(void)state;
}

/* Too long a name is cut at the front, and what follows the NUL is no leftover. */
static void domains_of_all_lengths(void **state)
{
	char name[256];

	for (size_t length = 1; length < sizeof(name); length++) {
		const size_t kept = FAILSOFT_DOMAIN_MAX - 4;
		struct failsoft_order o;

		for (size_t i = 0; i < length; i++)
			name[i] = (char)(i ? 'a' + i % 26 : '/');
		name[length] = 0;
		o = format(name, false, false);
		if (length < FAILSOFT_DOMAIN_MAX) {
			assert_string_equal(o.domain, name);
		} else {
			assert_memory_equal(o.domain, "...", 3);
			assert_string_equal(o.domain + 3, name + length - kept);
		}
		for (size_t i = strlen(o.domain); i < sizeof(o.domain); i++)
			assert_int_equal(o.domain[i], 0);
	}
	(void)state;
}

static void an_order_arrives_whole(void **state)
{
	const struct failsoft_order order = format("system", true, false);
	struct failsoft_order got;
	struct pair p = pair_open();

	assert_int_equal(lifeline_send(p.ours, &order), 0);
	assert_int_equal(lifeline_send(p.ours, &order), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(recv(p.theirs, &got, sizeof(got), 0), sizeof(got));
		assert_memory_equal(&got, &order, sizeof(got));
	}
	pair_close(&p);
	(void)state;
}

/* A client that never reads: its queue fills, the broker is told so at once, nothing waits. */
static void a_client_that_does_not_read(void **state)
{
	const struct failsoft_order order = format("system", false, false);
	struct failsoft_order got;
	struct pair p = pair_open();
	unsigned taken = 0;
	uint64_t slowest_us = 0;
	int r;

	do {
		uint64_t begin_us = clock_now_us();

		r = lifeline_send(p.ours, &order);
		slowest_us = MAX_OF(slowest_us, clock_now_us() - begin_us);
		taken += r == 0;
	} while (r == 0 && taken < 1000000);
	assert_int_equal(r, -EAGAIN);
	assert_in_range(taken, 8, 100000);
	assert_true(slowest_us < US_PER_S); /* it would be forever */
	assert_int_equal(recv(p.theirs, &got, sizeof(got), 0), sizeof(got));
	assert_int_equal(lifeline_send(p.ours, &order), 0); /* it reads again: goes on */
	pair_close(&p);
	(void)state;
}

/* Also: SIGPIPE would end the broker here. */
static void a_client_that_is_gone(void **state)
{
	const struct failsoft_order order = format("system", false, false);
	struct failsoft_answer answer;
	struct pair p = pair_open();
	int r;

	assert_int_equal(lifeline_send(p.ours, &order), 0);
	close(p.theirs); /* with an order unread: the kernel says ECONNRESET once */
	p.theirs = -1;
	assert_int_equal(lifeline_receive(p.ours, &answer), LIFELINE_CLOSED);
	r = lifeline_send(p.ours, &order);
	assert_true(r == -EPIPE || r == -ECONNRESET);
	assert_int_equal(lifeline_receive(p.ours, &answer), LIFELINE_CLOSED);
	pair_close(&p);
	(void)state;
}

/* ---- answers ---- */

static const struct failsoft_answer good = {
	.magic = FAILSOFT_ANSWER_MAGIC, .version = 1, .size = 64, .kind = FAILSOFT_ANSWER_STEP,
	.result = FAILSOFT_RESULT_DONE, .sequence = 12, .freed_bytes = 1, .exposure_bytes = 2,
	.freeable_bytes = 3, .more_time_us = 4,
};

enum field { MAGIC, VERSION, SIZE, KIND, RESULT, NO_FIELD };

static struct failsoft_answer with(enum field field, uint32_t value)
{
	struct failsoft_answer a = good;

	switch (field) {
	case MAGIC:
		a.magic = value;
		break;
	case VERSION:
		a.version = (uint16_t)value;
		break;
	case SIZE:
		a.size = (uint16_t)value;
		break;
	case KIND:
		a.kind = value;
		break;
	case RESULT:
		a.result = value;
		break;
	case NO_FIELD:
		break;
	}
	return a;
}

static const struct answer_row {
	const char *name;
	enum field field;
	uint32_t value, bytes;
	enum lifeline_outcome expect;
} answers[] = {
	{ "a good one", NO_FIELD, 0, 64, LIFELINE_ANSWER },
	{ "partial", RESULT, FAILSOFT_RESULT_PARTIAL, 64, LIFELINE_ANSWER },
	{ "busy", RESULT, FAILSOFT_RESULT_BUSY, 64, LIFELINE_ANSWER },
	{ "refused", RESULT, FAILSOFT_RESULT_REFUSED, 64, LIFELINE_ANSWER },
	{ "later is never on the wire", RESULT, FAILSOFT_RESULT_LATER, 64, LIFELINE_GARBAGE },
	{ "a result beyond the last", RESULT, 5, 64, LIFELINE_GARBAGE },
	{ "a result with high bits", RESULT, UINT32_MAX, 64, LIFELINE_GARBAGE },
	{ "an unknown kind", KIND, 3, 64, LIFELINE_GARBAGE },
	{ "kind 0", KIND, 0, 64, LIFELINE_GARBAGE },
	{ "an order's magic", MAGIC, FAILSOFT_ORDER_MAGIC, 64, LIFELINE_GARBAGE },
	{ "version 0", VERSION, 0, 64, LIFELINE_GARBAGE },
	{ "a newer version", VERSION, 9, 64, LIFELINE_ANSWER },
	{ "a size that is not its length", SIZE, 65, 64, LIFELINE_GARBAGE },
	{ "one byte short", SIZE, 63, 63, LIFELINE_GARBAGE },
	{ "a single byte", NO_FIELD, 0, 1, LIFELINE_GARBAGE },
	{ "nothing at all", NO_FIELD, 0, 0, LIFELINE_GARBAGE },
	{ "a longer one of a newer client", SIZE, 96, 96, LIFELINE_ANSWER },
	{ "a longer one that claims to be short", SIZE, 64, 96, LIFELINE_GARBAGE },
	{ "larger than the room for it", SIZE, 4096, 4096, LIFELINE_ANSWER },
	{ "as large as a size can say", SIZE, UINT16_MAX, UINT16_MAX, LIFELINE_ANSWER },
};

static void answers_of_all_kinds(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		const struct answer_row *row = &answers[i];
		const struct failsoft_answer sent = with(row->field, row->value);
		static char datagram[UINT16_MAX];
		struct failsoft_answer got;
		struct pair p = pair_open();

		memset(datagram, 0x5a, sizeof(datagram));
		memcpy(datagram, &sent, MIN_OF(row->bytes, sizeof(sent)));
		memset(&got, 0xee, sizeof(got));
		assert_int_equal(send(p.theirs, datagram, row->bytes, 0), row->bytes);
		assert_int_equal(send(p.theirs, &good, sizeof(good), 0), sizeof(good));
		if (lifeline_receive(p.ours, &got) != row->expect)
			fail_msg("%s: not as expected", row->name);
		if (row->expect == LIFELINE_ANSWER)
			assert_memory_equal(&got, &sent, sizeof(got));
		else
			assert_int_equal(((unsigned char *)&got)[0], 0xee); /* untouched */
		/* the next datagram is not harmed by the one before */
		assert_int_equal(lifeline_receive(p.ours, &got), LIFELINE_ANSWER);
		assert_memory_equal(&got, &good, sizeof(got));
		assert_int_equal(lifeline_receive(p.ours, &got), LIFELINE_NOTHING);
		pair_close(&p);
	}
	(void)state;
}

static void a_report(void **state)
{
	struct failsoft_answer report = {
		.magic = FAILSOFT_ANSWER_MAGIC, .version = 1, .size = 64, .kind = FAILSOFT_ANSWER_REPORT,
		.exposure_bytes = 5 * MIB, .freeable_bytes = MIB };
	struct failsoft_answer got;
	struct pair p = pair_open();

	assert_int_equal(send(p.theirs, &report, sizeof(report), 0), sizeof(report));
	assert_int_equal(lifeline_receive(p.ours, &got), LIFELINE_ANSWER);
	assert_memory_equal(&got, &report, sizeof(got));
	pair_close(&p);
	(void)state;
}

/* Descriptors that a client sends along must not pile up in the broker. */
static void descriptors_are_not_taken(void **state)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec data = { (void *)&good, sizeof(good) };
	struct msghdr m = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct failsoft_answer got;
	struct pair p = pair_open();
	int next = dup(0);

	close(next); /* the lowest free number now */
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &p.theirs, sizeof(int));
	assert_int_equal(sendmsg(p.theirs, &m, 0), sizeof(good));
	assert_int_equal(lifeline_receive(p.ours, &got), LIFELINE_ANSWER);
	assert_int_equal(fcntl(next, F_GETFD), -1);
	pair_close(&p);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_are_harmless),
		cmocka_unit_test(an_order_says_everything),
		cmocka_unit_test(flags_of_an_order),
		cmocka_unit_test(domains_of_all_lengths),
		cmocka_unit_test(an_order_arrives_whole),
		cmocka_unit_test(a_client_that_does_not_read),
		cmocka_unit_test(a_client_that_is_gone),
		cmocka_unit_test(answers_of_all_kinds),
		cmocka_unit_test(a_report),
		cmocka_unit_test(descriptors_are_not_taken),
	};

	return cmocka_run_group_tests_name("lifeline", tests, NULL, NULL);
}
