/* SPDX-License-Identifier: MIT */
/*
 * failsoft-load: a program that uses up memory, or only looks as if, for recordings and tests.
 * What it takes follows a function of time, so that a second of load is the same wherever it runs.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE	4096u
#define MIB	(1024.0 * 1024.0)
#define MIB_PAGES	256.0

struct load {
	double rate, rise, step, every_s, size, hold_s, second, after_s, fork, seconds, adj, times;
	double readers, recorder, mark;
	const char *in, *file, *count;
};

/* Where the pages come from; load_sink.c. */
struct sink {
	const char *name;
	void (*open)(const struct load *l);
	void (*take)(uint64_t index);	/* one page, the index-th from 0 */
	void (*release)(uint64_t pages); /* all from this one on; NULL: keeps everything */
};

const struct sink *sink_find(const char *name);

/* A page's content that packs about three to one. */
void fill_page(void *page, uint64_t index);

double load_now_s(void);
void load_sleep_until(double at_s);	/* of load_now_s() */
void load_fail(const char *what);	/* exits with the reason of errno */

/* load_io.c: busy with files, or with processes that come and go; all for l->seconds. */
void load_count(const struct load *l, uint64_t pages); /* what --count counts */
void load_storm(const struct load *l);
void load_copy(const struct load *l);
void load_scan(const struct load *l);
void load_compile(const struct load *l);
void load_readers(const struct load *l);	/* starts them and returns */
void load_until_kill(const struct load *l);

#endif
