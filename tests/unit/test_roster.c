/* SPDX-License-Identifier: MIT */
/* Sessions, wills, twins, alarms and counts: what one message after the other makes of the roster. */
#include "fleet_rig.h"

#define BIT(kind)	(1u << (kind))

/* A state or will, and what the device shows then. */
static void sessions(void **state)
{
	static const struct {
		const char *name;
		uint64_t session, sequence;
		int stage;		/* -1: a will */
		unsigned notes;
		enum roster_face expect;
	} rows[] = {
		{ "birth", 5, 10, 0, BIT(ROSTER_ONLINE), ROSTER_NORMAL },
		{ "state", 5, 11, 1, 0, ROSTER_WARNING },
		{ "older state of the session", 5, 9, 3, 0, ROSTER_WARNING },
		{ "the same again", 5, 11, 3, 0, ROSTER_WARNING },
		{ "late will", 4, 1, -1, 0, ROSTER_WARNING },
		{ "state of an older session", 4, 20, 2, 0, ROSTER_WARNING },
		{ "will", 5, 1, -1, BIT(ROSTER_GONE), ROSTER_OFFLINE },
		{ "will again", 5, 1, -1, 0, ROSTER_OFFLINE },
		{ "next birth", 6, 12, 2, BIT(ROSTER_ONLINE), ROSTER_IMMINENT },
		{ "will of a session we never saw", 9, 1, -1, BIT(ROSTER_GONE), ROSTER_OFFLINE },
		{ "birth that was overtaken by it", 8, 13, 2, 0, ROSTER_OFFLINE },
		{ "birth after it", 10, 14, 0, BIT(ROSTER_ONLINE), ROSTER_NORMAL },
	};
	struct roster *r = roster_new(&rig_limits);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned notes = rig_give(r, rows[i].stage < 0 ? rig_will(rows[i].session) :
			rig_state(rows[i].session, rows[i].sequence, (uint32_t)rows[i].stage), i);

		if (notes != rows[i].notes || roster_face(rig_device(r)) != rows[i].expect)
			fail_msg("%s: notes %x, shows %s", rows[i].name, notes,
				 roster_face_name(roster_face(rig_device(r))));
	}
	assert_int_equal(roster_totals(r)->late_wills, 1);
	assert_int_equal(roster_totals(r)->out_of_order, 3);
	assert_int_equal(roster_count(r), 1);
	roster_free(r);
}

static struct ingest_message with(struct ingest_message m, const char *boot, uint32_t instance)
{
	memcpy(m.boot, boot, sizeof(m.boot));
	m.instance = instance;
	return m;
}

static void two_spools(void **state)
{
	struct roster *r = roster_new(&rig_limits);
	struct roster_now later = { 2 * ROSTER_CONFLICT_US, 0 };

	(void)state;
	rig_give(r, with(rig_state(3, 1, 0), BOOT_A, 1), 1);
	assert_int_equal(rig_give(r, with(rig_state(1, 1, 2), BOOT_B, 2), 2),
			 BIT(ROSTER_ONLINE) | BIT(ROSTER_IN_CONFLICT));
	assert_int_equal(roster_count(r), 2);
	assert_int_equal(rig_device(r)->conflict, ROSTER_TWO_SPOOLS);
	assert_int_equal(roster_find(r, "f", "d", 1)->conflict, ROSTER_TWO_SPOOLS);
	assert_int_equal(roster_face(roster_find(r, "f", "d", 1)), ROSTER_NORMAL);
	roster_tick(r, &later);
	assert_int_equal(roster_count(r), 2); /* both are still there */
	rig_give(r, with(rig_will(3), BOOT_A, 1), 3);
	roster_tick(r, &later);
	assert_int_equal(roster_count(r), 1); /* one has gone: the conflict ends */
	roster_tick(r, &later);
	assert_int_equal(rig_device(r)->conflict, ROSTER_ALONE);
	assert_int_equal(rig_device(r)->instance, 2);
	roster_free(r);
}

/* The twin that has gone has an alarm, of which somebody was told: it ends before the twin is forgotten. */
static void a_twin_with_an_alarm(void **state)
{
	struct roster *r = roster_new(&rig_limits);
	struct roster_now later = { 2 * ROSTER_CONFLICT_US, 0 };
	struct roster_note note[ROSTER_NOTES_MAX];
	struct ingest_message empty = { .topic = { "f", "d", TOPIC_AT_STATE, 0 }, .is_empty = true };
	uint32_t notes;

	(void)state;
	rig_give(r, with(rig_state(3, 1, 0), BOOT_A, 1), 1);
	rig_give(r, with(rig_state(1, 1, 2), BOOT_B, 2), 2);
	assert_int_equal(rig_give(r, with(rig_alarm(TOPIC_AT_EVENT, 0, true, 2), BOOT_A, 1), 3),
			 BIT(ROSTER_LOGGED) | BIT(ROSTER_RAISED));
	rig_give(r, with(rig_will(3), BOOT_A, 1), 4);
	roster_tick(r, &later);
	assert_int_equal(roster_count(r), 2);
	assert_true(roster_expire(r, &later, note));
	assert_true(note[0].kind == ROSTER_CLEARED && note[0].device->instance == 1);
	assert_false(roster_expire(r, &later, note));
	roster_tick(r, &later);
	assert_int_equal(roster_count(r), 1);
	rig_give(r, with(rig_state(1, 1, 0), BOOT_A, 3), 5); /* two again, and the operator forgets them */
	assert_int_equal(roster_count(r), 2);
	assert_int_equal(roster_apply(r, &empty, &later, note, &notes), INGEST_OK);
	assert_int_equal(roster_count(r), 0);
	assert_int_equal(notes, 2);
	assert_int_equal(note[0].device->instance + note[1].device->instance, 5);
	roster_free(r);
}

static void a_new_spool(void **state)
{
	struct roster *r = roster_new(&rig_limits);

	(void)state;
	rig_give(r, with(rig_state(30, 100, 0), BOOT_A, 1), 1);
	rig_give(r, rig_will(30), 2);
	assert_int_equal(rig_give(r, with(rig_state(1, 1, 0), BOOT_B, 2), 3), BIT(ROSTER_ONLINE));
	assert_int_equal(
		rig_give(r,
			 with(rig_alarm(TOPIC_AT_ALARM, TOPIC_ALARM_IMMINENT, true, 2), BOOT_B, 2),
			 4),
		BIT(ROSTER_RAISED));
	assert_int_equal(roster_count(r), 1);
	assert_int_equal(roster_totals(r)->replaced, 1);
	roster_free(r);
}

/* Two devices whose server lets one of them in: each one's will comes before the other's birth. */
static void a_spool_that_returns(void **state)
{
	struct roster *r = roster_new(&rig_limits);

	(void)state;
	rig_give(r, with(rig_state(3, 1, 0), BOOT_A, 1), 1);
	rig_give(r, with(rig_will(3), BOOT_A, 1), 2);
	/* a new spool? */
	assert_int_equal(rig_give(r, with(rig_state(8, 1, 2), BOOT_B, 2), 3), BIT(ROSTER_ONLINE));
	rig_give(r, with(rig_will(8), BOOT_B, 2), 4);
	/* what the first one said before, and comes late */
	assert_int_equal(rig_give(r, with(rig_alarm(TOPIC_AT_EVENT, 0, false, 2), BOOT_A, 1), 5),
			 BIT(ROSTER_LOGGED));
	assert_int_equal(rig_device(r)->conflict, ROSTER_ALONE);
	assert_int_equal(rig_device(r)->instance, 2);
	assert_int_equal(rig_give(r, with(rig_state(4, 3, 0), BOOT_A, 1), 6),
			 BIT(ROSTER_ONLINE) | BIT(ROSTER_IN_CONFLICT)); /* no */
	rig_give(r, with(rig_will(4), BOOT_A, 1), 7);
	/* said once */
	assert_int_equal(rig_give(r, with(rig_state(9, 2, 2), BOOT_B, 2), 8), BIT(ROSTER_ONLINE));
	assert_int_equal(rig_device(r)->conflict, ROSTER_TWO_SPOOLS);
	assert_int_equal(roster_count(r), 1);
	roster_free(r);
}

static void a_copied_spool(void **state)
{
	struct roster *r = roster_new(&rig_limits);

	(void)state;
	rig_give(r, with(rig_state(3, 5, 0), BOOT_A, 1), 1);
	assert_int_equal(rig_give(r, with(rig_state(4, 6, 0), BOOT_B, 1), 2), 0);	/* a reboot */
	assert_int_equal(rig_give(r, with(rig_will(3), BOOT_A, 1), 3), 0);		/* its late will */
	assert_int_equal(rig_give(r, with(rig_state(4, 7, 2), BOOT_A, 1), 4), BIT(ROSTER_IN_CONFLICT));
	assert_int_equal(roster_face(rig_device(r)), ROSTER_NORMAL); /* not mixed */
	assert_int_equal(rig_give(r, with(rig_state(5, 8, 2), BOOT_A, 1), 5), 0); /* said once */
	roster_free(r);
}

/* The log counts by id; the present state is what the highest sequence says, of the log or kept. */
static void log_and_alarms(void **state)
{
	static const struct {
		const char *name;
		enum topic_place place;
		bool is_raised, is_empty;
		uint64_t sequence;
		unsigned notes;
		bool stands;
	} rows[] = {
		{ "the log raises", TOPIC_AT_EVENT, true, false, 7,
		  BIT(ROSTER_LOGGED) | BIT(ROSTER_RAISED), true },
		{ "the log again", TOPIC_AT_EVENT, true, false, 7, 0, true },
		{ "the kept one of the same", TOPIC_AT_ALARM, true, false, 7, 0, true },
		{ "an older one is counted", TOPIC_AT_EVENT, true, false, 3, BIT(ROSTER_LOGGED), true },
		{ "an older clear is counted", TOPIC_AT_EVENT, false, false, 4, BIT(ROSTER_LOGGED), true },
		{ "a kept clear that is older", TOPIC_AT_ALARM, false, false, 6, 0, true },
		{ "an empty one clears", TOPIC_AT_ALARM, false, true, 0, BIT(ROSTER_CLEARED), false },
		{ "and again", TOPIC_AT_ALARM, false, true, 0, 0, false },
		{ "a raise sent again", TOPIC_AT_EVENT, true, false, 7, 0, false },
		{ "an old raise, new to us", TOPIC_AT_EVENT, true, false, 5, BIT(ROSTER_LOGGED), false },
		{ "its clear, late", TOPIC_AT_EVENT, false, false, 8, BIT(ROSTER_LOGGED), false },
		{ "the kept raise of before", TOPIC_AT_ALARM, true, false, 7, 0, false },
		{ "the next, kept first", TOPIC_AT_ALARM, true, false, 9, BIT(ROSTER_RAISED), true },
		{ "then the log", TOPIC_AT_EVENT, true, false, 9, BIT(ROSTER_LOGGED), true },
		{ "the log clears", TOPIC_AT_EVENT, false, false, 11,
		  BIT(ROSTER_LOGGED) | BIT(ROSTER_CLEARED), false },
		{ "a raise before that, late", TOPIC_AT_EVENT, true, false, 10, BIT(ROSTER_LOGGED), false },
		{ "the kept one of that", TOPIC_AT_ALARM, true, false, 10, 0, false },
		{ "the empty one of the clear", TOPIC_AT_ALARM, false, true, 0, 0, false },
		{ "raised anew", TOPIC_AT_EVENT, true, false, 12,
		  BIT(ROSTER_LOGGED) | BIT(ROSTER_RAISED), true },
		{ "a kept clear", TOPIC_AT_ALARM, false, false, 13, BIT(ROSTER_CLEARED), false },
		{ "the raise before it, kept", TOPIC_AT_ALARM, true, false, 12, 0, false },
	};
	struct roster *r = roster_new(&rig_limits);
	const struct group *g;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ingest_message m = rig_alarm(rows[i].place, TOPIC_ALARM_OOM_KILL,
						    rows[i].is_raised, rows[i].sequence);
		unsigned notes;

		m.is_empty = rows[i].is_empty;
		notes = rig_give(r, m, i);
		if (notes != rows[i].notes ||
		    rig_device(r)->alarm[TOPIC_ALARM_OOM_KILL].is_raised != rows[i].stands)
			fail_msg("%s: notes %x", rows[i].name, notes);
	}
	for (unsigned k = 0; k < TOPIC_ALARM_OOM_KILL; k++)
		assert_true(rig_device(r)->alarm[k].sequence == 0);
	g = &roster_groups(r)->group[0];
	assert_int_equal(g->raised[TOPIC_ALARM_OOM_KILL], 6); /* sequences 7 3 5 9 10 12 */
	assert_int_equal(roster_totals(r)->duplicates, 2);
	assert_int_equal(roster_totals(r)->out_of_order, 4);
	assert_int_equal(rig_device(r)->moments, 9);
	roster_free(r);
}

/* A note of the log names the kind in the message, and another boot of the device counts on. */
static void alarms_of_the_log(void **state)
{
	struct roster *r = roster_new(&rig_limits);
	struct roster_now now = { 5, 5 };
	struct roster_note note[ROSTER_NOTES_MAX];
	struct ingest_message m = rig_alarm(TOPIC_AT_EVENT, TOPIC_ALARM_BROKER_LOST, true, 20);
	uint32_t notes;

	(void)state;
	assert_int_equal(roster_apply(r, &m, &now, note, &notes), INGEST_OK);
	assert_int_equal(notes, 2);
	assert_int_equal(note[1].kind, ROSTER_RAISED);
	assert_int_equal(note[1].alarm, TOPIC_ALARM_BROKER_LOST);
	assert_string_equal(rig_device(r)->alarm[TOPIC_ALARM_BROKER_LOST].text, "memory \"ends\"");
	m = with(rig_alarm(TOPIC_AT_EVENT, TOPIC_ALARM_BROKER_LOST, false, 21), BOOT_B, 1);
	assert_int_equal(rig_give(r, m, 6), BIT(ROSTER_LOGGED) | BIT(ROSTER_CLEARED));
	m = with(rig_alarm(TOPIC_AT_EVENT, TOPIC_ALARM_BROKER_LOST, true, 19), BOOT_A, 1);
	assert_int_equal(rig_give(r, m, 7), BIT(ROSTER_LOGGED));
	roster_free(r);
}

/* What another spool left at the server raises, but its number does not stand in the way of ours. */
static void alarm_of_another_spool(void **state)
{
	struct roster *r = roster_new(&rig_limits);

	(void)state;
	rig_give(r, rig_state(3, 1, 0), 1);
	assert_int_equal(rig_give(r, with(rig_alarm(TOPIC_AT_ALARM, 0, true, 900), BOOT_B, 2), 2),
			 BIT(ROSTER_RAISED));
	assert_int_equal(rig_give(r, rig_alarm(TOPIC_AT_EVENT, 0, false, 2), 3),
			 BIT(ROSTER_LOGGED) | BIT(ROSTER_CLEARED));
	assert_int_equal(rig_give(r, rig_alarm(TOPIC_AT_EVENT, 0, true, 4), 4),
			 BIT(ROSTER_LOGGED) | BIT(ROSTER_RAISED));
	roster_free(r);
}

/* Of a shared log each instance has a part: it may have the raise, and another the clear. */
static void shared_log(void **state)
{
	struct roster_limits shared = rig_limits;
	struct roster *r;

	(void)state;
	shared.is_log_shared = true;
	r = roster_new(&shared);
	assert_int_equal(rig_give(r, rig_alarm(TOPIC_AT_EVENT, 0, true, 1), 1), BIT(ROSTER_LOGGED));
	assert_int_equal(rig_give(r, rig_alarm(TOPIC_AT_ALARM, 0, true, 1), 1), BIT(ROSTER_RAISED));
	assert_int_equal(rig_give(r, rig_alarm(TOPIC_AT_EVENT, 0, false, 2), 1), BIT(ROSTER_LOGGED));
	roster_free(r);
}

/* Cleared while nobody was connected: the server has a newer state, and not the alarm. One that was
 * killed may have an older state, and not the alarm: it had not written that. */
static void expiry(void **state)
{
	const uint64_t wait_s = ROSTER_EXPIRE_US / 1000000;
	static const struct {
		const char *name;
		enum topic_place raised_at;
		uint64_t session, state; /* that is kept; its sequence, 0: none */
		bool is_will, has_alarm, expect;
	} rows[] = {
		{ "newer state", TOPIC_AT_ALARM, 1, 5, false, false, true },
		{ "of the next session", TOPIC_AT_ALARM, 2, 5, false, false, true },
		{ "newer, and the alarm", TOPIC_AT_ALARM, 1, 5, false, true, false },
		{ "nothing", TOPIC_AT_ALARM, 1, 0, false, false, false },
		{ "the alarm alone", TOPIC_AT_ALARM, 1, 0, false, true, false },
		{ "older state", TOPIC_AT_ALARM, 1, 2, false, false, false },
		{ "of an older session", TOPIC_AT_ALARM, 0, 1, false, false, false },
		{ "the log's, newer state", TOPIC_AT_EVENT, 1, 5, false, false, true },
		{ "the log's, older state", TOPIC_AT_EVENT, 1, 2, false, false, false },
		{ "the log's, and the alarm", TOPIC_AT_EVENT, 1, 5, false, true, false },
		{ "will of the session", TOPIC_AT_EVENT, 1, 1, true, false, true },
		{ "will of a later one", TOPIC_AT_EVENT, 2, 5, true, false, true },
		{ "late will", TOPIC_AT_EVENT, 0, 1, true, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct roster *r = roster_new(&rig_limits);
		struct roster_now now = { 50000000, 50 };
		struct roster_note note;

		print_message("# %s\n", rows[i].name);
		rig_give(r, rig_state(1, 2, 0), 1);
		rig_give(r, rig_alarm(rows[i].raised_at, TOPIC_ALARM_IMMINENT, true, 3), 2);
		roster_connected(r, &now);
		if (rows[i].is_will)
			rig_give(r, rig_will(rows[i].session), 51);
		else if (rows[i].state)
			rig_give(r, rig_state(rows[i].session, rows[i].state, 0), 51);
		if (rows[i].has_alarm)
			rig_give(r, rig_alarm(TOPIC_AT_ALARM, TOPIC_ALARM_IMMINENT, true, 3), 51);
		now.now_us = (51 + wait_s) * 1000000;
		assert_false(roster_expire(r, &now, &note));
		now.now_us++;
		assert_int_equal(roster_expire(r, &now, &note), rows[i].expect);
		assert_int_equal(rig_device(r)->alarm[TOPIC_ALARM_IMMINENT].is_raised, !rows[i].expect);
		assert_false(roster_expire(r, &now, &note));
		roster_free(r);
	}
}

/* The time in which nothing could come does not count, whenever the server was lost and found in it. */
static void halts(void **state)
{
	struct roster *r = roster_new(&rig_limits);
	struct roster_now now = { 1000000, 1 };
	struct roster_note note;

	(void)state;
	rig_give(r, rig_alarm(TOPIC_AT_ALARM, TOPIC_ALARM_IMMINENT, true, 2), 1);
	now.now_us += 1000000;
	roster_halt(r, &now, true);
	now.now_us += 10 * ROSTER_EXPIRE_US;
	roster_connected(r, &now);
	rig_give(r, rig_state(1, 3, 0), now.now_us / 1000000);
	now.now_us += 10 * ROSTER_EXPIRE_US;
	assert_false(roster_expire(r, &now, &note));
	roster_halt(r, &now, false);
	now.now_us += ROSTER_EXPIRE_US;
	assert_false(roster_expire(r, &now, &note));
	now.now_us++;
	assert_true(roster_expire(r, &now, &note));
	roster_free(r);
}

static void partitions(void **state)
{
	uint64_t mine = 0, others = 0;

	(void)state;
	for (uint32_t part = 0; part < 3; part++) {
		struct roster_limits limits = { 100, part, 3, 1 };
		struct roster *r = roster_new(&limits);

		for (unsigned i = 0; i < 60; i++) {
			struct ingest_message m = rig_alarm(TOPIC_AT_EVENT, 0, true, 1);

			snprintf(m.topic.device, sizeof(m.topic.device), "d%u", i);
			mine += rig_give(r, m, i) == (BIT(ROSTER_LOGGED) | BIT(ROSTER_RAISED));
		}
		others += roster_totals(r)->not_mine;
		assert_true(roster_count(r) > 5);
		roster_free(r);
	}
	assert_int_equal(mine, 60);
	assert_int_equal(others, 120);
}

static void timeline(void **state)
{
	struct roster *r = roster_new(&rig_limits);

	(void)state;
	for (uint64_t i = 1; i <= 200; i++) {
		const struct roster_moment *last, *first;
		uint32_t count = i < ROSTER_MOMENTS_MAX ? (uint32_t)i : ROSTER_MOMENTS_MAX;

		rig_give(r, rig_alarm(TOPIC_AT_EVENT, 0, true, i), i);
		first = roster_moment(rig_device(r), 0);
		last = roster_moment(rig_device(r), count - 1);
		assert_int_equal(first->sequence, i - count + 1);
		assert_int_equal(last->sequence, i);
		assert_null(roster_moment(rig_device(r), count));
	}
	roster_free(r);
}

static void limits(void **state)
{
	struct roster_limits few = { 2, 0, 1, UINT64_C(5000000) };
	struct roster *r = roster_new(&few);
	struct roster_now now = { UINT64_C(20000000), 20 };
	struct roster_note note[ROSTER_NOTES_MAX];
	struct ingest_message m = rig_state(1, 1, 0);
	uint32_t notes;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		snprintf(m.topic.device, sizeof(m.topic.device), "d%u", i);
		assert_int_equal(roster_apply(r, &m, &now, note, &notes), i < 2 ? INGEST_OK : INGEST_FULL);
	}
	assert_int_equal(roster_totals(r)->refused[INGEST_FULL], 1);
	now.now_us += UINT64_C(6000000);
	roster_tick(r, &now);
	assert_true(roster_at(r, 0)->is_silent);
	m.topic.device[1] = '0';
	m.is_empty = true;
	assert_int_equal(roster_apply(r, &m, &now, note, &notes), INGEST_OK);
	assert_int_equal(note[0].kind, ROSTER_FORGOTTEN);
	assert_string_equal(note[0].device->device, "d0");
	assert_int_equal(roster_count(r), 1);
	assert_true(roster_removed(r) == roster_version(r));
	m.is_empty = false;
	assert_int_equal(roster_apply(r, &m, &now, note, &notes), INGEST_OK); /* there is room again */
	roster_free(r);
}

static void many_twins(void **state)
{
	struct roster *r = roster_new(&rig_limits);
	struct roster_note note[ROSTER_NOTES_MAX];
	struct roster_now now = { 1, 1 };
	uint32_t notes;

	(void)state;
	for (uint32_t i = 0; i <= ROSTER_TWINS_MAX; i++) {
		struct ingest_message m = with(rig_state(1, 1, 0), BOOT_A, i);

		assert_int_equal(roster_apply(r, &m, &now, note, &notes),
				 i < ROSTER_TWINS_MAX ? INGEST_OK : INGEST_INSTANCES);
	}
	roster_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions), cmocka_unit_test(two_spools),
		cmocka_unit_test(a_twin_with_an_alarm), cmocka_unit_test(a_spool_that_returns),
		cmocka_unit_test(a_new_spool), cmocka_unit_test(a_copied_spool),
		cmocka_unit_test(log_and_alarms), cmocka_unit_test(alarms_of_the_log),
		cmocka_unit_test(alarm_of_another_spool), cmocka_unit_test(shared_log),
		cmocka_unit_test(expiry), cmocka_unit_test(halts), cmocka_unit_test(partitions),
		cmocka_unit_test(timeline), cmocka_unit_test(limits),
		cmocka_unit_test(many_twins),
	};

	return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
