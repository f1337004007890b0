/* SPDX-License-Identifier: MIT */
/*
 * One message of each type and kind as the device would send it, one a line, for check_telemetry.py: with
 * usual figures, with none, and with the worst that others can make of them. "TYPE NAME JSON".
 */
#include <stdio.h>
#include <string.h>

#include "envelope.h"

#define NAME_64	"0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABC-_F"
#define BOOT	"0123456789abcdef0123456789abcdef"

enum how { USUAL, BARE, QUOTES, CONTROLS, NO_UTF8, GREEK, HOW_COUNT };

static const char *const how_names[HOW_COUNT] = { "usual", "bare", "quotes", "controls", "no-utf8", "greek" };
static int failures;

/* Fills a text of `size` bytes as others could: names of cgroups and processes are any bytes. */
static void fill(char *to, size_t size, enum how how, const char *usual)
{
	static const char *const patterns[HOW_COUNT] = { [QUOTES] = "\"\\", [CONTROLS] = "\001\033\n\177\r\b",
							 [NO_UTF8] = "\xff\xc3\x80\xed\xa0\x80",
							 [GREEK] = "\xce\xb1\xe2\x82\xac" };
	const char *pattern = patterns[how];

	memset(to, 0, size);
	if (how == USUAL)
		snprintf(to, size, "%s", usual);
	for (size_t i = 0; pattern && i < size - 1; i++)
		to[i] = pattern[i % strlen(pattern)];
}

static uint64_t figure(enum how how, uint64_t usual)
{
	return how == USUAL ? usual : how == BARE ? 0 : UINT64_MAX - 2;
}

static uint64_t time_of(enum how how, uint64_t usual)
{
	return how == BARE ? UINT64_MAX : figure(how, usual);
}

static struct envelope origin(enum how how)
{
	struct envelope v = { .boot = BOOT, .instance = how == BARE ? 0 : 0xfedcba98,
			      .session = how == BARE ? 1 : INT64_MAX };

	snprintf(v.fleet, sizeof(v.fleet), "%s", how == USUAL ? "north" : NAME_64);
	snprintf(v.device, sizeof(v.device), "%s", how == USUAL ? "d-1" : NAME_64);
	fill(v.firmware, sizeof(v.firmware), how, "2.4.1");
	return v;
}

static struct envelope_moment moment(enum how how)
{
	struct envelope_moment m = {.sequence = how == BARE ? 1 : INT64_MAX,
				    .boottime_us = figure(how, 5000000),
				    .real_s = 1764331200,
				    .is_synchronised = how != BARE};

	/* A clock that is set to nonsense. */
	if (how == CONTROLS)
		m.real_s = INT64_MAX;
	if (how == NO_UTF8)
		m.real_s = INT64_MIN;
	if (how == QUOTES)
		m.real_s = 253402300799; /* the end of the year 9999 */
	return m;
}

static struct tally_episode episode(enum how how)
{
	struct tally_episode e = {
		.number = figure(how, 12), .highest = how == BARE ? 0 : FAILSOFT_STAGE_SHUTDOWN,
		.began_us = figure(how, 1000000), .duration_us = figure(how, 12300000),
		.forecast_at_us = figure(how, 2000000), .tte_us = time_of(how, 900000),
		.tte_early_us = time_of(how, 700000), .tte_late_us = time_of(how, 1500000),
		.headroom_bytes = figure(how, 1 << 20), .total_bytes = figure(how, 1 << 30),
		.lowest_headroom_bytes = figure(how, 4096), .asked = (uint32_t)figure(how, 3),
		.missed = (uint32_t)figure(how, 1), .victims = (uint32_t)figure(how, 1),
		.oom_kills = (uint32_t)figure(how, 1), .stopped = (uint32_t)figure(how, 2),
		.freed_bytes = figure(how, 77), .victim_pid = figure(how, 4711), .is_near_miss = how != USUAL,
		.is_false_alarm = how == BARE,
	};

	fill(e.domain, sizeof(e.domain), how, "system");
	fill(e.victim, sizeof(e.victim), how, "java");
	return e;
}

static void print(const char *type, enum how how, const char *what, int bytes, const char *json)
{
	if (bytes < 0 || (size_t)bytes != strlen(json)) {
		fprintf(stderr, "%s %s-%s: %s\n", type, how_names[how], what, strerror(-bytes));
		failures++;
		return;
	}
	printf("%s %s-%s %s\n", type, how_names[how], what, json);
}

static void print_states(enum how how)
{
	const struct envelope v = origin(how);
	const struct envelope_moment m = moment(how);
	char out[TOPIC_PAYLOAD_MAX];
	struct envelope_state s = {
		.is_online = true, .has_broker = how != BARE, .stage = how == USUAL ? 1 : how == BARE ? 0 : 3,
		.headroom_bytes = figure(how, 5), .total_bytes = figure(how, 9), .tte_us = time_of(how, 7),
		.expect = how == BARE ? "" : how == USUAL ? "reboot" : "poweroff",
	};

	fill(s.domain, sizeof(s.domain), how, "system");
	if (how > BARE) {
		memset(&s.counts, 0x7f, sizeof(s.counts));
		memset(&s.spool, 0x7f, sizeof(s.spool));
	}
	print("state", how, "birth", envelope_state(&v, &m, &s, false, out), out);
	print("heartbeat", how, "heartbeat", envelope_state(&v, &m, &s, true, out), out);
	s.is_online = false;
	print("state", how, "will", envelope_state(&v, &m, &s, false, out), out);
}

static void print_alarms(enum how how)
{
	const struct envelope v = origin(how);
	const struct envelope_moment m = moment(how);
	const struct tally_episode e = episode(how);
	char text[2000], out[TOPIC_PAYLOAD_MAX], what[64];

	fill(text, sizeof(text), how, "Memory will be exhausted in 0.9 s.");
	for (int kind = 0; kind < TOPIC_ALARM_COUNT; kind++)
		for (int variant = 0; variant < 4; variant++) {
			const bool is_raised = variant & 1;
			const struct tally_episode *of = variant & 2 ? &e : NULL;

			snprintf(what, sizeof(what), "%s-%s-%s", topic_alarm_name((enum topic_alarm)kind),
				 is_raised ? "raised" : "cleared", of ? "episode" : "no-episode");
			print("alarm", how, what,
			      envelope_alarm(&v, &m, (enum topic_alarm)kind, is_raised, of,
					     figure(how, 99), text, out),
			      out);
		}
}

static void print_events(enum how how)
{
	const struct envelope v = origin(how);
	const struct envelope_moment m = moment(how);
	char out[TOPIC_PAYLOAD_MAX], what[32];
	struct feed_event e = {
		.number = figure(how, 4),
		.time_us = figure(how, 1),
		.episode = figure(how, 1),
		.from = 0,
		.to = how == BARE ? 0 : 3,
		.headroom_bytes = figure(how, 5),
		.total_bytes = figure(how, 9),
		.tte_us = time_of(how, 3),
		.pid = figure(how, 4711),
		.is_drill = how > BARE,
		.is_dry_run = how > BARE,
	};

	fill(e.word, sizeof(e.word), how, "stage");
	fill(e.domain, sizeof(e.domain), how, "system");
	fill(e.name, sizeof(e.name), how, "player");
	fill(e.text, sizeof(e.text), how, "Stage normal -> shutdown");
	for (int kind = 0; kind < FEED_KIND_COUNT; kind++) {
		e.kind = (enum feed_kind)kind;
		snprintf(what, sizeof(what), "kind-%d", kind);
		print("event", how, what, envelope_event(&v, &m, &e, out), out);
	}
}

static void print_reports(enum how how)
{
	const struct envelope v = origin(how);
	const struct envelope_moment m = moment(how);
	const struct tally_episode none = { .tte_us = UINT64_MAX };
	struct crumb_note past = { .boot = "ffffffffffffffffffffffffffffffff" };
	struct tally_episode e = episode(how);
	struct outcome o = { .is_known = true };
	char out[TOPIC_PAYLOAD_MAX];

	fill(past.firmware, sizeof(past.firmware), how, "2.4.0");
	past.firmware[0] = how > BARE ? 'x' : past.firmware[0]; /* another than now */
	fill(o.of, sizeof(o.of), how, "java");
	fill(o.text, sizeof(o.text), how, "The kernel panicked.");
	for (int end = 0; end < TALLY_END_COUNT; end++) {
		e.end = (uint32_t)end;
		o.end = (enum tally_end)end;
		print("report", how, tally_end_name(o.end),
		      envelope_report(&v, &m, &e, NULL, NULL, out), out);
		print("report", how, "past", envelope_report(&v, &m, &e, &o, &past, out), out);
		print("report", how, "boot", envelope_report(&v, &m, &none, &o, &past, out), out);
	}
}

int main(void)
{
	for (int how = 0; how < HOW_COUNT; how++) {
		print_states((enum how)how);
		print_alarms((enum how)how);
		print_events((enum how)how);
		print_reports((enum how)how);
	}
	return failures > 0;
}
