/* SPDX-License-Identifier: MIT */
/*
 * Scan: steps through bounded text without copying it. Pure. The text needs no NUL; every function
 * stays inside of it, whatever it holds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A stretch of borrowed text: [at, end). */
struct scan {
	const char *at, *end;
};

static inline struct scan scan_of(const char *text, size_t size)
{
	return (struct scan){ text, text + size };
}

static inline size_t scan_left(const struct scan *s)
{
	return (size_t)(s->end - s->at);
}

/*
 * Takes the next line, without its newline. A last line without newline is not a line: the kernel
 * ends each with one, so it was cut and its last figure may be wrong.
 */
bool scan_line(struct scan *s, struct scan *ret);

/* Takes the next word: blanks and tabs are skipped. false: none left. */
bool scan_word(struct scan *s, struct scan *ret);

/* Takes what is before the next `stop` and steps over it. false, and nothing moved: no such byte.
 */
bool scan_until(struct scan *s, char stop, struct scan *ret);

/* Steps over `literal` if the text begins with it. */
bool scan_skip(struct scan *s, const char *literal);

/* Steps behind the first occurrence of `literal`; false, and nothing moved: there is none. */
bool scan_find(struct scan *s, const char *literal);

/* Is what is left exactly `literal`? */
bool scan_is(const struct scan *s, const char *literal);

/* Takes decimal digits. false, and nothing moved: no digit, or more than 64 bit. */
bool scan_u64(struct scan *s, uint64_t *ret);

/* Is the whole name a process's number? */
bool scan_pid(const char *name, int32_t *ret);

/* Takes "12", "12.3" or "12.34567" in hundredths (1234); further digits are dropped. */
bool scan_hundredths(struct scan *s, uint64_t *ret);

/* Copies what is left, with NUL. false, and nothing copied: it does not fit. */
bool scan_copy(const struct scan *s, char *ret, size_t size);
