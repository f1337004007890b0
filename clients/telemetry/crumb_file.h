/* SPDX-License-Identifier: MIT */
/*
 * Crumb file: two copies of the note, one page each, in the machine's own byte order. Pure, links with
 * libc and liblzma's CRC32. The newer one that is whole is the past; a torn one is none. What a note has
 * gained since its first layout stands at its end: the first one is read, too, and written by nobody.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crumb.h"

#define CRUMB_FILE_MAGIC	UINT64_C(0x31626d7572437366)	/* "fsCrumb1" */
#define CRUMB_FILE_PAGE		4096u
#define CRUMB_FILE_COPIES	2u
#define CRUMB_FILE_BYTES	(CRUMB_FILE_COPIES * CRUMB_FILE_PAGE)

struct crumb_page {
	uint64_t magic;
	uint32_t bytes;			/* of this struct, or of its first layout; else it is none of ours */
	uint32_t crc;			/* of all behind it */
	uint64_t generation;
	struct crumb_note note;
};

#define CRUMB_FILE_FIRST_BYTES	offsetof(struct crumb_page, note.mark)	/* of the first layout */

_Static_assert(sizeof(struct crumb_page) <= CRUMB_FILE_PAGE, "a copy is one page");

void crumb_file_seal(struct crumb_page *page);
bool crumb_file_is_whole(const struct crumb_page *page);

/* Of a file's bytes, aligned to 8: the newest whole copy, and which one it is; NULL: none. */
const struct crumb_page *crumb_file_newest(const void *image, size_t size, uint32_t *ret_copy);

/* Of a whole one; what its layout has not is zero. */
struct crumb_note crumb_file_note(const struct crumb_page *page);

static inline struct crumb_page *crumb_file_page(const void *image, uint32_t copy)
{
	return (struct crumb_page *)((char *)image + (size_t)copy * CRUMB_FILE_PAGE);
}
