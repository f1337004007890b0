/* SPDX-License-Identifier: MIT */
/*
 * Terminal: what a program that redraws a picture in place does to it, and undoes however it ends:
 * no echo, keys at once, no cursor. Edge. Where there is no terminal it only waits and ends on
 * signals. A picture never scrolls: rows that do not fit are left out. One at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <termios.h>

#define TERMINAL_ROWS_MAX	100u
#define TERMINAL_PAGE_BYTES	65536u	/* 100 rows of 79 letters of 4 bytes, colours besides */

struct terminal {
	bool is_real;			/* false: one line per look, on the standard output */
	struct termios before;
	int signals;
	FILE *out;			/* the standard output, unless its owner sets another */
	FILE *page;			/* in text[]: no memory is asked for while memory runs out */
	char text[TERMINAL_PAGE_BYTES];
};

/* 0 or -errno after a sentence on stderr. */
int terminal_open(struct terminal *t);
void terminal_close(struct terminal *t);

/* Rows that a picture may have: the last one is the cursor's. */
unsigned terminal_rows(const struct terminal *t);

unsigned terminal_columns(const struct terminal *t);	/* at most LINE_WIDTH */

/* Where the next picture is written, and then: shows it. It ends every line with a newline. */
FILE *terminal_page(struct terminal *t);
void terminal_show(struct terminal *t);

/* false: the user has had enough (q, a signal, the terminal's end). */
bool terminal_wait(struct terminal *t, int ms);
