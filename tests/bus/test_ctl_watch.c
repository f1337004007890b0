/* SPDX-License-Identifier: MIT */
/* failsoftctl watch on a terminal of 80x24: draws within it, ends when told,
	leaves it as it was. */
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


enum end { END_BY_ITSELF, END_KEY, END_SIGNAL, END_BROKER };

struct watch_row {
	const char *name;
	const struct ctl_script *script;
	const char *arg;		/* of watch */
	enum end end;
	int how;			/* the key, the signal */
	int code;
	const char *out[3];
};

static const struct ctl_script hostile_open = {
	.stage = HOSTILE, .nearest = HOSTILE, .domain = hostile_domains, .client = hostile_clients,
	.stream = "{\"event\":\"x\",\"text\":\"" HOSTILE_JSON "\"}\n",
};

static const struct watch_row rows[] = {
	{ "two pictures", &dying, "-n2", END_BY_ITSELF, 0, 0, { "shutdown", "11.0 MiB",
	  "(at worst 1.6 s)" } },
	{ "a bar for the deadline, in blocks", &dying, "-n2", END_BY_ITSELF, 0, 0,
	  { "█████░░░░░" } },
	{ "the last answers", &calm, "-n2", END_BY_ITSELF, 0, 0, { "flush done after 12 ms",
	  "\x1b[32mnormal" } },
	{ "no colours", &calm, "--no-color", END_KEY, 'q', 0, { " stage normal " } },
	{ "q ends it", &calm, "-n1000", END_KEY, 'q', 0, { "normal" } },
	{ "another key does not", &calm, "-n3", END_KEY, 'x', 0, { "normal" } },
	{ "Ctrl-C ends it", &calm, "-n1000", END_KEY, 3, 0, { "normal" } },
	{ "Ctrl-\\ ends it", &calm, "-n1000", END_KEY, 28, 0, { "normal" } },
	{ "SIGTERM ends it", &calm, "-n1000", END_SIGNAL, SIGTERM, 0, { "normal" } },
	{ "the terminal's end ends it", &calm, "-n1000", END_SIGNAL, SIGHUP, 0, { "normal" } },
	{ "full to the last row", &full, "-n3", END_BY_ITSELF, 0, 0, { "more clients",
	  "logger: a sentence" } },
	{ "hostile names", &hostile_open, "-n3", END_BY_ITSELF, 0, 0, { "owned", "2Ja" } },
	{ "the broker's end ends it", &calm, "-n1000", END_BROKER, 0, 3,
	  { "the broker has ended" } },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct fake_daemon daemon_here;

static void end_it(const struct watch_row *row, struct ctl_terminal *t, struct ctl_broker *broker)
{
	if (row->end == END_KEY)
		ctl_terminal_type(t, (char)row->how);
	if (row->end == END_SIGNAL)
		assert_int_equal(kill(t->pid, row->how), 0);
	if (row->end == END_BROKER)
		ctl_broker_stop(broker);
}

static void run_row(void **state)
{
	static struct ctl_result have;
	const struct watch_row *row = *state;
	const struct ctl_call call = { .address = daemon_here.address, .arg = { "watch",
		row->arg } };
	struct ctl_broker broker;
	struct ctl_terminal t;
	bool is_as_before;

	have.out[0] = 0;
	ctl_broker_start(&broker, daemon_here.address, row->script);
	ctl_terminal_open(&t, &call);
	assert_true(ctl_terminal_wait(&t, SCREEN_FRAME, &have));
	end_it(row, &t, &broker);
	is_as_before = ctl_terminal_end(&t, &have);
	ctl_broker_stop(&broker);
	screen_judge(&have, row->code, is_as_before, row->out, 3);
}

static void plain_letters_where_the_locale_is_c(void **state)
{
	(void)state;
	screen_in_plain_letters("watch", &dying, &daemon_here);
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
	struct CMUnitTest tests[ROWS + 1] = { cmocka_unit_test(plain_letters_where_the_locale_is_c) };

	if (!setlocale(LC_CTYPE, "C.UTF-8")) /* columns are counted with it */
		return 77;
	for (size_t i = 0; i < ROWS; i++)
		tests[i + 1] = (struct CMUnitTest){ rows[i].name, run_row, NULL, NULL,
			(void *)&rows[i] };
	return cmocka_run_group_tests_name("ctl_watch", tests, open_bus, close_bus);
}
