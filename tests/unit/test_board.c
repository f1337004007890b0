/* SPDX-License-Identifier: MIT */
/* The screen: all of a fleet on 23 rows of 79 columns, whatever it is. */
#include <locale.h>

#include "board.h"
#include "fleet_rig.h"

#define ROWS	23u

static char text[65536];

static unsigned draw_wide(struct roster *r, bool is_connected, unsigned columns)
{
	static const struct ctl plain;
	struct roster_now now = { 0, 1000100 };
	struct board board = { r, is_connected, "mqtt.example:1883", "the name is unknown", &now };
	FILE *out = fmemopen(text, sizeof(text), "w");
	struct brush b = brush_begin(&plain, out, columns, ROWS);
	unsigned rows = 0;

	board_draw(&board, &b);
	fclose(out);
	for (const char *at = text, *end; (end = strchr(at, '\n')); at = end + 1, rows++)
		if (end - at > (long)columns)
			fail_msg("%.*s", (int)(end - at), at);
	return rows;
}

static unsigned draw(struct roster *r, bool is_connected)
{
	return draw_wide(r, is_connected, LINE_WIDTH);
}

static struct roster *fill(unsigned devices)
{
	struct roster_limits limits = { devices + 1, 0, 1, 1 };
	struct roster *r = roster_new(&limits);

	for (unsigned i = 0; i < devices; i++) {
		struct ingest_message m = rig_state(1, 1, i % 4),
				      a = rig_alarm(TOPIC_AT_ALARM, i % 3, true, 2);

		snprintf(m.topic.device, sizeof(m.topic.device),
			 "a-device-with-a-name-that-is-too-long-for-it-%u", i);
		memcpy(a.topic.device, m.topic.device, sizeof(a.topic.device));
		snprintf(m.firmware, sizeof(m.firmware), "firmware-%u", i % 10);
		rig_give(r, m, 1);
		if (i % 2)
			rig_give(r, a, 1);
	}
	return r;
}

static void fits(void **state)
{
	static const unsigned sizes[] = { 0, 1, 2, 40, 2000 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct roster *r = fill(sizes[i]);

		assert_true(draw_wide(r, true, 40) <= ROWS);
		assert_true(draw(r, true) <= ROWS);
		assert_true(draw(r, false) <= ROWS);
		assert_non_null(strstr(text, "NOT CONNECTED"));
		assert_non_null(strstr(text, "the name is unknown"));
		roster_free(r);
	}
}

/* Its stage is the last that was known. */
static void no_broker(void **state)
{
	struct roster *r = roster_new(&rig_limits);
	struct ingest_message m = rig_state(1, 1, 0);

	(void)state;
	rig_give(r, m, 1);
	draw(r, true);
	assert_null(strstr(text, "NO failsoftd"));
	m.sequence = 2;
	m.data.is_broker_there = false;
	rig_give(r, m, 2);
	draw(r, true);
	assert_non_null(strstr(text, "NO failsoftd 1"));
	roster_free(r);
}

static void shows(void **state)
{
	struct roster *r = fill(40);

	(void)state;
	draw(r, true);
	assert_non_null(strstr(text, "40 devices"));
	assert_null(strstr(text, "NOT CONNECTED"));
	assert_non_null(strstr(text, "20 alarms now"));
	assert_non_null(strstr(text, "imminent"));
	assert_non_null(strstr(text, "memory \"ends\""));
	assert_non_null(strstr(text, " more\n"));
	roster_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fits), cmocka_unit_test(no_broker),
					    cmocka_unit_test(shows) };

	setlocale(LC_CTYPE, "C");
	return cmocka_run_group_tests_name("board", tests, NULL, NULL);
}
