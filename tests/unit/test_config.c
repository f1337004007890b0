/* SPDX-License-Identifier: MIT */
/* A row is a set of files, what reading them says, and one value that is then in force. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "config.h"
#include "config_table.h"

#define ERROR_SIZE 4096

static char directory[64]; /* of the running test, emptied after it */

static const char *path_of(const char *name)
{
	static char path[8][160];
	static unsigned next;
	char *p = path[next++ % 8];

	snprintf(p, sizeof(path[0]), "%s/%s", directory, name);
	return p;
}

static void write_bytes(const char *name, const char *bytes, size_t length)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, length, f), length);
	assert_int_equal(fclose(f), 0);
}

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/failsoft-config-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = {"a.d/10.json",  "a.d/20.json", "a.d/.30.json",
					    "a.d/40.json~", "a.d/50.json", "a.d",
					    "a.json"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (unlink(path_of(names[i])) < 0)
			(void)rmdir(path_of(names[i])); /* most tests make only some of them */
	return rmdir(directory);
}

static int read_them(struct config *c, char *error)
{
	struct config_source source = {.file = path_of("a.json"), .is_explicit = true};

	return config_read(c, &source, error, ERROR_SIZE);
}

struct row {
	const char *name;
	const char *file, *fragment10, *fragment20; /* given; NULL: not there */
	int result;
	const char *says[3]; /* parts of the error; NULL: no more */
	size_t offset;	     /* of the number that is in force, ... */
	int64_t number;	     /* ... 0: not looked at */
};

#define F(member) .offset = offsetof(struct config, member)
#define BAD(...)  .result = -EINVAL, .says = {__VA_ARGS__}

static const struct row rows[] = {
	{"empty object is all defaults", "{}", F(idle_interval_us), .number = 2000000},
	{"ms become us", "{\"hold_ms\": 1500}", F(hold_us), .number = 1500000},
	{"bytes as a number", "{\"floor_warning_max_bytes\": 500000000}",
	 F(floor_max_bytes[STAGE_WARNING]), .number = 500000000},
	{"bytes as text", "{\"floor_warning_max_bytes\": \"300M\"}",
	 F(floor_max_bytes[STAGE_WARNING]), .number = 300 * (int64_t)MIB},
	{"bytes as text with iB", "{\"plausible_bytes_per_s\": \"2 GiB\"}",
	 F(plausible_bytes_per_s), .number = 2048 * (int64_t)MIB},
	{"bytes as small text", "{\"floor_warning_max_bytes\": \"400000k\"}",
	 F(floor_max_bytes[STAGE_WARNING]), .number = 409600000},
	{"percent whole", "{\"floor_warning_percent\": 12}", F(floor_permyriad[STAGE_WARNING]),
	 .number = 1200},
	{"percent with decimals", "{\"floor_shutdown_percent\": 2.55}",
	 F(floor_permyriad[STAGE_SHUTDOWN]), .number = 255},
	{"signed", "{\"shield_oom_score_adj\": -500}", F(shield_oom_score_adj), .number = -500},
	{"fragment wins over file", "{\"hold_ms\": 1500}", "{\"hold_ms\": 1600}", F(hold_us),
	 .number = 1600000},
	{"later fragment wins", "{}", "{\"hold_ms\": 1600}", "{\"hold_ms\": 1700}", F(hold_us),
	 .number = 1700000},
	{"fragment adds", "{\"hold_ms\": 1500}", "{\"term_ms\": 100}", F(hold_us),
	 .number = 1500000},
	{"fragment repairs a pair", "{\"near_interval_ms\": 500, \"idle_interval_ms\": 400}",
	 "{\"near_interval_ms\": 4}", F(near_interval_us), .number = 4000},
	{"escaped key is the key", "{\"hold\\u005fms\": 1500}", F(hold_us), .number = 1500000},
	{"a list replaces the default", "{\"protect\": [\"a\"]}", F(protect),
	 .number = 1 + ((int64_t)'a' << 32)},
	{"empty list", "{\"domains\": []}", F(hold_us), .number = 3000000},

	{"a procedure",
	 "{\"procedures\": [{\"unit\":\"a.service\",\"program\":\"/x\","
	 "\"arguments\":[\"-a\",\"\"],\"deadline_ms\":20}]}",
	 .offset = offsetof(struct config, procedures.spec[0].deadline_us), .number = 20000},
	{"procedure for nobody",
	 "{\"procedures\": [{\"program\":\"/x\"}]}",
	 BAD("not one of name, unit, cgroup and last")},
	{"procedure for two",
	 "{\"procedures\": [{\"name\":\"a\",\"unit\":\"b\",\"program\":\"/x\"}]}",
	 BAD("not one of name, unit, cgroup and last")},
	{"procedure without a path",
	 "{\"procedures\": [{\"name\":\"a\",\"program\":\"x\"}]}",
	 BAD("the program is not an absolute path")},
	{"procedure for a pid",
	 "{\"procedures\": [{\"pid\":\"1\",\"program\":\"/x\"}]}",
	 BAD("a process of today")},
	{"procedure in no time",
	 "{\"procedures\": [{\"name\":\"a\",\"program\":\"/x\",\"deadline_ms\":9}]}",
	 BAD("deadline_ms: it is out of its range")},
	{"procedure with a huge time",
	 "{\"procedures\": [{\"name\":\"a\",\"program\":\"/x\",\"deadline_ms\":99999999999999999999}]}",
	 BAD("deadline_ms: it is out of its range")},
	{"procedure with much memory",
	 "{\"procedures\": [{\"name\":\"a\",\"program\":\"/x\",\"memory_bytes\":67108865}]}",
	 BAD("memory_bytes: it is out")},
	{"procedure with an unknown word",
	 "{\"procedures\": [{\"name\":\"a\",\"program\":\"/x\",\"argument\":[]}]}",
	 BAD("procedure 1 argument: there is no such word")},
	{"procedure with an argument that is none",
	 "{\"procedures\": [{\"name\":\"a\",\"program\":\"/x\",\"arguments\":[1]}]}",
	 BAD("arguments: it must be text")},
	{"procedure that is text",
	 "{\"procedures\": [\"a\"]}",
	 BAD("no object")},
	{"procedures that are no list", "{\"procedures\": {}}", BAD("must be a list of procedures")},

	{"unknown key, near", "{\n\"hold_sm\": 5}",
	 BAD("a.json:2: unknown key \"hold_sm\"; did you mean \"hold_ms\"?")},
	{"unknown key, dropped unit", "{\"idle_interval\": 5}",
	 BAD("did you mean \"idle_interval_ms\"?")},
	{"unknown key, far", "{\"colour\": 5}", BAD("unknown key \"colour\"; failsoft.json(5)")},
	{"number below", "{\"idle_interval_ms\": 50}",
	 BAD("a.json:1: idle_interval_ms is 50, but must be 100..60000 ms")},
	{"number above", "{\"max_clients\": 5000}",
	 BAD("max_clients is 5000, but must be 1..4096")},
	{"number far above", "{\"hold_ms\": 99999999999999999999999}",
	 BAD("hold_ms is", "but must be 0..600000 ms")},
	{"ms that overflow as us", "{\"hold_ms\": 9223372036854775807}",
	 BAD("but must be 0..600000 ms")},
	{"negative", "{\"hold_ms\": -1}", BAD("hold_ms is -1, but must be 0..600000 ms")},
	{"percent above", "{\"floor_warning_percent\": 50.01}", BAD("must be 0..50 %")},
	{"percent with three decimals", "{\"floor_warning_percent\": 9.999}",
	 BAD("at most two decimals")},
	{"percent that is no number", "{\"floor_warning_percent\": NaN}",
	 BAD("floor_warning_percent is NaN")},
	{"bytes above", "{\"plausible_bytes_per_s\": \"2T\"}",
	 BAD("is \"2T\", but must be 1M..1T bytes/s")},
	{"bytes with a strange suffix", "{\"plausible_bytes_per_s\": \"64Q\"}",
	 BAD("text like \"64M\"")},
	{"bytes with two suffixes", "{\"plausible_bytes_per_s\": \"64MG\"}",
	 BAD("text like \"64M\"")},
	{"bytes as negative text", "{\"plausible_bytes_per_s\": \"-64M\"}",
	 BAD("text like \"64M\"")},
	{"bytes that overflow", "{\"plausible_bytes_per_s\": \"9999999999T\"}",
	 BAD("text like \"64M\"")},
	{"text for a number", "{\"hold_ms\": \"3000\"}",
	 BAD("hold_ms is \"3000\", but must be a whole number of milliseconds, 0..600000")},
	{"fraction for a whole number", "{\"hold_ms\": 1.5}",
	 BAD("hold_ms is 1.5, but must be a whole number")},
	{"null", "{\"hold_ms\": null}", BAD("hold_ms is null")},
	{"number for a bool", "{\"act\": 1}", BAD("act is 1, but must be true or false")},
	{"text for a list", "{\"protect\": \"sshd\"}",
	 BAD("protect is \"sshd\", but must be a list")},
	{"number in a list", "{\"protect\": [\"a\", 7]}",
	 BAD("protect is 7, but must be a list of texts")},
	{"empty name", "{\"protect\": [\"\"]}", BAD("which is empty")},
	{"name that never matches", "{\"protect\": [\"low-memory-monitor\"]}",
	 BAD("write the first 15")},
	{"relative path for a name", "{\"protect\": [\"bin/sh\"]}", BAD("is not an absolute path")},
	{"a user that is none", "{\"prefer\": [\"uid:root\"]}", BAD("is no user's number")},
	{"relative cgroup", "{\"domains\": [\"system.slice\"]}", BAD("is not a cgroup path")},
	{"cgroup that climbs", "{\"domains\": [\"/a/../..\"]}", BAD("is not a cgroup path")},
	{"tripwire of no cgroup", "{\"tripwire_cgroup\": \"programs\"}", BAD("is not a cgroup path")},
	{"tripwire of several", "{\"tripwire_cgroup\": [\"/a\"]}", BAD("must be text: a cgroup path")},
	{"tripwire made, or not", "{\"tripwire_create\": 1}", BAD("must be true or false")},
	{"relative file", "{\"export_file\": \"x.jsonl\"}", BAD("is not an absolute path")},
	{"NUL in a text", "{\"export_file\": \"/a\\u0000b\"}", BAD("control character")},
	{"key twice", "{\"hold_ms\": 1,\n \"act\": true,\n \"hold_ms\": 2}",
	 BAD("a.json:3: hold_ms is set twice, first in line 1")},
	{"key twice, once escaped", "{\"hold_ms\": 1, \"hold\\u005fms\": 2}",
	 BAD("hold_ms is set twice")},
	{"key in a text is no key", "{\"export_file\": \"/\\\"hold_ms\\\": 1\", \"hold_ms\": 1600}",
	 F(hold_us), .number = 1600000},
	{"all problems at once", "{\"hold_ms\": -1,\n\"holdms\": 2}", "{\"act\": 3}",
	 BAD("a.json:1: hold_ms", "a.json:2: unknown key", "a.d/10.json:1: act")},
	{"syntax", "{\"hold_ms\": 1500,\n\"act\" true}", BAD("a.json:2: is not valid JSON")},
	{"comment", "{ /* no */ }", BAD("is not valid JSON")},
	{"trailing comma", "{\"hold_ms\": 1500,}", BAD("is not valid JSON")},
	{"text after the object", "{}\n{}", BAD("a.json:2: is not valid JSON")},
	{"cut off", "{\"hold_ms\": 15", BAD("is not valid JSON")},
	{"bad UTF-8", "{\"export_file\": \"/\xff\"}", BAD("is not valid JSON")},
	{"nested too deeply",
	 "{\"protect\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
	 BAD("is not valid JSON")},
	{"empty file", " \n", BAD("the file is empty; write {}")},
	{"not an object", "[1]", BAD("must be one JSON object")},
	{"missing file", NULL, .result = -ENOENT, .says = {"a.json: does not exist"}},
	{"near above idle", "{\"near_interval_ms\": 500, \"idle_interval_ms\": 400}",
	 BAD("near_interval_ms is 500, but must not be above idle_interval_ms, which is 400")},
	{"floors out of order", "{\"floor_warning_percent\": 4}",
	 BAD("a.json:1: floor_imminent_percent is 6 by default, but must not be above "
	     "floor_warning_percent, which is 4")},
	{"budget above the maximum", "{}", "{\"budget_flush_ms\": 3000}",
	 "{\"budget_max_ms\": 2000}",
	 BAD("a.d/10.json:1: budget_flush_ms is 3000, but must not be above budget_max_ms")},
};

static void write_row(const struct row *row)
{
	if (row->file)
		write_bytes("a.json", row->file, strlen(row->file));
	if (row->fragment10 || row->fragment20)
		assert_int_equal(mkdir(path_of("a.d"), 0700), 0);
	if (row->fragment10)
		write_bytes("a.d/10.json", row->fragment10, strlen(row->fragment10));
	if (row->fragment20)
		write_bytes("a.d/20.json", row->fragment20, strlen(row->fragment20));
}

static void run_row(void **state)
{
	const struct row *row = *state;
	struct config *c = malloc(sizeof(*c)), *before = malloc(sizeof(*c));
	char error[ERROR_SIZE];
	int64_t number;

	directory[0] = '\0';
	assert_int_equal(make_directory(NULL), 0);
	memset(c, 0x5a, sizeof(*c));
	memset(before, 0x5a, sizeof(*c));
	write_row(row);
	assert_int_equal(read_them(c, error), row->result);
	for (size_t i = 0; i < ARRAY_LEN(row->says) && row->says[i]; i++)
		if (!strstr(error, row->says[i]))
			fail_msg("expected \"%s\" in \"%s\"", row->says[i], error);
	if (row->result == 0)
		assert_string_equal(error, "");
	else
		assert_memory_equal(c, before, sizeof(*c));
	memcpy(&number, (const char *)c + row->offset, sizeof(number));
	if (row->number)
		assert_int_equal(number, row->number);
	assert_int_equal(remove_directory(NULL), 0);
	free(before);
	free(c);
}

static void read_one(struct config *c, const char *key, const char *number, int expect)
{
	char text[128], error[ERROR_SIZE];

	snprintf(text, sizeof(text), "{\"%s\": %s%s%s}", key, strpbrk(number, "KMGT") ? "\"" : "",
		 number, strpbrk(number, "KMGT") ? "\"" : "");
	write_bytes("a.json", text, strlen(text));
	if (read_them(c, error) != expect)
		fail_msg("%s: expected %d, got \"%s\"", text, expect, error);
	if (expect < 0)
		assert_non_null(strstr(error, key));
}

/* The default is what is stored; one beyond each end of the range is refused, for every row. */
static void ranges_hold(void **state)
{
	struct config c;
	char number[CONFIG_NUMBER_MAX];

	(void)state;
	for (const struct config_option *o = config_options;
	     o < config_options + config_options_count; o++) {
		int64_t one = o->type == CONFIG_MS ? 1000 : 1;

		if (!config_type_is_number(o->type))
			continue;
		assert_true(o->min <= o->number && o->number <= o->max);
		config_number_text(o->type, o->number, number);
		read_one(&c, o->key, number, 0);
		assert_memory_equal((char *)&c + o->offset, &o->number, sizeof(o->number));
		config_number_text(o->type, o->min - one, number);
		read_one(&c, o->key, number, -EINVAL);
		config_number_text(o->type, o->max + one, number);
		read_one(&c, o->key, number, -EINVAL);
	}
}

static void sample_reads_back(void **state)
{
	struct config c, defaults;
	char error[ERROR_SIZE], *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	config_print_sample(f);
	fclose(f);
	write_bytes("a.json", text, size);
	free(text);
	assert_int_equal(read_them(&c, error), 0);
	config_default(&defaults);
	assert_memory_equal(&c, &defaults, sizeof(c));
	assert_int_equal(c.protect.count, 9);
	assert_string_equal(c.protect.text[4], "dbus-daemon");
}

/* What --check-config prints is what is in force, also when it needs escaping. */
static void print_reads_back(void **state)
{
	static const char given[] =
		"{\"export_file\": \"/a \\\\ \\\"b\\\"\", \"floor_warning_percent\": 9.25, "
		"\"domains\": [\"/x.slice\", \"/y\"], \"act\": false, \"hold_ms\": 0, "
		"\"procedures\": [{\"name\": \"a\", \"program\": \"/x\", \"arguments\": [\"\\\"\", \"\"], "
		"\"keep\": [\"/y\"], \"hold\": false, \"responder\": true, \"memory_bytes\": 0}]}";
	struct config c, again;
	char error[ERROR_SIZE], *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	write_bytes("a.json", given, strlen(given));
	assert_int_equal(read_them(&c, error), 0);
	assert_string_equal(c.export_file, "/a \\ \"b\"");
	assert_false(c.act);
	config_print_json(&c, f);
	fclose(f);
	write_bytes("a.json", text, size);
	free(text);
	assert_int_equal(read_them(&again, error), 0);
	assert_memory_equal(&c, &again, sizeof(c));
}

static void help_and_man_name_every_key(void **state)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	config_print_help(f);
	config_print_man(f);
	fclose(f);
	for (size_t i = 0; i < config_options_count; i++) {
		char line[80];

		snprintf(line, sizeof(line), "\n  %s  ", config_options[i].key);
		assert_non_null(strstr(text, line));
		snprintf(line, sizeof(line), ".TP\n.B %s\n", config_options[i].key);
		assert_non_null(strstr(text, line));
		assert_true(strlen(config_options[i].text) > 40);
	}
	free(text);
}

static void default_file_may_be_missing(void **state)
{
	struct config_source source = {.file = path_of("a.json")};
	struct config c, defaults;
	char error[ERROR_SIZE];

	(void)state;
	assert_int_equal(config_read(&c, &source, error, sizeof(error)), 0);
	config_default(&defaults);
	assert_memory_equal(&c, &defaults, sizeof(c));
}

static void fragments_count_without_the_file(void **state)
{
	struct config_source source = {.file = path_of("a.json")};
	struct config c;
	char error[ERROR_SIZE];

	(void)state;
	assert_int_equal(mkdir(path_of("a.d"), 0700), 0);
	write_bytes("a.d/20.json", "{\"hold_ms\": 1700}", 17);
	write_bytes("a.d/10.json", "{\"hold_ms\": 1600}", 17);
	write_bytes("a.d/.30.json", "hidden", 6);
	write_bytes("a.d/40.json~", "backup", 6);
	assert_int_equal(config_read(&c, &source, error, sizeof(error)), 0);
	assert_int_equal(c.hold_us, 1700000);
}

static void other_kinds_of_files_are_refused(void **state)
{
	struct config c;
	char error[ERROR_SIZE];

	(void)state;
	assert_int_equal(mkdir(path_of("a.json"), 0700), 0);
	assert_int_equal(read_them(&c, error), -EINVAL);
	assert_non_null(strstr(error, "a.json: is not a regular file"));
	assert_int_equal(rmdir(path_of("a.json")), 0);
	assert_int_equal(mkfifo(path_of("a.json"), 0600), 0);
	assert_int_equal(read_them(&c, error), -EINVAL);
	assert_non_null(strstr(error, "a.json: is not a regular file"));
}

static void size_is_limited(void **state)
{
	char *text = malloc(MIB + 1), error[ERROR_SIZE];
	struct config c;

	(void)state;
	memset(text, ' ', MIB + 1);
	memcpy(text, "{}", 2);
	write_bytes("a.json", text, MIB);
	assert_int_equal(read_them(&c, error), 0);
	write_bytes("a.json", text, MIB + 1);
	assert_int_equal(read_them(&c, error), -EINVAL);
	assert_non_null(strstr(error, "larger than 1 MiB"));
	write_bytes("a.json", "{}\n\0", 4);
	assert_int_equal(read_them(&c, error), -EINVAL);
	assert_non_null(strstr(error, "a.json:2: contains a NUL byte"));
	free(text);
}

/* However small the caller's buffer and long the list of problems, it stays inside and says so. */
static void error_is_cut_with_a_word(void **state)
{
	struct config_source source = {.file = path_of("a.json"), .is_explicit = true};
	struct config c;
	char error[400], *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	fputs("{", f);
	for (int i = 0; i < 50; i++)
		fprintf(f, "\"wrong_%d\": 1,\n", i);
	fputs("\"wrong\": 1}", f);
	fclose(f);
	write_bytes("a.json", text, size);
	free(text);
	for (size_t room = sizeof(error); room > 0; room--) {
		memset(error, '#', sizeof(error));
		assert_int_equal(config_read(&c, &source, error, room), -EINVAL);
		assert_true(strlen(error) < room);
		assert_true(room == sizeof(error) || error[room] == '#');
		if (room > 250)
			assert_non_null(strstr(error, "\n(more problems are not shown)"));
	}
	assert_int_equal(config_read(&c, &source, error, 0), -EINVAL);
	assert_int_equal(config_read(NULL, &source, error, sizeof(error)), -EINVAL);
}

static void list_is_limited(void **state)
{
	struct config c;
	char error[ERROR_SIZE], text[1024] = "{\"protect\": [\"a\"";

	(void)state;
	for (int i = 1; i < CONFIG_LIST_MAX; i++)
		strcat(text, ", \"b\"");
	strcat(text, "]}");
	write_bytes("a.json", text, strlen(text));
	assert_int_equal(read_them(&c, error), 0);
	assert_int_equal(c.protect.count, CONFIG_LIST_MAX);
	strcpy(text + strlen(text) - 2, ", \"c\"]}");
	write_bytes("a.json", text, strlen(text));
	assert_int_equal(read_them(&c, error), -EINVAL);
	assert_non_null(strstr(error, "protect has 33 entries, but at most 32 are allowed"));
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	static const struct CMUnitTest others[] = {
		IN_DIRECTORY(ranges_hold),
		IN_DIRECTORY(sample_reads_back),
		IN_DIRECTORY(print_reads_back),
		cmocka_unit_test(help_and_man_name_every_key),
		IN_DIRECTORY(default_file_may_be_missing),
		IN_DIRECTORY(fragments_count_without_the_file),
		IN_DIRECTORY(other_kinds_of_files_are_refused),
		IN_DIRECTORY(size_is_limited),
		IN_DIRECTORY(error_is_cut_with_a_word),
		IN_DIRECTORY(list_is_limited),
	};
	struct CMUnitTest tests[ARRAY_LEN(rows) + ARRAY_LEN(others)];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[i] = (struct CMUnitTest){rows[i].name, run_row, NULL, NULL, (void *)&rows[i]};
	memcpy(tests + ARRAY_LEN(rows), others, sizeof(others));
	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
