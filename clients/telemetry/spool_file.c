/* SPDX-License-Identifier: MIT */
#include "spool_file.h"

#include <errno.h>
#include <lzma.h>
#include <string.h>

/* ---- what is written ---- */

static uint32_t head_crc(const struct spool_head *head)
{
	return lzma_crc32((const uint8_t *)head, offsetof(struct spool_head, crc), 0);
}

static uint32_t slot_crc(const struct spool_slot *slot)
{
	static const uint8_t no_time[sizeof(uint64_t)];
	const uint8_t *bytes = (const uint8_t *)slot;
	const size_t time_at = offsetof(struct spool_slot, record.sent_s);
	const size_t after = time_at + sizeof(no_time);
	uint32_t crc = lzma_crc32(bytes, time_at, 0);

	crc = lzma_crc32(no_time, sizeof(no_time), crc);
	return lzma_crc32(bytes + after, offsetof(struct spool_slot, crc) - after, crc);
}

static uint32_t mark_crc(const struct spool_slot *slot)
{
	const uint64_t mark[] = { slot->record.sequence, slot->record.sent_s, slot->phase };

	return lzma_crc32((const uint8_t *)mark, sizeof(mark), 0);
}

void spool_file_seal_head(struct spool_head *head)
{
	head->crc = head_crc(head);
}

void spool_file_seal_slot(struct spool_slot *slot)
{
	slot->crc = slot_crc(slot);
}

void spool_file_mark(struct spool_slot *slot, enum spool_phase phase, uint64_t sent_s)
{
	slot->phase = phase;
	slot->record.sent_s = sent_s;
	slot->mark_crc = mark_crc(slot);
}

/* ---- what is believed ---- */

static bool is_blank(const void *bytes, size_t size)
{
	const uint8_t *b = bytes;

	return b[0] == 0 && !memcmp(b, b + 1, size - 1);
}

static bool is_number(uint64_t n)
{
	return n > 0 && n <= SPOOL_FILE_NUMBER_MAX;
}

enum spool_slot_health spool_file_look(const struct spool_slot *slot)
{
	const struct spool_record *r = &slot->record;

	if (is_blank(slot, sizeof(*slot)))
		return SPOOL_SLOT_EMPTY;
	if (slot->crc != slot_crc(slot) || !is_number(r->sequence) || r->type >= TOPIC_TYPE_COUNT ||
	    r->alarm >= TOPIC_ALARM_COUNT || r->length > TOPIC_PAYLOAD_MAX ||
	    slot->session_limit > SPOOL_FILE_NUMBER_MAX)
		return SPOOL_SLOT_DAMAGED;
	return SPOOL_SLOT_GOOD;
}

struct spool_entry spool_file_entry(const struct spool_slot *slot)
{
	const struct spool_record *r = &slot->record;
	const bool is_marked = slot->mark_crc == mark_crc(slot) && slot->phase <= SPOOL_SENT;

	return (struct spool_entry){
		.sequence = r->sequence,
		.sent_s = is_marked ? r->sent_s : 0,
		.phase = is_marked ? slot->phase : SPOOL_WAITING,
		.priority = spool_priority((enum topic_type)r->type),
		.alarm = r->type == TOPIC_ALARM ? r->alarm : TOPIC_ALARM_COUNT,
	};
}

static bool head_is_good(const struct spool_head *h)
{
	return h->magic == SPOOL_FILE_MAGIC && h->crc == head_crc(h);
}

static bool head_makes_sense(const struct spool_head *h)
{
	return h->slots >= SPOOL_SLOTS_MIN && h->slots <= SPOOL_SLOTS_MAX &&
	       h->sequence_limit <= SPOOL_FILE_NUMBER_MAX && h->session_limit <= SPOOL_FILE_NUMBER_MAX;
}

static int read_heads(const void *image, size_t size, struct spool_sight *ret)
{
	const struct spool_head *newest = NULL;
	uint32_t good = 0;

	for (uint32_t i = 0; i < SPOOL_FILE_HEADS; i++) {
		const struct spool_head *h = spool_file_head(image, i);

		if (size < (size_t)i * SPOOL_FILE_PAGE + sizeof(*h) || !head_is_good(h))
			continue;
		if (h->version != SPOOL_FILE_VERSION)
			return -EPROTO;
		if (!head_makes_sense(h))
			continue;
		good++;
		if (newest && h->generation <= newest->generation)
			continue;
		newest = h;
		ret->newest = i;
	}
	if (!newest)
		return 0;
	ret->is_known = true;
	ret->slots_present = newest->slots;
	ret->instance = newest->instance;
	ret->sequence_limit = newest->sequence_limit;
	ret->session_limit = newest->session_limit;
	memcpy(ret->evicted, newest->evicted, sizeof(ret->evicted));
	if (good < SPOOL_FILE_HEADS) {
		/* The lost one may have been the newer, and that is ahead by a block at most. */
		ret->sequence_limit += SPOOL_SEQUENCE_BLOCK;
		ret->session_limit += SPOOL_SESSION_BLOCK;
	}
	return 0;
}

static void raise_to(uint64_t *limit, uint64_t n)
{
	if (*limit < n)
		*limit = n;
}

/* Returns how many were good. */
static uint32_t read_slots(const void *image, struct spool_sight *ret)
{
	uint32_t good = 0;

	for (uint32_t i = 0; i < ret->slots_present; i++) {
		const struct spool_slot *slot = spool_file_slot(image, i);
		const enum spool_slot_health health = spool_file_look(slot);

		ret->damaged += health == SPOOL_SLOT_DAMAGED;
		if (health != SPOOL_SLOT_GOOD)
			continue;
		good++;
		raise_to(&ret->sequence_limit, slot->record.sequence);
		raise_to(&ret->session_limit, slot->session_limit);
		if (!ret->is_known)
			ret->instance = slot->instance;
	}
	return good;
}

/* Only its beginning is there, or it has been made and nothing was written: not somebody else's. */
static bool begins_as_ours(const void *image, size_t size)
{
	const uint64_t magic = SPOOL_FILE_MAGIC;

	return !memcmp(image, &magic, size < sizeof(magic) ? size : sizeof(magic));
}

int spool_file_read(const void *image, size_t size, struct spool_sight *ret)
{
	struct spool_sight sight = { 0 };
	uint64_t room = size > SPOOL_FILE_HEAD_BYTES ? (size - SPOOL_FILE_HEAD_BYTES) / SPOOL_SLOT_BYTES : 0;
	uint32_t named, good;
	int r = read_heads(image, size, &sight);

	if (r < 0)
		return r;
	named = sight.is_known ? sight.slots_present : SPOOL_SLOTS_MAX;
	sight.slots_present = (uint32_t)(room < named ? room : named);
	sight.slots_missing = sight.is_known ? named - sight.slots_present : 0;
	good = read_slots(image, &sight);
	if (!sight.is_known && good == 0 && !begins_as_ours(image, size))
		return -EPROTO;
	if (!sight.is_known && size > 0) {
		sight.sequence_limit += SPOOL_FILE_LEAP;
		sight.session_limit += SPOOL_FILE_LEAP;
	}
	*ret = sight;
	return 0;
}
