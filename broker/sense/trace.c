/* SPDX-License-Identifier: MIT */
#include "sense/trace.h"

#include <errno.h>
#include <stdbool.h>

#define NOT_RECORDED	UINT32_MAX

static const struct {
	const char *name;
	bool is_optional;
} columns[TRACE_COLUMN_COUNT] = {
	[TRACE_T_MS] = { "t_ms", false },
	[TRACE_MEMAVAIL] = { "memavail", true },
	[TRACE_MEMFREE] = { "memfree", false },
	[TRACE_ACTIVE_FILE] = { "active_file", false },
	[TRACE_INACTIVE_FILE] = { "inactive_file", false },
	[TRACE_WM_MIN] = { "wm_min", false },
	[TRACE_SWAPFREE] = { "swapfree", true },
	[TRACE_ALLOCSTALL] = { "allocstall", true },
	[TRACE_OOM_KILL] = { "oom_kill", true },
	[TRACE_HOG_KB] = { "hog_kb", true },
};

/* The next cell of a row; the last one ends with the row. */
static bool next_cell(struct scan *row, struct scan *ret)
{
	if (!row->at)
		return false;
	if (!scan_until(row, ',', ret)) {
		*ret = *row;
		row->at = row->end = NULL;
	}
	return true;
}

/* "-490.001" in milliseconds, as time after TRACE_ZERO_US. */
static bool take_time(struct scan cell, uint64_t *ret_us)
{
	bool is_negative = scan_skip(&cell, "-");
	uint64_t hundredths, us;

	if (!scan_hundredths(&cell, &hundredths) || scan_left(&cell) ||
	    __builtin_mul_overflow(hundredths, US_PER_MS / 100, &us))
		return false;
	if (is_negative ? us > TRACE_ZERO_US : us > NEVER_US - 1 - TRACE_ZERO_US)
		return false;
	*ret_us = is_negative ? TRACE_ZERO_US - us : TRACE_ZERO_US + us;
	return true;
}

/* Figures of one row by enum trace_column; what is not recorded is 0. */
static int read_row(const struct trace *t, struct scan row, uint64_t *figure)
{
	uint32_t number = 0;
	struct scan cell;

	for (; next_cell(&row, &cell); number++) {
		for (int c = 0; c < TRACE_COLUMN_COUNT; c++) {
			if (t->at[c] != number)
				continue;
			if (c == TRACE_T_MS ? !take_time(cell, &figure[c]) :
			    !scan_u64(&cell, &figure[c]) || scan_left(&cell))
				return -EINVAL;
		}
	}
	return number == t->columns ? 0 : -EINVAL;
}

static int read_header(struct trace *t)
{
	struct scan row, cell;

	for (int c = 0; c < TRACE_COLUMN_COUNT; c++)
		t->at[c] = NOT_RECORDED;
	if (!scan_line(&t->rest, &row))
		return -ENODATA;
	for (; next_cell(&row, &cell); t->columns++)
		for (int c = 0; c < TRACE_COLUMN_COUNT; c++)
			if (scan_is(&cell, columns[c].name))
				t->at[c] = t->columns;
	for (int c = 0; c < TRACE_COLUMN_COUNT; c++)
		if (t->at[c] == NOT_RECORDED && !columns[c].is_optional)
			return -EINVAL;
	t->row = 1;
	return 0;
}

/* Recordings have no column for it; a bad row is reported when it is played. */
static void find_swap_total(struct trace *t)
{
	struct scan rest = t->rest, row;

	while (scan_line(&rest, &row)) {
		uint64_t figure[TRACE_COLUMN_COUNT] = { 0 };

		if (read_row(t, row, figure) == 0 && figure[TRACE_SWAPFREE] <= UINT64_MAX / KIB)
			t->swap_total_bytes = MAX_OF(t->swap_total_bytes,
						     figure[TRACE_SWAPFREE] * KIB);
	}
}

int trace_open(struct trace *t, const char *text, size_t size, uint64_t total_bytes)
{
	struct trace opened = { .rest = scan_of(text, size), .total_bytes = total_bytes };
	int r = read_header(&opened);

	if (r < 0)
		return r;
	find_swap_total(&opened);
	*t = opened;
	return 0;
}

static void fill_sample(const struct trace *t, const uint64_t *figure, struct sample *s)
{
	*s = (struct sample){
		.time_us = figure[TRACE_T_MS],
		.has = SAMPLE_HAS_MEMORY | SAMPLE_HAS_RESERVE,
		.total_bytes = t->total_bytes,
		.free_bytes = figure[TRACE_MEMFREE] * KIB,
		.file_bytes = (figure[TRACE_ACTIVE_FILE] + figure[TRACE_INACTIVE_FILE]) * KIB,
		.reserve_bytes = figure[TRACE_WM_MIN] * KIB,
		.available_bytes = figure[TRACE_MEMAVAIL] * KIB,
	};
	if (t->swap_total_bytes) {
		s->has |= SAMPLE_HAS_SWAP;
		s->swap_total_bytes = t->swap_total_bytes;
		s->swap_free_bytes = figure[TRACE_SWAPFREE] * KIB;
	}
	if (t->at[TRACE_ALLOCSTALL] != NOT_RECORDED && t->at[TRACE_OOM_KILL] != NOT_RECORDED) {
		s->has |= SAMPLE_HAS_VMSTAT;
		s->direct_reclaims = figure[TRACE_ALLOCSTALL];
		s->oom_kills = figure[TRACE_OOM_KILL];
	}
}

int trace_next(struct trace *t, struct sample *ret)
{
	uint64_t figure[TRACE_COLUMN_COUNT] = { 0 };
	struct scan row;
	int r;

	if (!scan_line(&t->rest, &row))
		return -ENODATA;
	t->row++;
	r = read_row(t, row, figure);
	for (int c = TRACE_MEMAVAIL; c < TRACE_COLUMN_COUNT; c++)
		if (figure[c] > UINT64_MAX / KIB / 2)
			r = -EINVAL;
	if (r < 0)
		return r;
	fill_sample(t, figure, ret);
	t->hog_bytes = figure[TRACE_HOG_KB] * KIB;
	return 0;
}
