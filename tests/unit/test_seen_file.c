/* SPDX-License-Identifier: MIT */
/* The state file's bytes: cut anywhere, with any bit turned over, records doubled, moved or left out. */
#include "fleet_rig.h"

#include <lzma.h>

#include "seen_file.h"

#define SNAPSHOT	3u
#define JOURNAL		3u
#define RECORDS		(SNAPSHOT + JOURNAL)
#define HEAD		sizeof(struct seen_head)

struct image {
	struct seen_head head;
	struct seen_record record[RECORDS];
};

static struct seen_record shown(uint64_t first, uint64_t last)
{
	return (struct seen_record){ .what = SEEN_SHOWN, .instance = 1, .first = first, .last = last,
				     .fleet = "f", .device = "d", .boot = BOOT_A };
}

static struct seen_record alarm(uint8_t kind, uint8_t is_raised)
{
	return (struct seen_record){ .what = SEEN_ALARM, .instance = 1, .kind = kind, .last = 4,
				     .is_raised = is_raised, .first = 1000000, .fleet = "f", .device = "d" };
}

static struct seen_record begun(uint64_t sequence)
{
	struct seen_record record = shown(sequence, sequence);

	record.what = SEEN_BEGUN;
	return record;
}

static void seal(struct image *image)
{
	uint32_t crc;

	seen_file_head(&image->head, SNAPSHOT, 1700000000);
	crc = image->head.crc;
	for (unsigned i = 0; i < RECORDS; i++)
		crc = seen_file_seal(&image->record[i], crc);
}

static struct image make(void)
{
	struct image image = { .record = { begun(2), shown(1, 9), alarm(3, 1), begun(10), shown(1, 10),
					   alarm(0, 0) } };

	seal(&image);
	return image;
}

static void whole(void **state)
{
	struct image image = make();
	struct seen_sight sight = seen_file_read(&image, sizeof(image));

	(void)state;
	assert_int_equal(sight.health, SEEN_WHOLE);
	assert_int_equal(sight.records, RECORDS);
	assert_int_equal(sight.at, sizeof(image));
	assert_int_equal(sight.crc, image.record[RECORDS - 1].crc);
	assert_ptr_equal(seen_file_record(&image, 2), &image.record[2]);
}

/* Within the snapshot nothing is believed; behind it all that is whole. */
static void cut_anywhere(void **state)
{
	const struct image image = make();
	const size_t snapshot = offsetof(struct image, record[SNAPSHOT]);

	(void)state;
	for (size_t size = 0; size < sizeof(image); size++) {
		/* of exactly that size, for the sanitizers */
		void *copy = malloc(size + !size);
		struct seen_sight sight;
		size_t behind = size < snapshot ? 0 : (size - snapshot) % sizeof(struct seen_record);
		size_t records = size < snapshot ? 0 : (size - HEAD) / sizeof(struct seen_record);

		memcpy(copy, &image, size);
		sight = seen_file_read(copy, size);
		if (sight.health != (size < snapshot ? SEEN_SHORT : behind ? SEEN_TORN : SEEN_WHOLE) ||
		    sight.records != records || (records && sight.at != size - behind))
			fail_msg("%zu bytes: %s, %llu records", size, seen_file_words(sight.health),
				 (unsigned long long)sight.records);
		free(copy);
	}
}

static void any_bit(void **state)
{
	struct image image = make();
	uint8_t *bytes = (uint8_t *)&image;

	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(image); bit++) {
		struct seen_sight sight;

		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		sight = seen_file_read(&image, sizeof(image));
		if (sight.health != SEEN_DAMAGED || sight.records)
			fail_msg("bit %zu: %s", bit, seen_file_words(sight.health));
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(seen_file_read(&image, sizeof(image)).health, SEEN_WHOLE);
}

static void moved(void **state)
{
	const struct image image = make();
	struct image other;

	(void)state;
	for (unsigned i = 0; i < RECORDS; i++)
		for (unsigned j = 0; j < RECORDS; j++) {
			other = image;
			other.record[i] = image.record[j]; /* doubled, and one is left out */
			assert_int_equal(seen_file_read(&other, sizeof(other)).health,
					 i == j ? SEEN_WHOLE : SEEN_DAMAGED);
		}
	memmove(&other.record[1], &other.record[2], 4 * sizeof(other.record[0]));
	assert_int_equal(seen_file_read(&other, sizeof(other) - sizeof(other.record[0])).health,
			 SEEN_DAMAGED);
}

/* The checksum is right, and what it says cannot be. */
static void nonsense(void **state)
{
	static const struct {
		const char *name;
		struct seen_record record;
	} rows[] = {
		{ "nothing", { 0 } },
		{ "no such word", { .what = 5, .fleet = "f", .device = "d" } },
		{ "no such kind", { .what = SEEN_ALARM, .kind = 4, .fleet = "f", .device = "d" } },
		{ "a bool of 2", { .what = SEEN_ALARM, .is_raised = 2, .fleet = "f", .device = "d" } },
		{ "an alarm with a boot", { .what = SEEN_ALARM, .fleet = "f", .device = "d",
					    .boot = BOOT_A } },
		{ "no sequence", { .what = SEEN_ALARM, .last = UINT64_MAX, .fleet = "f", .device = "d" } },
		{ "no time", { .what = SEEN_ALARM, .first = UINT64_MAX, .fleet = "f", .device = "d" } },
		{ "no boot", { .what = SEEN_SHOWN, .first = 1, .last = 1, .fleet = "f", .device = "d" } },
		{ "a short boot", { .what = SEEN_SHOWN, .first = 1, .last = 1, .fleet = "f", .device = "d",
				    .boot = "aaaa" } },
		{ "a strange boot", { .what = SEEN_SHOWN, .first = 1, .last = 1, .fleet = "f", .device = "d",
				      .boot = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaZ" } },
		{ "from 0", { .what = SEEN_SHOWN, .last = 1, .fleet = "f", .device = "d", .boot = BOOT_A } },
		{ "backwards", { .what = SEEN_SHOWN, .first = 3, .last = 2, .fleet = "f", .device = "d",
				 .boot = BOOT_A } },
		{ "too far", { .what = SEEN_SHOWN, .first = 3, .last = (uint64_t)INT64_MAX + 1, .fleet = "f",
			       .device = "d", .boot = BOOT_A } },
		{ "begun, and a range", { .what = SEEN_BEGUN, .first = 3, .last = 4, .fleet = "f",
					  .device = "d", .boot = BOOT_A } },
		{ "shown, and a kind", { .what = SEEN_SHOWN, .kind = 1, .first = 3, .last = 4, .fleet = "f",
					 .device = "d", .boot = BOOT_A } },
		{ "a name with a slash", { .what = SEEN_ALARM, .fleet = "f/", .device = "d" } },
		{ "no device", { .what = SEEN_ALARM, .fleet = "f" } },
		{ "something behind a name", { .what = SEEN_ALARM, .fleet = "f\0x", .device = "d" } },
		{ "something in between", { .what = SEEN_ALARM, .zero = { 1 }, .fleet = "f",
					    .device = "d" } },
		{ "something at the end", { .what = SEEN_ALARM, .end = { 1 }, .fleet = "f", .device = "d" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image image = make();

		image.record[4] = rows[i].record;
		seal(&image);
		if (seen_file_read(&image, sizeof(image)).health != SEEN_DAMAGED)
			fail_msg("%s is believed", rows[i].name);
	}
}

static void heads(void **state)
{
	struct image image = make();
	static const char text[] = "root:x:0:0:root:/root:/bin/bash, and more of the same to fill a head\n";

	(void)state;
	assert_int_equal(seen_file_read(text, sizeof(text)).health, SEEN_FOREIGN);
	assert_int_equal(seen_file_read(text, 3).health, SEEN_FOREIGN);
	assert_int_equal(seen_file_read(text, 0).health, SEEN_SHORT);
	image.head.version = 2;
	assert_int_equal(seen_file_read(&image, sizeof(image)).health, SEEN_DAMAGED);
	image.head.crc = lzma_crc32((const uint8_t *)&image, offsetof(struct seen_head, crc), 0);
	assert_int_equal(seen_file_read(&image, sizeof(image)).health, SEEN_OTHER_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole), cmocka_unit_test(cut_anywhere), cmocka_unit_test(any_bit),
		cmocka_unit_test(moved), cmocka_unit_test(nonsense), cmocka_unit_test(heads),
	};

	return cmocka_run_group_tests_name("seen_file", tests, NULL, NULL);
}
