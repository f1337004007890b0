/* SPDX-License-Identifier: MIT */
/* libfailsoft: orders in, answers out, on the lifeline of a fake broker. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include <cmocka.h>

#include "client_world.h"

static bool has_answer(struct world *w)
{
	char byte;

	return recv(w->broker.lifeline, &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
}

static struct failsoft_answer next_answer(struct world *w)
{
	struct failsoft_answer answer = { 0 };

	assert_true(world_until(w, has_answer, SOON_US));
	assert_true(fake_answer(&w->broker, &answer));
	return answer;
}

static void expect_silence(struct world *w)
{
	assert_false(world_until(w, has_answer, NEVER_LONG_US));
}

static int answer(struct world *w, uint64_t sequence, enum failsoft_result result)
{
	return failsoft_answer(w->client, &(struct failsoft_answer){
		.sequence = sequence, .result = result });
}

static void each_step_is_called_and_answered(void **state)
{
	struct world *w = *state;

	for (int step = 0; step < 4; step++) {
		for (int result = FAILSOFT_RESULT_DONE; result <= FAILSOFT_RESULT_REFUSED; result++) {
			struct failsoft_order order = fake_order(&w->broker, step);
			struct failsoft_answer a;

			w->result = result;
			w->called = 0;
			fake_send(&w->broker, &order, sizeof(order));
			a = next_answer(w);
			assert_int_equal(w->called, 1);
			assert_memory_equal(&w->last, &order, sizeof(order));
			assert_int_equal(a.kind, FAILSOFT_ANSWER_STEP);
			assert_int_equal(a.result, result);
			assert_int_equal(a.sequence, order.sequence);
		}
	}
}

static void missing_callbacks(void **state)
{
	struct world *w = *state;
	struct failsoft_options options = world_options(w);

	options.flush = options.degrade = options.shutdown = options.resume = NULL;
	world_renew(w, &options);
	assert_true(world_until(w, is_connected, SOON_US));
	for (int step = 0; step < 4; step++) {
		fake_ask(&w->broker, step);
		assert_int_equal(next_answer(w).result,
				 step == FAILSOFT_STEP_RESUME ? FAILSOFT_RESULT_DONE
							      : FAILSOFT_RESULT_REFUSED);
	}
	assert_int_equal(w->called, 0);
}

static void later(void **state)
{
	struct world *w = *state;
	uint64_t sequence;
	struct failsoft_answer a;

	w->result = FAILSOFT_RESULT_LATER;
	sequence = fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
	assert_true(world_until(w, is_called, SOON_US));
	expect_silence(w); /* never acknowledges by itself */
	assert_int_equal(answer(w, sequence + 1, FAILSOFT_RESULT_DONE), -ENOENT);
	assert_int_equal(answer(w, sequence, FAILSOFT_RESULT_LATER), -EINVAL);
	assert_int_equal(answer(w, sequence, (enum failsoft_result)5), -EINVAL);
	assert_int_equal(failsoft_answer(w->client, NULL), -EINVAL);
	assert_int_equal(failsoft_answer(w->client, &(struct failsoft_answer){
		.sequence = sequence, .result = FAILSOFT_RESULT_PARTIAL, .freed_bytes = 11,
		.exposure_bytes = 22, .freeable_bytes = 33, .more_time_us = 44 }), 0);
	a = next_answer(w);
	assert_int_equal(a.result, FAILSOFT_RESULT_PARTIAL);
	assert_int_equal(a.freed_bytes, 11);
	assert_int_equal(a.exposure_bytes, 22);
	assert_int_equal(a.freeable_bytes, 33);
	assert_int_equal(a.more_time_us, 44);
	assert_int_equal(answer(w, sequence, FAILSOFT_RESULT_DONE), -ENOENT);
}

static void superseded(void **state)
{
	struct world *w = *state;
	uint64_t first, second;

	w->result = FAILSOFT_RESULT_LATER;
	first = fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
	assert_true(world_until(w, is_called, SOON_US));
	w->called = 0;
	second = fake_ask(&w->broker, FAILSOFT_STEP_DEGRADE);
	assert_true(world_until(w, is_called, SOON_US));
	assert_int_equal(answer(w, first, FAILSOFT_RESULT_DONE), -ENOENT);
	expect_silence(w);
	assert_int_equal(answer(w, second, FAILSOFT_RESULT_DONE), 0);
	assert_int_equal(next_answer(w).sequence, second);
}

static void busy_goes_on(void **state)
{
	struct world *w = *state;
	uint64_t sequence;

	w->result = FAILSOFT_RESULT_BUSY;
	sequence = fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
	assert_int_equal(next_answer(w).result, FAILSOFT_RESULT_BUSY);
	assert_int_equal(answer(w, sequence, FAILSOFT_RESULT_BUSY), 0);
	assert_int_equal(next_answer(w).result, FAILSOFT_RESULT_BUSY);
	assert_int_equal(answer(w, sequence, FAILSOFT_RESULT_DONE), 0);
	assert_int_equal(next_answer(w).result, FAILSOFT_RESULT_DONE);
	assert_int_equal(answer(w, sequence, FAILSOFT_RESULT_DONE), -ENOENT);
}

/* "0: unknown": what is not known of an answer must not overwrite what was reported. */
static void unknown_is_not_nothing(void **state)
{
	struct world *w = *state;
	struct failsoft_answer a;
	uint64_t sequence;

	w->result = FAILSOFT_RESULT_LATER;
	assert_int_equal(failsoft_report(w->client, 1000, 2000), 0);
	assert_int_equal(next_answer(w).exposure_bytes, 1000);
	sequence = fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
	assert_true(world_until(w, is_called, SOON_US));
	assert_int_equal(answer(w, sequence, FAILSOFT_RESULT_REFUSED), 0);
	a = next_answer(w);
	assert_int_equal(a.exposure_bytes, 1000);
	assert_int_equal(a.freeable_bytes, 2000);
}

/* Orders that wait together: what a newer one covers is not carried out any more. */
static void newest_of_the_queue(void **state)
{
	static const struct {
		const char *name;
		unsigned count;
		enum failsoft_step given[3];
		enum failsoft_step expect;
	} rows[] = {
		{ "one", 1, { FAILSOFT_STEP_FLUSH }, FAILSOFT_STEP_FLUSH },
		{ "worse", 2, { FAILSOFT_STEP_FLUSH, FAILSOFT_STEP_DEGRADE }, FAILSOFT_STEP_DEGRADE },
		{ "over", 2, { FAILSOFT_STEP_SHUTDOWN, FAILSOFT_STEP_RESUME }, FAILSOFT_STEP_RESUME },
		{ "over and again", 3,
		  { FAILSOFT_STEP_DEGRADE, FAILSOFT_STEP_RESUME, FAILSOFT_STEP_FLUSH },
		  FAILSOFT_STEP_FLUSH },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t sequence = 0;

		w->called = 0;
		for (unsigned k = 0; k < rows[i].count; k++)
			sequence = fake_ask(&w->broker, rows[i].given[k]);
		if (next_answer(w).sequence != sequence || w->last.step != rows[i].expect)
			fail_msg("%s: step %u of sequence %llu", rows[i].name, w->last.step,
				 (unsigned long long)w->last.sequence);
		expect_silence(w);
		assert_int_equal(w->called, 1);
	}
}

static void bad_datagrams_are_ignored(void **state)
{
	static const struct {
		const char *name;
		size_t offset, bytes;
		uint64_t value;
		size_t size;		/* of the datagram; 0: of an order */
	} rows[] = {
		{ .name = "one byte", .size = 1 },
		{ .name = "cut", .size = FAILSOFT_ORDER_SIZE_V1 - 1 },
		{ "wrong magic", offsetof(struct failsoft_order, magic), 4, FAILSOFT_ANSWER_MAGIC, 0 },
		{ "version 0", offsetof(struct failsoft_order, version), 2, 0, 0 },
		{ "size too small", offsetof(struct failsoft_order, size), 2, 191, 0 },
		{ "another client", offsetof(struct failsoft_order, client), 8, 4, 0 },
		{ "no such step", offsetof(struct failsoft_order, step), 4, 4, 0 },
		{ "no sequence", offsetof(struct failsoft_order, sequence), 8, 0, 0 },
		{ .name = "empty space", .size = 4096 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct failsoft_order order = fake_order(&w->broker, FAILSOFT_STEP_FLUSH);
		char room[4096] = { 0 };

		if (rows[i].size <= sizeof(order))
			memcpy(room, &order, sizeof(order));
		memcpy(room + rows[i].offset, &rows[i].value, rows[i].bytes);
		fake_send(&w->broker, room, rows[i].size ? rows[i].size : sizeof(order));
		(void)world_until(w, is_called, 30000);
		if (w->called)
			fail_msg("%s: the callback was called", rows[i].name);
	}
	expect_silence(w);
	assert_true(failsoft_is_connected(w->client));
	fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
	assert_int_equal(next_answer(w).result, FAILSOFT_RESULT_DONE);
}

static void a_newer_broker_is_understood(void **state)
{
	struct world *w = *state;
	char room[300];
	struct failsoft_order order = fake_order(&w->broker, FAILSOFT_STEP_DEGRADE);

	order.version = 2;
	order.size = sizeof(room);
	order.flags = 0xfffffff8u | FAILSOFT_ORDER_FINAL;
	memset(order.domain, 'x', sizeof(order.domain)); /* not terminated */
	memset(room, 0x55, sizeof(room));
	memcpy(room, &order, sizeof(order));
	fake_send(&w->broker, room, sizeof(room));
	assert_int_equal(next_answer(w).sequence, order.sequence);
	assert_int_equal(w->last.step, FAILSOFT_STEP_DEGRADE);
	assert_int_equal(strlen(w->last.domain), FAILSOFT_DOMAIN_MAX - 1);
}

/* A broker that does not read: the client is told, and does not wait. */
static void a_full_queue_is_said(void **state)
{
	struct world *w = *state;
	uint64_t start_us = fake_now_us();
	int r = 0;

	for (int i = 0; i < 100000 && r == 0; i++)
		r = failsoft_report(w->client, (uint64_t)i, 0);
	assert_int_equal(r, -EAGAIN);
	assert_true(fake_now_us() - start_us < SOON_US);
	while (has_answer(w))
		(void)next_answer(w);
	assert_int_equal(failsoft_report(w->client, 1, 0), 0);
}

/* ---- who drives ---- */

static void *answer_elsewhere(void *userdata)
{
	struct world *w = userdata;
	int r = answer(w, w->last.sequence, FAILSOFT_RESULT_DONE);

	return r == 0 && failsoft_report(w->client, 5, 6) == 0 && failsoft_is_connected(w->client)
		       ? w : NULL;
}

static void answer_from_another_thread(void **state)
{
	struct world *w = *state;
	pthread_t thread;
	void *good;

	w->result = FAILSOFT_RESULT_LATER;
	fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
	assert_true(world_until(w, is_called, SOON_US));
	assert_int_equal(pthread_create(&thread, NULL, answer_elsewhere, w), 0);
	assert_int_equal(pthread_join(thread, &good), 0);
	assert_non_null(good);
	assert_int_equal(next_answer(w).kind, FAILSOFT_ANSWER_STEP);
	assert_int_equal(next_answer(w).kind, FAILSOFT_ANSWER_REPORT);
}

/* The same descriptor all the time; it alone says when there is something to do. */
static void the_descriptor_is_enough(void **state)
{
	struct world *w = *state;
	struct failsoft_options options = world_options(w);
	struct pollfd p = { .events = POLLIN };
	uint64_t end_us;

	world_renew(w, &options);
	p.fd = failsoft_fd(w->client);
	assert_true(p.fd >= 0);
	end_us = fake_now_us() + SOON_US;
	while (!w->called && fake_now_us() < end_us) {
		fake_pump(&w->broker);
		if (is_connected(w) && w->broker.sequence == 0)
			fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
		if (poll(&p, 1, 1) > 0)
			assert_true(failsoft_dispatch(w->client) >= 0);
	}
	assert_int_equal(w->called, 1);
	assert_int_equal(failsoft_fd(w->client), p.fd);
	assert_int_equal(failsoft_dispatch(w->client), 0);
	assert_int_equal(poll(&p, 1, 100), 0); /* silent when there is nothing */
}

static struct {
	pthread_t thread;
	bool all_blocked;
} seen;

static enum failsoft_result note_thread(const struct failsoft_order *order, void *userdata)
{
	sigset_t set;

	(void)pthread_sigmask(SIG_BLOCK, NULL, &set); /* only asks */
	seen.all_blocked = sigismember(&set, SIGTERM) && sigismember(&set, SIGINT) &&
			   sigismember(&set, SIGUSR1) && sigismember(&set, SIGALRM);
	seen.thread = pthread_self();
	return world_step(order, userdata);
}

static void a_thread_drives(void **state)
{
	struct world *w = *state;
	struct failsoft_options options = world_options(w);
	struct failsoft *client;
	sd_event *event = NULL;

	options.flush = note_thread;
	world_renew(w, &options);
	client = w->client;
	assert_int_equal(failsoft_start_thread(client), 0);
	assert_int_equal(failsoft_start_thread(client), -EBUSY);
	assert_int_equal(failsoft_dispatch(client), -EBUSY);
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(failsoft_attach_event(client, event, 0), -EBUSY);
	sd_event_unref(event);
	for (int i = 0; i < 3000 && !(w->broker.lifeline >= 0 && failsoft_is_connected(client)); i++) {
		fake_pump(&w->broker);
		usleep(1000);
	}
	fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
	w->client = NULL; /* world_turn must not drive it */
	assert_int_equal(next_answer(w).result, FAILSOFT_RESULT_DONE);
	assert_false(pthread_equal(seen.thread, pthread_self()));
	assert_true(seen.all_blocked);
	assert_null(failsoft_free(client));
}

static void an_event_loop_drives(void **state)
{
	struct world *w = *state;
	struct failsoft_options options = world_options(w);
	struct failsoft *client;
	sd_event *event = NULL;

	world_renew(w, &options);
	client = w->client;
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(failsoft_attach_event(client, NULL, 0), -EINVAL);
	assert_int_equal(failsoft_attach_event(client, event, -10), 0);
	assert_int_equal(failsoft_attach_event(client, event, 0), -EBUSY);
	assert_int_equal(failsoft_start_thread(client), -EBUSY);
	for (int i = 0; i < 3000 && w->called == 0; i++) {
		fake_pump(&w->broker);
		if (w->broker.sequence == 0 && w->broker.lifeline >= 0 && failsoft_is_connected(client))
			fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
		assert_true(sd_event_run(event, 1000) >= 0);
	}
	assert_int_equal(w->called, 1);
	w->client = failsoft_free(client);
	assert_int_equal(sd_event_run(event, 1000), 0); /* nothing of it is left in the loop */
	sd_event_unref(event);
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
	const struct CMUnitTest tests[] = {
		WORLD(each_step_is_called_and_answered),
		WORLD(missing_callbacks),
		WORLD(later),
		WORLD(superseded),
		WORLD(busy_goes_on),
		WORLD(unknown_is_not_nothing),
		WORLD(newest_of_the_queue),
		WORLD(bad_datagrams_are_ignored),
		WORLD(a_newer_broker_is_understood),
		WORLD(a_full_queue_is_said),
		WORLD(answer_from_another_thread),
		WORLD(the_descriptor_is_enough),
		WORLD(a_thread_drives),
		WORLD(an_event_loop_drives),
	};

	return cmocka_run_group_tests_name("orders", tests, NULL, NULL);
}
