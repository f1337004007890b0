/* SPDX-License-Identifier: MIT */
/* The telemetry's files on the disk: what a reader believes of any bytes. The first byte says which checksums
 * are made right first: no fuzzer guesses one. */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crumb_file.h"
#include "spool_file.h"

enum { SEAL_HEADS = 1, SEAL_SLOTS = 2, SEAL_MARKS = 4, SEAL_PAGES = 1 };

static uint32_t slots_in(size_t size)
{
	return size > SPOOL_FILE_HEAD_BYTES
		       ? (uint32_t)((size - SPOOL_FILE_HEAD_BYTES) / SPOOL_SLOT_BYTES)
		       : 0;
}

static void seal_spool(void *image, size_t size, uint8_t what)
{
	for (uint32_t i = 0; what & SEAL_HEADS && i < SPOOL_FILE_HEADS; i++)
		if (size >= (size_t)i * SPOOL_FILE_PAGE + sizeof(struct spool_head))
			spool_file_seal_head(spool_file_head(image, i));
	for (uint32_t i = 0; i < slots_in(size); i++) {
		struct spool_slot *slot = spool_file_slot(image, i);

		if (what & SEAL_SLOTS)
			spool_file_seal_slot(slot);
		if (what & SEAL_MARKS)
			spool_file_mark(slot, (enum spool_phase)slot->phase, slot->record.sent_s);
	}
}

static void check_place(const struct spool_order *o)
{
	for (uint32_t p = 0; p < SPOOL_PRIORITY_COUNT; p++) {
		const uint32_t i = spool_order_place(o, (enum spool_priority)p);

		MUST(i == SPOOL_ORDER_NONE || i < o->count);
		MUST(i != SPOOL_ORDER_NONE || p < SPOOL_ALARM || o->count <= TOPIC_ALARM_COUNT);
		if (i != SPOOL_ORDER_NONE && o->entry[i].phase == SPOOL_WAITING)
			MUST(o->entry[i].priority <= p);
	}
}

/* Every waiting sequence comes up once, in order. */
static void check_next(const struct spool_order *o)
{
	struct spool_order_wish wish = { SPOOL_WAITING, SPOOL_HEARTBEAT, SPOOL_ALARM, 0 };
	struct spool_counts counts = { 0 };
	uint32_t i, steps = 0;

	while ((i = spool_order_next(o, &wish)) != SPOOL_ORDER_NONE) {
		MUST(o->entry[i].sequence > wish.after);
		wish.after = o->entry[i].sequence;
		steps++;
	}
	spool_order_count(o, &counts);
	MUST(steps <= counts.waiting);
	MUST(counts.waiting == 0 || steps > 0);
}

static void check_slots(const void *image, const struct spool_sight *sight)
{
	struct spool_entry *entry = calloc(sight->slots_present + 1, sizeof(*entry));
	struct spool_order o = { entry, sight->slots_present };
	uint32_t damaged = 0;

	if (!entry)
		abort();
	for (uint32_t i = 0; i < o.count; i++) {
		const struct spool_slot *slot = spool_file_slot(image, i);

		damaged += spool_file_look(slot) == SPOOL_SLOT_DAMAGED;
		if (spool_file_look(slot) != SPOOL_SLOT_GOOD)
			continue;
		entry[i] = spool_file_entry(slot);
		MUST(entry[i].sequence > 0 && entry[i].sequence <= sight->sequence_limit);
		MUST(entry[i].phase <= SPOOL_SENT && entry[i].priority < SPOOL_PRIORITY_COUNT);
		MUST(entry[i].alarm <= TOPIC_ALARM_COUNT && slot->record.length <= TOPIC_PAYLOAD_MAX);
	}
	MUST(damaged == sight->damaged);
	check_place(&o);
	check_next(&o);
	free(entry);
}

void fuzz_spool(const uint8_t *bytes, size_t size)
{
	uint8_t what = size ? bytes[0] : 0;
	struct spool_sight sight;
	void *image;
	int r;

	size -= size > 0;
	image = fuzz_exact(size ? bytes + 1 : NULL, size);
	seal_spool(image, size, what);
	fuzz_stain(&sight, sizeof(sight));
	r = spool_file_read(image, size, &sight);
	MUST(r == 0 || r == -EPROTO);
	if (r < 0) {
		fuzz_must_be_stained(&sight, sizeof(sight));
	} else {
		MUST(sight.slots_present <= slots_in(size) && sight.slots_present <= SPOOL_SLOTS_MAX);
		MUST(!sight.is_known || sight.slots_present + sight.slots_missing >= SPOOL_SLOTS_MIN);
		MUST(sight.sequence_limit <= SPOOL_FILE_NUMBER_MAX + SPOOL_FILE_LEAP);
		MUST(sight.session_limit <= SPOOL_FILE_NUMBER_MAX + SPOOL_FILE_LEAP);
		check_slots(image, &sight);
	}
	free(image);
}

void fuzz_crumb(const uint8_t *bytes, size_t size)
{
	const struct crumb_page *newest;
	uint8_t what = size ? bytes[0] : 0;
	uint32_t copy = CRUMB_FILE_COPIES;
	struct crumb_note note;
	void *image;

	size -= size > 0;
	image = fuzz_exact(size ? bytes + 1 : NULL, size);
	for (uint32_t i = 0; what & SEAL_PAGES && i < CRUMB_FILE_COPIES; i++)
		if (size >= (size_t)i * CRUMB_FILE_PAGE + sizeof(struct crumb_page))
			crumb_file_seal(crumb_file_page(image, i));
	newest = crumb_file_newest(image, size, &copy);
	MUST(!newest == (copy == CRUMB_FILE_COPIES));
	if (newest) {
		MUST(newest == crumb_file_page(image, copy) && crumb_file_is_whole(newest));
		MUST(strlen(newest->note.boot) < TOPIC_BOOT_MAX &&
		     strlen(newest->note.firmware) < TOPIC_NAME_MAX);
		MUST(strlen(newest->note.episode.domain) < FEED_DOMAIN_MAX);
		MUST(newest->note.episode.end < TALLY_END_COUNT);
		note = crumb_file_note(newest);
		MUST(!strcmp(note.boot, newest->note.boot));
		MUST(newest->bytes != CRUMB_FILE_FIRST_BYTES || !(note.mark.newest_us | note.is_stopped));
	}
	free(image);
}
