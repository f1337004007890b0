/* SPDX-License-Identifier: MIT */
/*
 * Thousands of simulated devices against real MQTT servers. Commands come on stdin, one a line:
 *
 *   alarm [SECONDS]  each device raises an alarm, spread over so long (0: all at once)
 *   clear [SECONDS]  and clears it
 *   away             each device loses its connection, and stays away
 *   back [SECONDS]   until it connects again, spread over so long
 *   stats            one line of figures now
 *   quit             ends without goodbye, as devices do
 *
 * Answers are JSON Lines on stdout, with a "phase": "connected" when all are connected (again),
 * "acknowledged" when the servers have acknowledged every alarm, "settled" when nothing at all is on its
 * way, "stats". The ids of all alarms go to --ids FILE before they are sent, to be compared with what
 * arrived.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "herd.h"

#define EVENTS_MAX	512
#define TICK_MS		5		/* how late a timer may be */
#define STDIN_INDEX	UINT32_MAX
#define SPARE_FDS	16

/* An alarm or clear command on its way through the devices. */
struct wave {
	uint64_t began_us, lasts_us;
	uint32_t next;			/* device */
	bool is_raised, is_on;
};

/* What was said last, so that it is said once. */
struct said {
	bool connected, acknowledged, settled, ends;
};

static struct herd herd;
static struct wave wave;
static struct said said = { .acknowledged = true, .settled = true };

uint64_t herd_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* xorshift64*: of no worth against an attacker, good enough for jitter, and --seed repeats a run. */
static uint64_t dice = 88172645463325252u;

uint64_t herd_random(void)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return dice * 2685821657736338717u;
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "fleet-herd: %s: %s\n", what, why);
	exit(2);
}

static void add_server(const char *text)
{
	struct sockaddr_in *to = &herd.options.server[herd.options.servers];
	const char *colon = strrchr(text, ':');
	char host[64];

	if (herd.options.servers == HERD_SERVERS_MAX)
		fail(text, "that is one server too many, at most 8");
	if (!colon || colon - text >= (int)sizeof(host))
		fail(text, "write a server as IPV4-ADDRESS:PORT");
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	to->sin_family = AF_INET;
	to->sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &to->sin_addr) != 1 || !to->sin_port)
		fail(text, "write a server as IPV4-ADDRESS:PORT");
	herd.options.servers++;
}

static uint64_t number_of(const char *text, uint64_t most)
{
	char *end;
	const double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0) || value > (double)most)
		fail(text, "is no number, or too large");
	return (uint64_t)(value * 1e6);
}

static void take_option(int option, const char *text)
{
	struct herd_options *o = &herd.options;

	switch (option) {
	case 's': add_server(text); break;
	case 'n': o->devices = (uint32_t)(number_of(text, 1000000) / 1000000); break;
	case 'f': o->fleet = text; break;
	case 'w': o->firmware = text; break;
	case 'S': o->spread_us = number_of(text, 86400); break;
	case 'b': o->pause_first_us = number_of(text, 86400); break;
	case 'B': o->pause_last_us = number_of(text, 86400); break;
	case 'r': o->window_us = number_of(text, 86400); break;
	case 'H': o->heartbeat_us = number_of(text, 86400); break;
	case 'k': o->keepalive_s = (uint16_t)(number_of(text, 65535) / 1000000); break;
	case 'R': dice ^= number_of(text, 1000000000) * 0x9e3779b97f4a7c15u; break;
	case 'a': o->ca = text; break;
	case 'c': o->cert = text; break;
	case 'K': o->key = text; break;
	case 'u': o->is_resuming = true; break;
	case 'i':
		herd.ids = fopen(text, "ae");
		if (!herd.ids)
			fail(text, strerror(errno));
		break;
	default:
		fail("usage", "--server=IPV4:PORT... --devices=N [--fleet=NAME] [--firmware=TEXT] "
		     "[--spread=S] [--pause-first=S] [--pause-last=S] [--resend-window=S] "
		     "[--heartbeat=S] [--keepalive=S] [--seed=N] [--ids=FILE] "
		     "[--ca=FILE --cert=FILE --key=FILE [--resume]]");
	}
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "server", 1, NULL, 's' }, { "devices", 1, NULL, 'n' }, { "fleet", 1, NULL, 'f' },
		{ "firmware", 1, NULL, 'w' }, { "spread", 1, NULL, 'S' }, { "pause-first", 1, NULL, 'b' },
		{ "pause-last", 1, NULL, 'B' }, { "resend-window", 1, NULL, 'r' },
		{ "heartbeat", 1, NULL, 'H' }, { "keepalive", 1, NULL, 'k' }, { "seed", 1, NULL, 'R' },
		{ "ids", 1, NULL, 'i' }, { "ca", 1, NULL, 'a' }, { "cert", 1, NULL, 'c' },
		{ "key", 1, NULL, 'K' }, { "resume", 0, NULL, 'u' }, { NULL },
	};
	struct herd_options *o = &herd.options;
	int option;

	*o = (struct herd_options){ .devices = 100, .fleet = "herd", .firmware = "sim-1", .keepalive_s = 60,
		.spread_us = 1000000, .pause_first_us = 1000000, .pause_last_us = 600000000,
		.window_us = 1800000000 };
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		take_option(option, optarg);
	if (!o->servers || !o->devices || o->devices > 99999 || !topic_name_is_valid(o->fleet))
		fail("usage", "needs a --server=IPV4:PORT, 1 to 99999 --devices, a --fleet of [A-Za-z0-9_-]");
	if (!o->pause_first_us || o->pause_first_us > o->pause_last_us || !o->keepalive_s)
		fail("usage", "0 < --pause-first <= --pause-last, and a --keepalive");
	if (!o->ca != !o->cert || !o->ca != !o->key)
		fail("usage", "--ca, --cert and --key go together");
}

static void raise_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < herd.options.devices + SPARE_FDS)
		fail("ulimit -n", "the hard limit of open files is lower than --devices");
}

static void start_herd(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = STDIN_INDEX };

	raise_limit();
	if (wire_init(&herd) < 0)
		fail("TLS", "OpenSSL does not take the files");
	herd.started_us = herd_now_us();
	herd.epoll = epoll_create1(EPOLL_CLOEXEC);
	herd.devices = calloc(herd.options.devices, sizeof(*herd.devices));
	herd.due_us = calloc(herd.options.devices, sizeof(*herd.due_us));
	if (herd.epoll < 0 || !herd.devices || !herd.due_us)
		fail("start", strerror(errno));
	for (uint32_t i = 0; i < herd.options.devices; i++)
		device_init(&herd, i);
	fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
	if (epoll_ctl(herd.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &e) < 0)
		fail("stdin", "must be a pipe or terminal");
}

static void move(const char *word, uint64_t over_us)
{
	for (uint32_t i = 0; i < herd.options.devices; i++)
		if (word[0] == 'a')
			device_leave(&herd, &herd.devices[i]);
		else
			device_return(&herd, &herd.devices[i], over_us);
}

static void obey(const char *line)
{
	double over_s = 0;
	char word[16] = "";

	if (sscanf(line, "%15s %lf", word, &over_s) < 1)
		return;
	if (!strcmp(word, "quit")) {
		said.ends = true;
	} else if (!strcmp(word, "stats")) {
		herd_report(&herd, "stats");
	} else if (!strcmp(word, "away") || !strcmp(word, "back")) {
		move(word, (uint64_t)(over_s * 1e6));
	} else if (!strcmp(word, "alarm") || !strcmp(word, "clear")) {
		if (wave.is_on)
			fail(word, "the wave before has not been through all devices");
		wave = (struct wave){ .began_us = herd_now_us(), .lasts_us = (uint64_t)(over_s * 1e6),
				      .is_raised = word[0] == 'a', .is_on = true };
		said.acknowledged = said.settled = false;
		herd.acknowledge.count = herd.acknowledge.seen = 0;
	} else {
		fail(word, "no such command: alarm, clear, away, back, stats, quit");
	}
}

static void read_commands(void)
{
	char text[256];
	const ssize_t n = read(STDIN_FILENO, text, sizeof(text) - 1);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		said.ends = true;
	if (n <= 0)
		return;
	text[n] = '\0';
	for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		obey(line);
}

static void step_wave(void)
{
	const uint64_t passed_us = herd_now_us() - wave.began_us;
	uint64_t until = herd.options.devices;

	if (!wave.is_on)
		return;
	if (passed_us < wave.lasts_us)
		until = until * passed_us / wave.lasts_us;
	while (wave.next < until)
		device_alarm(&herd, &herd.devices[wave.next++], wave.is_raised);
	wave.is_on = wave.next < herd.options.devices;
	if (herd.ids)
		fflush(herd.ids);
}

static void say_phase(const char *phase, bool is_so, bool *was_said)
{
	if (is_so && !*was_said)
		herd_report(&herd, phase);
	*was_said = is_so;
}

static void step_phases(void)
{
	const bool is_up = herd.up == herd.options.devices;

	if (!is_up && said.connected)
		herd.connect.count = herd.connect.seen = 0;
	say_phase("connected", is_up, &said.connected);
	say_phase("acknowledged", !herd.unacknowledged && !wave.is_on, &said.acknowledged);
	say_phase("settled", is_up && !herd.in_flight && !wave.is_on, &said.settled);
}

static void step(void)
{
	struct epoll_event events[EVENTS_MAX];
	const int n = epoll_wait(herd.epoll, events, EVENTS_MAX, TICK_MS);
	const uint64_t now_us = herd_now_us();

	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == STDIN_INDEX)
			read_commands();
		else
			device_ready(&herd, &herd.devices[events[i].data.u32], events[i].events);
	}
	for (uint32_t i = 0; i < herd.options.devices; i++)
		if (herd.due_us[i] <= now_us)
			device_due(&herd, &herd.devices[i]);
	step_wave();
	step_phases();
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	start_herd();
	while (!said.ends)
		step();
	return 0;
}
