/* SPDX-License-Identifier: MIT */
/* Feed parts: the feed's state, and its reader of what the broker says. Edge; for feed.c and feed_read.c. */
#pragma once

#include <systemd/sd-bus.h>

#include "feed.h"

#define FEED_LINE_BYTES	4096u	/* the broker's longest has 2048 */

struct feed {
	struct sd_event *event;
	struct sd_event_source *timer, *grace, *stream;
	sd_bus *bus;
	sd_bus_slot *watch, *call;
	struct failsoft *client;
	struct feed_handlers handlers;
	char *address;
	int fd;				/* of Monitor; -1: none */
	bool is_up;
	bool had_stream;		/* once: then the past of a broker may be news */
	bool is_live;			/* what the first stream tells is no longer the past */
	bool is_dry_run;
	uint64_t since_us;		/* when the first stream was asked for */
	uint64_t asked_us;		/* what is open was asked then */
	size_t used;
	bool is_overlong;		/* its line did not fit and is skipped */
	char line[FEED_LINE_BYTES];
};

/* Tells what the stream holds now. false: the broker is gone. */
bool feed_read(struct feed *f);

/* One row of ListDomains: an episode that is open is told. 0 or -errno. */
int feed_read_domain(struct feed *f, sd_bus_message *m);

/* Asks for it; what comes after a connect follows the answer. */
void feed_read_dry_run(struct feed *f);
