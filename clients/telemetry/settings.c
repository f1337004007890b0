/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <string.h>

#define AT(member) offsetof(struct settings, member)

/* The whole configuration: group, key, type, member, min, max, default, words or default, why. */
const struct settings_option settings_options[] = {
	{"Server", "servers", SETTINGS_SERVERS, AT(server), 1, LINK_SERVERS_MAX, 0,
	 "localhost:1883",
	 "MQTT servers as HOST:PORT, tried in turn; [::1]:8883 for a number of IPv6. One is "
	 "enough; a second one takes over while the first is being replaced."},
	{"Server", "ca_file", SETTINGS_TEXT, AT(ca_file), 0, 0, 0, "",
	 "The authorities whose signature a server's certificate must bear, PEM. Empty: no TLS, "
	 "everybody on the way can read and forge. Read again at each connection when the file has "
	 "changed, as the next two."},
	{"Server", "cert_file", SETTINGS_TEXT, AT(cert_file), 0, 0, 0, "",
	 "The device's own certificate, PEM, with the chain. Empty: the server must know the "
	 "device otherwise."},
	{"Server", "key_file", SETTINGS_TEXT, AT(key_file), 0, 0, 0, "",
	 "The key of that certificate, PEM. Readable for this process alone: see "
	 "failsoft-telemetry(8) on LoadCredential."},
	{"Server", "user", SETTINGS_TEXT, AT(user), 0, 0, 0, "",
	 "MQTT user name. Empty: none, which is right with certificates."},
	{"Server", "password_file", SETTINGS_TEXT, AT(password_file), 0, 0, 0, "",
	 "A file whose first line is the password. Without TLS it is sent in the clear."},
	{"Server", "keepalive_s", SETTINGS_S, AT(keepalive_s), 5, 3600, 60, NULL,
	 "Silence after which a ping is sent; a server gives a device up after 1.5 times as long "
	 "and publishes its last will. Halved, a dead device is known in 45 s and a radio wakes "
	 "twice as often; doubled, in 180 s."},
	{"Server", "connect_ms", SETTINGS_MS, AT(connect_us), 500, 600000, 30000, NULL,
	 "Time for name, TCP, TLS and the server's answer. Five round trips: 30 s do for 3 s each, "
	 "with as much again for what is lost. Halved, slow radios never connect; doubled, a dead "
	 "server is waited for."},
	{"Server", "pause_first_ms", SETTINGS_MS, AT(pause_first_us), 10, 600000, 10000, NULL,
	 "The first pause before another attempt is drawn from 1 s to this, the next from twice as "
	 "much, and so on. 10000 devices that lost the same server come back at 1100 a second: "
	 "Mosquitto took 227 a second in one burst and 36500 one by one, but with client "
	 "certificates 800 (measured): with more than 7000 devices on one server, a longer pause. "
	 "Halved, twice as many at once; doubled, a short break lasts longer."},
	{"Server", "pause_last_ms", SETTINGS_MS, AT(pause_last_us), 10, 3600000, 600000, NULL,
	 "The longest pause is drawn from 1 s to this. Halved, a server that is down for long is "
	 "asked twice as often; doubled, a device is back 10 minutes after the server on average "
	 "instead of 5."},
	{"Server", "first_connect_ms", SETTINGS_MS, AT(spread_us), 0, 3600000, 10000, NULL,
	 "The first attempt after the start is made within this, so that a fleet that got power at "
	 "the same moment does not come at once. 0 for a single device."},

	{"Device", "fleet", SETTINGS_TEXT, AT(fleet), 0, 0, 0, "default",
	 "Name of the fleet in topics, 1 to 64 of A-Z a-z 0-9 _ -."},
	{"Device", "device", SETTINGS_TEXT, AT(device), 0, 0, 0, "",
	 "Name of the device, of the same characters. Empty: derived from the machine id, which "
	 "itself never leaves the device."},
	{"Device", "firmware", SETTINGS_TEXT, AT(firmware), 0, 0, 0, "",
	 "Version by which the fleet is counted. Empty: IMAGE_VERSION, BUILD_ID or VERSION_ID of "
	 "os-release."},

	{"Messages", "heartbeat_s", SETTINGS_S, AT(heartbeat_s), 1, 86400, 900, NULL,
	 "A heartbeat with the counts is sent so often, a tenth earlier or later by chance. 900: "
	 "10000 devices make 11 a second. Halved, twice the traffic; doubled, rates are known half "
	 "an hour late."},
	{"Messages", "resend_window_s", SETTINGS_S, AT(resend_window_s), 0, 86400, 1800, NULL,
	 "In a new connection, alarms and reports that were acknowledged within this before the last "
	 "one was lost are sent again: a server that is killed forgets what it had not saved, "
	 "Mosquitto as a rule 1800 s, with autosave_interval 60 a minute. It must be longer than that "
	 "and 1.5 keepalives. Receivers know them by their id. Halved, a Mosquitto without that line "
	 "loses alarms; doubled, more is sent twice."},
	{"Messages", "drain_per_s", SETTINGS_COUNT, AT(drain_per_s), 1, 10000, 50, NULL,
	 "Stored events are sent so fast after a break; alarms and reports are not held back. "
	 "10000 devices with 256 events each are 500000 a second for 5 s at 50, ten times what a "
	 "Mosquitto takes (measured 54000 to 83000), which is why reconnecting is spread. Halved, "
	 "twice as long."},
	{"Messages", "window", SETTINGS_COUNT, AT(window), 1, 48, 16, NULL,
	 "Events sent and not yet acknowledged. 16 of 1 KiB fill a round trip of 300 ms at 50 a "
	 "second. Halved, slow radios drain slower; doubled, more waits in front of an alarm in "
	 "the socket."},
	{"Messages", "oom_hold_s", SETTINGS_S, AT(oom_hold_s), 1, 86400, 600, NULL,
	 "The alarm that the kernel ended a program is cleared so long after the last one."},
	{"Messages", "commands", SETTINGS_WORD, AT(commands), 0, 1, 0, "off|drill",
	 "drill: subscribes to .../cmd and takes {\"drill\":\"warning\"}, imminent or shutdown, "
	 "once a minute at most. off: nothing that is sent to the device is even received."},

	{"End of the machine", "budget_ms", SETTINGS_MS, AT(budget_us), 10, 60000, 1000, NULL,
	 "Time that is asked of failsoftd for an alarm to leave. An alarm took 2 ms on loopback "
	 "(measured) and takes a round trip elsewhere. Halved, bad radios miss it, and the spool "
	 "has the alarm; doubled, every stage comes that much earlier."},
	{"End of the machine", "margin_ms", SETTINGS_MS, AT(margin_us), 1, 10000, 100, NULL,
	 "So long before the deadline the answer is given at the latest: partial, it is in the "
	 "spool. Ten times what a thrashing machine took to wake a process that is not locked (10 "
	 "to 15 ms)."},
	{"End of the machine", "stop_means", SETTINGS_WORD, AT(stop), 0, 2, SETTINGS_STOP_ASK,
	 "ask|shutdown|service",
	 "What SIGTERM says of the machine: ask systemd whether it goes down; shutdown where "
	 "another init sends it at that time only; service: nothing."},

	{"Memory", "spool_slots", SETTINGS_COUNT, AT(spool_slots), 16, 4096, 256, NULL,
	 "Messages that are kept while no server is there, 2 KiB each, locked in memory. Events go "
	 "first, alarms last. Halved, half the history of a long break; doubled, 512 KiB more."},
	{"Memory", "reserve_bytes", SETTINGS_BYTES, AT(reserve_bytes), 65536, 67108864, 786432,
	 NULL,
	 "Heap that is taken and locked at the start, so that nothing is asked of the kernel in a "
	 "shortage. An alarm takes 20 KiB, a connection with TLS 200 KiB (measured). Halved, a new "
	 "connection with a large CA file may need more in the crisis; doubled, the process is as "
	 "much larger."},
};
const size_t settings_options_count = sizeof(settings_options) / sizeof(settings_options[0]);

static uint64_t in_us(const struct settings_option *o, uint64_t value)
{
	return o->type == SETTINGS_MS ? value * 1000 : value;
}

void settings_default(struct settings *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < settings_options_count; i++) {
		const struct settings_option *o = &settings_options[i];
		void *member = (char *)s + o->at;

		if (o->type == SETTINGS_TEXT || o->type == SETTINGS_SERVERS)
			strncpy(member, o->words, SETTINGS_TEXT_MAX - 1);
		else
			*(uint64_t *)member = in_us(o, o->initial);
		s->servers = o->type == SETTINGS_SERVERS ? 1 : s->servers;
	}
}

void settings_word(const struct settings_option *o, uint64_t value, char ret[32])
{
	const char *at = o->words;

	for (; value > 0 && *at; value--)
		at += strcspn(at, "|") + (at[strcspn(at, "|")] == '|');
	(void)snprintf(ret, 32, "%.*s", (int)strcspn(at, "|"), at);
}
