/* SPDX-License-Identifier: MIT */
#include "brush.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define GLYPH_BYTES	3	/* of a block in UTF-8 */

struct brush brush_begin(const struct ctl *c, FILE *out, unsigned columns, unsigned rows)
{
	return (struct brush){ .out = out, .c = c, .columns = columns, .rows = rows };
}

unsigned brush_rows_left(const struct brush *b)
{
	return b->rows - b->row;
}

/* Text that was cut to the terminal's own letters already. */
static unsigned columns_of(const char *text)
{
	wchar_t wide[CELL_MAX_BYTES];
	size_t count = mbstowcs(wide, text, CELL_MAX_BYTES);
	int columns = count < CELL_MAX_BYTES ? wcswidth(wide, count) : -1;

	return columns < 0 ? (unsigned)strlen(text) : (unsigned)columns;
}

static void put(struct brush *b, const char *text)
{
	char cut[CELL_MAX_BYTES];

	if (b->row >= b->rows || b->column >= b->columns)
		return;
	print_cut(text, (int)(b->columns - b->column), cut);
	fputs(cut, b->out);
	b->column += columns_of(cut);
}

void brush_text(struct brush *b, const char *format, ...)
{
	char text[600];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args); /* what is cut is out of sight anyway */
	va_end(args);
	put(b, text);
}

void brush_cell(struct brush *b, const char *text, int columns)
{
	char cell[CELL_MAX_BYTES];

	put(b, print_cell(text, columns, cell));
}

void brush_stage(struct brush *b, const char *stage)
{
	if (b->row < b->rows)
		fputs(stage ? print_stage(b->c, stage) : print_plain(b->c), b->out);
}

void brush_end(struct brush *b)
{
	if (b->row >= b->rows)
		return;
	fputc('\n', b->out);
	b->row++;
	b->column = 0;
}

static void put_glyphs(struct brush *b, const char *const *glyph, unsigned count)
{
	char text[LINE_WIDTH * GLYPH_BYTES + 1] = "";
	size_t used = 0;

	for (unsigned i = 0; i < count && i < LINE_WIDTH; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", glyph[i]);
	put(b, text);
}

void brush_bar(struct brush *b, double share, unsigned columns)
{
	const char *full = print_is_utf8() ? "█" : "#", *empty = print_is_utf8() ? "░" : ".";
	const char *glyph[LINE_WIDTH];

	columns = columns < LINE_WIDTH ? columns : LINE_WIDTH;
	for (unsigned i = 0; i < columns; i++)
		glyph[i] = (double)i + 0.5 < share * (double)columns ? full : empty;
	put_glyphs(b, glyph, columns);
}

void brush_spark(struct brush *b, const int *level, unsigned count)
{
	static const char *const blocks[BRUSH_LEVELS] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const letters[BRUSH_LEVELS] = { "_", ".", "-", "~", "=", "+", "*", "#" };
	const char *const *set = print_is_utf8() ? blocks : letters;
	const char *glyph[LINE_WIDTH];

	count = count < LINE_WIDTH ? count : LINE_WIDTH;
	for (unsigned i = 0; i < count; i++)
		glyph[i] = level[i] < 0 ? " " : set[level[i] < BRUSH_LEVELS ? level[i] : BRUSH_LEVELS - 1];
	put_glyphs(b, glyph, count);
}

void brush_time_left(struct brush *b, const struct domain_row *d)
{
	char text[TIME_LEFT_BYTES];

	brush_text(b, "%s", print_time_left(b->c, d, text, sizeof(text)));
}
