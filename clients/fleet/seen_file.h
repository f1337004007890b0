/* SPDX-License-Identifier: MIT */
/*
 * Seen file: the file of --state-file, and what a reader believes of any bytes. Pure. A head, then records
 * of one size: first the snapshot, whose number the head says, then the journal, appended record by record. A
 * checksum goes on from one record to the next, so that none can be missing, doubled or moved. Numbers
 * are this machine's, as the file does not leave it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../telemetry/topic.h"

#define SEEN_FILE_MAGIC		"failsoft-seen\n\r"	/* with NUL: 16 bytes */
#define SEEN_FILE_VERSION	1u

enum seen_what {
	SEEN_BEGUN = 1,		/* `first` is about to be shown */
	SEEN_SHOWN,		/* first..last of the log were shown: the whole range of the window */
	SEEN_ALARM,		/* the present state of an alarm: `last` its sequence, `first` since when */
	SEEN_ALARM_BEGUN	/* the same, about to be shown */
};

struct seen_head {
	char magic[16];
	uint32_t version, record_bytes;
	uint64_t records;	/* of the snapshot */
	uint64_t saved_s;	/* since 1970 */
	uint32_t zero, crc;
};

struct seen_record {
	uint32_t crc;		/* goes on from the one before */
	uint32_t instance;
	uint8_t what, kind, is_raised, zero[5];
	uint64_t first, last;
	char fleet[TOPIC_NAME_MAX], device[TOPIC_NAME_MAX], boot[TOPIC_BOOT_MAX]; /* 0 to their ends */
	uint8_t end[5];
};

_Static_assert(sizeof(struct seen_head) == 48 && sizeof(struct seen_record) == 200, "as on the disk");

enum seen_health {
	SEEN_WHOLE,
	SEEN_TORN,		/* the last record is unfinished; all before it is good */
	SEEN_SHORT,		/* ends within the snapshot, which was renamed when it was whole */
	SEEN_DAMAGED,
	SEEN_OTHER_VERSION,
	SEEN_FOREIGN		/* none of ours */
};

struct seen_sight {
	enum seen_health health;
	uint64_t records;	/* WHOLE, TORN; else 0: none is believed */
	size_t at;		/* where the good part ends */
	uint32_t crc;		/* of the last good record, or the head */
};

struct seen_sight seen_file_read(const void *image, size_t size);
/* below sight.records; `image` is aligned to 8 */
const struct seen_record *seen_file_record(const void *image, uint64_t i);

void seen_file_head(struct seen_head *ret, uint64_t records, uint64_t now_s);
uint32_t seen_file_seal(struct seen_record *record, uint32_t crc_before);	/* returns its own */

/* "is damaged", for a sentence. */
const char *seen_file_words(enum seen_health health);
