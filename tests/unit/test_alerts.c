/* SPDX-License-Identifier: MIT */
/* What Alertmanager is told, and when: one step after the other on one alert, and many of them. */
#include "alerts.h"
#include "fleet_rig.h"

#define MINUTE	ALERTS_AGAIN_US

static struct roster_device device = { .number = 1, .fleet = "f", .device = "d" };

enum step { RAISE, CLEAR, TAKE, TOLD, FAILED };

/* `takes`: of a TAKE, how many; `is_end`: what the first of them says. */
static const struct {
	const char *name;
	enum step step;
	uint64_t now_us;
	uint32_t takes;
	bool is_end;
} rows[] = {
	{ "nothing", TAKE, 0, 0 },
	{ "raised", RAISE, 10 },
	{ "is due at once", TAKE, 10, 1 },
	{ "and not twice", TAKE, 11, 0 },
	{ "failed", FAILED, 20 },
	{ "is due again", TAKE, 21, 1 },
	{ "told", TOLD, 30 },
	{ "rests", TAKE, 30 + MINUTE - 1, 0 },
	{ "for a minute", TAKE, 30 + MINUTE, 1 },
	{ "told", TOLD, 31 + MINUTE },
	{ "cleared", CLEAR, 40 + MINUTE },
	{ "the end is due", TAKE, 40 + MINUTE, 1, true },
	{ "told", TOLD, 41 + MINUTE },
	{ "that was all", TAKE, 99 * MINUTE, 0 },

	{ "raised", RAISE, 100 * MINUTE },
	{ "cleared before it was told", CLEAR, 100 * MINUTE },
	{ "told as raised", TAKE, 100 * MINUTE, 1, false },
	{ "told", TOLD, 100 * MINUTE },
	{ "then the end", TAKE, 100 * MINUTE, 1, true },
	{ "told", TOLD, 100 * MINUTE },
	{ "that was all", TAKE, 199 * MINUTE, 0 },

	{ "raised", RAISE, 200 * MINUTE },
	{ "away", TAKE, 200 * MINUTE, 1 },
	{ "cleared meanwhile", CLEAR, 200 * MINUTE },
	{ "told", TOLD, 200 * MINUTE },
	{ "the end", TAKE, 200 * MINUTE, 1, true },
	{ "raised meanwhile", RAISE, 200 * MINUTE },
	{ "told of the end", TOLD, 200 * MINUTE },
	{ "raised again", TAKE, 200 * MINUTE, 1, false },
	{ "told", TOLD, 200 * MINUTE },
	{ "rests", TAKE, 201 * MINUTE - 1, 0 },
	{ "and again", TAKE, 201 * MINUTE, 1, false },
};

static void lives(void **state)
{
	struct alert *batch[ALERTS_BATCH];
	struct alerts a;

	(void)state;
	assert_int_equal(alerts_init(&a, 1000), 0);
	assert_true(alerts_due_us(&a) == INGEST_NEVER_US);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct roster_now now = { rows[i].now_us, 5 };
		uint32_t count;

		switch (rows[i].step) {
		case RAISE:
			assert_true(alerts_raise(&a, &device, TOPIC_ALARM_SHUTDOWN, &now));
			break;
		case CLEAR:
			alerts_clear(&a, 1, TOPIC_ALARM_SHUTDOWN, &now);
			break;
		case TAKE:
			count = alerts_take(&a, now.now_us, batch);
			if (count != rows[i].takes || (count && alerts_is_end(batch[0]) != rows[i].is_end))
				fail_msg("row %zu, %s: took %u", i, rows[i].name, count);
			break;
		case TOLD:
			alerts_told(&a, now.now_us);
			break;
		case FAILED:
			alerts_failed(&a);
			break;
		}
	}
	assert_int_equal(a.used, 1);
	alerts_fini(&a);
}

static struct alert *raised(struct alerts *a, uint32_t number, enum topic_alarm kind)
{
	for (uint32_t i = 1; i <= a->count; i++)
		if (a->list[i].number == number && a->list[i].kind == kind && !a->list[i].ends_s)
			return &a->list[i];
	return NULL;
}

/* All alarms of all devices have room, also while the ends of others, who are forgotten, wait. */
static void bounded(void **state)
{
	const uint32_t devices = 6000, all = devices * TOPIC_ALARM_COUNT;
	struct roster_device d = device;
	struct roster_now now = { 7, 7 };
	struct alert *batch[ALERTS_BATCH];
	struct alerts a;
	uint32_t told = 0, count;

	(void)state;
	assert_int_equal(alerts_init(&a, devices), 0);
	for (unsigned k = 0; k < TOPIC_ALARM_COUNT; k++)
		for (d.number = 1; d.number <= devices; d.number++)
			assert_true(alerts_raise(&a, &d, (enum topic_alarm)k, &now));
	assert_int_equal(a.lost, 0);
	while ((count = alerts_take(&a, 8, batch))) {
		told += count;
		alerts_told(&a, 8);
	}
	assert_int_equal(told, all);
	for (uint32_t i = 1; i <= devices; i += 2)
		alerts_clear(&a, i, TOPIC_ALARM_IMMINENT, &now);
	assert_int_equal(alerts_take(&a, 8, batch), ALERTS_BATCH); /* away: they cannot give way */
	for (uint32_t i = 1; i <= devices / 2; i++, d.number++)
		assert_true(alerts_raise(&a, &d, TOPIC_ALARM_IMMINENT, &now));
	assert_int_equal(a.used, all + ALERTS_BATCH);
	assert_int_equal(a.lost, devices / 2 - ALERTS_BATCH);
	assert_non_null(raised(&a, d.number - 1, TOPIC_ALARM_IMMINENT));
	assert_non_null(raised(&a, 2, TOPIC_ALARM_IMMINENT));
	assert_null(raised(&a, 1, TOPIC_ALARM_IMMINENT));
	alerts_told(&a, 8);
	assert_int_equal(a.used, all);
	alerts_fini(&a);
}

/* A clock that is ahead: the beginning is now, or Alertmanager would refuse it. */
static void clocks(void **state)
{
	struct roster *r = roster_new(&rig_limits);
	struct ingest_message m = rig_alarm(TOPIC_AT_EVENT, TOPIC_ALARM_IMMINENT, true, 7);
	struct roster_device ahead = device;
	struct roster_now now = { 7, 1000000 };
	struct alerts a;

	(void)state;
	assert_int_equal(alerts_init(&a, 1000), 0);
	ahead.alarm[0].since_s = 1000001; /* of the state file */
	assert_true(alerts_raise(&a, &ahead, TOPIC_ALARM_IMMINENT, &now));
	assert_true(a.list[1].starts_s == 1000000);
	m.time_s = INT64_C(253402387199);
	rig_give(r, m, 5);
	assert_true(rig_device(r)->alarm[0].since_s == 1000005);
	alerts_fini(&a);
	roster_free(r);
}

static void raise_some(struct alerts *a, uint32_t first, uint32_t last, const struct roster_now *now)
{
	struct roster_device d = device;

	for (d.number = first; d.number <= last; d.number++)
		assert_true(alerts_raise(a, &d, TOPIC_ALARM_IMMINENT, now));
}

/* One of three is refused: the other two are told, and the bad one is tried by itself. */
static void refusals(void **state)
{
	struct roster_now now = { 1, 1 };
	struct alert *batch[ALERTS_BATCH], refused;
	struct alerts a;
	uint32_t told = 0;

	(void)state;
	assert_int_equal(alerts_init(&a, 1000), 0);
	raise_some(&a, 1, 3, &now);
	assert_int_equal(alerts_take(&a, 1, batch), 3);
	assert_false(alerts_refused(&a, &now, &refused));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(alerts_take(&a, 1, batch), 1);
		if (batch[0]->number == 2) {
			assert_true(alerts_refused(&a, &now, &refused));
			assert_int_equal(refused.number, 2);
		} else {
			alerts_told(&a, 1);
			told++;
		}
	}
	assert_int_equal(told, 2);
	assert_int_equal(alerts_take(&a, 2, batch), 0);
	raise_some(&a, 4, 5, &now);
	assert_int_equal(alerts_take(&a, 2, batch), 2);
	alerts_told(&a, 2);
	alerts_clear(&a, 1, TOPIC_ALARM_IMMINENT, &now);
	assert_int_equal(alerts_take(&a, 2, batch), 1);
	assert_true(alerts_is_end(batch[0]));
	alerts_told(&a, 2);
	now.now_us = 1 + MINUTE;
	assert_int_equal(alerts_take(&a, now.now_us, batch), 1);
	assert_int_equal(batch[0]->number, 2);
	alerts_clear(&a, 2, TOPIC_ALARM_IMMINENT, &now);
	assert_true(alerts_refused(&a, &now, &refused));
	assert_int_equal(a.used, 3);
	alerts_fini(&a);
}

/* A server so slow that the first ones are due again before the last ones were told. */
static void slow(void **state)
{
	const uint32_t all = 10 * ALERTS_BATCH;
	struct roster_now now = { 1, 1 };
	struct alert *batch[ALERTS_BATCH];
	bool is_there[10 * ALERTS_BATCH + 1] = { false };
	struct alerts a;
	uint32_t seen = 0;

	(void)state;
	assert_int_equal(alerts_init(&a, 1000), 0);
	raise_some(&a, 1, all, &now);
	for (unsigned i = 0; i < 20; i++) {
		uint32_t count = alerts_take(&a, now.now_us, batch);

		for (uint32_t k = 0; i >= 10 && k < count; k++) {
			seen += !is_there[batch[k]->number];
			is_there[batch[k]->number] = true;
		}
		alerts_told(&a, now.now_us);
		now.now_us += MINUTE;
	}
	assert_int_equal(seen, all);
	alerts_clear(&a, all, TOPIC_ALARM_IMMINENT, &now);
	assert_int_equal(alerts_take(&a, now.now_us, batch), ALERTS_BATCH);
	assert_true(batch[0]->number == all && alerts_is_end(batch[0])); /* before what is said again */
	alerts_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lives), cmocka_unit_test(bounded), cmocka_unit_test(clocks),
		cmocka_unit_test(refusals), cmocka_unit_test(slow),
	};

	return cmocka_run_group_tests_name("alerts", tests, NULL, NULL);
}
