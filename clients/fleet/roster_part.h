/* SPDX-License-Identifier: MIT */
/* Roster, among its own files: the table (roster.c), boots (roster_boots.c), states (roster_state.c),
 * alarms and log (roster_log.c). */
#pragma once

#include "roster.h"

#define ROSTER_SLOTS	16384u		/* 20 000 devices: 1.2 a slot */

struct roster {
	struct roster_limits limits;
	struct roster_device **list;
	uint32_t count, numbers, restored;
	uint64_t version, removed_version, connected_us;
	uint64_t halt_us, halted_us;	/* since when, 0: messages are taken; all halts before */
	struct roster_device *slot[ROSTER_SLOTS];
	struct roster_device *forgotten; /* a list; valid until the next message */
	struct groups groups;
	struct roster_totals totals;
};

/* One message on its way. */
struct roster_step {
	struct roster *roster;
	const struct ingest_message *m;
	const struct roster_now *now;
	struct roster_note *note;
	uint32_t notes;
};

void roster_note(struct roster_step *s, enum roster_note_kind kind, struct roster_device *d);
/* NULL: no room. */
struct roster_device *roster_add(struct roster *r, const struct topic *t, uint32_t instance);
/* Out of the table; the memory stays until the next message, for the note that tells of it. */
void roster_forget(struct roster *r, struct roster_device *d);
void roster_touch(struct roster *r, struct roster_device *d);
void roster_conflict(struct roster_step *s, struct roster_device *d, enum roster_conflict conflict);
struct roster_boot *roster_boot(struct roster_device *d, const char *boot, uint32_t instance,
				uint64_t now_us);
/* The message is of a boot that has given its place to another one, and was seen. */
bool roster_is_of_older_boot(const struct roster_device *d, const struct ingest_message *m);
void roster_counts(struct roster_step *s, struct roster_device *d);
/* The time in which messages were taken: the server's kept alarms come after its kept states in it. */
uint64_t roster_intake_us(const struct roster *r, const struct roster_now *now);
bool roster_make_room(struct roster *r);	/* false: nobody can give way */
void roster_firmware(struct roster_step *s, struct roster_device *d);

void roster_state(struct roster_step *s, struct roster_device *d);
void roster_clear(struct roster *r, struct roster_device *d, struct roster_alarm *a);
void roster_alarm(struct roster_step *s, struct roster_device *d);
void roster_log(struct roster_step *s, struct roster_device *d);
