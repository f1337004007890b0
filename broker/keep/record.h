/* SPDX-License-Identifier: MIT */
/*
 * Record: the ring of events, in memory given at start. Pure. Readers keep a number and ask for
 * what came after it; what was overwritten meanwhile is counted, not hidden.
 */
#pragma once

#include <stdint.h>

#include "keep/event.h"

struct record {
	struct event *ring;		/* size of them, given at init */
	uint32_t size;
	uint64_t last;			/* number of the newest event; 0: none */
};

void record_init(struct record *r, struct event *ring, uint32_t size);

/* Copies the event in and gives it its number. */
const struct event *record_add(struct record *r, const struct event *e);

/*
 * The first event with a number above *number that is still here; NULL: none. *number becomes its
 * number, *ret_lost how many in between were overwritten.
 */
const struct event *record_next(const struct record *r, uint64_t *number, uint64_t *ret_lost);
