/* SPDX-License-Identifier: MIT */
#include "checkup.h"

#include <errno.h>
#include <string.h>

static bool has_broker(const struct facts *f)
{
	return f->broker.pid != 0;
}

static bool has_bus(const struct facts *f)
{
	return f->bus.pid != 0;
}

static bool is_asked(const struct facts *f)
{
	return f->is_asked;
}

/* The figures were measured on 128 MiB, one CPU, no swap, Linux 6.1. */
static const struct check {
	const char *name;
	checkup_look *look;
	const char *why, *fix;
	bool (*is_asked)(const struct facts *f); /* NULL: always */
} checks[] = {
	{"psi", checkup_psi,
	 "the kernel's word on thrashing: with files to drop it came 0.4 s before the "
	 "kill at 100 MiB/s, with zram 4.8 s before it at 10 MiB/s",
	 "boot with psi=1 (a kernel with CONFIG_PSI=y)", NULL},
	{"tripwire", checkup_tripwire,
	 "a leak at full speed takes 17-30 ms from 20 % to the end; memory.high tells of "
	 "it in 0.2-4 ms and holds it (3.4 MiB more in 12 s)",
	 "boot with systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all "
	 "(cgroup_enable=memory on some boards)",
	 NULL},
	{"freeze", checkup_freeze,
	 "a storm of forks escaped stopping one by one in 1 of 2 runs, by 20 MiB; frozen, never",
	 "Linux 5.2 or later with cgroup v2, or the v1 freezer", NULL},
	{"cgroup-kill", checkup_cgroup_kill,
	 "ends a tree of programs with one write of 0.6-0.85 ms; nothing forks away meanwhile",
	 "Linux 5.14 or later with cgroup v2", NULL},
	{"pidfd", checkup_pidfd,
	 "without it a signal may hit who got the number of a program that ended",
	 "Linux 5.3 or later", NULL},
	{"process-mrelease", checkup_mrelease,
	 "memory of a killed program that waits for a disk was back after 17 ms, without "
	 "it after 243-252 ms",
	 "Linux 5.15 or later", NULL},
	{"watermark-boost", checkup_boost,
	 "moves the place where the kernel kills by 2-5 MiB at random and up to 6 MiB too "
	 "early; with 0 it is the same to 0.05 MiB",
	 "sysctl -w vm.watermark_boost_factor=0 (sysctl.d/50-failsoft.conf)", NULL},
	{"min-free", checkup_min_free,
	 "drivers that cannot wait for memory live on it, and no program can have it: 8 "
	 "MiB of 128 let the kernel kill 7 MiB earlier",
	 "", NULL},
	{"overcommit", checkup_overcommit,
	 "requests are refused at CommitLimit, before memory runs out and without any "
	 "warning of ours",
	 "sysctl -w vm.overcommit_memory=0", NULL},
	{"panic-on-oom", checkup_panic,
	 "the machine is gone with all that is not on its disk, instead of one program",
	 "sysctl -w vm.panic_on_oom=0", NULL},
	{"kills-who-asks", checkup_asker,
	 "the kernel ends whoever asks for memory: then shields and scores mean nothing, "
	 "and a client asks while it saves",
	 "sysctl -w vm.oom_kill_allocating_task=0", NULL},
	{"swap", checkup_swap,
	 "what is not locked goes to the disk first, and answers as late as the disk is slow",
	 "MemorySwapMax=0 in the units that must answer; zram in place of the disk", NULL},
	{"other-daemons", checkup_rivals,
	 "they end programs by rules of their own, without asking: of 8 innocent loggers "
	 "that got SIGTERM at the edge, 7 died before or while they saved",
	 "", NULL},
	{"bus-memory", checkup_bus_memory,
	 "its program is dropped and read from the disk again: under thrashing it answered "
	 "after 0.9 s (median), 2.2 s at most; held by failsoft-hold, after 0.13 ms, 0.6 ms at most",
	 "systemctl start failsoft-bus (dbus.service.d/50-failsoft.conf does it at boot); "
	 "without systemd: failsoft-hold /usr/bin/dbus-daemon",
	 NULL},
	{"bus-oom-score", checkup_bus_score,
	 "the kernel may end the bus, and with it every program that cannot do without",
	 "OOMScoreAdjust=-900 in dbus.service.d/50-failsoft.conf, then restart the machine",
	 has_bus},
	{"broker", checkup_broker, "nobody warns, nobody holds the leak",
	 "systemctl enable --now failsoftd", NULL},
	{"broker-memory", checkup_broker_memory,
	 "under thrashing an unlocked program missed 12 % of its 10 ms ticks, a locked one none",
	 "LimitMEMLOCK=infinity and CAP_IPC_LOCK for failsoftd; \"lock_memory\": true",
	 has_broker},
	{"broker-priority", checkup_broker_priority,
	 "beside a leak at full speed it woke up to 6 ms late, with real-time priority 0.4 ms",
	 "CAP_SYS_NICE for failsoftd; \"realtime_priority\" above 0", has_broker},
	{"broker-oom-score", checkup_broker_score,
	 "locked memory counts as memory held: the kernel took the locked control loop in "
	 "67 of 69 runs",
	 "OOMScoreAdjust=-900 for failsoftd, or CAP_SYS_RESOURCE", has_broker},
	{"watchdog", checkup_watchdog,
	 "most disasters end in a machine that lives and stands still (55 of 69); when "
	 "nothing runs any more, only hardware can start it again",
	 "", NULL},
	{"clients-locked", checkup_clients,
	 "a message of a few bytes took an unlocked program 10-15 ms, a locked one 0.01 "
	 "ms; its handler has a hundred times the code",
	 "failsoft_prepare() or mlockall() in the program, LimitMEMLOCK= in its unit", is_asked},
	{"procedures", checkup_procedures,
	 "one that has to be started in the crisis took up to 112 ms, linked with "
	 "libraries 60 s; one that stands ready 0.01 ms",
	 "failsoftctl procedure says what is wrong with each", is_asked},
};

_Static_assert(sizeof(checks) / sizeof(checks[0]) <= CHECKUP_MAX, "the caller's rows");

const char *checkup_state_name(enum checkup_state s)
{
	static const char *const names[CHECKUP_STATE_COUNT] = {
		[CHECKUP_OK] = "ok",
		[CHECKUP_WARN] = "warn",
		[CHECKUP_MISSING] = "missing",
		[CHECKUP_UNSEEN] = "unseen",
	};

	return names[s];
}

uint32_t checkup_count(const struct checkup_row *rows, uint32_t count, enum checkup_state s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		n += rows[i].state == s;
	return n;
}

enum checkup_state checkup_unseen(const struct figure *f, struct checkup_say *say)
{
	if (f->state == FIGURE_HIDDEN)
		text_add(&say->found, "%s cannot be read: %s", f->path, strerror(f->error));
	else if (f->state == FIGURE_ODD)
		text_add(&say->found, "%s holds nothing that a kernel writes", f->path);
	else
		text_add(&say->found, "there is no %s", f->path);
	if (f->error == EACCES || f->error == EPERM)
		checkup_fix(say, "look again as root");
	return CHECKUP_UNSEEN;
}

void checkup_fix(struct checkup_say *say, const char *fix)
{
	text_init(&say->fix, say->fix.buffer, say->fix.size);
	text_add(&say->fix, "%s", fix);
}

static void run_one(const struct check *c, const struct facts *f, struct checkup_row *ret)
{
	struct checkup_say say;

	ret->name = c->name;
	ret->why = c->why;
	text_init(&say.found, ret->found, sizeof(ret->found));
	text_init(&say.fix, ret->fix, sizeof(ret->fix));
	ret->state = c->look(f, &say);
	if (!ret->fix[0] && (ret->state == CHECKUP_WARN || ret->state == CHECKUP_MISSING))
		checkup_fix(&say, c->fix);
}

uint32_t checkup_run(const struct facts *f, struct checkup_row ret[CHECKUP_MAX])
{
	uint32_t count = 0;

	if (f->proc.state != FIGURE_SEEN)
		return 0;
	for (uint32_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (!checks[i].is_asked || checks[i].is_asked(f))
			run_one(&checks[i], f, &ret[count++]);
	return count;
}
