/* SPDX-License-Identifier: MIT */
/* failsoftctl against a broker that is full to its limits, hostile, odd, newer, or stands still. */
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "fake_broker.h"

#include "ctl_row.h"
#include "ctl_scripts.h"

#define NO_BUS	"unix:path=/nonexistent/failsoft/bus"

static struct fake_daemon daemon_here;

/* ---- odd streams ---- */

#define SOME	.stage = "normal", .nearest = "system", .domain = calm_domains, \
		.client = calm_clients
#define NULLS	"{\"event\":null,\"text\":null,\"time_us\":null}\n{\"event\":\"lost\",\"count\":null}\n"
#define AFTER	"{\"event\":\"x\",\"text\":\"after all\"}\n"
#define X10	"xxxxxxxxxx"
#define X100	X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1000	X100 X100 X100 X100 X100 X100 X100 X100 X100 X100

static const struct ctl_script odd_stream = {
	SOME, .stream_ends = true, .stream = "not JSON\n\n[1]\n7\n\"x\"\n"
	"{\"event\":{},\"text\":[1],\"time_us\":\"x\"}\n" AFTER
};
static const struct ctl_script null_stream = { SOME, .stream_ends = true, .stream = NULLS AFTER };
static const struct ctl_script null_open = { SOME, .stream = NULLS AFTER };
static const struct ctl_script denied = {
	SOME, .refused_method = "Reload", .error_name = "org.freedesktop.DBus.Error.AccessDenied",
	.error_text = "Rejected send message, 2 matched rules; type=\"method_call\"",
};
static const struct ctl_script long_stream = {
	SOME, .stream_ends = true,
	.stream = "{\"event\":\"x\",\"text\":\"" X1000 X1000 X1000 X1000 X1000 "\"}\n" AFTER
};

static const struct ctl_row rows[] = {
	/* ---- as much as the interface allows ---- */
	{ "full: status fits a screen", &full, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "2000 registered" } },
	{ "full: the least of every part", &full, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "\n             never sooner than 5124095576 h\n", "and 31 more: failsoftctl domains",
	    "4294967295 of this name ", "weak points" } },
	{ "full: explain", &full, { .arg = { "explain", "1" } }, 0, ROW_WIDTH,
	  { "        +0.000 s  /machine.slice", "\n+999999999.999 s  logger",
	    "\n                  /machine.slice" } },
	{ "full: explain --json", &full, { .arg = { "explain", "1", "--json" } }, 0, ROW_JSON,
	  { "\"after_s\":999999999.999", "\"after_s\":null" } },
	{ "full: clients", &full, { .arg = { "clients" } }, 0, ROW_WIDTH, { "a-client-whose" } },
	{ "full: domains", &full, { .arg = { "domains" } }, 0, ROW_WIDTH,
	  { "payload-of-the-service" } },
	{ "full: sources", &full, { .arg = { "sources" } }, 0, ROW_WIDTH, { "a-source-with",
	  "to add it:" } },
	{ "full: episodes", &full, { .arg = { "episodes" } }, 0, ROW_WIDTH, { "kernel killed",
	  "service" } },
	{ "full: watch without a terminal", &full, { .arg = { "watch", "-n1" } }, 0, ROW_WIDTH,
	  { "shutdown" } },
	{ "full: JSON", &full, { .arg = { "status", "--json" } }, 2, ROW_JSON,
	  { "\"clients\":2000" } },
	{ "calm: clients fit", &calm, { .arg = { "clients" } }, 0, ROW_WIDTH, { "3.0 MiB" } },
	{ "--help fits", NULL, { .arg = { "--help" } }, 0, ROW_WIDTH, { "--bus=ADDRESS" } },
	{ "never is not a time", &full, { .arg = { "domains" } }, 0, ROW_WIDTH, { "system" },
	  .not_out = "never sooner than not" },

	/* ---- what status must not leave out ---- */
	{ "the last episode", &calm, { .arg = { "status" } }, 0, ROW_SCREEN,
	  { "7000002, up to warning, open, in /app.slice" } },
	{ "what is absent, and its remedy", &calm, { .arg = { "status" } }, 0, ROW_SCREEN,
	  { "boot with psi=1" } },
	{ "the same for programs", &calm, { .arg = { "--json" } }, 0, ROW_JSON,
	  { "\"last_episode\":{", "\"absent_sources\":[", "\"remedy\":\"boot with psi=1\"" } },

	/* ---- never a wrong alarm, never a wrong all-clear ---- */
	{ "wrong use of status is 3", NULL, { .arg = { "status", "--nagois" } }, 3, 0, { NULL },
	  "do you mean --nagios?" },
	{ "wrong use without a verb is 3", NULL, { .arg = { "-n", "0" } }, 3, 0, { NULL },
	  "1 or more" },
	{ "a word after status is 3", NULL, { .arg = { "status", "x" } }, 3, 0, { NULL },
	  "no argument" },
	{ "a stage of a newer broker is 3", &of_the_future, { .arg = { "status" } }, 3, ROW_SCREEN,
	  { "beyond" } },
	{ "and UNKNOWN", &of_the_future, { .arg = { "--nagios" } }, 3, 0,
	  { "FAILSOFT UNKNOWN - stage beyond" } },
	{ "nagios has its line without a bus", NULL, { .address = NO_BUS, .arg = { "--nagios" } },
	  3, 0, { "FAILSOFT UNKNOWN - " }, "bus" },
	{ "no domain is said", &without_domains, { .arg = { "status" } }, 3, 0, { NULL },
	  "no domain" },
	{ "a broker that stands still", &calm, { .arg = { "--nagios" } }, 3,
	  ROW_STOPPED | ROW_PROMPT, { "FAILSOFT UNKNOWN" }, "did not answer" },
	{ "watching one", &calm, { .arg = { "watch" } }, 3, ROW_STOPPED | ROW_PROMPT, { NULL },
	  "did not answer" },

	/* ---- names that would steer a terminal ---- */
	{ "hostile: status", &hostile, { .arg = { "status" } }, 3, ROW_SCREEN, { "owned" } },
	{ "hostile: nagios", &hostile, { .arg = { "--nagios" } }, 3, 0, { "FAILSOFT UNKNOWN" },
	  .not_out = "c|d" },
	{ "hostile: status --json", &hostile, { .arg = { "status", "--json" } }, 3, ROW_JSON,
	  { "owned" } },
	{ "hostile: clients", &hostile, { .arg = { "clients" } }, 0, ROW_WIDTH, { "xäöü" } },
	{ "hostile: clients, no UTF-8", &hostile, { .arg = { "clients" } }, 0,
	  ROW_WIDTH | ROW_ASCII, { "x???" } },
	{ "hostile: clients --json", &hostile, { .arg = { "clients", "--json" } }, 0, ROW_JSON,
	  { "owned" } },
	{ "hostile: domains", &hostile, { .arg = { "domains" } }, 0, ROW_WIDTH, { "owned" } },
	{ "hostile: domains --json", &hostile, { .arg = { "domains", "--json" } }, 0, ROW_JSON,
	  { "owned" } },
	{ "hostile: sources", &hostile, { .arg = { "sources" } }, 0, ROW_WIDTH, { "owned" } },
	{ "hostile: sources --json", &hostile, { .arg = { "sources", "--json" } }, 0, ROW_JSON,
	  { "owned" } },
	{ "hostile: episodes", &hostile, { .arg = { "episodes" } }, 0, ROW_WIDTH, { "owned" } },
	{ "hostile: episodes --json", &hostile, { .arg = { "episodes", "--json" } }, 0, ROW_JSON,
	  { "owned" } },
	{ "hostile: explain", &hostile, { .arg = { "explain", "1" } }, 0, ROW_WIDTH, { "owned",
	  "+nan s  not a time", "\n+1.5 s  ", "+1e300" } },
	{ "hostile: explain --json", &hostile, { .arg = { "explain", "1", "--json" } }, 0, ROW_JSON,
	  { "{\"after_s\":1.500,\"text\":\"", "{\"after_s\":null,\"text\":\"+nan s  not a time\"}" } },
	{ "hostile: monitor", &hostile, { .arg = { "monitor" } }, 3, ROW_WIDTH, { "2Ja" },
	  "has ended" },
	{ "hostile: an error's sentence", &refusing_reload, { .arg = { "reload" } }, 3, 0, { NULL },
	  "group failsoft" },

	{ "the bus's own refusal is said in our words", &denied, { .arg = { "reload" } }, 3, 0, { NULL },
	  "root or in group failsoft" },

	/* ---- streams ---- */
	{ "monitor: no JSON", &odd_stream, { .arg = { "monitor" } }, 3, 0, { "after all" },
	  "no JSON" },
	{ "monitor: null is no text", &null_stream, { .arg = { "monitor" } }, 3, 0, { "after all" },
	  "has ended" },
	{ "watch: null is no text", &null_open, { .arg = { "watch", "-n2" } }, 0, 0, { "system" } },
	{ "monitor: a long line is one", &long_stream, { .arg = { "monitor", "-n2" } }, 0, 0,
	  { "after all" } },
	{ "monitor: ends before the count", &calm_ending, { .arg = { "monitor", "-n99" } }, 3, 0,
	  { "flush done" }, "has ended" },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void run_row(void **state)
{
	row_run(*state, &daemon_here);
}

/* Who looks must not start what is not there, and get an answer from it. */
static void nobody_starts_the_broker(void **state)
{
	static const char *const verbs[] = { "status", "clients", "domains", "sources", "episodes",
		"reload" };
	static struct ctl_result have;
	struct ctl_broker broker;

	(void)state;
	ctl_broker_start(&broker, daemon_here.address, &calm);
	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		ctl_run(&(struct ctl_call){ .address = daemon_here.address, .arg = { verbs[i] } },
			&have);
		assert_int_equal(have.code, 0);
	}
	assert_true(broker.seen->calls >= 6);
	assert_int_equal(broker.seen->may_start, 0);
	ctl_broker_stop(&broker);
}

/* Its line says nothing of it, and it must be there within 10 s. */
static void nagios_does_not_ask_who_grows(void **state)
{
	static struct ctl_result have;
	static const char *const options[] = { "--nagios", "--json" };
	struct ctl_broker broker;

	(void)state;
	ctl_broker_start(&broker, daemon_here.address, &falling);
	for (unsigned i = 0; i < 2; i++) {
		ctl_run(&(struct ctl_call){ .address = daemon_here.address, .arg = { options[i] } }, &have);
		assert_int_equal(have.code, 2);
		assert_int_equal(broker.seen->outlooks, 2 * i);
	}
	ctl_broker_stop(&broker);
}

/* A socket that is listened to by nobody who lives: what a bus looks like that thrashes. */
static void a_bus_that_never_greets(void **state)
{
	static struct ctl_result have;
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char address[160];

	(void)state;
	(void)snprintf(name.sun_path, sizeof(name.sun_path), "%s/dead", daemon_here.directory);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 4), 0);
	(void)snprintf(address, sizeof(address), "unix:path=%s", name.sun_path);
	ctl_run(&(struct ctl_call){ .address = address, .arg = { "--nagios" } }, &have);
	close(fd);
	(void)unlink(name.sun_path); /* bind has made it */
	assert_int_equal(have.code, 3);
	assert_non_null(strstr(have.out, "FAILSOFT UNKNOWN - "));
	assert_true(have.took_us < 10000000);
}

/* ---- running ---- */

static int open_bus(void **state)
{
	(void)state;
	fake_daemon_open(&daemon_here);
	return 0;
}

static int close_bus(void **state)
{
	(void)state;
	fake_daemon_close(&daemon_here);
	return 0;
}

int main(void)
{
	struct CMUnitTest tests[ROWS + 3] = {
		cmocka_unit_test(nobody_starts_the_broker),
		cmocka_unit_test(nagios_does_not_ask_who_grows),
		cmocka_unit_test(a_bus_that_never_greets),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8")) /* columns are counted with it */
		return 77;
	for (size_t i = 0; i < ROWS; i++)
		tests[i + 3] = (struct CMUnitTest){ rows[i].name, run_row, NULL, NULL,
			(void *)&rows[i] };
	return cmocka_run_group_tests_name("ctl_hard", tests, open_bus, close_bus);
}
