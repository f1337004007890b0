/* SPDX-License-Identifier: MIT */
/*
 * Spool file: its layout, and what of a file is believed. Pure, links with libc and liblzma's CRC32.
 * Numbers are in the machine's own byte order: the file does not travel.
 *
 *	0	head, copy 0		one page each, so that a page that was lost with its write
 *	4096	head, copy 1		takes one copy with it and not both
 *	8192	slots, 2048 bytes each
 *
 * Why it holds when power ends at any byte: a write changes either one slot, or the mark of one slot, or
 * one copy of the head; whatever mixture of old and new bytes is then on the disk, in that one place a
 * CRC32 fails or nothing was torn.
 *
 * - A slot's CRC covers the record and its numbers, not its mark (phase, time of acknowledgement). A torn
 *   record is void: it was not promised yet, and what it was written over had been given up.
 * - The mark has its own CRC, over the sequence, too, so that the mark of what stood here before is none
 *   for what is there now. A torn mark means "waiting": it is sent once more, which its id tells.
 * - The head: the copy that is known to be on the disk is not touched before the other one is
 *  . Numbers only grow, so the older copy never names a lower limit than was
 *   promised to the disk.
 *
 * No order between the three is needed: none refers to another. MS_SYNC writes the pages of its range
 * and waits for the device to flush them (mm/msync.c: vfs_fsync_range with datasync); the file's blocks were
 * written as zeroes and synced before its name existed, so nothing else must reach the disk, and there is
 * nothing that could want room. What the kernel writes back by itself in between may be torn like any
 * other write. SIGKILL alone tears at most the one place that was being written: the pages are the kernel's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool.h"
#include "spool_order.h"

#define SPOOL_FILE_MAGIC	UINT64_C(0x316c6f6f70537366)	/* "fsSpool1" */
#define SPOOL_FILE_VERSION	1u
#define SPOOL_FILE_PAGE		4096u
#define SPOOL_FILE_HEADS	2u
#define SPOOL_FILE_HEAD_BYTES	(SPOOL_FILE_HEADS * SPOOL_FILE_PAGE)
/* No number above is believed; at a million messages a second it lasts 146 000 years. */
#define SPOOL_FILE_NUMBER_MAX	(UINT64_C(1) << 62)
/* Left out when both heads are lost: more than anybody used since the newest slot was written. */
#define SPOOL_FILE_LEAP		(UINT64_C(1) << 32)

struct spool_head {
	uint64_t magic;
	uint32_t version;
	uint32_t slots;
	uint64_t generation;		/* the copy with the higher one is the newer */
	uint64_t sequence_limit;	/* sequences up to this may have been used */
	uint64_t session_limit;
	uint64_t evicted[SPOOL_PRIORITY_COUNT];
	uint32_t instance;
	uint32_t crc;			/* of all before it */
};

struct spool_slot {
	struct spool_record record;	/* sent_s belongs to the mark */
	uint64_t session_limit;		/* when it was written, in case both heads are lost */
	uint32_t instance;		/* also */
	uint32_t crc;			/* of all before it with sent_s as 0 */
	uint32_t phase;			/* enum spool_phase */
	uint32_t mark_crc;		/* of sequence, sent_s, phase */
	uint32_t unused[2];
};

_Static_assert(sizeof(struct spool_slot) == SPOOL_SLOT_BYTES, "two slots fill a page");
_Static_assert(sizeof(struct spool_head) == 72, "no padding: the CRC covers all");

void spool_file_seal_head(struct spool_head *head);
void spool_file_seal_slot(struct spool_slot *slot);
void spool_file_mark(struct spool_slot *slot, enum spool_phase phase, uint64_t sent_s);

enum spool_slot_health { SPOOL_SLOT_EMPTY, SPOOL_SLOT_GOOD, SPOOL_SLOT_DAMAGED };
enum spool_slot_health spool_file_look(const struct spool_slot *slot);

/* A good slot: as the order keeps it. */
struct spool_entry spool_file_entry(const struct spool_slot *slot);

/* What a file says. */
struct spool_sight {
	bool is_known;			/* one of the heads is good: `newest` */
	uint32_t newest;		/* index of that copy */
	uint32_t slots_present;		/* whole ones in the file, at most as many as the head names */
	uint32_t slots_missing;		/* named by the head, and not there */
	uint32_t damaged;		/* of those present */
	uint32_t instance;		/* 0: nothing tells it */
	uint64_t sequence_limit, session_limit;
	uint64_t evicted[SPOOL_PRIORITY_COUNT];
};

/*
 * Reads a whole file. Returns 0, or -EPROTO: nothing in it is ours, or a good head is of another
 * version. No bytes at all, or our first bytes alone, is an empty spool. `image` is aligned to 8 bytes.
 */
int spool_file_read(const void *image, size_t size, struct spool_sight *ret);

/* The slot of that number in a mapped file. */
static inline struct spool_slot *spool_file_slot(const void *image, uint32_t i)
{
	return (struct spool_slot *)((char *)image + SPOOL_FILE_HEAD_BYTES + (size_t)i * SPOOL_SLOT_BYTES);
}

static inline struct spool_head *spool_file_head(const void *image, uint32_t copy)
{
	return (struct spool_head *)((char *)image + (size_t)copy * SPOOL_FILE_PAGE);
}
