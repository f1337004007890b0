/* SPDX-License-Identifier: MIT */
/*
 * Brush: writes the rows of a picture. What is wider than its columns is cut and what is below its
 * rows is left out, so that no terminal wraps or scrolls; colours take no room. Pure but for the
 * stream it is given (borrowed) and the locale, which says what letters there are.
 */
#pragma once

#include <stdio.h>

#include "ctl.h"

struct brush {
	FILE *out;
	const struct ctl *c;		/* colour, raw */
	unsigned columns, rows;
	unsigned column, row;		/* where it stands */
};

struct brush brush_begin(const struct ctl *c, FILE *out, unsigned columns, unsigned rows);
unsigned brush_rows_left(const struct brush *b);

void brush_text(struct brush *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Exactly so many columns; negative: cut at the front where it is too long. */
void brush_cell(struct brush *b, const char *text, int columns);
/* The colour of a stage; NULL: none any more. */
void brush_stage(struct brush *b, const char *stage);
void brush_end(struct brush *b);	/* of the row */

/* share 0 to 1 */
void brush_bar(struct brush *b, double share, unsigned columns);

#define BRUSH_BLANK	-1
#define BRUSH_LEVELS	8
/* One column each; a level is BRUSH_BLANK or below BRUSH_LEVELS. */
void brush_spark(struct brush *b, const int *level, unsigned count);

/* "in 2.3 s (1.6-4.1)", "not falling", or what a broker of before intervals tells. */
void brush_time_left(struct brush *b, const struct domain_row *d);
