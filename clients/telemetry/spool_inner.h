/* SPDX-License-Identifier: MIT */
/* Spool, inner: what spool.c (in use) and spool_make.c (opened, made, carried over) share. Edge. */
#pragma once

#include "spool_file.h"

struct spool {
	void *map;			/* the whole file, MAP_SHARED */
	size_t map_bytes;
	bool is_locked;
	int lock_fd;
	struct spool_entry *entry;	/* one per slot */
	struct spool_order order;
	struct spool_head head;		/* as it was written last */
	uint32_t durable;		/* the copy of it that is known to be on the disk */
	uint64_t sequence, session;	/* the next ones */
	uint64_t sequence_reserved, session_reserved; /* up to these, on the disk */
	uint32_t damaged;
};

/* Writes the head to the copy that is not the durable one; is_durable: waits for it, and from then on it
 * is. 0 or -errno of msync. */
int spool_write_head(struct spool *s, bool is_durable);

/* Moves the limits ahead of the next numbers, on the disk. */
int spool_reserve(struct spool *s);

/* Waits until these bytes of the map are on the disk. */
int spool_flush(const struct spool *s, const void *at, size_t bytes);

/* A slot for a record of that priority; what waited in it, or may have to again, is counted as
 * evicted. */
uint32_t spool_take(struct spool *s, enum spool_priority priority);

/* Lets go of everything, half-built or not, without a word on the disk. Returns NULL. */
struct spool *spool_free(struct spool *s);
