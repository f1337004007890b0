/* SPDX-License-Identifier: MIT */
/*
 * Link: one MQTT 3.1.1 connection on an sd-event loop, with libmosquitto. It never blocks the loop: names
 * are resolved in a thread (lookup.h; numbers need none), neither connecting nor TLS is waited for. Lost
 * connections come back by themselves, after a pause that backoff.h draws, at the next server of the
 * list. Used by device and fleet. Edge; decides nothing but when to try again. SIGPIPE is ignored from
 * link_new() on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sd_event;
struct link;

#define LINK_SERVERS_MAX	8u
#define LINK_SUBSCRIPTIONS_MAX	8u

/* All texts are borrowed for the link's whole life. */
struct link_options {
	const char *server[LINK_SERVERS_MAX];	/* "HOST:PORT", tried in turn; [::1]:8883 */
	uint32_t servers;
	const char *client_id;
	const char *user, *password;		/* NULL: none */
	const char *ca_file, *cert_file, *key_file; /* NULL ca_file: no TLS. cert and key go together */
	bool is_clean;				/* false: the server keeps the session */
	bool acknowledges_late;			/* what came at QoS 1: after `received`, not before */
	unsigned keepalive_s;			/* 5..3600 */
	uint64_t pause_first_us, pause_last_us;	/* backoff */
	uint64_t connect_us;			/* for name, TCP, TLS and the server's answer; 0: 30 s */
	uint64_t spread_us;			/* the first attempt is made within this; 0: at once */
	const char *subscription[LINK_SUBSCRIPTIONS_MAX]; /* QoS 1, at every connect */
	uint32_t subscriptions;
};

struct link_message {
	const char *topic;
	const void *payload;
	size_t length;
	bool is_retained;
};

/* Called from the loop, or from link_publish() (`acknowledged` of QoS 0). No link_free() there. */
struct link_events {
	/* About to connect: sets will_topic and will_payload (retained, QoS 1), borrowed until connected or
	 * lost; untouched: no will. NULL: none. */
	void (*will)(void *userdata, const char **topic, const void **payload, size_t *length);
	void (*connected)(void *userdata);
	/* Also of an attempt that failed. why: one sentence that says what is wrong and, where a person
	 * must mend it, what to do. */
	void (*lost)(void *userdata, const char *why);
	void (*acknowledged)(void *userdata, int message);	/* PUBACK, or sent at QoS 0 */
	void (*received)(void *userdata, const struct link_message *m);
	void *userdata;
};

/* Checks the options and the certificates' files, arms the first attempt. 0 or -errno after a sentence in
 * `complaint` (256 bytes). */
int link_new(struct link **ret, struct sd_event *event, const struct link_options *options,
	     const struct link_events *events, char complaint[256]);
struct link *link_free(struct link *l);		/* says goodbye if connected: no will is sent */

bool link_is_connected(const struct link *l);
/* From `connected` on: the server went on with the session it had kept, and what came meanwhile comes now. */
bool link_is_resumed(const struct link *l);

/* Hands one message to the library and writes what the socket takes. Returns its number (> 0) for
 * `acknowledged`, or -errno: -ENOTCONN, -ENOMEM, -EMSGSIZE. */
int link_publish(struct link *l, const char *topic, const void *payload, size_t length, int qos,
		 bool is_retained);

/* Nothing is read any more, nor connected anew when the server gives up on us; false: goes on. May be called
 * from `received`. */
void link_pause(struct link *l, bool is_paused);

/* Bytes that the socket did not take. */
bool link_is_congested(const struct link *l);

/* Nothing more is written, so that what was not acknowledged comes again. link_free() is next. */
void link_drop(struct link *l);

/* Whom it talks to or tried last. */
const char *link_server(const struct link *l);
