/* SPDX-License-Identifier: MIT */
#include "seen_file.h"

#include <lzma.h>
#include <string.h>

static uint32_t head_crc(const struct seen_head *head)
{
	return lzma_crc32((const uint8_t *)head, offsetof(struct seen_head, crc), 0);
}

static uint32_t record_crc(const struct seen_record *record, uint32_t before)
{
	const size_t from = offsetof(struct seen_record, instance);

	return lzma_crc32((const uint8_t *)record + from, sizeof(*record) - from, before);
}

void seen_file_head(struct seen_head *ret, uint64_t records, uint64_t now_s)
{
	*ret = (struct seen_head){ .magic = SEEN_FILE_MAGIC, .version = SEEN_FILE_VERSION,
				   .record_bytes = sizeof(struct seen_record), .records = records,
				   .saved_s = now_s };
	ret->crc = head_crc(ret);
}

uint32_t seen_file_seal(struct seen_record *record, uint32_t crc_before)
{
	record->crc = record_crc(record, crc_before);
	return record->crc;
}

const struct seen_record *seen_file_record(const void *image, uint64_t i)
{
	return (const struct seen_record *)((const uint8_t *)image + sizeof(struct seen_head)) + i;
}

/* ---- what is believed ---- */

static bool is_blank(const void *bytes, size_t size)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < size; i++)
		if (b[i])
			return false;
	return true;
}

/* A text in its array, and nothing behind it. */
static bool ends(const char *text, size_t size)
{
	const char *end = memchr(text, 0, size);

	return end && is_blank(end, size - (size_t)(end - text));
}

static bool is_boot(const struct seen_record *r)
{
	char id[TOPIC_ID_MAX], boot[TOPIC_BOOT_MAX];
	uint64_t sequence;

	if (!ends(r->boot, sizeof(r->boot)) || r->first > r->last || r->last > INT64_MAX)
		return false;
	memset(id, 0, sizeof(id));
	memcpy(id, r->boot, sizeof(r->boot) - 1);
	memcpy(id + sizeof(r->boot) - 1, "-1", sizeof("-1"));
	return r->first > 0 && topic_id_parse(id, boot, &sequence);
}

static bool makes_sense(const struct seen_record *r)
{
	if (!ends(r->fleet, sizeof(r->fleet)) || !ends(r->device, sizeof(r->device)) ||
	    !topic_name_is_valid(r->fleet) || !topic_name_is_valid(r->device) ||
	    !is_blank(r->zero, sizeof(r->zero)) || !is_blank(r->end, sizeof(r->end)))
		return false;
	switch (r->what) {
	case SEEN_BEGUN:
		return is_boot(r) && r->first == r->last && !r->kind && !r->is_raised;
	case SEEN_SHOWN:
		return is_boot(r) && !r->kind && !r->is_raised;
	case SEEN_ALARM:
	case SEEN_ALARM_BEGUN:
		return is_blank(r->boot, sizeof(r->boot)) && r->kind < TOPIC_ALARM_COUNT &&
		       r->is_raised <= 1 && r->first <= INT64_MAX && r->last <= INT64_MAX;
	default:
		return false;
	}
}

/* One bit that turned over does not make it another program's, which would be left alone. */
static enum seen_health look_at_head(const struct seen_head *head)
{
	const bool is_named = !memcmp(head->magic, SEEN_FILE_MAGIC, sizeof(head->magic));
	const bool is_shaped = head->record_bytes == sizeof(struct seen_record) && !head->zero;

	if (!is_named && !(is_shaped && head->version == SEEN_FILE_VERSION))
		return SEEN_FOREIGN;
	if (head->crc != head_crc(head))
		return SEEN_DAMAGED;
	if (head->version != SEEN_FILE_VERSION)
		return SEEN_OTHER_VERSION;
	return is_named && is_shaped ? SEEN_WHOLE : SEEN_DAMAGED;
}

static enum seen_health look(const void *image, size_t size, struct seen_sight *s)
{
	struct seen_head head;
	enum seen_health health;
	uint64_t records;

	if (size < sizeof(head)) {
		const size_t known = size < sizeof(head.magic) ? size : sizeof(head.magic);

		return size && memcmp(image, SEEN_FILE_MAGIC, known) ? SEEN_FOREIGN : SEEN_SHORT;
	}
	memcpy(&head, image, sizeof(head));
	health = look_at_head(&head);
	if (health)
		return health;
	s->at = sizeof(head);
	s->crc = head.crc;
	records = (size - sizeof(head)) / sizeof(struct seen_record);
	for (uint64_t i = 0; i < records; i++) {
		const struct seen_record *r = seen_file_record(image, i);

		if (r->crc != record_crc(r, s->crc) || !makes_sense(r))
			return SEEN_DAMAGED;
		s->crc = r->crc;
		s->at += sizeof(*r);
	}
	if (records < head.records)
		return SEEN_SHORT;
	s->records = records;
	return s->at < size ? SEEN_TORN : SEEN_WHOLE;
}

struct seen_sight seen_file_read(const void *image, size_t size)
{
	struct seen_sight sight = { 0 };

	sight.health = look(image, size, &sight);
	return sight;
}

const char *seen_file_words(enum seen_health health)
{
	static const char *const words[] = {
		[SEEN_WHOLE] = "is whole", [SEEN_TORN] = "ends with an unfinished record",
		[SEEN_SHORT] = "is cut off", [SEEN_DAMAGED] = "is damaged",
		[SEEN_OTHER_VERSION] = "is of another version of failsoft-fleet",
		[SEEN_FOREIGN] = "is no state file of failsoft-fleet",
	};

	return words[health];
}
