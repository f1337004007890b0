/* SPDX-License-Identifier: MIT */
/*
 * One link, for test_link.py: settings are NAME=VALUE arguments. A line of its input "TOPIC TEXT"
 * is published (QoS 1; "-TOPIC" QoS 0; "+TOPIC" retained, QoS 1), "quit" ends it in order. What
 * happens it prints, with the milliseconds since the start in front. "turns" prints how often the
 * loop woke.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "link.h"

struct world {
	sd_event *event;
	struct link *link;
	const char *will_topic;
	unsigned wills;
	char will[32];
	unsigned long turns;
	struct timespec began;
	char line[8192];
	size_t filled;
};

static void say(struct world *w, const char *what, const char *text)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	printf("%ld %s %s\n",
	       (t.tv_sec - w->began.tv_sec) * 1000 + (t.tv_nsec - w->began.tv_nsec) / 1000000, what,
	       text);
	fflush(stdout);
}

static void on_will(void *userdata, const char **topic, const void **payload, size_t *length)
{
	struct world *w = userdata;

	if (!w->will_topic)
		return;
	snprintf(w->will, sizeof(w->will), "gone %u", ++w->wills);
	*topic = w->will_topic;
	*payload = w->will;
	*length = strlen(w->will);
}

static void on_connected(void *userdata)
{
	struct world *w = userdata;

	say(w, "connected", link_server(w->link));
}

static void on_lost(void *userdata, const char *why)
{
	say(userdata, "lost", why);
}

static void on_acknowledged(void *userdata, int message)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", message);
	say(userdata, "acknowledged", text);
}

static void on_received(void *userdata, const struct link_message *m)
{
	char text[512];

	snprintf(text, sizeof(text), "%s %s%.*s", m->topic, m->is_retained ? "(retained) " : "",
		 (int)m->length, (const char *)m->payload);
	say(userdata, "received", text);
}

static void obey(struct world *w, char *line)
{
	char *text = strchr(line, ' '), number[32];
	int r;

	if (!strcmp(line, "quit")) {
		sd_event_exit(w->event, 0);
		return;
	}
	if (!strcmp(line, "turns")) {
		snprintf(number, sizeof(number), "%lu", w->turns);
		say(w, "turns", number);
		return;
	}
	if (!text)
		return;
	*text++ = '\0';
	r = link_publish(w->link, line + strspn(line, "-+"), text, strlen(text), *line != '-',
			 *line == '+');
	snprintf(number, sizeof(number), "%d", r);
	say(w, "published", number);
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct world *w = userdata;
	ssize_t n = read(fd, w->line + w->filled, sizeof(w->line) - 1 - w->filled);
	char *end;

	(void)source, (void)events;
	if (n <= 0)
		return sd_event_exit(w->event, 0);
	w->filled += (size_t)n;
	while ((end = memchr(w->line, '\n', w->filled))) {
		*end = '\0';
		obey(w, w->line);
		w->filled -= (size_t)(end + 1 - w->line);
		memmove(w->line, end + 1, w->filled);
	}
	return 0;
}

static void set(struct world *w, struct link_options *o, char *argument)
{
	char *value = strchr(argument, '=');
	const struct {
		const char *name, **text;
	} texts[] = {
		{"server", &o->server[o->servers]},
		{"id", &o->client_id},
		{"user", &o->user},
		{"password", &o->password},
		{"ca", &o->ca_file},
		{"cert", &o->cert_file},
		{"key", &o->key_file},
		{"subscribe", &o->subscription[o->subscriptions]},
		{"will", &w->will_topic},
	};

	*value++ = '\0';
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!strcmp(argument, texts[i].name))
			*texts[i].text = value;
	o->servers += !strcmp(argument, "server");
	o->subscriptions += !strcmp(argument, "subscribe");
	if (!strcmp(argument, "keepalive_s"))
		o->keepalive_s = (unsigned)atoi(value);
	if (!strcmp(argument, "first_us"))
		o->pause_first_us = strtoull(value, NULL, 10);
	if (!strcmp(argument, "last_us"))
		o->pause_last_us = strtoull(value, NULL, 10);
	if (!strcmp(argument, "connect_us"))
		o->connect_us = strtoull(value, NULL, 10);
	if (!strcmp(argument, "clean"))
		o->is_clean = atoi(value) != 0;
}

int main(int argc, char **argv)
{
	struct link_options o = {.client_id = "link-client",
				 .keepalive_s = 60,
				 .pause_first_us = 100000,
				 .pause_last_us = 400000,
				 .is_clean = true};
	struct world w = {0};
	const struct link_events events = {on_will,	    on_connected, on_lost,
					   on_acknowledged, on_received,  &w};
	char complaint[256];
	int code;

	clock_gettime(CLOCK_MONOTONIC, &w.began);
	for (int i = 1; i < argc; i++)
		set(&w, &o, argv[i]);
	if (sd_event_new(&w.event) < 0 ||
	    sd_event_add_io(w.event, NULL, STDIN_FILENO, EPOLLIN, on_input, &w) < 0)
		return EXIT_FAILURE;
	if (link_new(&w.link, w.event, &o, &events, complaint) < 0) {
		say(&w, "refused", complaint);
		sd_event_unref(w.event);
		return 2;
	}
	while (sd_event_get_state(w.event) != SD_EVENT_FINISHED) {
		if (sd_event_run(w.event, UINT64_MAX) < 0)
			return EXIT_FAILURE;
		w.turns++;
	}
	sd_event_get_exit_code(w.event, &code);
	link_free(w.link);
	sd_event_unref(w.event);
	return code;
}
