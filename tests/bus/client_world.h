/* SPDX-License-Identifier: MIT */
/*
 * Client world: one client of libfailsoft and a fake broker, driven by turns on one thread, with
 * callbacks that note what they were asked. Include after cmocka.h.
 */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fake_broker.h"

#define SOON_US	15000000u	/* for what must happen; far beyond what it takes here */
#define NEVER_LONG_US 150000u	/* for what must not happen */

struct world {
	struct fake_daemon daemon;
	struct fake_broker broker;
	struct failsoft *client;
	/* callbacks */
	unsigned called;
	struct failsoft_order last;
	enum failsoft_result result;	/* what they return */
	uint64_t longest_dispatch_us;	/* of those that gave up the CPU: who only lost it did not wait */
};

static inline enum failsoft_result world_step(const struct failsoft_order *order, void *userdata)
{
	struct world *w = userdata;

	w->called++;
	w->last = *order;
	return w->result;
}

static inline struct failsoft_options world_options(struct world *w)
{
	return (struct failsoft_options){
		.name = "tested", .bus_address = w->daemon.address, .userdata = w,
		.flush = world_step, .degrade = world_step, .shutdown = world_step,
		.resume = world_step,
	};
}

static inline void world_turn(struct world *w)
{
	struct rusage before, after;
	uint64_t start_us, took_us;

	fake_pump(&w->broker);
	assert_int_equal(getrusage(RUSAGE_THREAD, &before), 0);
	start_us = fake_now_us();
	if (w->client)
		assert_true(failsoft_dispatch(w->client) >= 0);
	took_us = fake_now_us() - start_us;
	assert_int_equal(getrusage(RUSAGE_THREAD, &after), 0);
	if (after.ru_nvcsw > before.ru_nvcsw && took_us > w->longest_dispatch_us)
		w->longest_dispatch_us = took_us;
	usleep(500);
}

static inline bool world_until(struct world *w, bool (*is_so)(struct world *w), uint64_t within_us)
{
	uint64_t end_us = fake_now_us() + within_us;

	while (!is_so(w)) {
		if (fake_now_us() > end_us)
			return false;
		world_turn(w);
	}
	return true;
}

static inline bool is_connected(struct world *w)
{
	return w->broker.lifeline >= 0 && failsoft_is_connected(w->client);
}

static inline bool is_called(struct world *w)
{
	return w->called > 0;
}

static inline bool is_unconnected(struct world *w)
{
	return !failsoft_is_connected(w->client);
}

static inline bool never(struct world *w)
{
	(void)w;
	return false;
}

/* A bus with a broker, and a registered client. */
static inline int world_open(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct failsoft_options options;

	assert_non_null(w);
	w->result = FAILSOFT_RESULT_DONE;
	fake_daemon_open(&w->daemon);
	fake_open(&w->broker, &w->daemon);
	options = world_options(w);
	assert_int_equal(failsoft_new(&options, &w->client), 0);
	assert_true(world_until(w, is_connected, SOON_US));
	*state = w;
	return 0;
}

static inline int world_close(void **state)
{
	struct world *w = *state;

	w->client = failsoft_free(w->client);
	fake_close(&w->broker);
	fake_daemon_close(&w->daemon);
	free(w);
	return 0;
}

/* The client made anew, with other options. */
static inline void world_renew(struct world *w, const struct failsoft_options *options)
{
	w->client = failsoft_free(w->client);
	if (w->broker.lifeline >= 0)
		close(w->broker.lifeline);
	w->broker.lifeline = -1;
	assert_int_equal(failsoft_new(options, &w->client), 0);
}
