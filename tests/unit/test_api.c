/* SPDX-License-Identifier: MIT */
/* What the page asks: all devices once, then what changed, and pages by their paths. */
#include <json-c/json.h>

#include "fleet_rig.h"
#include "pages.h"

static struct json_object *ask(struct roster *r, uint64_t run, uint64_t since)
{
	struct api a = { r, 77, true, "s:1", { 5, 1000005 } };
	char *text = api_devices(&a, run, since);
	struct json_object *object = json_tokener_parse(text);

	free(text);
	assert_non_null(object);
	return object;
}

static struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	assert_true(json_object_object_get_ex(object, name, &value));
	return value;
}

static void check(struct roster *r, uint64_t run, uint64_t since, bool is_full, size_t devices)
{
	struct json_object *object = ask(r, run, since);

	assert_int_equal(json_object_get_boolean(member(object, "full")), is_full);
	assert_int_equal(json_object_array_length(member(object, "devices")), devices);
	json_object_put(object);
}

static void changes(void **state)
{
	struct roster *r = roster_new(&rig_limits);
	struct ingest_message m = rig_state(1, 1, 0);
	uint64_t version;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		snprintf(m.topic.device, sizeof(m.topic.device), "d%u", i);
		rig_give(r, m, i);
	}
	version = roster_version(r);
	check(r, 0, 0, true, 5);
	check(r, 77, version, false, 0);
	check(r, 78, version, true, 5);		/* of another process */
	check(r, 77, version + 1, true, 5);
	m.sequence = 2;
	rig_give(r, m, 9);
	check(r, 77, version, false, 1);
	m.is_empty = true;
	rig_give(r, m, 10);
	check(r, 77, version, true, 4);		/* one has gone: all anew */
	check(r, 77, roster_version(r), false, 0);
	roster_free(r);
}

static void paths(void **state)
{
	static const struct { const char *path; unsigned status; const char *has;
	} rows[] = {
		{"/", 200, "<!doctype html>"},
		{"/metrics", 200, "# TYPE failsoft_fleet_devices gauge"},
		{"/api/devices", 200, "\"full\":true"},
		{"/api/firmware", 200, "\"firmware\":\"1.0\""},
		{"/api/device/f/d", 200, "memory \\\"ends\\\""},
		{"/api/device/f/e", 404, "[]"},
		{"/api/device/f/d/", 404, NULL},
		{"/api/device/f", 404, NULL},
		{"/api/device//d", 404, NULL},
		{"/api/device/../d", 404, NULL},
		{"/api/device/", 404, NULL},
		{"/index.html", 404, NULL},
		{"", 404, NULL},
	};
	struct roster *r = roster_new(&rig_limits);
	struct api api = { r, 77, true, NULL, { 5, 5 } };
	struct metrics metrics = { r, true, NULL };

	(void)state;
	rig_give(r, rig_state(1, 1, 0), 1);
	rig_give(r, rig_alarm(TOPIC_AT_EVENT, 0, true, 2), 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct web_request request = { rows[i].path, "", "" };
		struct web_answer a = { .status = 404 };
		const char *text;

		pages_answer(&api, &metrics, &request, &a);
		text = a.text ? a.text : a.fixed;
		if (a.status != rows[i].status || !text != !rows[i].has ||
		    (text && !strstr(text, rows[i].has)) || (text && a.length != strlen(text)))
			fail_msg("%s: %u %s", rows[i].path, a.status, text ? text : "");
		free(a.text);
	}
	assert_non_null(strstr(page_policy, "script-src 'sha256-"));
	assert_null(strstr(page_policy, "unsafe"));
	roster_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(changes), cmocka_unit_test(paths) };

	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
