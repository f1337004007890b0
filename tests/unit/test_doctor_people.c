/* SPDX-License-Identifier: MIT */
/* What doctor says of the bus, the broker, and who else takes part. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tree.h"

#include "doctor_tree.h"

#define CG "sys/fs/cgroup/"
#define WD "sys/class/watchdog/watchdog0/state"
#define SWAP                                                                                       \
	{                                                                                          \
		"proc/meminfo", "MemTotal: 110592 kB\nSwapTotal: 9 kB\n"                           \
	}
#define NO_HOLDER                                                                                  \
	{                                                                                          \
		"proc/9", NULL                                                                     \
	}
#define LONG "01234567890123456789012345678901234567890123456789"

/* Each changes one row only, unless its name begins with '*'. */
static const struct doctor_case cases[] = {
	{"held",
	 {{NULL}},
	 "bus-memory",
	 CHECKUP_OK,
	 "dbus-daemon (pid 7) is held by failsoft-hold",
	 NULL},
	{"not held",
	 {NO_HOLDER, {CG BUS "/memory.min", "0\n"}},
	 "bus-memory",
	 CHECKUP_MISSING,
	 "is not held",
	 "failsoft-bus"},
	{"a floor only", {NO_HOLDER}, "bus-memory", CHECKUP_WARN, "floor", NULL},
	{"a floor that ends above",
	 {NO_HOLDER, {CG "system.slice/memory.min", "0\n"}},
	 "bus-memory",
	 CHECKUP_MISSING,
	 "is not held",
	 NULL},
	{"no floor to be read",
	 {NO_HOLDER, {CG "system.slice/memory.min", NULL}},
	 "bus-memory",
	 CHECKUP_MISSING,
	 "is not held",
	 NULL},
	{"locked by itself",
	 {NO_HOLDER, {"proc/7/status", STATUS("4608")}},
	 "bus-memory",
	 CHECKUP_OK,
	 "is locked, 4608 KiB",
	 NULL},
	{"another program is held",
	 {{"proc/9/cmdline", "failsoft-hold /usr/bin/dbus-daemon2 /x-dbus-daemon"},
	  {CG BUS "/memory.min", "0\n"}},
	 "bus-memory",
	 CHECKUP_MISSING,
	 "is not held",
	 NULL},
	{"the holder holds nothing",
	 {{"proc/9/status", STATUS("0")}, {CG BUS "/memory.min", "0\n"}},
	 "bus-memory",
	 CHECKUP_MISSING,
	 "is not held",
	 NULL},
	{"*held, kept out of swap", {SWAP}, "bus-memory", CHECKUP_OK, "is held", NULL},
	{"*held, but can be swapped",
	 {SWAP, {CG BUS "/memory.swap.max", "max\n"}},
	 "bus-memory",
	 CHECKUP_MISSING,
	 "can be swapped",
	 "MemorySwapMax=0"},
	{"*held, and no limit of swap is known",
	 {SWAP, {CG BUS "/memory.swap.max", NULL}},
	 "bus-memory",
	 CHECKUP_MISSING,
	 "can be swapped",
	 NULL},
	{"dbus-broker",
	 {{"proc/7/comm", "dbus-broker\n"}},
	 "bus-memory",
	 CHECKUP_OK,
	 "dbus-broker (pid 7) is held",
	 NULL},
	{"no bus", {{"proc/7", NULL}}, "bus-memory", CHECKUP_WARN, "no bus daemon", "start dbus"},
	{"a session's bus is not it",
	 {{"proc/7/cmdline", "dbus-daemon --session --nofork"}},
	 "bus-memory",
	 CHECKUP_WARN,
	 "no bus daemon",
	 NULL},
	{"nor a user's",
	 {{"proc/7/cgroup", "0::/user.slice/user-1000.slice/x\n"}},
	 "bus-memory",
	 CHECKUP_WARN,
	 "no bus daemon",
	 NULL},
	{"*the bus's status is empty",
	 {{"proc/7/status", ""}},
	 "bus-memory",
	 CHECKUP_UNSEEN,
	 "proc/7/status holds nothing",
	 NULL},
	{"a cgroup that leads away",
	 {NO_HOLDER, {"proc/7/cgroup", "0::/../../etc\n"}},
	 "bus-memory",
	 CHECKUP_MISSING,
	 "is not held",
	 NULL},
	{"a name too long",
	 {{"proc/7/comm", LONG "\n"}},
	 "bus-memory",
	 CHECKUP_WARN,
	 "no bus daemon",
	 NULL},

	{"the bus's score", {{NULL}}, "bus-oom-score", CHECKUP_OK, "-900", NULL},
	{"the bus is a victim",
	 {{"proc/7/oom_score_adj", "-899\n"}},
	 "bus-oom-score",
	 CHECKUP_MISSING,
	 "-899",
	 "OOMScoreAdjust=-900"},
	{"the bus's score is odd",
	 {{"proc/7/oom_score_adj", ""}},
	 "bus-oom-score",
	 CHECKUP_UNSEEN,
	 "proc/7/oom_score_adj",
	 NULL},

	{"broker", {{NULL}}, "broker", CHECKUP_OK, "failsoftd runs (pid 8)", NULL},
	{"no broker", {{"proc/8", NULL}}, "broker", CHECKUP_MISSING, "no failsoftd", "systemctl"},
	{"*hidden processes",
	 {{"proc/8", NULL}, {"proc/1", NULL}},
	 "broker",
	 CHECKUP_UNSEEN,
	 "are hidden",
	 "as root"},
	{"the broker is locked", {{NULL}}, "broker-memory", CHECKUP_OK, "5120 KiB", NULL},
	{"the broker is not",
	 {{"proc/8/status", STATUS("0")}},
	 "broker-memory",
	 CHECKUP_MISSING,
	 "not locked",
	 "CAP_IPC_LOCK"},
	{"its status is not there",
	 {{"proc/8/status", NULL}},
	 "broker-memory",
	 CHECKUP_UNSEEN,
	 "there is no proc/8/status",
	 NULL},
	{"real time", {{NULL}}, "broker-priority", CHECKUP_OK, "priority 10", NULL},
	{"no real time",
	 {{"proc/8/stat", STAT("failsoftd", "0", "0")}},
	 "broker-priority",
	 CHECKUP_MISSING,
	 "no real-time",
	 "CAP_SYS_NICE"},
	{"SCHED_RR",
	 {{"proc/8/stat", STAT("failsoftd", "3", "2")}},
	 "broker-priority",
	 CHECKUP_OK,
	 "priority 3",
	 NULL},
	{"stat is cut",
	 {{"proc/8/stat", "8 (failsoftd) S 1 1"}},
	 "broker-priority",
	 CHECKUP_UNSEEN,
	 "proc/8/stat",
	 NULL},
	{"stat is nothing",
	 {{"proc/8/stat", ""}},
	 "broker-priority",
	 CHECKUP_UNSEEN,
	 "proc/8/stat",
	 NULL},
	{"the broker's score", {{NULL}}, "broker-oom-score", CHECKUP_OK, "-900", NULL},
	{"at -1000",
	 {{"proc/8/oom_score_adj", "-1000\n"}},
	 "broker-oom-score",
	 CHECKUP_OK,
	 "-1000",
	 NULL},
	{"the broker is a victim",
	 {{"proc/8/oom_score_adj", "0\n"}},
	 "broker-oom-score",
	 CHECKUP_MISSING,
	 "adj 0",
	 "-900"},

	{"no rivals", {{NULL}}, "other-daemons", CHECKUP_OK, "none", NULL},
	{"earlyoom",
	 {{"proc/20/comm", "earlyoom\n"}},
	 "other-daemons",
	 CHECKUP_WARN,
	 "earlyoom: SIGTERM",
	 "disable --now earlyoom"},
	{"two",
	 {{"proc/20/comm", "systemd-oomd\n"}, {"proc/21/comm", "low-memory-moni\n"}},
	 "other-daemons",
	 CHECKUP_WARN,
	 "systemd-oomd: SIGKILL",
	 "low-memory-monitor systemd-oomd"},

	{"a fed watchdog", {{NULL}}, "watchdog", CHECKUP_OK, "fed", NULL},
	{"nobody feeds it",
	 {{WD, "inactive\n"}},
	 "watchdog",
	 CHECKUP_WARN,
	 "nobody feeds",
	 "RuntimeWatchdogSec"},
	{"the second is fed",
	 {{WD, "inactive\n"}, {"sys/class/watchdog/watchdog1/state", "active\n"}},
	 "watchdog",
	 CHECKUP_OK,
	 "fed",
	 NULL},
	{"no watchdog",
	 {{"sys/class/watchdog", NULL}},
	 "watchdog",
	 CHECKUP_WARN,
	 "none",
	 "softdog"},
	{"a watchdog that does not say",
	 {{WD, NULL}},
	 "watchdog",
	 CHECKUP_UNSEEN,
	 "cannot be read",
	 NULL},
	{"a watchdog of nobody",
	 {{WD, "ACTIVE"}},
	 "watchdog",
	 CHECKUP_UNSEEN,
	 "nothing that",
	 NULL},
};

static void rows(void **state)
{
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct doctor_case *k = &cases[i];
		struct facts f;
		struct tree t;

		print_message("# %s\n", k->name);
		doctor_open(&t);
		for (unsigned n = 0; n < 3 && k->file[n].path; n++)
			doctor_write(&t, &k->file[n]);
		facts_read(&f, t.root, NULL);
		doctor_judge(k, &f, k->name[0] != '*');
		tree_close(&t);
	}
	(void)state;
}

/* What the broker told: facts, without a bus. */
static const struct {
	struct doctor_case k;
	int answer;
	uint32_t clients, unlocked, unseen, procedures, not_ready;
} told[] = {
	{{"nobody", {{NULL}}, "clients-locked", CHECKUP_OK, "nobody is registered", NULL}},
	{{"all", {{NULL}}, "clients-locked", CHECKUP_OK, "all 2 clients", NULL}, 0, 2, 0, 0, 0, 0},
	{{"one",
	  {{NULL}},
	  "clients-locked",
	  CHECKUP_WARN,
	  "1 of 3 clients have nothing locked, such as "
	  "logger",
	  "mlockall"},
	 0,
	 3,
	 1,
	 1,
	 0,
	 0},
	{{"gone", {{NULL}}, "clients-locked", CHECKUP_UNSEEN, "1 of 3", NULL}, 0, 3, 0, 1, 0, 0},
	{{"no procedures", {{NULL}}, "procedures", CHECKUP_OK, "there are none", NULL}},
	{{"ready", {{NULL}}, "procedures", CHECKUP_OK, "all 3", NULL}, 0, 0, 0, 0, 3, 0},
	{{"broken",
	  {{NULL}},
	  "procedures",
	  CHECKUP_MISSING,
	  "2 of 3 do not stand ready, such as /bin/x",
	  "procedure"},
	 0,
	 0,
	 0,
	 0,
	 3,
	 2},
	{{"*silent: clients", {{NULL}}, "clients-locked", CHECKUP_UNSEEN, "not answer", NULL},
	 -ETIMEDOUT},
	{{"*silent: procedures", {{NULL}}, "procedures", CHECKUP_UNSEEN, "not answer", NULL},
	 -ETIMEDOUT},
	{{"*silent: broker", {{NULL}}, "broker", CHECKUP_MISSING, "does not answer", "--bus"},
	 -ETIMEDOUT},
};

static void what_is_told(void **state)
{
	struct facts good;
	struct tree t;

	doctor_open(&t);
	facts_read(&good, t.root, NULL);
	tree_close(&t);
	for (unsigned i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		struct facts f = good;

		print_message("# %s\n", told[i].k.name);
		f.is_asked = true;
		f.answer = figure_of(told[i].answer, 0);
		f.clients = told[i].clients;
		f.unlocked = told[i].unlocked;
		f.unseen = told[i].unseen;
		f.procedures = told[i].procedures;
		f.not_ready = told[i].not_ready;
		strcpy(f.unlocked_name, "logger");
		strcpy(f.not_ready_name, "/bin/x");
		doctor_judge(&told[i].k, &f, told[i].k.name[0] != '*');
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(what_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
