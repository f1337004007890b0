/* SPDX-License-Identifier: MIT */
/*
 * Text: builds bounded text in a buffer of the caller, and says so when it had to cut. Pure: no
 * allocation, no locale. The buffer is NUL-terminated after every call; what does not fit is
 * dropped, `cut` is set and everything added later is dropped, too, so that no middle is missing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *buffer;	/* borrowed */
	size_t size;	/* of the buffer, with NUL; at least 1 */
	size_t used;	/* bytes of text, without NUL */
	bool cut;
};

void text_init(struct text *t, char *buffer, size_t size);

__attribute__((format(printf, 2, 3))) void text_add(struct text *t, const char *format, ...);

/* Copies what fits with its NUL; of a longer text "..." and the end: of a cgroup's path that says
 * more than its beginning. size >= 4. */
void text_copy_tail(char *to, size_t size, const char *from);

/* Valid UTF-8? JSON and D-Bus carry nothing else; the kernel's names may be any bytes. */
bool text_is_utf8(const char *s);

/* "0 B", "812 B", "12.3 MiB", "512 MiB"; rounded to nearest. */
void text_add_bytes(struct text *t, uint64_t bytes);

/* "850 us", "140 ms", "2.3 s", "3 min 20 s", "2 h 5 min", "3 d 4 h", NEVER_US: "never". */
void text_add_us(struct text *t, uint64_t us);
