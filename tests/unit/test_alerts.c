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
	assert_int_equal(alerts_init(&a), 0);
	assert_true(alerts_due_us(&a) == INGEST_NEVER_US);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct roster_now now = { rows[i].now_us, 5 };
		uint32_t count;

		switch (rows[i].step) {
		case RAISE:
			assert_true(alerts_raise(&a, &device, TOPIC_ALARM_SHUTDOWN, now.now_us));
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

static void bounded(void **state)
{
	struct roster_device d = device;
	struct roster_now now = { 7, 7 };
	struct alert *batch[ALERTS_BATCH];
	struct alerts a;
	uint32_t told = 0, count;

	(void)state;
	assert_int_equal(alerts_init(&a), 0);
	for (d.number = 1; d.number <= ALERTS_MAX + 3; d.number++)
		assert_int_equal(alerts_raise(&a, &d, TOPIC_ALARM_IMMINENT, 1), d.number <= ALERTS_MAX);
	assert_int_equal(a.lost, 3);
	while ((count = alerts_take(&a, 2, batch))) {
		told += count;
		alerts_told(&a, 2);
	}
	assert_int_equal(told, ALERTS_MAX);
	for (uint32_t i = 1; i <= ALERTS_MAX; i += 2)
		alerts_clear(&a, i, TOPIC_ALARM_IMMINENT, &now);
	while (alerts_take(&a, 8, batch))
		alerts_told(&a, 8);
	assert_int_equal(a.used, ALERTS_MAX / 2);
	assert_true(alerts_raise(&a, &d, TOPIC_ALARM_IMMINENT, 9)); /* there is room again */
	assert_int_equal(alerts_take(&a, 9, batch), 1);
	assert_int_equal(batch[0]->number, d.number);
	alerts_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lives), cmocka_unit_test(bounded) };

	return cmocka_run_group_tests_name("alerts", tests, NULL, NULL);
}
