/* SPDX-License-Identifier: MIT */
/*
 * Fuzz: a target takes any bytes, gives them to one parser and ends the program when what comes out
 * cannot be. libFuzzer calls it through entry.c, replay.c feeds it the kept inputs; neither is
 * known here. Allocates, for exact buffers, and needs the pure library alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scan.h"
#include "sense/parse.h"

/* All targets, by the name of their folder in tests/data/fuzz/. meson.build has them, too. */
/* clang-format off */
#define FUZZ_TARGETS(X) \
	X(meminfo) X(columns) X(arc) X(zoneinfo) X(vmstat) X(decimal) X(pressure) X(value) X(key) \
	X(cgroup_stat) X(cgroup_events) X(mount) X(cgroups) X(status) X(stat) X(adj) X(io) X(shm) X(kmsg) \
	X(process_events) X(delays) X(trace) X(scan) X(tape) X(replay) \
	X(spool) X(crumb) X(feed_line) X(last_words) X(words_file) X(ingest) X(seen)
/* clang-format on */

#define FUZZ_DECLARE(name) void fuzz_##name(const uint8_t *bytes, size_t size);
FUZZ_TARGETS(FUZZ_DECLARE)
#undef FUZZ_DECLARE

/* Says where and ends: for libFuzzer and the replay that is a finding like any other. */
#define MUST(what) ((what) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #what))
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

/* Fresh memory of that many bytes and not one more, for AddressSanitizer. free() it. */
void *fuzz_exact(const void *bytes, size_t size);

/* Before a call that may fail, and after it did. */
void fuzz_stain(void *memory, size_t size);
void fuzz_must_be_stained(const void *memory, size_t size);

/* What came out, without padding and without what is behind a NUL, so that two can be compared. */
struct fuzz_figures {
	uint64_t n[32];
	char text[2][PARSE_PATH_MAX];
};

/* A parser of text, with the rules at the top of sense/parse.h. */
struct fuzz_text {
	int (*parse)(const char *text, size_t size, void *ret);
	/* What must hold of a result of that text. */
	void (*check)(const void *ret, struct scan text, struct fuzz_figures *f);
	size_t ret_size;
	const char *ignored; /* a line that changes nothing wherever it stands; NULL: none */
	bool is_free;	     /* not made of lines: what follows the last newline counts */
};

/* Runs it on the bytes in several disguises that all must have the same result. */
void fuzz_text(const struct fuzz_text *t, const uint8_t *bytes, size_t size);

/* Copies a text of the result into f; it must have its NUL within `size`. */
void fuzz_take_text(struct fuzz_figures *f, int i, const char *text, size_t size);

/*
 * A second, simpler reading of "key figure [kB]" lines, to be compared with the parser's. How often
 * the key stands there, 2 for more; with the figure if once, with 0 if never.
 */
int fuzz_find(struct scan text, const char *key, bool is_kib, uint64_t *ret);

/* Unless the key stands there twice: then this says nothing. */
void fuzz_must_agree(struct scan text, const char *key, bool is_kib, uint64_t figure);
