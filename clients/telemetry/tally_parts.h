/* SPDX-License-Identifier: MIT */
/* Tally parts: the table of open episodes and what is told of it. Pure; for tally.c alone. */
#pragma once

#include "tally.h"

#define TALLY_NOWHERE	TALLY_EPISODES	/* no place in the table */

struct tally_notes {
	struct tally_note *note;
	uint32_t count;
};

/* Never more than fit: an end, the alarms that it clears, those of the next, the stage twice, the event. */
void tally_add_note(struct tally_notes *n, struct tally_note note);

/* Only if it is another than before. */
void tally_tell_alarm(struct tally *t, struct tally_notes *n, enum topic_alarm alarm, bool is_raised,
		      const struct tally_episode *of);

/* After whatever changed a stage. `of`: whose alarm it is; NULL: the worst one's. */
void tally_tell_stage(struct tally *t, struct tally_notes *n, const struct tally_episode *of);

/* An episode is over: if the machine is ended for it, it is soon. */
void tally_end_ending(struct tally *t, uint64_t number, uint64_t time_us);

/* Its place in the table, or TALLY_NOWHERE. */
uint32_t tally_find(const struct tally *t, uint64_t number);

/* Is a later episode of its domain open, as the broker that is there has said? */
bool tally_is_superseded(const struct tally *t, uint64_t number, const char *domain);

/* The same; it is open from now on if it was not. Nowhere: it is over, or none. */
uint32_t tally_open(struct tally *t, struct tally_notes *n, const struct feed_event *e);

/* Takes it off the table, counts and reports it. */
void tally_close(struct tally *t, struct tally_notes *n, uint32_t i, uint64_t time_us);
