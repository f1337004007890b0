/* SPDX-License-Identifier: MIT */
/*
 * Link part: what link.c, link_open.c and link_words.c share of one connection. Edge.
 */
#pragma once

#include <mosquitto.h>
#include <systemd/sd-event.h>

#include "backoff.h"
#include "link.h"
#include "lookup.h"
#include "tls.h"

#define LINK_WHY_MAX	512

enum link_phase {
	LINK_RESTING,			/* until the timer */
	LINK_LOOKING,			/* for numbers */
	LINK_CONNECTING,		/* TCP, TLS, CONNECT; the timer ends it */
	LINK_UP
};

struct link {
	struct link_options options;
	struct link_events events;
	sd_event *event;
	sd_event_source *timer, *io, *settle;
	struct backoff backoff;

	struct lookup_server server[LINK_SERVERS_MAX];
	uint32_t at;			/* of the server */
	struct lookup *lookup;
	struct lookup_answer numbers;	/* of the server */
	uint32_t number_at;
	struct lookup_answer known[LINK_SERVERS_MAX]; /* for when the name server is gone */

	enum link_phase phase;
	struct mosquitto *mosq;
	struct tls *tls;
	int fd;
	bool has_tcp;			/* the socket stands */
	bool is_resumed;		/* the server had kept the session */
	bool is_paused;			/* see link_pause() */
	bool is_broken;			/* to be taken down as soon as no call of the library is under way */
	unsigned depth;			/* of such calls */
	uint64_t up_us;			/* CLOCK_MONOTONIC: since when */
	const char *will_topic;		/* NULL: none; borrowed */
	char why[LINK_WHY_MAX];
};

/* Writes into l->why what ended the connection; `error` is errno of that moment. */
void link_words(struct link *l, int rc, int error);
void link_words_refused(struct link *l, int connack);
void link_words_lookup(struct link *l, const struct lookup_answer *answer);
void link_words_timeout(struct link *l);

/* What is wrong with the options: -EINVAL after a sentence, or 0. Fills l->server. */
int link_words_check(struct link *l, char complaint[256]);

/* One attempt with the number l->number_at. 0: under way; -ENOTCONN: l->why says why not. */
int link_open(struct link *l);

/* Of link.c: the socket has something; the one timer. */
int link_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata);
void link_arm(struct link *l, uint64_t in_us, uint64_t accuracy_us);

uint64_t link_now_us(void);			/* CLOCK_MONOTONIC */
uint64_t link_connect_us(const struct link *l);
uint64_t link_misc_us(const struct link *l);	/* how often the library looks whether to ping */
