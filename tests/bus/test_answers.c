/* SPDX-License-Identifier: MIT */
/* libfailsoft: the answers that callbacks return, while the broker reads nothing or other threads report. */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client_world.h"

static int answer(struct world *w, uint64_t sequence, enum failsoft_result result)
{
	return failsoft_answer(w->client, &(struct failsoft_answer){
		.sequence = sequence, .result = result });
}

static void fill_queue(struct world *w)
{
	int r = 0;

	for (int i = 0; i < 100000 && r == 0; i++)
		r = failsoft_report(w->client, 3, 4);
	assert_int_equal(r, -EAGAIN);
}

/* The broker reads all that waits; the last answer to a step, or none. */
static struct failsoft_answer drain(struct world *w, unsigned *ret_steps)
{
	struct failsoft_answer a, last = { 0 };

	*ret_steps = 0;
	while (fake_answer(&w->broker, &a)) {
		if (a.kind != FAILSOFT_ANSWER_STEP)
			continue;
		last = a;
		++*ret_steps;
	}
	return last;
}

/* What a callback returned comes as soon as there is room, and wakes the program's loop for that. */
static void a_full_queue_delays_an_answer(void **state)
{
	struct world *w = *state;

	for (int result = FAILSOFT_RESULT_DONE; result <= FAILSOFT_RESULT_REFUSED; result++) {
		struct pollfd p = { .fd = failsoft_fd(w->client), .events = POLLIN };
		bool is_busy = result == FAILSOFT_RESULT_BUSY;
		struct failsoft_answer a;
		uint64_t sequence;
		unsigned steps;

		w->result = result;
		w->called = 0;
		fill_queue(w);
		sequence = fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
		assert_true(world_until(w, is_called, SOON_US));
		assert_int_equal(answer(w, sequence, FAILSOFT_RESULT_PARTIAL), is_busy ? -EAGAIN : -ENOENT);
		(void)drain(w, &steps);
		assert_int_equal(steps, 0);
		assert_int_equal(failsoft_report(w->client, 5, 6), 0); /* newer than the answer */
		assert_int_equal(poll(&p, 1, 1000), 1);
		assert_true(failsoft_dispatch(w->client) >= 0);
		a = drain(w, &steps);
		assert_int_equal(steps, 1);
		assert_int_equal(a.sequence, sequence);
		assert_int_equal(a.result, result);
		assert_int_equal(a.exposure_bytes, 5);
		assert_int_equal(answer(w, sequence, FAILSOFT_RESULT_DONE), is_busy ? 0 : -ENOENT);
		(void)drain(w, &steps);
		assert_int_equal(poll(&p, 1, 30), 0); /* and then it is silent */
	}
}

/* ... unless the order is superseded meanwhile, or the broker is another one. */
static void a_delayed_answer_ends_with_its_order(void **state)
{
	struct world *w = *state;
	uint64_t second;
	unsigned steps;

	fill_queue(w);
	fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
	assert_true(world_until(w, is_called, SOON_US));
	second = fake_ask(&w->broker, FAILSOFT_STEP_DEGRADE);
	w->called = 0;
	assert_true(world_until(w, is_called, SOON_US));
	(void)drain(w, &steps);
	(void)world_until(w, never, 30000);
	assert_int_equal(drain(w, &steps).sequence, second);
	assert_int_equal(steps, 1);
	w->called = 0;
	fill_queue(w);
	fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
	assert_true(world_until(w, is_called, SOON_US));
	close(w->broker.lifeline);
	w->broker.lifeline = -1;
	assert_true(world_until(w, is_connected, SOON_US));
	(void)world_until(w, never, 30000);
	(void)drain(w, &steps);
	assert_int_equal(steps, 0);
}

/*
 * Another thread that reports whenever it can: each time that the library lets go of its lock. In the
 * place of libc's function for libfailsoft; hidden it would never be called.
 */
static struct {
	struct failsoft *client;	/* NULL: nobody reports */
	uint64_t reported;
} other;

__attribute__((visibility("default"))) int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int (*unlock)(pthread_mutex_t *) = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, __func__);
	struct failsoft *client = other.client;
	int r = unlock(mutex);

	other.client = NULL; /* a report has the lock, too */
	if (client && failsoft_report(client, other.reported + 1, 4) == 0)
		other.reported++;
	other.client = client;
	return r;
}

static void an_answer_is_not_behind_a_report(void **state)
{
	struct failsoft_answer a;
	struct world *w = *state;
	uint64_t known = 0;
	unsigned answers = 0;

	for (int result = FAILSOFT_RESULT_DONE; result <= FAILSOFT_RESULT_REFUSED; result++) {
		w->result = result;
		fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
		other.client = w->client;
		assert_true(failsoft_dispatch(w->client) >= 0);
		other.client = NULL;
		while (fake_answer(&w->broker, &a)) {
			answers += a.kind == FAILSOFT_ANSWER_STEP;
			if (a.exposure_bytes < known)
				fail_msg("%llu after %llu", (unsigned long long)a.exposure_bytes,
					 (unsigned long long)known);
			known = a.exposure_bytes;
		}
	}
	assert_int_equal(answers, 4);
	assert_true(other.reported >= 4);
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
	const struct CMUnitTest tests[] = {
		WORLD(a_full_queue_delays_an_answer),
		WORLD(a_delayed_answer_ends_with_its_order),
		WORLD(an_answer_is_not_behind_a_report),
	};

	return cmocka_run_group_tests_name("answers", tests, NULL, NULL);
}
