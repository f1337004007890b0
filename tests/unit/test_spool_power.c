/* SPDX-License-Identifier: MIT */
/*
 * What the layout promises when power ends at any byte. A disk is simulated by what the file's
 * bytes were at each moment: after the end of power a sector holds what it held at any moment since
 * its page was last synced.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "../sim/dice.h"
#include "spool_rig.h"

#define SECTOR		512u
#define SECTORS		(RIG_BYTES / SECTOR)
#define PAGES		(RIG_BYTES / SPOOL_FILE_PAGE)
#define MOMENTS_MAX	512u

typedef uint64_t image_bytes[RIG_BYTES / sizeof(uint64_t)];

/* ---- the disk ---- */

static struct {
	image_bytes moment[MOMENTS_MAX];
	uint32_t moments;
	uint32_t since[PAGES];	/* the moment when the page was last known to be on the disk */
	const char *map;	/* NULL: not watched */
} disk;

static void remember(void)
{
	assert_true(disk.moments < MOMENTS_MAX);
	memcpy(disk.moment[disk.moments++], disk.map, RIG_BYTES);
}

/* In the place of libc's: the pages are as they are now, and nothing older. */
int msync(void *at, size_t bytes, int flags)
{
	if (disk.map && (char *)at >= disk.map && (char *)at < disk.map + RIG_BYTES) {
		const size_t first = (size_t)((char *)at - disk.map) / SPOOL_FILE_PAGE;

		remember();
		for (size_t page = first; page * SPOOL_FILE_PAGE < first * SPOOL_FILE_PAGE + bytes; page++)
			disk.since[page] = disk.moments - 1;
	}
	return (int)syscall(SYS_msync, at, bytes, flags);
}

static void watch(struct spool *s)
{
	memset(&disk.since, 0, sizeof(disk.since));
	disk.moments = 0;
	disk.map = s->map;
	remember();
}

static void power_off(struct dice *dice, image_bytes ret)
{
	for (uint32_t sector = 0; sector < SECTORS; sector++) {
		const uint32_t from = disk.since[sector * SECTOR / SPOOL_FILE_PAGE];
		const uint32_t moment = from + (uint32_t)dice_below(dice, disk.moments - from);

		memcpy((char *)ret + sector * SECTOR, (char *)disk.moment[moment] + sector * SECTOR, SECTOR);
	}
}

/* ---- what must be true of a disk after the end of power ---- */

struct promise {
	uint64_t sequence, session;	/* the highest that were used */
	struct spool_entry kept[RIG_SLOTS]; /* these are there; sequence 0: none */
};

static bool has(const struct spool_sight *sight, const void *image, uint64_t sequence)
{
	for (uint32_t i = 0; i < sight->slots_present; i++) {
		const struct spool_slot *slot = spool_file_slot(image, i);

		if (spool_file_look(slot) == SPOOL_SLOT_GOOD && slot->record.sequence == sequence)
			return true;
	}
	return false;
}

static void must_hold(const void *image, const struct promise *p)
{
	struct spool_sight sight;

	assert_int_equal(spool_file_read(image, RIG_BYTES, &sight), 0);
	assert_true(sight.is_known);
	assert_int_equal(sight.slots_present, RIG_SLOTS);
	assert_true(sight.sequence_limit >= p->sequence);
	assert_true(sight.session_limit >= p->session);
	for (uint32_t i = 0; i < RIG_SLOTS; i++) {
		const struct spool_slot *slot = spool_file_slot(image, i);

		if (spool_file_look(slot) != SPOOL_SLOT_GOOD)
			continue;
		assert_true(rig_is_whole(&slot->record)); /* no mixture of two is believed */
		/* What is new was never sent, whatever mark stands there. */
		if (slot->record.sequence > p->sequence)
			assert_int_equal(spool_file_entry(slot).phase, SPOOL_WAITING);
	}
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		if (p->kept[i].sequence)
			assert_true(has(&sight, image, p->kept[i].sequence));
}

/* The real thing opens it, too. */
static void must_open(const void *image, const struct promise *p)
{
	struct spool *s;

	rig_write(image, RIG_BYTES);
	s = rig_open(RIG_SLOTS);
	assert_true(s->sequence > p->sequence && s->session > p->session);
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		if (p->kept[i].sequence && p->kept[i].phase == SPOOL_WAITING)
			assert_non_null(spool_next(s, SPOOL_HEARTBEAT, p->kept[i].sequence - 1));
	rig_waiting(s);
	s = rig_kill(s);
}

/* ---- one operation, every mixture of before and after ---- */

static void fill_free(struct spool *s)
{
	rig_put(s, TOPIC_ALARM, true);
	rig_put(s, TOPIC_EVENT, true);
}

static void fill_sent(struct spool *s)
{
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		rig_put(s, TOPIC_ALARM, true);
	for (uint32_t i = 0; i < 2; i++)
		spool_acknowledge(s, spool_next(s, SPOOL_HEARTBEAT, 0)->sequence, 77);
}

static void fill_waiting(struct spool *s)
{
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		rig_put(s, i % 2 ? TOPIC_ALARM : TOPIC_HEARTBEAT, true);
}

static void fill_last_number(struct spool *s)
{
	fill_free(s);
	while (s->sequence <= s->sequence_reserved)
		(void)spool_next_sequence(s);
	while (s->session <= s->session_reserved)
		(void)spool_next_session(s);
}

static void put(struct spool *s)
{
	rig_put(s, TOPIC_ALARM, false);
}

static void acknowledge(struct spool *s)
{
	spool_acknowledge(s, spool_next(s, SPOOL_HEARTBEAT, 0)->sequence, UINT64_C(0x0123456789abcdef));
}

static void resend(struct spool *s)
{
	assert_int_equal(spool_resend(s, 100, 1800), 2);
}

static void reserve(struct spool *s)
{
	assert_int_equal(spool_reserve(s), 0);
}

static void evict_only(struct spool *s)
{
	const struct spool_record r = rig_record(spool_next_sequence(s), TOPIC_HEARTBEAT);

	(void)spool_put(s, &r, false);
}

static const struct torn_row {
	const char *name;
	void (*given)(struct spool *s);
	void (*when)(struct spool *s);
} torn_rows[] = {
	{ "a record into a free slot", fill_free, put },
	{ "a record over a sent one", fill_sent, put },
	{ "a record over a waiting one, which is counted", fill_waiting, put },
	{ "a heartbeat over a waiting one", fill_waiting, evict_only },
	{ "an acknowledgement", fill_free, acknowledge },
	{ "two that are to be sent again", fill_sent, resend },
	{ "a block of numbers", fill_last_number, reserve },
};

static struct promise promise_of(const struct spool *s)
{
	struct promise p = { .sequence = s->sequence - 1, .session = s->session - 1 };

	memcpy(p.kept, s->entry, sizeof(p.kept));
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		if (p.kept[i].phase == SPOOL_FREE)
			p.kept[i].sequence = 0;
	return p;
}

/* What was there before and is there after must be there in between. The numbers: of before; what
 * came after was not told to anybody yet. */
static struct promise in_between(const struct promise *before, const struct promise *after)
{
	struct promise p = *before;

	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		if (p.kept[i].sequence != after->kept[i].sequence)
			p.kept[i].sequence = 0;
		else if (p.kept[i].phase != after->kept[i].phase)
			p.kept[i].phase = SPOOL_FREE; /* either; whole it must be */
	return p;
}

static uint32_t differences(const char *a, const char *b, uint32_t ret[RIG_BYTES])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < RIG_BYTES; i++)
		if (a[i] != b[i])
			ret[count++] = i;
	return count;
}

/* The first n changed bytes are new, or the last n: any byte at which a write may end. */
static uint32_t every_prefix(const image_bytes before, const image_bytes after, const struct promise *p)
{
	static uint32_t changed[RIG_BYTES];
	static image_bytes forth, back;
	const uint32_t count = differences((const char *)before, (const char *)after, changed);

	memcpy(forth, before, RIG_BYTES);
	memcpy(back, after, RIG_BYTES);
	for (uint32_t n = 0; n < count; n++) {
		must_hold(forth, p);
		must_hold(back, p);
		if (n % 197 == 0) {
			must_open(forth, p);
			must_open(back, p);
		}
		((char *)forth)[changed[n]] = ((const char *)after)[changed[n]];
		((char *)back)[changed[n]] = ((const char *)before)[changed[n]];
	}
	must_open(after, p);
	return count;
}

/* Each sector that changed is old or new, all combinations of them. */
static void every_mixture_of_sectors(const image_bytes before, const image_bytes after,
				     const struct promise *p)
{
	static image_bytes mixture;
	uint32_t changed[16], count = 0;

	for (uint32_t sector = 0; sector < SECTORS; sector++)
		if (memcmp((char *)before + sector * SECTOR, (char *)after + sector * SECTOR, SECTOR)) {
			assert_true(count < 16);
			changed[count++] = sector;
		}
	assert_true(count > 0);
	for (uint32_t set = 0; set < 1u << count; set++) {
		memcpy(mixture, before, RIG_BYTES);
		for (uint32_t i = 0; i < count; i++)
			if (set & 1u << i)
				memcpy((char *)mixture + changed[i] * SECTOR,
				       (char *)after + changed[i] * SECTOR, SECTOR);
		must_hold(mixture, p);
		must_open(mixture, p);
	}
}

/* Single bytes, new or old at random: no hardware does so, and it holds. */
static void mixtures_of_bytes(const image_bytes before, const image_bytes after, const struct promise *p)
{
	static uint32_t changed[RIG_BYTES];
	static image_bytes mixture;
	const uint32_t count = differences((const char *)before, (const char *)after, changed);
	struct dice dice = { 5 };

	for (int run = 0; run < 300; run++) {
		memcpy(mixture, before, RIG_BYTES);
		for (uint32_t i = 0; i < count; i++)
			if (dice_below(&dice, 2))
				((char *)mixture)[changed[i]] = ((const char *)after)[changed[i]];
		must_hold(mixture, p);
	}
}

/* All that is new is there but the marks: the moment of write_slot() between its two checksums. */
static void new_with_old_marks(const image_bytes before, const image_bytes after, const struct promise *p)
{
	static image_bytes mixture;

	memcpy(mixture, after, RIG_BYTES);
	for (uint32_t i = 0; i < RIG_SLOTS; i++) {
		const struct spool_slot *old = spool_file_slot(before, i);
		struct spool_slot *slot = spool_file_slot(mixture, i);

		slot->record.sent_s = old->record.sent_s;
		slot->phase = old->phase;
		slot->mark_crc = old->mark_crc;
	}
	must_hold(mixture, p);
	must_open(mixture, p);
}

static void run_torn_row(const struct torn_row *row)
{
	static image_bytes before, after;
	struct spool *s = rig_open(RIG_SLOTS);
	struct promise then, now, p;
	uint32_t bytes;

	row->given(s);
	then = promise_of(s);
	memcpy(before, s->map, RIG_BYTES);
	row->when(s);
	now = promise_of(s);
	memcpy(after, s->map, RIG_BYTES);
	s = rig_kill(s);
	p = in_between(&then, &now);
	bytes = every_prefix(before, after, &p);
	every_mixture_of_sectors(before, after, &p);
	mixtures_of_bytes(before, after, &p);
	new_with_old_marks(before, after, &p);
	print_message("# %s: %u bytes changed\n", row->name, bytes);
	assert_int_equal(unlink(rig_path), 0);
}

static void power_ends_at_any_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(torn_rows) / sizeof(torn_rows[0]); i++)
		run_torn_row(&torn_rows[i]);
}

/* ---- many operations, power ends after any of them ---- */

static uint64_t synced[RIG_BYTES / SPOOL_SLOT_BYTES]; /* sequences whose put has returned from the disk */

static void do_something(struct spool *s, struct dice *dice)
{
	static const enum topic_type types[] = { TOPIC_ALARM, TOPIC_REPORT, TOPIC_EVENT, TOPIC_HEARTBEAT };
	const enum topic_type type = types[dice_below(dice, 4)];
	const struct spool_record r = rig_record(spool_next_sequence(s), type), *next;

	if (dice_below(dice, 9) == 0)
		(void)spool_next_session(s);
	if (dice_below(dice, 40) == 0)
		while (s->sequence <= s->sequence_reserved)
			(void)spool_next_sequence(s);
	if (dice_below(dice, 2) == 0 && (next = spool_next(s, SPOOL_HEARTBEAT, 0)))
		spool_acknowledge(s, next->sequence, dice_below(dice, 5000));
	if (dice_below(dice, 12) == 0)
		spool_resend(s, 5000, 1800);
	if (spool_put(s, &r, type <= TOPIC_ALARM || type == TOPIC_REPORT) == 0)
		for (uint32_t i = 0; i < RIG_SLOTS; i++)
			if (s->entry[i].sequence == r.sequence)
				synced[i] = spool_priority(type) == SPOOL_ALARM ? r.sequence : 0;
	remember();
}

static struct promise promise_of_synced(const struct spool *s)
{
	struct promise p = { .sequence = s->sequence - 1, .session = s->session - 1 };

	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		p.kept[i].sequence = synced[i];
	return p;
}

static void power_ends_after_anything(void **state)
{
	static image_bytes left;

	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct dice dice = { seed };
		struct spool *s = rig_open(RIG_SLOTS);

		memset(synced, 0, sizeof(synced));
		watch(s);
		for (int step = 0; step < 60; step++) {
			struct promise p;

			do_something(s, &dice);
			p = promise_of_synced(s);
			for (int end = 0; end < 25; end++) {
				power_off(&dice, left);
				must_hold(left, &p);
			}
		}
		disk.map = NULL;
		s = rig_kill(s);
		must_open(left, &(struct promise){ 0 });
		assert_int_equal(unlink(rig_path), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(power_ends_at_any_byte, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(power_ends_after_anything, rig_make, rig_clean),
	};

	return cmocka_run_group_tests_name("spool_power", tests, NULL, NULL);
}
