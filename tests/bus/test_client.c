/* SPDX-License-Identifier: MIT */
/* libfailsoft: options, registration, and coming back after any loss, against a fake broker. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "client_world.h"

static void wrong_options_are_refused(void **state)
{
	static const struct {
		const char *name;
		struct failsoft_options given;
		int expect;
	} rows[] = {
		{ "no name", { .name = NULL }, -EINVAL },
		{ "empty name", { .name = "" }, -EINVAL },
		{ "47 bytes", { .name = "12345678901234567890123456789012345678901234567" }, 0 },
		{ "48 bytes", { .name = "123456789012345678901234567890123456789012345678" }, -EINVAL },
		{ "space", { .name = "a b" }, -EINVAL },
		{ "slash", { .name = "a/b" }, -EINVAL },
		{ "all kinds", { .name = "aZ09._@-" }, 0 },
		{ "group 99", { .name = "a", .order_group = 99 }, 0 },
		{ "group 100", { .name = "a", .order_group = 100 }, -EINVAL },
		{ "budget 999 us", { .name = "a", .flush_us = 999 }, -EINVAL },
		{ "budget 1 ms", { .name = "a", .degrade_us = 1000 }, 0 },
		{ "budget 60 s", { .name = "a", .shutdown_us = 60000000 }, 0 },
		{ "budget over 60 s", { .name = "a", .resume_us = 60000001 }, -EINVAL },
	};
	struct failsoft *const untouched = (struct failsoft *)&rows;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct failsoft *f = untouched;
		int r = failsoft_new(&rows[i].given, &f);

		if (r != rows[i].expect)
			fail_msg("%s: %d, expected %d", rows[i].name, r, rows[i].expect);
		if (r < 0)
			assert_ptr_equal(f, untouched);
		else
			assert_null(failsoft_free(f));
	}
	(void)state;
}

static void null_is_no_client(void **state)
{
	const struct failsoft_answer answer = { .result = FAILSOFT_RESULT_DONE, .sequence = 1 };
	struct failsoft *f;

	assert_int_equal(failsoft_new(NULL, &f), -EINVAL);
	assert_int_equal(failsoft_new(&(struct failsoft_options){ .name = "a" }, NULL), -EINVAL);
	assert_null(failsoft_free(NULL));
	assert_int_equal(failsoft_fd(NULL), -EINVAL);
	assert_int_equal(failsoft_dispatch(NULL), -EINVAL);
	assert_int_equal(failsoft_attach_event(NULL, NULL, 0), -EINVAL);
	assert_int_equal(failsoft_start_thread(NULL), -EINVAL);
	assert_int_equal(failsoft_answer(NULL, &answer), -EINVAL);
	assert_int_equal(failsoft_report(NULL, 1, 1), -EINVAL);
	assert_int_equal(failsoft_prepare(NULL, NULL, 0, 0, NULL), -EINVAL);
	assert_int_equal(failsoft_granted_us(NULL, FAILSOFT_STEP_FLUSH), 0);
	assert_false(failsoft_is_connected(NULL));
	(void)state;
}

static void default_registration(void **state)
{
	struct world *w = *state;

	assert_string_equal(w->broker.name, "tested");
	for (int i = 0; i < 4; i++)
		assert_int_equal(w->broker.budget_us[i], 0); /* not given: the broker's default */
	assert_int_equal(w->broker.may_be_ended, -1);
	assert_int_equal(w->broker.order_group, 0);
	assert_string_equal(w->broker.domain, "");
	assert_int_equal(failsoft_granted_us(w->client, FAILSOFT_STEP_FLUSH), 250000);
	assert_int_equal(failsoft_granted_us(w->client, FAILSOFT_STEP_DEGRADE), 260000);
	assert_int_equal(failsoft_granted_us(w->client, FAILSOFT_STEP_SHUTDOWN), 270000);
	assert_int_equal(failsoft_granted_us(w->client, FAILSOFT_STEP_RESUME), 280000);
	assert_int_equal(failsoft_granted_us(w->client, (enum failsoft_step)4), 0);
}

static void full_registration(void **state)
{
	struct world *w = *state;
	char name[] = "other", domain[] = "/apps";
	struct failsoft_options options = world_options(w);

	options.name = name;
	options.domain = domain;
	options.order_group = 7;
	options.may_not_be_ended = true;
	options.flush_us = 1001;
	options.degrade_us = 1002;
	options.shutdown_us = 1003;
	options.resume_us = 1004;
	world_renew(w, &options);
	memset(name, 'x', sizeof(name) - 1); /* they were copied */
	memset(domain, 'x', sizeof(domain) - 1);
	assert_true(world_until(w, is_connected, SOON_US));
	assert_string_equal(w->broker.name, "other");
	assert_string_equal(w->broker.domain, "/apps");
	assert_int_equal(w->broker.order_group, 7);
	assert_int_equal(w->broker.may_be_ended, false);
	assert_int_equal(w->broker.budget_us[FAILSOFT_STEP_FLUSH], 1001);
	assert_int_equal(w->broker.budget_us[FAILSOFT_STEP_DEGRADE], 1002);
	assert_int_equal(w->broker.budget_us[FAILSOFT_STEP_SHUTDOWN], 1003);
	assert_int_equal(w->broker.budget_us[FAILSOFT_STEP_RESUME], 1004);
}

/* ---- loss ---- */

static void expect_works(struct world *w)
{
	w->called = 0;
	fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
	assert_true(world_until(w, is_called, SOON_US));
}

static void broker_dies_and_comes_back(void **state)
{
	struct world *w = *state;
	uint64_t start_us, back_us;

	assert_int_equal(failsoft_report(w->client, 4711, 815), 0);
	fake_close(&w->broker);
	assert_true(world_until(w, is_unconnected, SOON_US));
	assert_int_equal(failsoft_granted_us(w->client, FAILSOFT_STEP_FLUSH), 0);
	assert_int_equal(failsoft_answer(w->client, &(struct failsoft_answer){
		.result = FAILSOFT_RESULT_DONE, .sequence = 1 }), -ENOTCONN);
	assert_int_equal(failsoft_report(w->client, 4712, 816), -ENOTCONN);
	/* Pauses of 50, 100 .. 800 ms lie in 1.55 s; the next attempt comes 1.4 s after these. */
	assert_false(world_until(w, never, 1750000));
	start_us = fake_now_us();
	fake_open(&w->broker, &w->daemon);
	assert_true(world_until(w, is_connected, SOON_US));
	back_us = fake_now_us() - start_us;
	print_message("# back %llu us after the broker\n", (unsigned long long)back_us);
	assert_true(back_us < 1200000); /* by NameOwnerChanged, not by the next attempt */
	assert_int_equal(w->broker.registrations, 2);
	{
		struct failsoft_answer report;

		assert_true(fake_answer(&w->broker, &report)); /* the last one, without being asked */
		assert_int_equal(report.kind, FAILSOFT_ANSWER_REPORT);
		assert_int_equal(report.exposure_bytes, 4712);
		assert_int_equal(report.freeable_bytes, 816);
	}
	expect_works(w);
}

static void lifeline_alone_is_lost(void **state)
{
	struct world *w = *state;

	close(w->broker.lifeline);
	w->broker.lifeline = -1;
	assert_true(world_until(w, is_connected, SOON_US));
	assert_int_equal(w->broker.registrations, 2);
	expect_works(w);
}

static void bus_dies_lifeline_lives(void **state)
{
	struct world *w = *state;

	fake_daemon_stop(&w->daemon);
	assert_false(world_until(w, never, NEVER_LONG_US));
	assert_true(failsoft_is_connected(w->client));
	expect_works(w);
	assert_int_equal(failsoft_report(w->client, 1, 2), 0);
	fake_close(&w->broker); /* now the broker, too */
	assert_true(world_until(w, is_unconnected, SOON_US));
	fake_daemon_start(&w->daemon);
	fake_open(&w->broker, &w->daemon);
	assert_true(world_until(w, is_connected, 8 * SOON_US)); /* pauses are at most 5 s */
	expect_works(w);
}

/* The bus daemon stands still, as it does when memory runs out. */
static void bus_stands_still(void **state)
{
	struct world *w = *state;

	assert_int_equal(kill(w->daemon.pid, SIGSTOP), 0);
	w->longest_dispatch_us = 0;
	expect_works(w);
	assert_false(world_until(w, never, NEVER_LONG_US));
	assert_true(w->longest_dispatch_us < 20000); /* waited for nothing */
	assert_int_equal(kill(w->daemon.pid, SIGCONT), 0);
}

static void bus_comes_after_the_client(void **state)
{
	struct world *w = *state;
	struct failsoft_options options = world_options(w);

	fake_close(&w->broker);
	fake_daemon_stop(&w->daemon);
	w->longest_dispatch_us = 0;
	world_renew(w, &options);
	assert_false(world_until(w, is_connected, NEVER_LONG_US));
	assert_true(w->longest_dispatch_us < 20000);
	fake_daemon_start(&w->daemon);
	fake_open(&w->broker, &w->daemon);
	assert_true(world_until(w, is_connected, 8 * SOON_US));
	expect_works(w);
}

/* ---- refusal ---- */

/* What `run` writes to stderr. */
static size_t stderr_of(void (*run)(struct world *w), struct world *w, char *text, size_t size)
{
	int saved = dup(STDERR_FILENO), pipes[2];
	ssize_t n;

	assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
	assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
	run(w);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	n = read(pipes[0], text, size - 1);
	text[n > 0 ? n : 0] = 0;
	close(pipes[0]);
	close(pipes[1]);
	close(saved);
	return n > 0 ? (size_t)n : 0;
}

static bool is_refused_thrice(struct world *w)
{
	return w->broker.calls >= 3;
}

static void until_refused_thrice(struct world *w)
{
	(void)world_until(w, is_refused_thrice, SOON_US);
}

static void a_refusal_is_said_once(void **state)
{
	struct world *w = *state;
	struct failsoft_options options = world_options(w);
	char text[1024];

	options.may_not_be_ended = true;
	w->broker.refuse = "NotAllowed";
	w->broker.calls = 0;
	world_renew(w, &options);
	assert_true(stderr_of(until_refused_thrice, w, text, sizeof(text)) > 0);
	assert_true(w->broker.calls >= 3);
	assert_int_equal(w->broker.may_be_ended, false); /* never tried without */
	assert_false(failsoft_is_connected(w->client));
	assert_non_null(strstr(text, "NotAllowed"));
	assert_non_null(strstr(text, "because the test says so"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
	w->broker.refuse = NULL;
	assert_true(world_until(w, is_connected, 2 * SOON_US));
}

static void until_long(struct world *w)
{
	(void)world_until(w, never, 400000);
}

static void absence_is_silent(void **state)
{
	struct world *w = *state;
	char text[1024];

	fake_close(&w->broker);
	assert_int_equal(stderr_of(until_long, w, text, sizeof(text)), 0);
	fake_daemon_stop(&w->daemon);
	assert_int_equal(stderr_of(until_long, w, text, sizeof(text)), 0);
}

/* ---- forgery ---- */

static void signals_move_nothing(void **state)
{
	static const char *const members[] = { "PressureShutdown", "StepRequested" };
	struct world *w = *state;
	sd_bus *forger = NULL;

	assert_true(sd_bus_new(&forger) >= 0);
	assert_true(sd_bus_set_address(forger, w->daemon.address) >= 0);
	assert_true(sd_bus_set_bus_client(forger, true) >= 0);
	assert_true(sd_bus_start(forger) >= 0);
	for (int i = 0; i < 4; i++) {
		sd_bus_message *m = NULL;
		bool is_owner = i >= 2;

		assert_true(sd_bus_message_new_signal(forger, &m,
			is_owner ? "/org/freedesktop/DBus" : "/org/failsoft/Broker1",
			is_owner ? "org.freedesktop.DBus" : "org.failsoft.Broker1",
			is_owner ? "NameOwnerChanged" : members[i]) >= 0);
		assert_true(sd_bus_message_set_destination(m, w->broker.sender) >= 0);
		assert_true(sd_bus_message_append(m, "sss", "org.failsoft.Broker1", "",
						  i == 2 ? ":1.99" : "") >= 0);
		assert_true(sd_bus_send(forger, m, NULL) >= 0);
		sd_bus_message_unref(m);
	}
	assert_true(sd_bus_flush(forger) >= 0);
	assert_false(world_until(w, is_called, NEVER_LONG_US));
	assert_true(failsoft_is_connected(w->client));
	assert_int_equal(w->broker.calls, 1);
	expect_works(w);
	sd_bus_flush_close_unref(forger);
}

/* ---- descriptors ---- */

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(d);
	while (readdir(d))
		count++;
	closedir(d);
	return count;
}

static void nothing_leaks(void **state)
{
	struct world *w = *state;
	struct failsoft_options options = world_options(w);
	int before = open_fds();

	for (int i = 0; i < 20; i++) {
		world_renew(w, &options);
		assert_true(world_until(w, is_connected, SOON_US));
	}
	assert_int_equal(open_fds(), before);
}

static void no_descriptor_left(void **state)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit saved;
	struct failsoft *f = NULL;
	int r;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ none.rlim_cur, saved.rlim_max }), 0);
	r = failsoft_new(&(struct failsoft_options){ .name = "a" }, &f);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
	assert_int_equal(r, -EMFILE);
	assert_null(f);
	(void)state;
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_options_are_refused),
		cmocka_unit_test(null_is_no_client),
		cmocka_unit_test(no_descriptor_left),
		WORLD(default_registration),
		WORLD(full_registration),
		WORLD(broker_dies_and_comes_back),
		WORLD(lifeline_alone_is_lost),
		WORLD(bus_dies_lifeline_lives),
		WORLD(bus_stands_still),
		WORLD(bus_comes_after_the_client),
		WORLD(a_refusal_is_said_once),
		WORLD(absence_is_silent),
		WORLD(signals_move_nothing),
		WORLD(nothing_leaks),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
