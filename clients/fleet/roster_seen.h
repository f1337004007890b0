/* SPDX-License-Identifier: MIT */
/* Roster, seen: what of it outlives the program: which ids of the log were seen, and which alarms are raised.
 * Pure but for the roster's memory. */
#pragma once

#include "roster.h"
#include "seen_file.h"

/* One record back into the roster, oldest first. The device is unknown until it is heard. false: no room,
 * or it is not for the roster (begun). */
bool roster_restore(struct roster *r, const struct seen_record *record);

/* What is to be written after a message: the range that it is in; false: it is not remembered. */
bool roster_seen_range(const struct roster_device *d, const char *boot, uint64_t sequence,
		       struct seen_record *ret);
void roster_seen_alarm(const struct roster_device *d, enum topic_alarm kind, struct seen_record *ret);

/* All that roster_restore() needs, record by record, until `put` says false. */
bool roster_seen_all(const struct roster *r,
		     bool (*put)(void *userdata, const struct seen_record *record), void *userdata);

/* The device and instance of the record, and within SEEN_SHOWN's range. */
bool roster_seen_is_of(const struct seen_record *record, const struct ingest_message *m);
