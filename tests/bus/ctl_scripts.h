/* SPDX-License-Identifier: MIT */
/*
 * What the scripted broker says in the tests of failsoftctl: a calm machine, a dying one, one that
 * is full to every limit of the interface, and one whose every name is hostile. Constants only.
 */
#pragma once

#include <stddef.h>

#include "ctl_broker.h"

#define CTL_NEVER	UINT64_MAX
#define MIB(n)		((uint64_t)(n) << 20)
#define LONG_CGROUP	"/machine.slice/a-rather-long-unit-name.slice/another-level.slice/" \
			"and-one-more-because-it-happens.service/payload-of-the-service"
/* Colour, title, C1 CSI as UTF-8, bell, newline: each would reach the terminal if printed. */
#define HOSTILE		"\x1b[31m\x1b]0;owned\x07\xc2\x9b" "2Ja\nb\tc|d"

static const char *const calm_warnings[] = {
	"the kernel has no PSI: add psi=1 to the boot line", NULL,
};
static const struct ctl_forecast calm_forecast = {
	CTL_NEVER, CTL_NEVER, "memory", -4096, 0, 0, false,
};
static const struct ctl_rival calm_rivals[] = {
	{ "earlyoom", "nothing", "SIGTERM at 10 %" },
	{ "systemd-oomd", "nothing", "SIGKILL above 60 %" },
	{ NULL },
};
static const struct ctl_outlook calm_outlook = {
	.pid = 4711, .score = 667, .name = "browser", .rival = calm_rivals,
};
static const struct ctl_domain calm_domains[] = {
	{ "system", "normal", MIB(512), MIB(1024), CTL_NEVER, CTL_NEVER, 0, 61000000, "",
	  &calm_forecast },
	{ "/app.slice", "normal", MIB(700), MIB(800), CTL_NEVER, CTL_NEVER, 0, 61000000, "" },
	{ NULL },
};
static const struct ctl_client calm_clients[] = {
	{ "logger", "system", "idle", "done", 4096, MIB(3), 0, 250000 },
	{ "viewer", "/app.slice", "idle", "missed", 0, MIB(40), 0, 250000 },
	{ NULL },
};
static const struct ctl_source calm_sources[] = {
	{ "meminfo", "ok", "free memory and what can be reclaimed", "" },
	{ "psi", "absent", "how long tasks wait for memory", "boot with psi=1" },
	{ "taskstats", "ok", "which processes wait", "delay accounting is off" },
	{ NULL },
};
static const struct ctl_episode calm_episodes[] = {
	{ 7000001, "system", "shutdown", 1000000, 9500000, "victim ended" },
	{ 7000002, "/app.slice", "warning", 20000000, 0, "open" },
	{ 0 },
};
static const char *const calm_sentences[] = {
	"+0.000 s  system: normal -> warning: headroom 100.0 MiB of 1.0 GiB, exhausted in 2.3 s (at "
	"worst 1.6 s); less than the 3.1 s that the clients need",
	"+12.345 s  logger: flush done after 12 ms", NULL,
};
#define CALM_STREAM \
	"{\"number\":1,\"time_us\":12345678,\"event\":\"stage\",\"domain\":\"system\",\"text\":" \
	"\"system: normal -> warning\"}\n" \
	"{\"event\":\"lost\",\"count\":12}\n" \
	"{\"number\":14,\"time_us\":12400000,\"event\":\"answer\",\"name\":\"logger\",\"text\":" \
	"\"logger: flush done after 12 ms\"}\n"

#define CALM	.nearest = "system", .domain = calm_domains, .client = calm_clients, \
		.source = calm_sources, .episode = calm_episodes, .sentence = calm_sentences, \
		.outlook = &calm_outlook, .warning = calm_warnings, .stream = CALM_STREAM
static const struct ctl_script calm = { CALM, .stage = "normal" };
static const struct ctl_script calm_ending = { CALM, .stage = "normal", .stream_ends = true };

/* ---- trouble ---- */

static const struct ctl_domain dying_domains[] = {
	{ "system", "shutdown", MIB(11), MIB(1024), 2300000, 1600000, 7000003, 900000,
	  "imminent -> shutdown: headroom 11.0 MiB of 1.0 GiB, exhausted in 2.3 s (at worst 1.6 s); less "
	  "than the 1.7 s that the clients need, falling at up to 7.0 MiB/s" },
	{ NULL },
};
static const struct ctl_client dying_clients[] = {
	{ "logger", "system", "shutdown", "busy", MIB(2), 0, 30000000, 60000000 },
	{ "viewer", "system", "idle", "missed", 0, 0, 0, 250000 },
	{ NULL },
};
#define DYING .nearest = "system", .domain = dying_domains, .client = dying_clients, \
		.stream = CALM_STREAM
static const struct ctl_script warned = { DYING, .stage = "warning" };
static const struct ctl_script imminent = { DYING, .stage = "imminent" };
static const struct ctl_script dying = { DYING, .stage = "shutdown" };
static const struct ctl_script of_the_future = { DYING, .stage = "beyond" };
static const struct ctl_script without_domains = { .stage = "normal", .nearest = "", .stream = "" };

static const struct ctl_script refusing_explain = {
	CALM, .stage = "normal", .refused_method = "Explain",
	.error_name = "org.failsoft.Broker1.Error.UnknownEpisode",
	.error_text = "episode 77 is not remembered; ListEpisodes names those that are",
};
static const struct ctl_script refusing_clients = {
	CALM, .stage = "normal", .refused_method = "ListClients",
	.error_name = "org.failsoft.Broker1.Error.InvalidArgument",
	.error_text = "no client is registered as \"ListClients\"; see ListClients",
};
static const struct ctl_script refusing_reload = {
	CALM, .stage = "normal", .refused_method = "Reload",
	.error_name = "org.failsoft.Broker1.Error.NotAllowed",
	.error_text = "ask root\x1b[2J or group failsoft",
};
static const struct ctl_script refusing_domains = {
	CALM, .stage = "normal", .refused_method = "ListDomains",
	.error_name = "org.freedesktop.DBus.Error.Failed", .error_text = "no",
};

/* ---- a fall, as a broker tells it that names growers ---- */

static const struct ctl_forecast fall_forecast = {
	1600000, 4100000, "swap", MIB(5), 4210, 1200, false,
};
#define FALL(stage, tte, low, guaranteed, forecast) \
	{ "system", stage, MIB(11), MIB(1024), tte, low, 7000003, guaranteed, \
	  "imminent -> shutdown: headroom 11.0 MiB of 1.0 GiB, exhausted in 2.3 s (at worst 1.6 s); " \
	  "less than the 1.7 s that the clients need, falling at up to 7.0 MiB/s", forecast }
static const struct ctl_domain fall_domains[] = {
	FALL("shutdown", 2300000, 1400000, 900000, &fall_forecast), { NULL },
};
static const struct ctl_grower fall_growers[] = {
	{ "process", "hog", 4711, 1, MIB(600), MIB(500), MIB(4), 6100 },
	{ "tree", "make", 4800, 12, MIB(120), MIB(90), MIB(2), 2050 },
	{ "namesakes", "worker", 4900, 30, MIB(60), MIB(40), MIB(1), 1000 },
	{ "pool", "tmpfs and shared memory", 0, 0, MIB(30), MIB(20), 512 << 10, 600 },
	{ NULL },
};
static const struct ctl_rival fall_rivals[] = {
	{ "systemd-oomd", "nothing", "SIGKILL above 60 %" },
	{ "earlyoom", "end a program", "SIGTERM at 10 %" },
	{ "low-memory-monitor", "warn", "PSI" },
	{ "earlyoom 1.7", "end a program", "SIGTERM at 10 %" },
	{ NULL },
};
static const struct ctl_outlook fall_outlook = {
	.grower = fall_growers, .pid = 4711, .score = 890, .name = "hog", .rival = fall_rivals,
};
#define FALLING .stage = "shutdown", .nearest = "system", .outlook = &fall_outlook, \
		.client = dying_clients, .stream = CALM_STREAM
static const struct ctl_script falling = { FALLING, .domain = fall_domains };
static const struct ctl_script refusing_growers = {
	FALLING, .domain = fall_domains, .refused_method = "ListGrowers",
	.error_name = "org.freedesktop.DBus.Error.Failed", .error_text = "no growers today",
};
static const struct ctl_script refusing_outlook = {
	FALLING, .domain = fall_domains, .refused_method = "Outlook",
	.error_name = "org.freedesktop.DBus.Error.Failed", .error_text = "no outlook today",
};

/* The bounds far from the figure between them: each with a unit of its own. */
static const struct ctl_forecast wide_forecast = {
	40000, UINT64_C(4100000000), "zram", MIB(5), 0, 0, true,
};
static const struct ctl_domain wide_domains[] = {
	FALL("shutdown", 2300000, 40000, 900000, &wide_forecast), { NULL },
};
static const struct ctl_script falling_wide = { FALLING, .domain = wide_domains };
/* It may stop before the end; the best case of a kernel without PSI. */
static const struct ctl_forecast stops_forecast = {
	500000, CTL_NEVER, "cgroup", MIB(5), 0, 0, true,
};
static const struct ctl_domain stops_domains[] = {
	FALL("shutdown", 800000, 500000, 400000, &stops_forecast), { NULL },
};
static const struct ctl_script falling_stops = { FALLING, .domain = stops_domains };
/* Nobody yet, and nobody else there. */
static const struct ctl_outlook nobody_outlook = { .name = "" };
static const struct ctl_script falling_alone = {
	.stage = "shutdown", .nearest = "system", .outlook = &nobody_outlook, .domain = fall_domains,
	.client = dying_clients, .stream = CALM_STREAM,
};

/* ---- as much as the interface allows ---- */

/* So late that "never sooner" needs a row of its own. */
static const struct ctl_forecast full_forecast = {
	CTL_NEVER - 2, CTL_NEVER - 1, "swap-or-whatever", INT64_MAX, 10000, 10000, false,
};
#define LONG_NAME "a-name-that-has-47-bytes-in-it-all-of-which-fit"
static const struct ctl_grower full_growers[] = {
	{ "process", LONG_NAME, UINT32_MAX, 1, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT32_MAX },
	{ "tree", LONG_NAME, UINT32_MAX, UINT32_MAX, 1073741823, 1, 1073741823, 10000 },
	{ "namesakes", LONG_NAME, 1, UINT32_MAX, 1073741823, 1, 1073741823, 10000 },
	{ "pool", LONG_NAME, 0, 0, 1073741823, 1, 1073741823, 10000 },
	{ "of-a-newer-broker", LONG_NAME, 4194304, 4096, 1023, 1, 1023, 9999 },
	{ NULL },
};
static const struct ctl_rival full_rivals[] = {
	{ LONG_NAME, "end a program", LONG_CGROUP LONG_CGROUP LONG_CGROUP },
	{ LONG_NAME, "nothing", LONG_CGROUP LONG_CGROUP LONG_CGROUP },
	{ LONG_NAME, "a word of a newer broker that is long", LONG_CGROUP },
	{ NULL },
};
static const struct ctl_outlook full_outlook = {
	.grower = full_growers, .pid = UINT32_MAX, .score = UINT32_MAX, .name = LONG_NAME,
	.rival = full_rivals, .growers_times = 8, .rivals_times = 8,
};

static const struct ctl_domain full_domains[] = {
	{ LONG_CGROUP, "imminent", UINT64_MAX, UINT64_MAX, CTL_NEVER - 1, 599900000, 1, CTL_NEVER - 1,
	  LONG_CGROUP
	  " imminent -> shutdown: headroom 1023.9 MiB of 1023.9 GiB, exhausted in 2.3 s (at worst 1.6 s); "
	  "less than the 1.7 s that the clients need, falling at up to 7.0 MiB/s; kernel: PSI some, PSI "
	  "full, direct reclaim, memory.high throttling, limit hit, OOM kill, cgroup pressure level",
	  &full_forecast },
	{ "system", "shutdown", 1073741823, 1073741823, CTL_NEVER, 1, 1, CTL_NEVER, "because",
	  &full_forecast },
	{ NULL },
};
static const struct ctl_client full_clients[] = {
	{ "a-client-whose-name-has-47-bytes-in-it-which-fit", LONG_CGROUP, "shutdown", "vanished",
	  1073741823, 1073741823, 59900000, 60000000 },
	{ NULL },
};
static const char *const full_warnings[] = {
	"a long warning, as the broker may give it: what this machine cannot do, what follows from that for "
	"the programs that have registered, and what to do about it: which option of the kernel, which word "
	"on its boot line, which capability in the unit of the service, and where that is described", NULL,
};
static const struct ctl_source full_sources[] = {
	{ "a-source-with-a-long-name-of-its-own", "absent",
	  "a text that alone fills the width of a terminal of eighty columns, and then some",
	  "and a remedy that names the option of the kernel, "
	  "the word on its boot line and the place where it is written" },
	{ NULL },
};
static const struct ctl_episode full_episodes[] = {
	{ UINT64_MAX, LONG_CGROUP, "shutdown", 1, UINT64_MAX - 1, "kernel killed" }, { 0 },
};
static const char *const full_sentences[] = {
	"+0.000 s  " LONG_CGROUP ": imminent -> shutdown: headroom 1023.9 MiB of 1023.9 GiB, exhausted in "
	"2.3 s (at worst 1.6 s); less than the 1.7 s that the clients need",
	"+999999999.999 s  logger: flush done after 12 ms",
	LONG_CGROUP ": a sentence of an older broker, which tells no time but is as long as all of them",
	NULL,
};
#define E50 "{\"event\":\"answer\",\"text\":\"logger: a sentence that is longer than a line of " \
	    "the terminal because it has so many figures, as a real one has\"}\n"
static const struct ctl_script full = {
	.stage = "shutdown", .nearest = LONG_CGROUP, .domain = full_domains, .client = full_clients,
	.domains_times = 16, .clients_times = 2000, .warning = full_warnings, .warnings_times = 16,
	.source = full_sources, .episode = full_episodes, .outlook = &full_outlook,
	.sentence = full_sentences, .stream = E50 E50 E50 E50 E50 E50 E50 E50 E50 E50 E50,
};

/* ---- hostile ---- */

static const struct ctl_forecast hostile_forecast = { 1, 2, HOSTILE, 1, UINT32_MAX, 1, false };
static const struct ctl_domain hostile_domains[] = {
	{ HOSTILE, HOSTILE, 1, 2, 3, 4, 5, 6, HOSTILE, &hostile_forecast }, { NULL },
};
static const struct ctl_grower hostile_growers[] = {
	{ HOSTILE, HOSTILE, 1, 2, 3, 4, 5, 6 },
	{ "tree", "xäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüä", 1, 2, 3, 4, 5, 6 },
	{ NULL },
};
static const struct ctl_rival hostile_rivals[] = { { HOSTILE, HOSTILE, HOSTILE }, { NULL } };
static const struct ctl_outlook hostile_outlook = {
	.grower = hostile_growers, .pid = 1, .score = 2, .name = HOSTILE, .rival = hostile_rivals,
	.rivals_times = 8,
};
static const struct ctl_client hostile_clients[] = {
	{ HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1, 2, 3000000, 4000000 },
	/* 31 two-byte letters: whatever length a text is cut to, it falls within one of them */
	{ "xäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüä", "äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüä",
	  "äöüäöüäöüäöüäöü", "xäöüäöüäöüäöüäöü", 1, 2, 0, 4 },
	{ NULL },
};
static const char *const hostile_texts[] = { HOSTILE, NULL };
static const char *const hostile_sentences[] = {
	HOSTILE, "+1.5 s  " HOSTILE, "+nan s  not a time", "+1e300 s  nor this", "+0x1p9 s  nor that",
	"+99999999999999999999999999999999 s  older than the world", "+", "+1 s  ", "", NULL,
};
static const struct ctl_source hostile_sources[] = {
	{ HOSTILE, HOSTILE, HOSTILE, HOSTILE }, { NULL },
};
static const struct ctl_episode hostile_episodes[] = {
	{ 1, HOSTILE, HOSTILE, 1, 2, HOSTILE }, { 0 },
};
#define HOSTILE_JSON "\\u001b[31m\\u009b2Ja\\nb\xc2\x9b" "c"
static const struct ctl_script hostile = {
	.stage = HOSTILE, .nearest = HOSTILE, .domain = hostile_domains, .client = hostile_clients,
	.warning = hostile_texts, .source = hostile_sources, .episode = hostile_episodes,
	.outlook = &hostile_outlook, .sentence = hostile_sentences, .stream_ends = true, .stream =
	"{\"event\":\"" HOSTILE_JSON "\",\"text\":\"" HOSTILE_JSON "\"}\n",
};
