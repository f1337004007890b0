/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "spool_order.h"

#define SLOTS	SPOOL_SLOTS_MIN
#define NONE	SPOOL_ORDER_NONE

/*
 * A slot as one letter: '.' free; 'h' 'e' 'a' waiting heartbeat, event, report; 'H' 'E' 'A' the same, sent;
 * '0'..'3' a waiting alarm of that kind, 'w'..'z' the same, sent. Sequences grow from left to right.
 */
static struct spool_entry entry_of(char letter, uint64_t sequence)
{
	struct spool_entry e = { .sequence = sequence, .alarm = TOPIC_ALARM_COUNT };
	const char *plain = "heaHEA", *at = strchr(plain, letter);

	if (letter == '.')
		return (struct spool_entry){ .alarm = TOPIC_ALARM_COUNT };
	if (at) {
		e.priority = (uint32_t)(at - plain) % 3;
		e.phase = at - plain < 3 ? SPOOL_WAITING : SPOOL_SENT;
		return e;
	}
	e.priority = SPOOL_ALARM;
	e.phase = letter <= '3' ? SPOOL_WAITING : SPOOL_SENT;
	e.alarm = (uint32_t)(letter <= '3' ? letter - '0' : letter - 'w');
	return e;
}

static struct spool_order order_of(const char *slots, struct spool_entry entry[SLOTS])
{
	for (uint32_t i = 0; i < SLOTS; i++)
		entry[i] = entry_of(slots[i], i + 1);
	return (struct spool_order){ .entry = entry, .count = SLOTS };
}

static const struct row {
	const char *name, *slots;
	uint32_t heartbeat, event, alarm; /* the slot that each would take */
} rows[] = {
	{ "all free", "................", 0, 0, 0 },
	{ "one free: it is taken before what was sent", "HHEEAAhhee..aaaa", 10, 10, 10 },
	{ "the oldest sent one, of whatever kind", "hheeaaAAhheeEEaa", 6, 6, 6 },
	{ "the oldest of the lowest that is not above", "aaeeehhhhhheeeaa", 5, 5, 5 },
	{ "no heartbeat: the oldest event, but not for a heartbeat", "aaaeeeeeeeeeeeaa", NONE, 3, 3 },
	{ "alarms alone: an event is lost, not an alarm", "aaaaaaaaaaaaaaaa", NONE, NONE, 0 },
	{ "the last of each kind stays", "0123aaaaaaaaaaaa", NONE, NONE, 4 },
	{ "of one kind the older gives way", "0120312aaaaaaaaa", NONE, NONE, 0 },
	{ "sent ones stay, too, while they are the last", "wxyzhhhhhhhhhhhh", 4, 4, 4 },
	{ "a sent one that has a younger", "wxyw0123hhhhhhhh", 0, 0, 0 },
	{ "a wall of alarms of one kind", "2222222222222222", NONE, NONE, 0 },
};

static void places(void **state)
{
	struct spool_entry entry[SLOTS];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spool_order o = order_of(rows[i].slots, entry);

		print_message("# %s\n", rows[i].name);
		assert_int_equal(spool_order_place(&o, SPOOL_HEARTBEAT), rows[i].heartbeat);
		assert_int_equal(spool_order_place(&o, SPOOL_EVENT), rows[i].event);
		assert_int_equal(spool_order_place(&o, SPOOL_ALARM), rows[i].alarm);
	}
}

/* Acknowledged so lately that a server which is killed forgets it: 'A' at 100 s, 'w'..'z' too. */
static const struct row doubtful_rows[] = {
	{ "heartbeats and events before it", "AAAAAAAAAAeeehAA", 13, 13, 13 },
	{ "no heartbeat: events", "AAAAAAAAAAeeeeAA", NONE, 10, 10 },
	{ "for an event that has nothing else", "AAAAAAAAaaaaaaaa", NONE, 0, 0 },
	{ "but not for a heartbeat", "AAAAAAAAAAAAAAAA", NONE, 0, 0 },
	{ "before a waiting alarm", "aaaaaaaaaAaaaaaa", NONE, 9, 9 },
	{ "free ones first", "AAAAAAA.AAAAhhhh", 7, 7, 7 },
};

static void what_may_wait_again(void **state)
{
	struct spool_entry entry[SLOTS];

	(void)state;
	for (size_t i = 0; i < sizeof(doubtful_rows) / sizeof(doubtful_rows[0]); i++) {
		struct spool_order o = order_of(doubtful_rows[i].slots, entry);

		print_message("# %s\n", doubtful_rows[i].name);
		for (uint32_t k = 0; k < SLOTS; k++)
			entry[k].sent_s = 100;
		o.met_s = 150;
		o.window_s = 60;
		assert_int_equal(spool_order_place(&o, SPOOL_HEARTBEAT), doubtful_rows[i].heartbeat);
		assert_int_equal(spool_order_place(&o, SPOOL_EVENT), doubtful_rows[i].event);
		assert_int_equal(spool_order_place(&o, SPOOL_ALARM), doubtful_rows[i].alarm);
	}
}

/* Whatever stands there: what is unsent and above is never taken, and an alarm always finds room. */
static void no_alarm_is_lost_for_less(void **state)
{
	static const char letters[] = ".heaHEA0123wxyz";
	struct spool_entry entry[SLOTS];
	uint64_t random = 2025;
	char slots[SLOTS];

	(void)state;
	for (int run = 0; run < 20000; run++) {
		struct spool_order o;

		for (uint32_t i = 0; i < SLOTS; i++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
			slots[i] = letters[(random >> 33) % (sizeof(letters) - 1)];
		}
		o = order_of(slots, entry);
		for (uint32_t p = 0; p < SPOOL_PRIORITY_COUNT; p++) {
			const uint32_t i = spool_order_place(&o, (enum spool_priority)p);

			assert_true(i != NONE || p < SPOOL_ALARM);
			if (i == NONE)
				continue;
			assert_true(entry[i].phase != SPOOL_WAITING || entry[i].priority <= p);
			if (entry[i].alarm < TOPIC_ALARM_COUNT && entry[i].phase != SPOOL_FREE)
				assert_int_not_equal(
					i, spool_order_alarm(&o, (enum topic_alarm)entry[i].alarm));
		}
	}
}

static const struct next_row {
	const char *name, *slots;
	enum spool_priority lowest;
	uint64_t after, expect; /* sequences; 0: none */
} next_rows[] = {
	{ "none waits", "HEA.HEA.HEA.HEA.", SPOOL_HEARTBEAT, 0, 0 },
	{ "all in order", "HEheaheaheaheahe", SPOOL_HEARTBEAT, 0, 3 },
	{ "after one", "HEheaheaheaheahe", SPOOL_HEARTBEAT, 3, 4 },
	{ "events and more", "HEheaheaheaheahe", SPOOL_EVENT, 0, 4 },
	{ "the urgent ones alone", "HEheaheaheaheahe", SPOOL_ALARM, 5, 8 },
	{ "the last was it", "HEheaheaheaheahe", SPOOL_HEARTBEAT, 16, 0 },
};

static void what_is_next(void **state)
{
	struct spool_entry entry[SLOTS];

	(void)state;
	for (size_t i = 0; i < sizeof(next_rows) / sizeof(next_rows[0]); i++) {
		const struct next_row *row = &next_rows[i];
		struct spool_order o = order_of(row->slots, entry);
		const struct spool_order_wish wish = { SPOOL_WAITING, row->lowest, SPOOL_ALARM, row->after };
		const uint32_t found = spool_order_next(&o, &wish);

		print_message("# %s\n", row->name);
		assert_int_equal(found == NONE ? 0 : entry[found].sequence, row->expect);
	}
}

/* The place in the file says nothing, the sequence does. */
static void order_is_by_sequence(void **state)
{
	struct spool_entry entry[SLOTS];
	struct spool_order o = order_of("1e1e1e1e1e1e1e1e", entry);
	const struct spool_order_wish wish = { SPOOL_WAITING, SPOOL_HEARTBEAT, SPOOL_ALARM, 0 };

	(void)state;
	for (uint32_t i = 0; i < SLOTS; i++)
		entry[i].sequence = 100 - i;
	assert_int_equal(spool_order_next(&o, &wish), 15);
	assert_int_equal(spool_order_alarm(&o, TOPIC_ALARM_SHUTDOWN), 0);
	assert_int_equal(spool_order_alarm(&o, TOPIC_ALARM_IMMINENT), NONE);
	assert_int_equal(spool_order_place(&o, SPOOL_EVENT), 15);
	assert_int_equal(spool_order_find(&o, 93), 7);
	assert_int_equal(spool_order_find(&o, 1), NONE);
	entry[7].phase = SPOOL_FREE;
	assert_int_equal(spool_order_find(&o, 93), NONE);
}

static const struct doubt_row {
	const char *name;
	enum spool_phase phase;
	uint64_t sent_s, now_s, window_s;
	bool expect;
} doubt_rows[] = {
	{ "waits anyway", SPOOL_WAITING, 100, 101, 1800, false },
	{ "nothing there", SPOOL_FREE, 100, 101, 1800, false },
	{ "just sent", SPOOL_SENT, 100, 101, 1800, true },
	{ "the last second of the window", SPOOL_SENT, 100, 1900, 1800, true },
	{ "a second later", SPOOL_SENT, 100, 1901, 1800, false },
	{ "no window", SPOOL_SENT, 100, 101, 0, false },
	{ "the count went back: another boot", SPOOL_SENT, 5000, 20, 1800, true },
	{ "the greatest", SPOOL_SENT, 0, UINT64_MAX, UINT64_MAX, true },
};

static void what_the_server_may_have_forgotten(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(doubt_rows) / sizeof(doubt_rows[0]); i++) {
		const struct doubt_row *row = &doubt_rows[i];
		const struct spool_entry e = { .sequence = 1, .phase = row->phase, .sent_s = row->sent_s };

		print_message("# %s\n", row->name);
		assert_int_equal(spool_order_is_doubtful(&e, row->now_s, row->window_s), row->expect);
	}
}

static void priorities(void **state)
{
	(void)state;
	assert_int_equal(spool_priority(TOPIC_ALARM), SPOOL_ALARM);
	assert_int_equal(spool_priority(TOPIC_REPORT), SPOOL_ALARM);
	assert_int_equal(spool_priority(TOPIC_EVENT), SPOOL_EVENT);
	assert_int_equal(spool_priority(TOPIC_HEARTBEAT), SPOOL_HEARTBEAT);
	assert_int_equal(spool_priority(TOPIC_STATE), SPOOL_HEARTBEAT);
}

static void counts(void **state)
{
	struct spool_entry entry[SLOTS];
	struct spool_order o = order_of("heaHEA0123wxyz..", entry);
	struct spool_counts c = { .damaged = 7 };

	(void)state;
	spool_order_count(&o, &c);
	assert_int_equal(c.slots, SLOTS);
	assert_int_equal(c.waiting, 7);
	assert_int_equal(c.sent, 7);
	assert_int_equal(c.damaged, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(what_may_wait_again),
		cmocka_unit_test(no_alarm_is_lost_for_less),
		cmocka_unit_test(what_is_next),
		cmocka_unit_test(order_is_by_sequence),
		cmocka_unit_test(what_the_server_may_have_forgotten),
		cmocka_unit_test(priorities),
		cmocka_unit_test(counts),
	};

	return cmocka_run_group_tests_name("spool_order", tests, NULL, NULL);
}
