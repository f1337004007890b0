/* SPDX-License-Identifier: MIT */
/* What the layout promises when bits turn over, the file is cut, or it is none of ours. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../sim/dice.h"
#include "spool_rig.h"

typedef uint64_t image_bytes[RIG_BYTES / sizeof(uint64_t)];

static uint32_t fill_all(uint32_t slots)
{
	struct spool *s = rig_open(slots);

	for (uint32_t i = 0; i < slots; i++)
		rig_put(s, i % 3 ? TOPIC_ALARM : TOPIC_EVENT, false);
	s = spool_close(s);
	return slots;
}

/* Opens what is there and finds every record, or counts a damaged slot for it. */
static void must_account_for(uint32_t slots, uint64_t last)
{
	struct spool *s = rig_open(slots);
	const uint32_t there = rig_waiting(s), damaged = spool_count(s).damaged;

	assert_in_range(there + damaged, RIG_SLOTS, RIG_SLOTS + (slots == RIG_SLOTS ? 0 : RIG_SLOTS));
	assert_true(spool_next_sequence(s) > last);
	rig_put(s, TOPIC_ALARM, true);
	s = spool_close(s);
	s = rig_open(slots);
	assert_int_equal(spool_count(s).damaged, 0); /* said once */
	s = spool_close(s);
}

static void bits_turn_over(void **state)
{
	static image_bytes good, bad;
	struct dice dice = { 42 };

	(void)state;
	fill_all(RIG_SLOTS);
	assert_int_equal(rig_read(good, sizeof(good)), RIG_BYTES);
	for (int run = 0; run < 300; run++) {
		const uint64_t bits = 1 + dice_below(&dice, run % 2 ? 4 : 200);

		memcpy(bad, good, sizeof(bad));
		for (uint64_t i = 0; i < bits; i++) {
			const uint64_t bit = dice_below(&dice, RIG_BYTES * 8);

			((char *)bad)[bit / 8] ^= (char)(1 << bit % 8);
		}
		rig_write(bad, sizeof(bad));
		must_account_for(RIG_SLOTS, RIG_SLOTS);
	}
}

static void every_length(void **state)
{
	static image_bytes good;

	(void)state;
	fill_all(RIG_SLOTS);
	assert_int_equal(rig_read(good, sizeof(good)), RIG_BYTES);
	for (uint32_t size = 0; size <= RIG_BYTES; size += size < 100 ? 1 : 311) {
		const uint32_t whole = size > SPOOL_FILE_HEAD_BYTES ?
					       (size - SPOOL_FILE_HEAD_BYTES) / SPOOL_SLOT_BYTES : 0;
		struct spool *s;

		rig_write(good, size);
		s = rig_open(RIG_SLOTS);
		assert_int_equal(rig_waiting(s), whole);
		if (size >= sizeof(struct spool_head)) {
			assert_int_equal(spool_count(s).damaged, RIG_SLOTS - whole);
			assert_true(spool_next_sequence(s) > RIG_SLOTS);
		} else if (size > 0) {
			assert_true(spool_next_sequence(s) > SPOOL_FILE_LEAP);
		}
		s = rig_kill(s);
	}
}

static void lose_heads(image_bytes image, bool first, bool second)
{
	if (first)
		memset(image, 0xff, SPOOL_FILE_PAGE);
	if (second)
		memset((char *)image + SPOOL_FILE_PAGE, 0, SPOOL_FILE_PAGE);
}

/* Either is enough; without both the slots tell the instance and how far the numbers went. */
static void heads_are_lost(void **state)
{
	static image_bytes image;
	uint32_t instance;
	uint64_t session, used = 0;
	struct spool *s;

	(void)state;
	fill_all(RIG_SLOTS);
	for (int lost = 1; lost <= 3; lost++) {
		s = rig_open(RIG_SLOTS);
		instance = spool_instance(s);
		session = spool_next_session(s);
		spool_acknowledge(s, spool_next(s, SPOOL_HEARTBEAT, 0)->sequence, 1);
		rig_put(s, TOPIC_ALARM, true);
		for (uint32_t i = 0; i < 3 * SPOOL_SEQUENCE_BLOCK / 2 + 7; i++)
			used = spool_next_sequence(s); /* of messages that are nowhere in the spool */
		s = rig_kill(s);
		assert_int_equal(rig_read(image, sizeof(image)), RIG_BYTES);
		lose_heads(image, lost & 1, lost & 2);
		rig_write(image, sizeof(image));
		s = rig_open(RIG_SLOTS);
		assert_int_equal(spool_instance(s), instance);
		assert_true(spool_next_session(s) > session);
		assert_true(spool_next_sequence(s) > used);
		if (lost == 3)
			assert_true(spool_next_sequence(s) > SPOOL_FILE_LEAP);
		rig_waiting(s);
		s = spool_close(s);
	}
}

/* Within a boot, a file that was removed or cut to nothing must not bring numbers back. */
static void all_is_lost_again(void **state)
{
	uint64_t used[24];
	uint32_t count = 0;

	(void)state;
	for (int turn = 0; turn < 8; turn++) {
		struct spool *s;

		if (turn % 4 < 2)
			(void)unlink(rig_path);
		else
			rig_write("fsS", 3); /* and the rest is gone */
		s = rig_open(RIG_SLOTS);
		for (int i = 0; i < 3; i++) {
			used[count] = spool_next_sequence(s);
			for (uint32_t k = 0; k < count; k++)
				assert_true(used[k] != used[count]);
			count++;
		}
		s = rig_kill(s);
	}
}

static void is_left_alone(const void *bytes, size_t size)
{
	static image_bytes again;
	struct spool *s = NULL;

	rig_write(bytes, size);
	assert_int_equal(spool_open(&s, rig_path, RIG_SLOTS), -EPROTO);
	assert_null(s);
	assert_int_equal(rig_read(again, sizeof(again)), size);
	assert_memory_equal(bytes, again, size);
}

static void what_is_not_ours(void **state)
{
	static image_bytes image;
	struct spool_head *head = spool_file_head(image, 1);

	(void)state;
	is_left_alone("{\"telemetry\": true}\n", 20);
	memset(image, 0x5a, sizeof(image));
	is_left_alone(image, sizeof(image));
	memset(image, 0, sizeof(image));
	is_left_alone(image, sizeof(image));
	assert_int_equal(unlink(rig_path), 0);
	fill_all(RIG_SLOTS);
	assert_int_equal(rig_read(image, sizeof(image)), RIG_BYTES);
	head->version++;
	spool_file_seal_head(head);
	is_left_alone(image, sizeof(image));
}

static bool is_bad_file(const void *bytes, size_t size)
{
	static image_bytes again;
	char bad[80];
	FILE *file;
	size_t got;

	snprintf(bad, sizeof(bad), "%s.bad", rig_path);
	file = fopen(bad, "re");
	assert_non_null(file);
	got = fread(again, 1, sizeof(again), file);
	fclose(file);
	return got == size && !memcmp(again, bytes, size);
}

/* A device goes on: with a new one, and the strange one is kept, the last one that there was. */
static void what_is_not_ours_is_set_aside(void **state)
{
	static image_bytes zeroes, noise;
	const struct { const void *bytes; size_t size; } rows[] = {
		{zeroes, sizeof(zeroes)}, {noise, sizeof(noise)}, {"{}\n", 3}};
	uint64_t last = 0;

	(void)state;
	memset(noise, 0x5a, sizeof(noise));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spool_opening how;
		struct spool *s = NULL;

		rig_write(rows[i].bytes, rows[i].size);
		assert_int_equal(spool_open_anyway(&s, rig_path, RIG_SLOTS, &how), 0);
		assert_true(how.is_aside && !how.is_in_memory && !how.is_old_size);
		assert_int_equal(spool_count(s).damaged, 1);
		assert_true(spool_next_sequence(s) > last);
		last = spool_next_sequence(s);
		assert_true(is_bad_file(rows[i].bytes, rows[i].size));
		rig_put(s, TOPIC_ALARM, true);
		s = spool_close(s);
		assert_int_equal(spool_open_anyway(&s, rig_path, RIG_SLOTS, &how), 0);
		assert_true(!how.is_aside && spool_count(s).damaged == 0 && rig_waiting(s) == 1);
		s = spool_close(s);
	}
	assert_int_equal(unlink(rig_path), 0);
	assert_int_equal(symlink("/etc/passwd", rig_path), 0);
	{
		struct spool_opening how;
		struct spool *s = NULL;

		assert_int_equal(spool_open_anyway(&s, rig_path, RIG_SLOTS, &how), 0);
		assert_true(how.is_aside);
		s = spool_close(s);
	}
}

/* A mark is believed only for the record it was written for. */
static void the_mark_of_another(void **state)
{
	struct spool_slot slot = { .record = rig_record(7, TOPIC_ALARM) };

	(void)state;
	spool_file_seal_slot(&slot);
	spool_file_mark(&slot, SPOOL_SENT, 99);
	assert_int_equal(spool_file_entry(&slot).phase, SPOOL_SENT);
	assert_int_equal(spool_file_entry(&slot).sent_s, 99);
	slot.record = rig_record(8, TOPIC_ALARM);
	slot.record.sent_s = 99;
	spool_file_seal_slot(&slot);
	assert_int_equal(spool_file_look(&slot), SPOOL_SLOT_GOOD);
	assert_int_equal(spool_file_entry(&slot).phase, SPOOL_WAITING);
	for (size_t bit = 0; bit < 64; bit++) {
		spool_file_mark(&slot, SPOOL_FREE, 99);
		slot.record.sent_s ^= UINT64_C(1) << bit;
		assert_int_equal(spool_file_entry(&slot).phase, SPOOL_WAITING);
		assert_int_equal(spool_file_look(&slot), SPOOL_SLOT_GOOD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bits_turn_over, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(every_length, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(heads_are_lost, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(all_is_lost_again, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(what_is_not_ours, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(what_is_not_ours_is_set_aside, rig_make, rig_clean),
		cmocka_unit_test(the_mark_of_another),
	};

	return cmocka_run_group_tests_name("spool_file", tests, NULL, NULL);
}
