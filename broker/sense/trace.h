/* SPDX-License-Identifier: MIT */
/*
 * Trace: plays a recorded machine (CSV text in memory, one row per sample) as samples of the
 * system. Pure; borrows the text. Columns are found by name, KiB become bytes, and times are
 * moved so that the row "t_ms 0" comes at TRACE_ZERO_US and nothing is negative.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/scan.h"
#include "base/units.h"
#include "sense/sample.h"

/* Recordings begin at most 5 s before their time 0. Smaller than that: rows are refused. */
#define TRACE_ZERO_US	(10 * US_PER_S)

enum trace_column {
	TRACE_T_MS, TRACE_MEMAVAIL, TRACE_MEMFREE, TRACE_ACTIVE_FILE, TRACE_INACTIVE_FILE,
	TRACE_WM_MIN, TRACE_SWAPFREE, TRACE_ALLOCSTALL, TRACE_OOM_KILL, TRACE_HOG_KB,
	TRACE_COLUMN_COUNT
};

struct trace {
	struct scan rest;
	uint32_t columns;			/* of the header */
	uint32_t at[TRACE_COLUMN_COUNT];	/* their numbers; UINT32_MAX: not recorded */
	uint64_t total_bytes;
	uint64_t swap_total_bytes;		/* as much as was ever free; 0: swapless */
	uint64_t row;				/* the newest, the header is 1 */
	uint64_t hog_bytes;			/* ground truth of the newest row, for the tests */
};

/*
 * total_bytes: memory of the recorded machine. Returns 0, -ENODATA when there is no header, or
 * -EINVAL when a column that a sample needs is missing.
 */
int trace_open(struct trace *t, const char *text, size_t size, uint64_t total_bytes);

/* The next row. Returns 0, -ENODATA at the end, or -EINVAL: t->row is not a row of figures. */
int trace_next(struct trace *t, struct sample *ret);
