/* SPDX-License-Identifier: MIT */
/*
 * clients/fleet/seen_file.h: what failsoft-fleet believes of its state file. The first byte says whether the
 * checksums are made right first: no fuzzer guesses one. Its ranges go into a window, which stays in order.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../../clients/fleet/seen_file.h"
#include "../../clients/fleet/window.h"

static void seal(void *image, size_t size, bool is_head_made)
{
	struct seen_head head;
	uint32_t crc;

	if (size < sizeof(head))
		return;
	memcpy(&head, image, sizeof(head));
	if (is_head_made)
		seen_file_head(&head, head.records % 4, head.saved_s);
	memcpy(image, &head, sizeof(head));
	crc = head.crc;
	for (uint64_t i = 0; i < (size - sizeof(head)) / sizeof(struct seen_record); i++)
		crc = seen_file_seal((struct seen_record *)seen_file_record(image, i), crc);
}

static void check_window(const struct window *w)
{
	MUST(w->count <= WINDOW_RANGES_MAX);
	for (uint32_t i = 0; i < w->count; i++) {
		MUST(w->range[i].first > 0 && w->range[i].first <= w->range[i].last);
		MUST(i == 0 || w->range[i - 1].last < w->range[i].first - 1);
	}
}

static void check_record(const struct seen_record *r, struct window *w)
{
	const struct window_range range = { r->first, r->last };

	MUST(topic_name_is_valid(r->fleet) && topic_name_is_valid(r->device));
	MUST(r->kind < TOPIC_ALARM_COUNT && r->is_raised <= 1 && r->last <= INT64_MAX);
	if (r->what == SEEN_ALARM || r->what == SEEN_ALARM_BEGUN)
		return;
	MUST(r->what == SEEN_BEGUN || r->what == SEEN_SHOWN);
	MUST(strlen(r->boot) == TOPIC_BOOT_MAX - 1 && r->first > 0 && r->first <= r->last);
	if (window_add_range(w, range) == WINDOW_NEW)
		MUST(window_find(w, r->last) && window_find(w, r->first) == window_find(w, r->last));
	MUST(window_add(w, r->first) != WINDOW_NEW);
	check_window(w);
}

void fuzz_seen(const uint8_t *bytes, size_t size)
{
	uint8_t what = size ? bytes[0] : 0;
	struct window w = { 0 };
	struct seen_sight sight;
	void *image;

	size -= size > 0;
	image = fuzz_exact(size ? bytes + 1 : NULL, size);
	if (what & 3)
		seal(image, size, what & 1);
	sight = seen_file_read(image, size);
	MUST(sight.at <= size && sight.health <= SEEN_FOREIGN);
	MUST(!sight.records || sight.health == SEEN_WHOLE || sight.health == SEEN_TORN);
	MUST(sight.health != SEEN_WHOLE || sight.at == size);
	if (sight.records)
		MUST(sight.at == sizeof(struct seen_head) + sight.records * sizeof(struct seen_record));
	for (uint64_t i = 0; i < sight.records; i++)
		check_record(seen_file_record(image, i), &w);
	window_fini(&w);
	free(image);
}
