/* SPDX-License-Identifier: MIT */
#include "crumb_file.h"

#include <lzma.h>
#include <string.h>

static uint32_t page_crc(const struct crumb_page *page)
{
	const size_t from = offsetof(struct crumb_page, generation);

	return lzma_crc32((const uint8_t *)page + from, page->bytes - from, 0);
}

void crumb_file_seal(struct crumb_page *page)
{
	page->magic = CRUMB_FILE_MAGIC;
	page->bytes = sizeof(*page);
	page->crc = page_crc(page);
}

static bool ends(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

static bool makes_sense(const struct crumb_note *n)
{
	const struct tally_episode *e = &n->episode;

	return ends(n->boot, sizeof(n->boot)) && ends(n->firmware, sizeof(n->firmware)) &&
	       ends(e->domain, sizeof(e->domain)) && ends(e->victim, sizeof(e->victim)) &&
	       e->highest <= FAILSOFT_STAGE_SHUTDOWN && e->end < TALLY_END_COUNT;
}

/* bool members are read by nobody before this: any other byte in them would be undefined. */
static bool flags_are_flags(const struct crumb_page *page)
{
	uint8_t flags[2];

	memcpy(&flags[0], &page->note.episode.is_near_miss, 1);
	memcpy(&flags[1], &page->note.episode.is_false_alarm, 1);
	return flags[0] <= 1 && flags[1] <= 1;
}

static bool is_layout(uint32_t bytes)
{
	return bytes == sizeof(struct crumb_page) || bytes == CRUMB_FILE_FIRST_BYTES;
}

bool crumb_file_is_whole(const struct crumb_page *page)
{
	return page->magic == CRUMB_FILE_MAGIC && is_layout(page->bytes) &&
	       page->crc == page_crc(page) && flags_are_flags(page) && makes_sense(&page->note);
}

const struct crumb_page *crumb_file_newest(const void *image, size_t size, uint32_t *ret_copy)
{
	const struct crumb_page *newest = NULL;

	for (uint32_t i = 0; i < CRUMB_FILE_COPIES; i++) {
		const struct crumb_page *page = crumb_file_page(image, i);

		if (size < (size_t)i * CRUMB_FILE_PAGE + sizeof(*page) || !crumb_file_is_whole(page))
			continue;
		if (newest && page->generation <= newest->generation)
			continue;
		newest = page;
		*ret_copy = i;
	}
	return newest;
}

struct crumb_note crumb_file_note(const struct crumb_page *page)
{
	struct crumb_note note;

	memset(&note, 0, sizeof(note));
	memcpy(&note, &page->note, page->bytes - offsetof(struct crumb_page, note));
	return note;
}
