/* SPDX-License-Identifier: MIT */
/* failsoftctl, the real program, against a scripted broker: exit codes, JSON, width, wrong use. */
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake_broker.h"

#include "ctl_row.h"
#include "ctl_scripts.h"

#define NO_BUS	"unix:path=/nonexistent/failsoft/bus"

static struct fake_daemon daemon_here;

static const struct ctl_row rows[] = {
	/* ---- status: what it says, and its exit code ---- */
	{ "a calm machine is 0", &calm, { .arg = { NULL } }, 0, ROW_SCREEN,
	  { "normal", "512.0 MiB of 1.0 GiB", "2 registered", "add psi=1 to the boot line" } },
	{ "status is the default verb", &calm, { .arg = { "status" } }, 0, ROW_SCREEN,
	  { "normal" } },
	{ "warning is 1", &warned, { .arg = { "status" } }, 1, ROW_SCREEN, { "warning" } },
	{ "imminent is 2", &imminent, { .arg = { "status" } }, 2, ROW_SCREEN, { "imminent" } },
	{ "shutdown is 2", &dying, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "2.3 s (at worst 1.6 s)", "falling at up to", "1 being asked, 1 missed", "900 ms" } },
	{ "an older broker says no interval", &dying, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "exhausted    in 2.3 s (at worst 1.6 s); never sooner than 900 ms\n" },
	  .not_out = "limited by" },
	{ "nor who grows", &dying, { .arg = { "status" } }, 2, ROW_SCREEN, { "system" },
	  .not_out = "WHO GROWS" },

	/* ---- status: when, why, who ---- */
	{ "the interval", &falling, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "exhausted    in 2.3 s (1.6-4.1); never sooner than 900 ms\n" } },
	{ "bounds with units of their own", &falling_wide, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "in 2.3 s (40 ms-68 min)" } },
	{ "a bound that is never reached", &falling_stops, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "in 800 ms (500-never); never sooner than 400 ms", "limited by cgroup" } },
	{ "nothing falls", &calm, { .arg = { "status" } }, 0, ROW_SCREEN,
	  { "not falling", "limited by memory\n" }, .not_out = "falls by" },
	{ "what limits it, and PSI", &falling, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "11.0 MiB of 1.0 GiB, limited by swap, falls by 5.0 MiB/s\n",
	    "PSI some 42.1 %, full 12.0 % over 10 s" } },
	{ "a kernel without PSI", &falling_wide, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "limited by zram" }, .not_out = "pressure  " },
	{ "who grows", &falling, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "pid 4711                   600.0 MiB  4.0 MiB/s  61 %", "12 processes, pid 4800",
	    "30 of this name", "WHO GROWS" } },
	{ "a pool is in no process", &falling, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "tmpfs and shared memory  in no process" } },
	{ "far from the cliff nobody is looked at", &calm, { .arg = { "status" } }, 0, ROW_SCREEN,
	  { "would end browser (pid 4711, oom_score 667) now",
	    "earlyoom, systemd-oomd would do nothing" }, .not_out = "WHO GROWS" },
	{ "others: those that do something first", &falling, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "others       earlyoom, earlyoom 1.7 would end a program; low-memory-monitor\n"
	    "             would warn; systemd-oomd would do nothing\n" } },
	{ "nobody is nothing to show", &falling_alone, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "shutdown" }, .not_out = "kernel  " },
	{ "status stands without growers", &refusing_growers, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "shutdown", "in 2.3 s (1.6-4.1)" }, "no growers today" },
	{ "and without an outlook", &refusing_outlook, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "hog" }, "no outlook today" },
	{ "raw interval", &falling, { .arg = { "status", "--raw" } }, 2, 0,
	  { "in 2300000 (1600000-4100000)" } },

	{ "no broker is 3", NULL, { .arg = { "status" } }, 3, 0, { NULL },
	  "no failsoftd on this bus" },
	{ "no bus is 3", NULL, { .address = NO_BUS, .arg = { "status" } }, 3, 0, { NULL }, "bus" },
	{ "the address may be a word of its own", NULL,
	  { .arg = { "--bus", NO_BUS, "procedure", "remove", "1" } }, 3, 0, { NULL }, "bus" },
	{ "help needs no bus", NULL, { .address = NO_BUS, .arg = { "procedure", "help" } }, 0, 0,
	  { "usage: failsoftctl procedure list" } },
	{ "a wrong address is 3", NULL, { .address = "nonsense", .arg = { "status" } }, 3, 0,
	  { NULL }, "nonsense" },
	{ "a broker that fails is 3", &refusing_domains, { .arg = { "status" } }, 3, 0, { NULL },
	  "no" },
	{ "raw figures", &dying, { .arg = { "status", "--raw" } }, 2, 0, { "11534336",
	  "1600000" } },
	{ "not a terminal: no colours", &dying, { .arg = { "status" } }, 2, ROW_SCREEN,
	  { "shutdown" }, .not_out = "\x1b" },
	{ "plain letters where the locale is C", &dying, { .arg = { "status" } }, 2,
	  ROW_SCREEN | ROW_ASCII, { "shutdown" } },

	/* ---- for programs ---- */
	{ "nagios: OK", &calm, { .arg = { "status", "--nagios" } }, 0, 0,
	  { "FAILSOFT OK - ", "headroom 512.0 MiB", "| headroom=536870912B;" } },
	{ "nagios: WARNING", &warned, { .arg = { "--nagios" } }, 1, 0, { "FAILSOFT WARNING - " } },
	{ "nagios: CRITICAL", &dying, { .arg = { "--nagios", "status" } }, 2, 0,
	  { "FAILSOFT CRITICAL - " } },
	{ "nagios: UNKNOWN without broker", NULL, { .arg = { "--nagios" } }, 3, 0,
	  { "FAILSOFT UNKNOWN - " }, "no failsoftd" },
	{ "status --json", &dying, { .arg = { "status", "--json" } }, 2, ROW_JSON,
	  { "\"stage\":\"shutdown\"", "\"headroom_bytes\":11534336",
	  "\"exhaustion_low_us\":1600000" } },
	{ "status --json: never is null", &calm, { .arg = { "--json" } }, 0, ROW_JSON,
	  { "\"exhaustion_us\":null", "\"warnings\"" } },
	{ "status --json: the interval", &falling, { .arg = { "--json" } }, 2, ROW_JSON,
	  { "\"exhaustion_early_us\":1600000", "\"exhaustion_late_us\":4100000",
	    "\"limited_by\":\"swap\"", "\"rate_bytes_per_s\":5242880" } },
	{ "status --json: PSI", &falling, { .arg = { "--json" } }, 2, ROW_JSON,
	  { "\"pressure_some_permyriad\":4210", "\"pressure_full_permyriad\":1200" } },
	{ "status --json: what is not told is null", &dying, { .arg = { "--json" } }, 2, ROW_JSON,
	  { "\"exhaustion_early_us\":null", "\"limited_by\":null",
	    "\"pressure_some_permyriad\":null", "\"kernel_choice\":null" } },
	{ "status --json: nobody is an empty list", &dying, { .arg = { "--json" } }, 2, ROW_JSON,
	  { "\"growers\":[\n  ]", "\"others\":[\n  ]" } },
	{ "status --json: who grows", &falling, { .arg = { "--json" } }, 2, ROW_JSON,
	  { "\"kind\":\"tree\"", "\"processes\":12", "\"share_permyriad\":6100",
	    "\"pid\":null" } },
	{ "status --json: who would be hit", &falling, { .arg = { "--json" } }, 2, ROW_JSON,
	  { "\"oom_score\":890", "\"name\":\"hog\"", "\"would\":\"end a program\"",
	    "\"rule\":\"SIGTERM at 10 %\"" } },
	{ "clients --json", &dying, { .arg = { "clients", "--json" } }, 0, ROW_JSON,
	  { "\"name\":\"logger\"", "\"state\":\"shutdown\"", "\"last_result\":\"busy\"" } },
	{ "domains --json", &falling, { .arg = { "domains", "--json" } }, 0, ROW_JSON,
	  { "\"exhaustion_us\":2300000", "\"exhaustion_late_us\":4100000" } },
	{ "explain --json", &calm, { .arg = { "explain", "7000001", "--json" } }, 0, ROW_JSON,
	  { "{\"after_s\":0.000,\"text\":\"system: normal -> warning",
	    "{\"after_s\":12.345,\"text\":\"logger: flush done after 12 ms\"}\n" } },
	{ "sources --json", &calm, { .arg = { "sources", "--json" } }, 0, ROW_JSON,
	  { "\"remedy\":\"boot with psi=1\",\"note\":\"\"",
	    "\"remedy\":\"\",\"note\":\"delay accounting is off\"" } },
	{ "episodes --json", &calm, { .arg = { "episodes", "--json" } }, 0, ROW_JSON,
	  { "\"episode\":7000001" } },
	{ "monitor --json", &calm_ending, { .arg = { "monitor", "--json", "-n3" } }, 0, ROW_JSON,
	  { "\"count\":12", "\"name\":\"logger\"" } },

	/* ---- the other verbs ---- */
	{ "clients", &calm, { .arg = { "clients" } }, 0, 0, { "logger", "viewer", "missed",
	  "3.0 MiB" } },
	{ "domains", &dying, { .arg = { "domains" } }, 0, ROW_WIDTH, { "system", "11.0 MiB", "3.1 s",
	  "1.1 s" } },
	{ "domains: when and why", &falling, { .arg = { "domains" } }, 0, ROW_WIDTH,
	  { "  exhausted in 2.3 s (1.6-4.1); never sooner than 900 ms\n",
	    "  limited by swap, falls by 5.0 MiB/s, PSI some 42.1 %, full 12.0 % over 10 s\n" } },
	{ "sources name the remedy", &calm, { .arg = { "sources" } }, 0, ROW_WIDTH, { "absent",
	  "to add it: boot with psi=1", " delay accounting is off" } },
	{ "episodes", &calm, { .arg = { "episodes" } }, 0, ROW_WIDTH, { "7000001", "victim ended",
	  "8.5 s", "open" } },
	{ "explain: times in one column", &calm, { .arg = { "explain", "7000001" } }, 0, ROW_WIDTH,
	  { " +0.000 s  system: normal", "\n           in 2.3 s (at worst 1.6 s); less than",
	    "\n+12.345 s  logger: flush done after 12 ms\n" } },
	{ "monitor", &calm, { .arg = { "monitor", "-n", "3" } }, 0, 0,
	  { "12.345678 stage", "12 events were lost", "flush done after 12 ms" } },
	{ "monitor ends with the broker", &calm_ending, { .arg = { "monitor" } }, 3, 0,
	  { "flush done" }, "has ended" },
	{ "watch without a terminal", &dying, { .arg = { "watch", "-n", "2" } }, 0, 0,
	  { "shutdown system headroom 11.0 MiB" }, .not_out = "\x1b" },
	{ "watch ends with the broker", &calm_ending, { .arg = { "watch" } }, 3, 0, { NULL },
	  "has ended" },

	/* ---- the broker's own sentence ---- */
	{ "an episode that is not remembered", &refusing_explain, { .arg = { "explain", "77" } }, 3,
	  0, { NULL },
	  "failsoftctl: episode 77 is not remembered; failsoftctl episodes names those that are\n" },
	{ "its methods are verbs here", &refusing_clients, { .arg = { "clients" } }, 3, 0, { NULL },
	  "failsoftctl: no client is registered as \"ListClients\"; see failsoftctl clients\n" },
	{ "a failure that is not ours", &refusing_domains, { .arg = { "domains" } }, 3, 0, { NULL },
	  "ListDomains: no" },

	/* ---- wrong use ---- */
	{ "an unknown verb", NULL, { .arg = { "statsu" } }, 2, 0, { NULL },
	  "do you mean \"status\"?" },
	{ "a verb like no other", NULL, { .arg = { "xyzzyxyzzy" } }, 2, 0, { NULL },
	  "failsoftctl --help" },
	{ "a verb of a thousand letters", NULL, { .arg = { LONG_CGROUP LONG_CGROUP LONG_CGROUP } },
	  2, 0, { NULL }, "there is no verb" },
	{ "an empty verb", NULL, { .arg = { "" } }, 2, 0, { NULL }, "there is no verb" },
	{ "an unknown option", NULL, { .arg = { "clients", "--frobnicate" } }, 2, 0, { NULL },
	  "frobnicate" },
	{ "a word too many", NULL, { .arg = { "clients", "logger" } }, 2, 0, { NULL },
	  "no argument" },
	{ "explain what?", NULL, { .arg = { "explain" } }, 2, 0, { NULL }, "number of an episode" },
	{ "explain a word", &calm, { .arg = { "explain", "last" } }, 2, 0, { NULL },
	  "failsoftctl episodes" },
	{ "explain a negative number", &calm, { .arg = { "explain", "--", "-1" } }, 2, 0, { NULL },
	  "-1" },
	{ "explain 2^64", &calm, { .arg = { "explain", "18446744073709551616" } }, 2, 0, { NULL },
	  "no episode" },
	{ "watch -n 0", NULL, { .arg = { "watch", "-n", "0" } }, 2, 0, { NULL }, "1 or more" },
	{ "watch -n many", NULL, { .arg = { "watch", "-n", "1x" } }, 2, 0, { NULL }, "1 or more" },
	{ "top --json", &calm, { .arg = { "top", "--json", "-n1" } }, 2, 0, { NULL },
	  "failsoftctl: --json is not for top: programs are told by status --json and" },
	{ "watch --json", &calm, { .arg = { "--json", "watch", "-n1" } }, 2, 0, { NULL },
	  "--json is not for watch" },
	{ "an option of another verb", &calm, { .arg = { "--client=x", "clients" } }, 2, 0, { NULL },
	  "--client is not for clients; see" },
	{ "a count of what has none", &calm, { .arg = { "episodes", "-n", "3" } }, 2, 0, { NULL },
	  "--count is not for episodes" },
	{ "to a monitoring system 2 is an alarm", &calm, { .arg = { "--speed=2", "status" } }, 3, 0,
	  { NULL }, "--speed is not for status" },
	{ "nor is monitor's option for the default verb", &calm, { .arg = { "--history" } }, 3, 0,
	  { NULL }, "--history is not for status" },
	{ "replay draws so many looks", NULL, { .arg = { "replay", "-n1", "/x" } }, 2, 0, { NULL },
	  "--count goes with --draw" },
	{ "the broker's record has no note", &calm, { .arg = { "record", "--note=x", "/x/x" } }, 2, 0,
	  { NULL }, "--note is for --stand-alone" },
	{ "memory with a unit", &calm, { .arg = { "procedure", "add", "--memory=1M", "name=a", "/x" } }, 2,
	  0, { NULL }, "failsoftctl: --memory=1M: give 0 to 67108864 bytes, in figures" },
	{ "more memory than the broker keeps", &calm,
	  { .arg = { "procedure", "add", "--memory=67108865", "name=a", "/x" } }, 2, 0, { NULL },
	  "--memory=67108865: give 0 to" },
	{ "a file to keep that is to be looked for", &calm,
	  { .arg = { "procedure", "add", "--keep=x", "name=a", "/x" } }, 2, 0, { NULL },
	  "--keep=x: give the file by its absolute path" },
	{ "an option too late", &calm, { .arg = { "procedure", "add", "name=a", "--deadline=5", "/x" } }, 2,
	  0, { NULL }, "--deadline=5: options stand before KIND=WHO" },
	{ "an option that add has not", &calm, { .arg = { "procedure", "add", "--bad", "name=a", "/x" } }, 2,
	  0, { NULL }, "failsoftctl procedure add: unrecognized option" },
	{ "an option behind procedure", &calm, { .arg = { "procedure", "--json", "list" } }, 2, 0, { NULL },
	  "procedure --json: options stand before procedure" },
	{ "procedure what?", &calm, { .arg = { "procedure", "foo" } }, 2, 0, { NULL },
	  "procedure foo: give list, add or remove" },
	{ "remove which?", &calm, { .arg = { "procedure", "remove" } }, 2, 0, { NULL },
	  "procedure remove: give one number" },
	{ "a list of what?", &calm, { .arg = { "procedure", "list", "x" } }, 2, 0, { NULL },
	  "procedure list x: it takes nothing more" },
	{ "a verb like no other is one sentence", NULL, { .arg = { "frobnicate" } }, 2, 0, { NULL },
	  "no verb \"frobnicate\"; see failsoftctl --help" },
	{ "a recording without a name", NULL, { .arg = { "replay", "" } }, 2, 0, { NULL },
	  "replay takes the name of a recording" },
	{ "seconds with a unit", &calm, { .arg = { "record", "--seconds=1s", "/x/x" } }, 2, 0, { NULL },
	  "--seconds \"1s\": give whole seconds, 1 or more" },
	{ "where an episode's number is from", NULL, { .arg = { "explain" } }, 2, 0, { NULL },
	  "which failsoftctl episodes shows" },
	{ "no address", NULL, { .arg = { "--bus=foo", "clients" } }, 3, 0, { NULL },
	  "\"foo\" is no address of a bus: give --bus one such as unix:path=" },
	{ "a deadline that is too short", &calm,
	  { .arg = { "procedure", "add", "--deadline=5", "name=a", "/x" } }, 2, 0, { NULL },
	  "--deadline=5: give 10 to 30000 milliseconds; see failsoftctl procedure help\n" },
	{ "no deadline", &calm, { .arg = { "procedure", "add", "--deadline=x", "name=a", "/x" } }, 2, 0,
	  { NULL }, "--deadline=x" },
	{ "a procedure for nobody", &calm, { .arg = { "procedure", "add", "name=", "/x" } }, 2, 0,
	  { NULL }, "name=: it is not said who" },
	{ "a procedure for what?", &calm, { .arg = { "procedure", "add", "nam=x", "/x" } }, 2, 0,
	  { NULL }, "nam=x: begin with whose end it is for: pid=" },
	{ "a procedure of no program", &calm, { .arg = { "procedure", "add", "name=x" } }, 2, 0,
	  { NULL }, "PROGRAM is missing" },
	{ "a program that is to be looked for", &calm, { .arg = { "procedure", "add", "name=x", "sh" } },
	  2, 0, { NULL }, "program sh: give it by its absolute path" },
	{ "a procedure's number", &calm, { .arg = { "procedure", "remove", "x" } }, 2, 0, { NULL },
	  "remove x: give a number" },
	{ "no drill of the normal stage", &calm, { .arg = { "drill", "normal" } }, 2, 0, { NULL },
	  "\"normal\" is no stage to rehearse" },
	{ "--help", NULL, { .arg = { "--help" } }, 0, 0,
	  { "--bus=ADDRESS", "--nagios", "explain", "Exit status" } },
	{ "--version", NULL, { .arg = { "--version" } }, 0, ROW_WIDTH, { "failsoftctl 1." } },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void run_row(void **state)
{
	row_run(*state, &daemon_here);
}

/* ---- what no row can say ---- */

static void the_address_is_taken_from_the_environment(void **state)
{
	static struct ctl_result have;
	struct ctl_broker broker;
	char variable[160];

	(void)state;
	(void)snprintf(variable, sizeof(variable), "FAILSOFT_BUS_ADDRESS=%s", daemon_here.address);
	ctl_broker_start(&broker, daemon_here.address, &calm);
	ctl_run(&(struct ctl_call){ .environment = variable, .arg = { "clients" } }, &have);
	ctl_broker_stop(&broker);
	assert_string_equal(have.err, "");
	assert_int_equal(have.code, 0);
}

static void calls_reach_the_broker(void **state)
{
	static struct ctl_result have;
	static const struct ctl_call reload = { .arg = { "reload" } },
		explain = { .arg = { "explain", "7000001" } },
				     past = { .arg = { "monitor", "--history", "-n1" } };
	struct ctl_broker broker;
	const struct ctl_call *const calls[] = { &reload, &explain, &past };

	(void)state;
	ctl_broker_start(&broker, daemon_here.address, &calm);
	for (unsigned i = 0; i < 3; i++) {
		struct ctl_call call = *calls[i];

		call.address = daemon_here.address;
		ctl_run(&call, &have);
		assert_string_equal(have.err, "");
		assert_int_equal(have.code, 0);
	}
	assert_int_equal(broker.seen->reloads, 1);
	assert_int_equal(broker.seen->explained, 7000001);
	assert_int_equal(broker.seen->history, 1);
	ctl_broker_stop(&broker);
}

/* Status 0 says that somebody was told. */
static void what_cannot_be_written(void **state)
{
	static struct ctl_result have;
	static const struct ctl_call calls[] = {
		{ .arg = { "clients" } }, { .arg = { "--help" } }, { .arg = { "monitor", "-n1" } },
		{ .arg = { "monitor", "--json", "-n3" } },
	};
	struct ctl_broker broker;

	(void)state;
	ctl_broker_start(&broker, daemon_here.address, &calm);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct ctl_call call = calls[i];

		call.address = daemon_here.address;
		call.has_full_output = true;
		ctl_run(&call, &have);
		assert_memory_equal(have.err, "failsoftctl: standard output: ", 30);
		assert_non_null(strstr(have.err, i < 2 ? ": No space left" : ": not all could be written"));
		assert_null(strstr(have.err, "has ended"));
		assert_int_equal(have.code, 3);
	}
	ctl_broker_stop(&broker);
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
		cmocka_unit_test(the_address_is_taken_from_the_environment),
		cmocka_unit_test(calls_reach_the_broker),
		cmocka_unit_test(what_cannot_be_written),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8")) /* columns are counted with it */
		return 77;
	for (size_t i = 0; i < ROWS; i++)
		tests[i + 3] = (struct CMUnitTest){ rows[i].name, run_row, NULL, NULL,
			(void *)&rows[i] };
	return cmocka_run_group_tests_name("ctl", tests, open_bus, close_bus);
}
