/* SPDX-License-Identifier: MIT */
/* Metrics and groups: labels escaped, their number bounded, differences added and nothing else. */
#include "fleet_rig.h"
#include "glance.h"
#include "metrics.h"

static char *print(struct roster *r)
{
	struct metrics m = { r, true, NULL };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	metrics_print(&m, out);
	fclose(out);
	return text;
}

static unsigned lines_with(const char *text, const char *word)
{
	unsigned count = 0;

	for (; (text = strstr(text, word)); text++)
		count++;
	return count;
}

static void labels(void **state)
{
	struct roster *r = roster_new(&rig_limits);
	struct ingest_message m = rig_state(1, 1, 2);
	char *text;

	(void)state;
	snprintf(m.firmware, sizeof(m.firmware), "a\"b\\c\nd");
	rig_give(r, m, 1);
	text = print(r);
	assert_non_null(strstr(
		text, "\nfailsoft_fleet_devices{fleet=\"f\",firmware=\"a\\\"b\\\\c\\nd\"} 1\n"));
	assert_non_null(strstr(text, "\nfailsoft_fleet_device_stage{fleet=\"f\",device=\"d\"} 2\n"));
	assert_non_null(strstr(text, "\nfailsoft_fleet_connected 1\n"));
	free(text);
	roster_free(r);
}

/* However many firmwares and devices there are. */
static void bounded(void **state)
{
	struct roster_limits limits = { 1000, 0, 1, 1 };
	struct roster *r = roster_new(&limits);
	char *text;

	(void)state;
	for (unsigned i = 0; i < 900; i++) {
		struct ingest_message m = rig_state(1, 1, 1 + i % 3);

		snprintf(m.topic.device, sizeof(m.topic.device), "d%u", i);
		snprintf(m.topic.fleet, sizeof(m.topic.fleet), "f%u", i);
		snprintf(m.firmware, sizeof(m.firmware), "fw%u", i);
		rig_give(r, m, 1);
	}
	text = print(r);
	assert_int_equal(lines_with(text, "\nfailsoft_fleet_devices{"), GROUPS_MAX + 1);
	assert_non_null(strstr(
		text, "failsoft_fleet_devices{fleet=\"(other)\",firmware=\"(other)\"} 644\n"));
	assert_int_equal(lines_with(text, "\nfailsoft_fleet_device_stage{"), METRICS_DEVICES_MAX);
	assert_int_equal(lines_with(text, "} 3\n"), METRICS_DEVICES_MAX); /* the worst of them */
	assert_non_null(strstr(text, "failsoft_fleet_device_stage_omitted 700\n"));
	free(text);
	roster_free(r);
}

static void give_counts(struct roster *r, uint64_t sequence, const char *firmware,
			struct tally_counts counts)
{
	struct ingest_message m = rig_state(1, sequence, 0);

	snprintf(m.firmware, sizeof(m.firmware), "%s", firmware);
	m.data.has_counts = true;
	m.data.counts = counts;
	rig_give(r, m, sequence);
}

static void differences(void **state)
{
	struct roster *r = roster_new(&rig_limits);
	const struct group *one, *two;

	(void)state;
	give_counts(r, 1, "1", (struct tally_counts){ .near_misses = 100, .observed_s = 5000 });
	give_counts(r, 2, "1", (struct tally_counts){ .near_misses = 103, .observed_s = 7880 });
	give_counts(r, 3, "2",
		    (struct tally_counts){.near_misses = 104, .observed_s = 7880, .resets = 1});
	give_counts(r, 4, "2", (struct tally_counts){ .near_misses = 2, .observed_s = 10 });
	give_counts(r, 5, "2", (struct tally_counts){ .near_misses = 3, .observed_s = 20 });
	one = &roster_groups(r)->group[0];
	two = &roster_groups(r)->group[1];
	assert_true(one->counts.near_misses == 4 && one->counts.observed_s == 2880 &&
		    one->counts.resets == 1);
	assert_true(two->counts.near_misses == 1 && two->counts.observed_s == 10);
	assert_true(one->devices == 0 && two->devices == 1);
	assert_true(glance_rate(one->counts.near_misses, one->counts.observed_s) == 120.0);
	assert_true(glance_rate(7, 0) == 0);
	assert_int_equal(glance_at(r, NULL).counts.near_misses, 5);
	assert_int_equal(glance_at(r, "f").face[ROSTER_NORMAL], 1);
	assert_int_equal(glance_at(r, "g").devices, 0);
	roster_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels), cmocka_unit_test(bounded), cmocka_unit_test(differences),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
