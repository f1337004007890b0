/* SPDX-License-Identifier: MIT */
/* Fleet, among its own files: fleet.c (the loop), intake.c (one message), halt.c (a reader that stands
 * still), show.c (the screen). */
#pragma once

#include <systemd/sd-event.h>

#include "../ctl/ctl.h"
#include "../ctl/terminal.h"
#include "fleet.h"
#include "ingest.h"
#include "lines.h"
#include "outlet.h"
#include "pager.h"
#include "reader.h"
#include "roster.h"
#include "seen.h"

#define FLEET_SUBSCRIPTIONS	5u
#define FLEET_PATTERN_MAX	(TOPIC_MAX + 80)	/* with "$share/GROUP/" */

struct fleet {
	const struct options *options;
	uint64_t run;			/* names this process to the page */
	sd_event *event;
	sd_event_source *tick, *keys, *signals;
	struct link *link;		/* NULL: a file is read */
	struct reader *reader;		/* NULL: no file */
	struct roster *roster;
	struct seen *seen;		/* NULL: a restart begins anew */
	struct pager *pager;		/* NULL: no Alertmanager */
	struct web *web;		/* NULL: nobody is listened to */
	struct outlet *outlet;		/* NULL: nothing is printed, or on a terminal */
	struct outlet *screen;		/* NULL: no terminal */
	struct lines lines;		/* out NULL: nothing is printed */
	struct ingest_message message;	/* the one that is being looked at */
	struct ctl ctl;			/* the screen's colours */
	struct terminal terminal;
	bool has_terminal, has_ended_output, is_output_full, has_said_full;
	bool has_read;			/* the whole file */
	unsigned full_ticks;		/* since it is full, until that is said */
	bool is_leaving_out, has_said_left_out; /* lines, as alerts do not wait */
	unsigned waited_ticks;		/* for a reader, less those since in which it kept up */
	uint64_t left_out;
	char why[256];			/* the connection was lost; "": it stands */
	char client_id[64], pattern[FLEET_SUBSCRIPTIONS][FLEET_PATTERN_MAX];
};

struct roster_now fleet_now(void);

/* intake.c: one message, to its end. */
void intake_message(struct fleet *f, const struct ingest_raw *raw);
void intake_expired(struct fleet *f);	/* alarms that the server no longer keeps */
int intake_file(struct fleet *f, const char *path);	/* "-": standard input; read by the loop */

void intake_lost(struct fleet *f);	/* nobody reads our lines: said, and it ends */

/* halt.c: a reader that stands still */
void halt_full(void *userdata, bool is_full);	/* of the outlet's events */
void halt_tick(struct fleet *f);
void halt_end(struct fleet *f);

/* show.c */
int show_open(struct fleet *f);
void show_close(struct fleet *f);
void show_draw(struct fleet *f);
