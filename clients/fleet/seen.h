/* SPDX-License-Identifier: MIT */
/*
 * Seen: --state-file: what was shown is not shown again by the next process, also after SIGKILL. Edge. Before
 * a line of the log leaves, or one that says what became of an alarm, its id or the alarm's state is appended
 * to the journal as begun, afterwards as shown, each with one write(); the message is acknowledged to the
 * server after that. So SIGKILL loses nothing and repeats nothing but what was begun: that is shown again as
 * one that perhaps was. The file is written anew, and
 * renamed, when the journal has grown and at the end. Not synchronised: a power failure may tear it. Times
 * CLOCK_MONOTONIC.
 */
#pragma once

#include "roster_seen.h"

/* Kept of those that were begun and not finished: for each SIGKILL a line of the log and what became of its
 * alarm, until they come again. */
#define SEEN_UNSURE_MAX	32u
/* Journal before the file is written anew, if it is longer than the snapshot. Half: twice as often, which
 * takes 0.1 s for 100 000 records; double: a longer start. */
#define SEEN_JOURNAL_BYTES	(UINT64_C(4) << 20)
#define SEEN_PAUSE_US		UINT64_C(5000000)	/* and not sooner after the last time */

struct seen;

/* Reads the file, or makes it, into the roster; `path` is borrowed. 0, or -errno after a sentence in
 * `complaint`; a sentence there and 0: a file that is not trusted was moved aside. */
int seen_open(struct seen **ret, const char *path, struct roster *roster, char complaint[512]);
/* Writes it anew; roster NULL: leaves it as it is. */
struct seen *seen_close(struct seen *s, const struct roster *roster);

/* It was begun, and nobody knows whether its line left. */
bool seen_is_unsure(const struct seen *s, const struct ingest_message *m, const struct roster_note *note);
/* All notes of one message. */
void seen_begin(struct seen *s, const struct ingest_message *m, const struct roster_note *note,
		uint32_t notes);
void seen_end(struct seen *s, const struct ingest_message *m, const struct roster_note *note, uint32_t notes);
void seen_tick(struct seen *s, const struct roster *roster, uint64_t now_us);
