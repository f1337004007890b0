/* SPDX-License-Identifier: MIT */
/* failsoftctl doctor as a program: a machine of files, a broker that says what it is told to say. */
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
#include "tree.h"

#include "doctor_tree.h"

#define NO_BUS	"unix:path=/nonexistent/failsoft/bus"
#define BOOST	"proc/sys/vm/watermark_boost_factor"
#define ROOT	"--root=."	/* the test stands in it */

static struct fake_daemon daemon_here;
static struct tree tree;

static const struct {
	struct doctor_file file;
	bool is_asked;
	struct ctl_row row;
} rows[] = {
	{ { NULL }, false, { "nothing is missing", NULL, { .arg = { "doctor", ROOT } }, 0, ROW_WIDTH,
	  { "ok       psi              the kernel counts stalls\n", "is held by failsoft-hold",
	    "\n0 missing, 0 to think about, 0 not seen\n" }, .not_out = "clients-locked" } },
	{ { NULL }, false, { "as JSON", NULL, { .arg = { "doctor", "--json", ROOT } }, 0, ROW_JSON,
	  { "{\"check\":\"psi\",\"state\":\"ok\",\"found\":\"the kernel counts stalls\",\"why\":\"" },
	  .not_out = "0 missing" } },
	{ { BOOST, "15000\n" }, false, { "something is missing", NULL, { .arg = { "doctor", ROOT } }, 1,
	  ROW_WIDTH, { "missing  watermark-boost  vm.watermark_boost_factor=15000\n",
	    "\n         why: moves the place", "\n         fix: sysctl -w vm.watermark_boost_factor=0",
	    "\n1 missing, 0 to think about, 0 not seen\n" } } },
	{ { BOOST, "15000\n" }, false, { "in JSON, too", NULL, { .arg = { "doctor", "--json", ROOT } }, 1,
	  ROW_JSON, { "\"state\":\"missing\",\"found\":\"vm.watermark_boost_factor=15000\"",
	    "\"fix\":\"sysctl -w vm.watermark_boost_factor=0" } } },
	{ { "proc/20/comm", "earlyoom\n" }, false, { "worth a thought is 0", NULL,
	  { .arg = { "doctor", ROOT } }, 0, ROW_WIDTH, { "warn     other-daemons    earlyoom: SIGTERM",
	    "\n0 missing, 1 to think about, 0 not seen\n" } } },
	{ { BOOST, "" }, false, { "what cannot be seen is 2", NULL, { .arg = { "doctor", ROOT } }, 2,
	  ROW_WIDTH, { "unseen   watermark-boost  ", "1 not seen" }, .not_out = "why:" } },
	{ { "proc/7/comm", "\x1b[31mred\x9b\n" }, false, { "a hostile name", NULL,
	  { .arg = { "doctor", ROOT } }, 0, ROW_WIDTH, { "no bus daemon" } } },
	{ { NULL }, false, { "plain letters where the locale is C", NULL, { .arg = { "doctor", ROOT } }, 0,
	  ROW_WIDTH | ROW_ASCII, { "psi" } } },
	{ { NULL }, false, { "a root that is not there", NULL,
	  { .arg = { "doctor", "--root=/nonexistent/x" } }, 2, 0, { NULL },
	  "no proc/meminfo below /nonexistent/x (No such file or directory)" } },
	{ { NULL }, false, { "a word too many", NULL, { .arg = { "doctor", "psi", ROOT } }, 2, 0, { NULL },
	  "doctor takes no argument" } },
	{ { "proc/30/comm", "logger\n" }, true, { "no broker on the bus", NULL, { .arg = { "doctor", ROOT } },
	  1, ROW_WIDTH, { "bus: No such device or address",
	    "unseen   clients-locked" } } },
	{ { "proc/30/comm", "logger\n" }, true, { "no bus", NULL,
	  { .address = NO_BUS, .arg = { "doctor", ROOT } }, 1, ROW_WIDTH,
	  { "bus: No such file", "unseen   procedures" } } },
	{ { "proc/30/comm", "logger\n" }, true, { "an older broker, clients that are gone", &calm,
	  { .arg = { "doctor", ROOT } }, 2, ROW_WIDTH, { "unseen   clients-locked   ",
	    "clients cannot be looked at", "ok       procedures       there are none" } } },
	{ { NULL }, true, { "a broker that stands still", &calm, { .arg = { "doctor", ROOT } }, 1,
	  ROW_WIDTH | ROW_STOPPED, { "bus: Connection timed out" },
	  "did not answer ListClients in time" } },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void run_row(void **state)
{
	const struct ctl_row *row = *state;
	size_t i = 0;

	static struct ctl_result have;
	struct ctl_broker broker = { 0 };
	struct ctl_call call = row->call;

	while (&rows[i].row != row)
		i++;
	doctor_open(&tree);
	assert_int_equal(chdir(tree.root), 0);
	if (rows[i].file.path)
		doctor_write(&tree, &rows[i].file);
	if (rows[i].is_asked && !call.address)
		call.address = daemon_here.address;
	call.locale = row->flags & ROW_ASCII ? "C" : NULL;
	if (row->script)
		ctl_broker_start(&broker, daemon_here.address, row->script);
	if (row->flags & ROW_STOPPED)
		assert_int_equal(kill(broker.pid, SIGSTOP), 0);
	ctl_run(&call, &have);
	ctl_broker_stop(&broker);
	assert_int_equal(chdir("/"), 0);
	tree_close(&tree);
	row_judge(row, &have);
}

/* Whatever it is: it says something of this machine, and asks nobody to be started. */
static void this_machine(void **state)
{
	static struct ctl_result have;

	(void)state;
	ctl_run(&(struct ctl_call){ .address = NO_BUS, .arg = { "doctor" } }, &have);
	assert_in_range(have.code, 0, 2);
	assert_string_equal(have.err, "");
	assert_string_equal(ctl_fault(have.out, CTL_COLUMNS, 0), "");
	assert_non_null(strstr(have.out, "min-free"));
}

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
	struct CMUnitTest tests[ROWS + 1] = { cmocka_unit_test(this_machine) };

	if (!setlocale(LC_CTYPE, "C.UTF-8")) /* columns are counted with it */
		return 77;
	for (size_t i = 0; i < ROWS; i++)
		tests[i + 1] = (struct CMUnitTest){ rows[i].row.name, run_row, NULL, NULL,
						    (void *)&rows[i].row };
	return cmocka_run_group_tests(tests, open_bus, close_bus);
}
