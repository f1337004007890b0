/* SPDX-License-Identifier: MIT */
/* What one device that lies, or many that were invented, can do to the others' figures and room: little. */
#include "fleet_rig.h"

#define BIT(kind)	(1u << (kind))

/* One liar: what it says is added as far as it can be true, and the sum never goes down. */
static void liar(void **state)
{
	static const struct {
		uint64_t at_s, count, observed_s;	/* what it says */
		uint64_t counted, watched;		/* what is added up by then */
		unsigned notes;
	} rows[] = {
		{ 10, 5, 5, 0, 0, BIT(ROSTER_ONLINE) },
		{ 20, 8, 15, 3, 10, 0 },
		{ 30, INT64_MAX, INT64_MAX, 1020, 3620, BIT(ROSTER_IMPLAUSIBLE) },
		{ 40, 0, 0, 1020, 3620, 0 },		/* counts anew */
		{ 40, INT64_MAX, INT64_MAX, 1030, 3630, 0 },
		{ 40, 0, 0, 1030, 3630, 0 },
		{ 50, 9, 9, 1039, 3639, 0 },		/* as many as seconds have passed */
	};
	struct roster *r = roster_new(&rig_limits);
	const struct tally_counts most = { .victims = UINT64_MAX - 1 };
	struct tally_counts sum = { .victims = 5 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ingest_message m = rig_state(1, i + 1, 0);
		const struct tally_counts *counts = &roster_groups(r)->group[0].counts;
		unsigned notes;

		m.data.has_counts = true;
		m.data.counts = (struct tally_counts){ .victims = rows[i].count,
						       .observed_s = rows[i].observed_s };
		notes = rig_give(r, m, rows[i].at_s);
		if (notes != rows[i].notes || counts->victims != rows[i].counted ||
		    counts->observed_s != rows[i].watched)
			fail_msg("row %zu: notes %x, %ju victims, %ju s", i, notes,
				 (uintmax_t)counts->victims, (uintmax_t)counts->observed_s);
	}
	assert_int_equal(roster_totals(r)->refused_figures, 4);
	group_add(&sum, &most);
	assert_true(sum.victims == UINT64_MAX);
	roster_free(r);
}

/* A kept state may be weeks old: what happened since is no lie. */
static void kept_counts(void **state)
{
	struct roster *r = roster_new(&rig_limits);
	struct ingest_message m = rig_state(1, 1, 0);

	(void)state;
	m.data.has_counts = m.is_retained = true;
	rig_give(r, m, 10);
	m = rig_state(1, 2, 0);
	m.data.has_counts = true;
	m.data.counts.observed_s = 20 * 86400;
	rig_give(r, m, 20);
	assert_true(roster_groups(r)->group[0].counts.observed_s == 20 * 86400);
	assert_int_equal(roster_totals(r)->refused_figures, 0);
	roster_free(r);
}

/* A device that changes its firmware's name for ever takes no room from others. */
static void many_firmwares(void **state)
{
	struct roster *r = roster_new(&rig_limits);
	struct ingest_message m;

	(void)state;
	for (uint32_t i = 0; i < 2 * GROUPS_MAX; i++) {
		m = rig_state(1, i + 1, 0);
		snprintf(m.firmware, sizeof(m.firmware), "bad-%u", i);
		rig_give(r, m, i);
	}
	m = rig_state(1, 1, 0);
	snprintf(m.topic.device, sizeof(m.topic.device), "good");
	snprintf(m.firmware, sizeof(m.firmware), "2.0");
	rig_give(r, m, 1000);
	assert_string_equal(roster_find(r, "f", "good", 0)->group->firmware, "2.0");
	assert_int_equal(roster_find(r, "f", "good", 0)->group->devices, 1);
	assert_int_equal(roster_groups(r)->overflows, 0);
	roster_free(r);
}

/* Names that were invented give way to a device; one that was online, or has an alarm, stays. */
static void room(void **state)
{
	static const struct {
		const char *name;
		bool is_online, is_alarm, is_known, expect;	/* expect: it is there at the end */
	} rows[] = {
		{ "online", true, false, true, true },
		{ "alarmed", false, true, false, true },
		{ "unknown", false, false, false, false },
		{ "offline", false, false, true, false },
		{ "offline-later", false, false, true, true },
	};
	struct roster_limits limits = { 5, 0, 1, UINT64_C(5000000) };
	struct roster *r = roster_new(&limits);
	struct ingest_message m;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		m = rows[i].is_online ? rig_state(1, 1, 0) :
		    rows[i].is_known ? rig_will(1) :
		    rig_alarm(rows[i].is_alarm ? TOPIC_AT_ALARM : TOPIC_AT_EVENT, 0, rows[i].is_alarm, 1);
		snprintf(m.topic.device, sizeof(m.topic.device), "%s", rows[i].name);
		rig_give(r, m, i + 1);
	}
	for (unsigned i = 0; i < 2; i++) {
		m = rig_state(1, 1, 0);
		snprintf(m.topic.device, sizeof(m.topic.device), "real-%u", i);
		assert_int_equal(rig_give(r, m, 10), BIT(ROSTER_ONLINE));
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!!roster_find(r, "f", rows[i].name, 0) != rows[i].expect)
			fail_msg("%s", rows[i].name);
	assert_int_equal(roster_totals(r)->evicted, 2);
	roster_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(liar),
		cmocka_unit_test(kept_counts),
		cmocka_unit_test(many_firmwares),
		cmocka_unit_test(room),
	};

	return cmocka_run_group_tests_name("roster_liars", tests, NULL, NULL);
}
