/* SPDX-License-Identifier: MIT */
/* Without a bus; with one, and the real broker: tests/bus/test_story.py. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>
#include <systemd/sd-event.h>

#include "feed.h"

struct seen {
	unsigned events, orders, ups, downs;
};

static void on_event(void *userdata, const struct feed_event *e)
{
	(void)e;
	((struct seen *)userdata)->events++;
}

static void on_order(void *userdata, const struct failsoft_order *order)
{
	(void)order;
	((struct seen *)userdata)->orders++;
}

static void on_up(void *userdata)
{
	((struct seen *)userdata)->ups++;
}

static void on_down(void *userdata)
{
	((struct seen *)userdata)->downs++;
}

static struct feed_handlers handlers_of(struct seen *s)
{
	return (struct feed_handlers){ on_event, on_order, on_up, on_down, s };
}

/* Returns how often the loop woke. */
static unsigned run(sd_event *event, uint64_t us)
{
	struct timespec t;
	uint64_t now, end = 0;
	unsigned wakeups = 0;

	do {
		clock_gettime(CLOCK_MONOTONIC, &t);
		now = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
		end = end ? end : now + us;
		wakeups += sd_event_run(event, now < end ? end - now : 0) > 0;
	} while (now < end);
	return wakeups;
}

static void no_bus_is_no_error_and_said_once(void **state)
{
	const struct feed_options options = { .bus_address = "unix:path=/nonexistent/bus" };
	struct seen seen = { 0 };
	const struct feed_handlers handlers = handlers_of(&seen);
	struct feed *feed = NULL;
	sd_event *event;
	unsigned wakeups;

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(feed_new(&feed, event, &options, &handlers), 0);
	assert_false(feed_is_up(feed));
	wakeups = run(event, 2000000);
	assert_int_equal(seen.downs, 0); /* a broker that starts with the machine has this long */
	wakeups += run(event, 2500000);
	assert_int_equal(seen.downs, 1);
	assert_int_equal(seen.ups + seen.events + seen.orders, 0);
	assert_true(feed_answer(feed, 1, FAILSOFT_RESULT_DONE) < 0);
	assert_true(wakeups < 40); /* no busy loop: ours every 2 s, libfailsoft's */
	assert_null(feed_free(feed));
	assert_null(feed_free(NULL));
	(void)run(event, 100000);
	assert_int_equal(seen.downs, 1);
	sd_event_unref(event);
}

static void what_is_refused(void **state)
{
	const struct feed_options options = { .bus_address = "unix:path=/nonexistent/bus", .budget_us = 999 };
	struct seen seen = { 0 };
	const struct feed_handlers handlers = handlers_of(&seen);
	struct feed *feed = NULL;
	sd_event *event;

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(feed_new(&feed, event, &options, &handlers), -EINVAL);
	assert_null(feed);
	assert_int_equal(seen.downs, 0);
	sd_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_bus_is_no_error_and_said_once),
		cmocka_unit_test(what_is_refused),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
