/* SPDX-License-Identifier: MIT */
/*
 * Spool order: which slot a new record takes, what is sent next, what stays. Pure: works on a table with
 * one entry per slot, the caller keeps it in step with the file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "spool.h"

struct spool_entry {
	uint64_t sequence;		/* 0: nothing was ever here */
	uint64_t sent_s;
	uint32_t phase;			/* enum spool_phase */
	uint32_t priority;		/* enum spool_priority */
	uint32_t alarm;			/* enum topic_alarm; TOPIC_ALARM_COUNT: it is none */
};

struct spool_order {
	struct spool_entry *entry;	/* borrowed */
	uint32_t count;
	uint64_t met_s, window_s;	/* see spool_meet(); window 0: nothing that was sent is doubtful */
};

#define SPOOL_ORDER_NONE	UINT32_MAX

/* The slot for a new record, see spool_put(); SPOOL_ORDER_NONE: all hold what is more important. */
uint32_t spool_order_place(const struct spool_order *o, enum spool_priority priority);

/* The entry in that phase with the lowest sequence above `after`, of priorities lowest..highest. */
struct spool_order_wish {
	enum spool_phase phase;
	enum spool_priority lowest, highest;
	uint64_t after;
};
uint32_t spool_order_next(const struct spool_order *o, const struct spool_order_wish *wish);

/* The slot, not free, of a sequence. */
uint32_t spool_order_find(const struct spool_order *o, uint64_t sequence);

/* The last record of an alarm kind. */
uint32_t spool_order_alarm(const struct spool_order *o, enum topic_alarm alarm);

/* Was it sent so lately that the server may have forgotten it? A count of seconds that went back was
 * another boot's: then nothing excludes it. */
bool spool_order_is_doubtful(const struct spool_entry *e, uint64_t now_s, uint64_t window_s);

/* The same of the server that was met last: it may wait again. */
bool spool_order_may_be_needed(const struct spool_order *o, const struct spool_entry *e);

/* Counts slots, waiting, sent; leaves the rest of *c. */
void spool_order_count(const struct spool_order *o, struct spool_counts *c);
