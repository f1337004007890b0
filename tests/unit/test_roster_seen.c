/* SPDX-License-Identifier: MIT */
/* What of the roster outlives the program: written out, read back, and what comes after that. */
#include "fleet_rig.h"

#include "roster_seen.h"

#define BIT(kind)	(1u << (kind))
#define RECORDS_MAX	64u

struct list {
	struct seen_record record[RECORDS_MAX];
	uint32_t count;
};

static bool keep(void *userdata, const struct seen_record *record)
{
	struct list *list = userdata;

	assert_true(list->count < RECORDS_MAX);
	list->record[list->count++] = *record;
	return true;
}

/* The roster of the next process. */
static struct roster *restarted(struct roster *r, const struct roster_limits *limits)
{
	struct roster *next = roster_new(limits);
	struct list list = { .count = 0 };

	assert_true(roster_seen_all(r, keep, &list));
	for (uint32_t i = 0; i < list.count; i++)
		assert_true(roster_restore(next, &list.record[i]));
	roster_free(r);
	return next;
}

static struct ingest_message logged(const char *device, const char *boot, bool is_raised, uint64_t sequence)
{
	struct ingest_message m = rig_alarm(TOPIC_AT_EVENT, TOPIC_ALARM_IMMINENT, is_raised, sequence);

	snprintf(m.topic.device, sizeof(m.topic.device), "%s", device);
	memcpy(m.boot, boot, sizeof(m.boot));
	return m;
}

/* Given before the restart and after it: what is new then. */
static void restarts(void **state)
{
	const unsigned LOGGED = BIT(ROSTER_LOGGED), RAISED = BIT(ROSTER_RAISED), STANDS = BIT(ROSTER_STANDS);
	const struct {
		const char *name;
		struct ingest_message m;
		unsigned notes;
		bool stands;
	} rows[] = {
		{ "what was shown", logged("d", BOOT_A, true, 7), STANDS, true },
		{ "of the boot before", logged("d", BOOT_B, true, 3), 0, true },
		{ "what came between them", logged("d", BOOT_A, true, 6), LOGGED, true },
		{ "the kept alarm brings its text", rig_alarm(TOPIC_AT_ALARM, 0, true, 7), STANDS, true },
		{ "and again", rig_alarm(TOPIC_AT_ALARM, 0, true, 7), 0, true },
		{ "its clear", logged("d", BOOT_A, false, 8), LOGGED | BIT(ROSTER_CLEARED), false },
		{ "the kept one of before", rig_alarm(TOPIC_AT_ALARM, 0, true, 7), 0, false },
		{ "raised and cleared before, kept", rig_alarm(TOPIC_AT_ALARM, 2, true, 4), 0, false },
		{ "another device's", logged("e", BOOT_A, true, 7), LOGGED | RAISED, false },
	};
	struct roster *r = roster_new(&rig_limits);

	(void)state;
	rig_give(r, logged("d", BOOT_B, true, 3), 1);
	rig_give(r, rig_alarm(TOPIC_AT_EVENT, 2, true, 4), 1);
	rig_give(r, rig_alarm(TOPIC_AT_EVENT, 2, false, 5), 1);
	rig_give(r, logged("d", BOOT_A, true, 7), 1);
	r = restarted(restarted(r, &rig_limits), &rig_limits);
	assert_int_equal(roster_count(r), 1);
	assert_int_equal(roster_face(rig_device(r)), ROSTER_UNKNOWN);
	assert_int_equal(rig_device(r)->alarm[0].since_s, 1000001);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned notes = rig_give(r, rows[i].m, 2);

		if (notes != rows[i].notes || rig_device(r)->alarm[0].is_raised != rows[i].stands)
			fail_msg("%s: notes %x", rows[i].name, notes);
	}
	assert_string_equal(rig_device(r)->firmware, "1.0");
	roster_free(r);
}

/* Numbers of states join those of the log: the journal's records carry the whole range. */
static void journal(void **state)
{
	struct roster *r = roster_new(&rig_limits), *next = roster_new(&rig_limits);
	struct seen_record record;

	(void)state;
	for (uint64_t i = 1; i <= 5000; i += 2) {
		rig_give(r, logged("d", BOOT_A, true, i), 1);
		assert_true(roster_seen_range(rig_device(r), BOOT_A, i, &record));
		assert_true(roster_restore(next, &record));
		rig_give(r, rig_state(1, i + 1, 0), 1);
	}
	assert_true(record.first == 1 && record.last == 4999);
	assert_true(roster_seen_range(rig_device(next), BOOT_A, 77, &record));
	assert_true(record.first == 1 && record.last == 4999);
	assert_false(roster_seen_range(rig_device(r), BOOT_B, 1, &record));
	assert_false(roster_seen_range(rig_device(r), BOOT_A, 5001, &record));
	roster_free(next);
	roster_free(r);
}

/* Four boots have a place; the fifth takes that of the oldest, before a restart and after it. What was seen
 * of that one stays known, and what it could not send before is new. */
static void boots(void **state)
{
	char boot[TOPIC_BOOT_MAX] = BOOT_A;
	struct roster *r = roster_new(&rig_limits);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		boot[0] = (char)('3' - i);
		rig_give(r, logged("d", boot, false, 10 + i), 1 + i);
	}
	r = restarted(r, &rig_limits);
	assert_int_equal(rig_give(r, logged("d", BOOT_B, false, 20), 9), BIT(ROSTER_LOGGED));
	for (unsigned i = 1; i < 4; i++) {
		boot[0] = (char)('3' - i);
		assert_int_equal(rig_give(r, logged("d", boot, false, 10 + i), 10), 0);
	}
	boot[0] = '3';
	assert_int_equal(rig_give(r, logged("d", boot, false, 10), 11), 0);
	assert_int_equal(rig_give(r, logged("d", boot, false, 9), 11), BIT(ROSTER_LOGGED));
	r = restarted(restarted(r, &rig_limits), &rig_limits);
	assert_int_equal(rig_give(r, logged("d", boot, false, 10), 12), 0);
	assert_int_equal(rig_give(r, logged("d", boot, false, 9), 12), 0);
	assert_int_equal(rig_give(r, logged("d", boot, false, 8), 12), BIT(ROSTER_LOGGED));
	roster_free(r);
}

static struct ingest_message begun(const char *boot, uint32_t instance, uint64_t session, uint64_t sequence)
{
	struct ingest_message m = rig_state(session, sequence, 0);

	memcpy(m.boot, boot, sizeof(m.boot));
	m.instance = instance;
	return m;
}

/* A device sends all that it still has at each of its boots, the oldest first. */
static void reboots(void **state)
{
	char boot[TOPIC_BOOT_MAX] = BOOT_A;
	struct roster *r = roster_new(&rig_limits);
	unsigned shown = 0;

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		boot[0] = (char)('0' + i);
		rig_give(r, begun(boot, 1, i + 1, 100 + 10 * i), 10 * i);
		for (unsigned old = 0; old <= i; old++) {
			boot[0] = (char)('0' + old);
			shown += rig_give(r, logged("d", boot, false, 101 + 10 * old), 10 * i) != 0;
		}
		assert_int_equal(shown, i + 1);
		if (i % 3 == 2)
			r = restarted(r, &rig_limits);
	}
	roster_free(r);
}

/* Numbers that come again and are new: of a spool that was made anew, and of one that was put back to an old
 * copy of it. */
static void numbers_again(void **state)
{
	char boot[TOPIC_BOOT_MAX] = BOOT_A;
	struct ingest_message m, will = rig_will(9);
	struct roster *r = roster_new(&rig_limits);

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		boot[0] = (char)('0' + i);
		rig_give(r, begun(boot, 1, i + 1, 10 + 2 * i), i);
		assert_int_equal(rig_give(r, logged("d", boot, false, 11 + 2 * i), i), BIT(ROSTER_LOGGED));
	}
	boot[0] = '7';
	rig_give(r, begun(boot, 1, 8, 10), 7);
	assert_int_equal(rig_give(r, logged("d", boot, false, 11), 7), BIT(ROSTER_LOGGED));
	rig_give(r, will, 8);
	boot[0] = '8';
	rig_give(r, begun(boot, 2, 1, 1), 9);
	boot[0] = '9'; /* a boot that was never heard */
	m = logged("d", boot, false, 11);
	m.instance = 2;
	assert_int_equal(rig_give(r, m, 9), BIT(ROSTER_LOGGED));
	roster_free(r);
}

/* Those that are not heard give way. */
static void limits(void **state)
{
	struct roster_limits few = rig_limits;
	struct roster *r = roster_new(&few);
	struct roster_note note[ROSTER_NOTES_MAX];
	struct roster_now now = { 1, 1 };
	struct seen_record record = { .what = SEEN_BEGUN, .first = 1, .last = 1, .fleet = "f", .device = "d",
				      .boot = BOOT_A };
	uint32_t notes;

	(void)state;
	few.devices = 3;
	rig_give(r, logged("a", BOOT_A, true, 1), 1);
	rig_give(r, logged("b", BOOT_A, true, 1), 1);
	rig_give(r, logged("c", BOOT_A, true, 1), 1);
	r = restarted(r, &few);
	assert_int_equal(roster_count(r), 3);
	assert_false(roster_restore(r, &record)); /* nothing for the roster */
	record.what = SEEN_SHOWN;
	assert_false(roster_restore(r, &record)); /* no room */
	assert_int_equal(rig_give(r, logged("a", BOOT_A, true, 1), 1), BIT(ROSTER_STANDS));
	for (unsigned i = 0; i < 2; i++) {
		struct ingest_message m = logged(i ? "y" : "x", BOOT_A, true, 1);

		assert_int_equal(roster_apply(r, &m, &now, note, &notes), INGEST_OK);
		assert_int_equal(roster_count(r), 3);
	}
	assert_non_null(roster_find(r, "f", "a", 0));
	assert_null(roster_find(r, "f", "b", 0));
	assert_int_equal(roster_apply(r, &(struct ingest_message){ 0 }, &now, note, &notes), INGEST_FULL);
	roster_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restarts), cmocka_unit_test(journal), cmocka_unit_test(boots),
		cmocka_unit_test(reboots), cmocka_unit_test(numbers_again), cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests_name("roster_seen", tests, NULL, NULL);
}
