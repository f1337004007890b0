/* SPDX-License-Identifier: MIT */
/* failsoftctl top, and a recording on the same screen: both draw within 80x24, end when told and leave
 * the terminal as it was. */
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

#define RECORDING "swap_5.fsr.xz"

static struct fake_daemon daemon_here;
static char recording[512];

struct top_row {
	const char *name;
	const struct ctl_script *script; /* NULL: replay --draw */
	const char *arg[4];
	char key;			/* 0: none */
	int signal;			/* 0: none */
	int code;
	const char *out[4];
};

static const struct ctl_script hostile_open = {
	.stage = HOSTILE, .nearest = HOSTILE, .domain = hostile_domains, .client = hostile_clients,
	.stream = "{\"event\":\"x\",\"text\":\"" HOSTILE_JSON "\"}\n",
};

static const struct top_row rows[] = {
	{ "calm", &calm, { "-n2" }, 0, 0, 0, { "\x1b[32mnormal", "512.0 MiB of 1.0 GiB (50 %)",
	  "not falling", "flush done after 12 ms" } },
	{ "dying", &dying, { "-n2" }, 0, 0, 0, { "in 2.3 s", "█████░░░░░", "2.0 MiB not saved",
	  "time left" } },
	{ "no colours", &calm, { "--no-color", "-n2" }, 0, 0, 0, { " stage normal " } },
	{ "q ends it", &calm, { "-n1000" }, 'q', 0, 0, { "normal" } },
	{ "Ctrl-C ends it", &calm, { "-n1000" }, 3, 0, 0, { "normal" } },
	{ "SIGTERM ends it", &calm, { "-n1000" }, 0, SIGTERM, 0, { "normal" } },
	{ "full to the last row", &full, { "-n3" }, 0, 0, 0, { "more clients", "logger: a sentence" } },
	{ "hostile names", &hostile_open, { "-n3" }, 0, 0, 0, { "owned", "2Ja" } },
	{ "a recording", NULL, { "--speed=1000" }, 0, 0, 0,
	  { "stage \x1b[35mimminent", "limited by swap", "speed 1000", "PSI full" } },
	{ "q leaves a recording", NULL, { "--speed=0.01" }, 'q', 0, 0, { "speed 0.01" } },
	{ "some looks at a recording", NULL, { "-n2" }, 0, 0, 0, { "speed 1" } },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct ctl_call call_of(const struct top_row *row)
{
	struct ctl_call call = { .address = daemon_here.address, .arg = { "top" } };
	unsigned count = 1;

	if (!row->script) {
		call.arg[0] = "replay";
		call.arg[count++] = "--draw";
		call.arg[count++] = recording;
	}
	for (unsigned i = 0; i < 4 && row->arg[i]; i++)
		call.arg[count++] = row->arg[i];
	return call;
}

static void run_row(void **state)
{
	static struct ctl_result have;
	const struct top_row *row = *state;
	const struct ctl_call call = call_of(row);
	struct ctl_broker broker = { 0 };
	struct ctl_terminal t;
	bool is_as_before;

	have.out[0] = 0;
	if (row->script)
		ctl_broker_start(&broker, daemon_here.address, row->script);
	ctl_terminal_open(&t, &call);
	assert_true(ctl_terminal_wait(&t, SCREEN_FRAME, &have));
	if (row->key)
		ctl_terminal_type(&t, row->key);
	if (row->signal)
		assert_int_equal(kill(t.pid, row->signal), 0);
	is_as_before = ctl_terminal_end(&t, &have);
	ctl_broker_stop(&broker);
	screen_judge(&have, row->code, is_as_before, row->out, 4);
}

static void plain_letters_where_the_locale_is_c(void **state)
{
	(void)state;
	screen_in_plain_letters("top", &dying, &daemon_here);
}

/* ---- where there is no terminal ---- */

static void a_line_per_look(void **state)
{
	static struct ctl_result have;
	const struct ctl_call call = { .address = daemon_here.address, .arg = { "top", "-n2" } };
	struct ctl_broker broker;

	(void)state;
	ctl_broker_start(&broker, daemon_here.address, &dying);
	ctl_run(&call, &have);
	ctl_broker_stop(&broker);
	assert_int_equal(have.code, 0);
	assert_string_equal(ctl_fault(have.out, CTL_COLUMNS, 2), "");
	assert_non_null(strstr(have.out, "shutdown system headroom 11.0 MiB (1 %) in 2.3 s"));
}

/* No stage is too short to be drawn, however fast the recording runs. */
static void a_recording_shows_every_stage(void **state)
{
	static struct ctl_result have;
	const struct ctl_call call = { .arg = { "replay", "--draw", "--speed=1000", "-n1000", recording } };

	(void)state;
	ctl_run(&call, &have);
	assert_int_equal(have.code, 0);
	assert_string_equal(have.err, "");
	assert_string_equal(ctl_fault(have.out, CTL_COLUMNS, 0), "");
	assert_non_null(strstr(have.out, " s normal system"));
	assert_non_null(strstr(have.out, " s warning system"));
	assert_non_null(strstr(have.out, " s imminent system"));
	assert_non_null(strstr(have.out, " s shutdown system"));
}

static void wrong_use_is_refused(void **state)
{
	static const struct { const char *option[2], *err; } wrong[] = {
		{ { "--draw", "--speed=0" }, "number above 0" },
		{ { "--draw", "--speed=-1" }, "number above 0" },
		{ { "--draw", "--speed=fast" }, "number above 0" },
		{ { "--draw", "--speed=2x" }, "number above 0" },
		{ { "--draw", "--speed=nan" }, "number above 0" },
		{ { "--draw", "--speed=inf" }, "number above 0" },
		{ { "--draw", "--json" }, "take one" },
		{ { "--speed=2" }, "goes with --draw" },
	};
	static struct ctl_result have;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const struct ctl_call call = { .arg = { "replay", recording, wrong[i].option[0],
			wrong[i].option[1] } };

		ctl_run(&call, &have);
		assert_int_equal(have.code, 2);
		assert_string_equal(have.out, "");
		assert_non_null(strstr(have.err, wrong[i].err));
	}
}

/* ---- running ---- */

static int open_bus(void **state)
{
	(void)state;
	(void)snprintf(recording, sizeof(recording), "%s/tests/data/recordings/" RECORDING,
		       getenv("FAILSOFT_SOURCE"));
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
	struct CMUnitTest tests[ROWS + 4] = {
		cmocka_unit_test(plain_letters_where_the_locale_is_c),
		cmocka_unit_test(a_line_per_look),
		cmocka_unit_test(a_recording_shows_every_stage),
		cmocka_unit_test(wrong_use_is_refused),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8")) /* columns are counted with it */
		return 77;
	for (size_t i = 0; i < ROWS; i++)
		tests[i + 4] = (struct CMUnitTest){ rows[i].name, run_row, NULL, NULL,
			(void *)&rows[i] };
	return cmocka_run_group_tests_name("ctl_top", tests, open_bus, close_bus);
}
