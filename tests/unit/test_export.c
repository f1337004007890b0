/* SPDX-License-Identifier: MIT */
/* Lines that leave the broker: read back with a JSON parser, whatever names were put into them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "base/units.h"
#include "keep/export.h"

static struct json_object *line_of(const struct event *e)
{
	char line[EXPORT_LINE_MAX];
	int n = export_line(e, line, sizeof(line));
	struct json_object *o;

	if (n <= 0)
		fail_msg("event kind %u: %d", e->kind, n);
	assert_int_equal(strlen(line), n);
	assert_ptr_equal(strchr(line, '\n'), line + n - 1); /* one line, and it ends */
	o = json_tokener_parse(line);
	assert_non_null(o);
	assert_true(json_object_is_type(o, json_type_object));
	return o;
}

static const char *text_at(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : NULL;
}

static uint64_t figure_at(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		fail_msg("no %s", key);
	return json_object_get_uint64(value);
}

static struct event event_of(enum event_kind kind)
{
	struct event e = {
		.number = 17, .time_us = 18, .episode = 1001, .client = 3, .sequence = 4, .a = 11,
		.b = 22, .c = 33, .d = 44, .e = 55, .kind = (uint16_t)kind, .name = "logger",
		.domain_name = "system", .from = STAGE_WARNING, .to = STAGE_IMMINENT,
		.why = STAGE_WHY_TIME, .step = STEP_FLUSH, .result = RESULT_PARTIAL, .rung = RUNG_TERM,
		.headroom_bytes = 7 * MIB, .total_bytes = 128 * MIB, .tte_us = 4 * US_PER_S,
		.tte_low_us = 3 * US_PER_S, .lead_us = 5 * US_PER_S, .floor_bytes = 4 * MIB,
		.fall_bytes_per_s = -5 };

	return e;
}

/* Every kind has its name, its figures under the keys of its shape, and a sentence that agrees. */
static void every_kind(void **state)
{
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		const struct event e = event_of(kind);
		const uint64_t figures[] = { e.a, e.b, e.c, e.d, e.e };
		const struct event_shape *shape = event_shape(kind);
		struct json_object *o = line_of(&e);
		char sentence[512];

		event_sentence(&e, sentence, sizeof(sentence));
		assert_string_equal(text_at(o, "event"), shape->name);
		assert_string_equal(text_at(o, "text"), sentence);
		assert_int_equal(figure_at(o, "number"), 17);
		assert_int_equal(figure_at(o, "time_us"), 18);
		assert_int_equal(figure_at(o, "episode"), 1001);
		assert_string_equal(text_at(o, "domain"), "system");
		for (size_t i = 0; i < ARRAY_LEN(figures); i++)
			if (shape->figure[i])
				assert_int_equal(figure_at(o, shape->figure[i]), figures[i]);
		json_object_put(o);
	}
	(void)state;
}

static void a_stage_with_all_figures(void **state)
{
	static const struct {
		const char *key, *expect;
	} rows[] = {
		{ "from", "warning" }, { "to", "imminent" }, { "why", "time" },
		{ "headroom_bytes", "7340032" }, { "total_bytes", "134217728" },
		{ "tte_us", "4000000" }, { "tte_low_us", "3000000" }, { "lead_us", "5000000" },
		{ "floor_bytes", "4194304" }, { "fall_bytes_per_s", "-5" }, { "distress", "0" },
	};
	struct event e = event_of(EVENT_STAGE);
	struct json_object *o = line_of(&e);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *have = text_at(o, rows[i].key);

		if (!have || strcmp(have, rows[i].expect))
			fail_msg("%s: %s, not %s", rows[i].key, have, rows[i].expect);
	}
	json_object_put(o);

	e.tte_us = e.tte_low_us = NEVER_US; /* times that never come are not there */
	o = line_of(&e);
	assert_null(text_at(o, "tte_us"));
	assert_null(text_at(o, "tte_low_us"));
	json_object_put(o);
	(void)state;
}

static void words_where_they_belong(void **state)
{
	static const struct {
		enum event_kind kind;
		const char *key, *expect; /* NULL: not there */
	} rows[] = {
		{ EVENT_REQUEST, "step", "flush" },
		{ EVENT_REQUEST, "result", NULL },
		{ EVENT_ANSWER, "step", "flush" },
		{ EVENT_ANSWER, "result", "partial" },
		{ EVENT_ANSWER, "name", "logger" },
		{ EVENT_ACTION, "rung", "term" },
		{ EVENT_ACTION, "step", NULL },
		{ EVENT_EPISODE_TAKEN_OVER, "to", "imminent" },
		{ EVENT_CLIENT_JOINED, "rung", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct event e = event_of(rows[i].kind);
		struct json_object *o = line_of(&e);
		const char *have = text_at(o, rows[i].key);

		if (rows[i].expect ? !have || strcmp(have, rows[i].expect) : have != NULL)
			fail_msg("row %zu: %s is %s", i, rows[i].key, have ? have : "absent");
		json_object_put(o);
	}
	(void)state;
}

/* Process names are anybody's: what prctl(PR_SET_NAME) takes must not break a line. */
static void hostile_names(void **state)
{
	static const char *const names[] = {
		"\"}\n{\"event\":\"ended\"", "\\", "\t\r\n\b\f", "\x01\x1f\x7f", "</script>",
		"\xc3\xbc" "ber", "\xff\xfe not UTF-8", "%s%n%s", "",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct event e = event_of(EVENT_VICTIM);
		struct json_object *o;

		memset(e.name, 0, sizeof(e.name));
		strcpy(e.name, names[i]);
		o = line_of(&e);
		assert_string_equal(text_at(o, "event"), "victim");
		if (names[i][0])
			assert_string_equal(text_at(o, "name"), names[i]);
		json_object_put(o);
	}
	(void)state;
}

/* The longest event there can be fits; where it does not, nothing is written at all. */
static void any_room(void **state)
{
	struct event e = event_of(EVENT_STAGE);
	char line[EXPORT_LINE_MAX + 1];
	int whole;

	memset(e.name, 1, sizeof(e.name) - 1); /* six bytes of JSON for each */
	memset(e.domain_name, 1, sizeof(e.domain_name) - 1);
	e.number = e.time_us = e.episode = e.client = e.sequence = UINT64_MAX - 1;
	e.headroom_bytes = e.total_bytes = e.tte_us = e.tte_low_us = e.lead_us = UINT64_MAX - 1;
	e.floor_bytes = UINT64_MAX;
	e.fall_bytes_per_s = INT64_MIN;
	e.distress = UINT32_MAX;
	e.why = STAGE_WHY_DISTRESS;
	whole = export_line(&e, line, EXPORT_LINE_MAX);
	assert_true(whole > 0);
	for (int size = 0; size <= whole + 1; size++) {
		memset(line, '#', sizeof(line));
		assert_int_equal(export_line(&e, line, (size_t)size), size > whole ? whole : -EFBIG);
		assert_int_equal(line[size > whole ? whole + 1 : 0], '#');
	}
	(void)state;
}

/* Lines of a run before stay; others than the group cannot read who runs what. */
static void a_file_for_the_lines(void **state)
{
	char path[] = "/tmp/failsoft-export-XXXXXX", content[16] = { 0 };
	int fd = mkstemp(path);

	assert_int_equal(write(fd, "before\n", 7), 7);
	close(fd);
	fd = export_open(path);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "after\n", 6), 6);
	close(fd);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, content, sizeof(content)), 13);
	assert_memory_equal(content, "before\nafter\n", 13);
	close(fd);
	assert_int_equal(export_check(path), 0);
	unlink(path);
	assert_int_equal(export_check(path), 0); /* its folder is there ... */
	assert_int_equal(access(path, F_OK), -1); /* ... and to look has not made it */
	assert_int_equal(export_check("/tmp"), -EISDIR);
	assert_int_equal(export_check("/no/such/folder/file"), -ENOENT);
	assert_int_equal(export_check("/dev/null/file"), -ENOTDIR);
	assert_int_equal(export_open("/tmp"), -EISDIR);
	assert_int_equal(export_open("/no/such/folder/file"), -ENOENT);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
		cmocka_unit_test(a_stage_with_all_figures),
		cmocka_unit_test(words_where_they_belong),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(any_room),
		cmocka_unit_test(a_file_for_the_lines),
	};

	return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
