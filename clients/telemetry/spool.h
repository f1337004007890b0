/* SPDX-License-Identifier: MIT */
/*
 * Spool: what is to be sent, on the disk before it is sent. One file of fixed size, allocated, mapped
 * and locked at start: to store a record asks for no memory and no room on the disk. Edge (mapping,
 * msync); which slot is taken and what comes next is decided in spool_order.c, which is pure.
 *
 * A record fills one slot and carries a CRC32 over all of it, so one that the end of power tore is void
 * and its neighbours are not. No slot is written over while it holds what is more important than what
 * comes and was not sent; of what is as important the oldest gives way. The last record of each alarm kind
 * stays, sent or not. The file's head, written in two copies in turn, holds what must outlive the process:
 * instance, the highest sequence and session that may have been used. What the head cannot tell any more
 * (both copies are torn) is taken from the slots. spool_file.h has the layout and why it holds.
 * Not for several threads.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "topic.h"

#define SPOOL_SLOT_BYTES	2048u
#define SPOOL_SLOTS_MIN		16u	/* 40 KiB */
#define SPOOL_SLOTS_MAX		4096u	/* 8 MiB */

/* More important is higher. */
enum spool_priority {
	SPOOL_HEARTBEAT,
	SPOOL_EVENT,
	SPOOL_ALARM,			/* reports, too */
	SPOOL_PRIORITY_COUNT
};

enum spool_phase {
	SPOOL_FREE,
	SPOOL_WAITING, /* to be sent */
	SPOOL_SENT, /* the server has it (PUBACK); an alarm stays for a while, see spool_resend() */
};

struct spool_record {
	uint64_t sequence;		/* 0: none */
	uint64_t sent_s;		/* when it was acknowledged, see spool_acknowledge() */
	uint32_t type;			/* enum topic_type */
	uint32_t alarm;			/* enum topic_alarm, of TOPIC_ALARM */
	uint32_t is_raised;		/* of TOPIC_ALARM: 0 cleared */
	uint32_t length;		/* of the payload */
	char payload[TOPIC_PAYLOAD_MAX];
};

struct spool_counts {
	uint32_t slots, waiting, sent;
	/* since the file was made; never sent, or so lately that spool_resend() might have wanted it */
	uint64_t evicted[SPOOL_PRIORITY_COUNT];
	uint32_t damaged;		/* slots found torn or flipped when it was opened */
};

struct spool;

/*
 * Opens or makes `path` with `slots` slots; a file of another size is carried over into a new one: what
 * fits, the important first. Damaged slots are freed and counted. `path`.lock is locked against a second
 * process. Returns 0 or -errno: -EBUSY another process has it, -ENOSPC (the disk has no room, before
 * anything was lost), -EINVAL slots, -ENAMETOOLONG, -EPROTO it is no spool or from another version (left
 * as it is: move it away), or what the system said.
 */
int spool_open(struct spool **ret, const char *path, uint32_t slots);

/* What spool_open_anyway() did to have one. */
struct spool_opening {
	bool is_aside;		/* what was no spool is now `path`.bad, and counted as damaged */
	bool is_old_size;	/* no room for another size: with the slots that it had */
	bool is_in_memory;	/* no room at all: it ends with the process; a new instance */
	int error;			/* why: of the last two */
};

/*
 * As spool_open(), for a device that must not fall silent: what is no spool is set aside (an older
 * `path`.bad is replaced) and a new one is begun; where the disk has no room, takes no writes or fails,
 * the spool stays in memory. Its numbers are none that this boot's file has or will have. What is left:
 * -EBUSY, -ENOENT, -EACCES, -EINVAL, -ENAMETOOLONG, -ENOMEM.
 */
int spool_open_anyway(struct spool **ret, const char *path, uint32_t slots,
		      struct spool_opening *how);

struct spool *spool_close(struct spool *s);	/* NULL is fine; returns NULL */

/* mlock took it. Otherwise its pages may have to be read again, RLIMIT_MEMLOCK is too low. */
bool spool_is_locked(const struct spool *s);

/* Of the file: a random number made with it. Two devices with one identity differ in it. */
uint32_t spool_instance(const struct spool *s);

/*
 * The next message's and the next connection's number; blocks of them are reserved on the disk, so that
 * one in SPOOL_SEQUENCE_BLOCK waits for it. Never one twice; after an end without spool_close() up to a
 * block is left out, after the loss of one head two, of both 2^32.
 */
#define SPOOL_SEQUENCE_BLOCK	1024u
#define SPOOL_SESSION_BLOCK	16u
uint64_t spool_next_sequence(struct spool *s);
uint64_t spool_next_session(struct spool *s);

/* Alarms and reports, events, all the rest. */
enum spool_priority spool_priority(enum topic_type type);

/*
 * Stores a record that has its sequence. Takes a free slot; else the oldest sent one that spool_resend()
 * will not want; else the oldest waiting one of the lowest priority that is not above its own. What
 * spool_resend() might want comes before waiting alarms, and gives way to events and alarms. What was
 * needed is lost and counted. is_urgent: return when it is on the disk (msync), for alarms and reports.
 * Returns 0, or -ENOBUFS nothing may be evicted for it (it is counted as evicted), -EMSGSIZE, -EINVAL
 * (sequence, type, alarm), or what msync returned (it is stored in memory all the same).
 */
int spool_put(struct spool *s, const struct spool_record *record, bool is_urgent);

/* Returns when a record that was put without haste is on the disk: 0, -ENOENT, or what msync returned. For
 * an alarm that must leave before a deadline while the disk is slow: put, send, then sync. */
int spool_sync(struct spool *s, uint64_t sequence);

/*
 * The waiting record with the lowest sequence above `after` (0: from the beginning) among those of
 * priority `lowest` or more: with SPOOL_ALARM the urgent ones alone, with SPOOL_HEARTBEAT all in order.
 * NULL: none. Valid until the next spool_put.
 */
const struct spool_record *spool_next(const struct spool *s, enum spool_priority lowest, uint64_t after);

/* The server has it: alarms and reports are kept as sent (until their slot is needed), others freed.
 * `now_s`: CLOCK_BOOTTIME in seconds. Not on the disk at once: what is sent twice is recognised by its
 * id. Unknown sequences are ignored. */
void spool_acknowledge(struct spool *s, uint64_t sequence, uint64_t now_s);

/*
 * A server may forget what it acknowledged when it is killed: in a new session, what was acknowledged in
 * the `window_s` before the last one was lost, at met_s, waits again. Returns how many. What was sent in an
 * earlier boot waits again if the count of seconds cannot exclude the window, so rather once too often.
 */
uint32_t spool_resend(struct spool *s, uint64_t met_s, uint64_t window_s);

/* The server is there: what spool_resend() would want now has a claim to its slot. Called while connected,
 * as a lost connection stops that clock; not called: nothing has. */
void spool_meet(struct spool *s, uint64_t now_s, uint64_t window_s);

/* The last record of an alarm kind, raised or cleared; NULL: none known. */
const struct spool_record *spool_alarm(const struct spool *s, enum topic_alarm alarm);

struct spool_counts spool_count(const struct spool *s);
