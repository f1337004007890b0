/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "settings.h"

static char path[64];

static int make_file(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/failsoft-settings-XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_file(const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void mistakes(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{"", "is no JSON object"},
		{"[]", "is no JSON object"},
		{"[]\n", "line 1: is no JSON object like {\"servers\": "
			 "[\"mqtt.example:8883\"]}: it is a value of another kind"},
		{"{\"window\": 2, \"window\": 3}", "\"window\" is given more than once"},
		{"{\"window\" : 2,\n\"fleet\": \"\\\"\", \"window\"\t: 2}", "\"window\" is given more"},
		{"{\"windo\\u0077\": 2, \"window\": 3}", "a key is given more than once"},
		{"{\"servers\": [\"a\"]}", "\"a\" is no HOST:PORT"},
		{"{\"servers\": [\"a:1\", \"a:99999\"]}", "\"a:99999\" is no HOST:PORT"},
		{"{\"servers\": [\"a:0\"]}", "is no HOST:PORT"},
		{"{\"firmware\": \"\\n\\u001b[31m\"}", "\"firmware\" must be"},
		{"{\"firmware\": \"1234567890123456789012345678901234567890123456789012345678901234"
		 "5\"}", "\"firmware\" must be"},
		{"{\"user\": \"a\\u0007\"}", "\"user\" has characters"},
		{"{\"ca_file\": \"/x\", \"cert_file\": \"/x\"}", "one of them is missing"},
		{"{\"cert_file\": \"/x\", \"key_file\": \"/x\"}", "no \"ca_file\""},
		{"{\n\"fleet\": \"a\",\n}", "line 3"},
		{"{\"keepalive\": 60}", "did you mean \"keepalive_s\"?"},
		{"{\"kepalive_s\": 60}", "did you mean \"keepalive_s\"?"},
		{"{\"qwertzuiop\": 60}", "lists all keys"},
		{"{\"keepalive_s\": 4}", "from 5 to 3600, not 4"},
		{"{\"keepalive_s\": -1}", "from 5 to 3600"},
		{"{\"keepalive_s\": 60.5}", "must be a whole number"},
		{"{\"keepalive_s\": \"60\"}", "must be a whole number"},
		{"{\"keepalive_s\": 99999999999999999999}", "from 5 to 3600"},
		{"{\"commands\": \"all\"}", "one of off|drill"},
		{"{\"commands\": true}", "one of off|drill"},
		{"{\"servers\": \"a:1\"}", "must be a list"},
		{"{\"servers\": []}", "1 to 8"},
		{"{\"servers\": [1]}", "must be a text"},
		{"{\"servers\": [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}", "1 to 8"},
		{"{\"fleet\": \"a/b\"}", "\"fleet\" must be"},
		{"{\"fleet\": \"\"}", "\"fleet\" must be"},
		{"{\"device\": \"+\"}", "\"device\" must be"},
		{"{\"ca_file\": \"a\\u0000b\"}", "must be a text"},
		{"{\"pause_first_ms\": 1000, \"pause_last_ms\": 999}", "must not be above"},
		{"{\"margin_ms\": 1000}", "must be below"},
		{"{\"password_file\": \"/x\"}", "no \"user\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct settings s, before;
		char complaint[2048] = "";

		settings_default(&s);
		before = s;
		write_file(rows[i].text);
		print_message("# %s\n", rows[i].said);
		assert_int_equal(settings_read(&s, path, true, complaint, sizeof(complaint)), -EINVAL);
		assert_non_null(strstr(complaint, rows[i].said));
		assert_non_null(strstr(complaint, path));
		assert_memory_equal(&s, &before, sizeof(s));
	}
}

static void all_are_said(void **state)
{
	struct settings s;
	char complaint[2048], tiny[40];

	(void)state;
	settings_default(&s);
	write_file("{\"a\": 1, \"window\": 0, \"fleet\": \"!\"}");
	assert_true(settings_read(&s, path, true, complaint, sizeof(complaint)) < 0);
	assert_non_null(strstr(complaint, "\"a\""));
	assert_non_null(strstr(complaint, "\"window\""));
	assert_non_null(strstr(complaint, "\"fleet\""));
	assert_true(settings_read(&s, path, true, tiny, sizeof(tiny)) < 0);
	assert_true(strlen(tiny) < sizeof(tiny));
}

static void missing(void **state)
{
	struct settings s, before;
	char complaint[2048];

	(void)state;
	settings_default(&s);
	before = s;
	assert_int_equal(settings_read(&s, "/nowhere/at/all", false, complaint, sizeof(complaint)), 0);
	assert_memory_equal(&s, &before, sizeof(s));
	assert_int_equal(settings_read(&s, "/nowhere/at/all", true, complaint, sizeof(complaint)),
			 -ENOENT);
	assert_int_equal(settings_read(&s, "/dev/zero", true, complaint, sizeof(complaint)), -EINVAL);
}

/* What is printed is read back as the same; each default lies in its range. */
static void there_and_back(void **state)
{
	struct settings s, again;
	char complaint[2048];
	FILE *f;

	(void)state;
	settings_default(&s);
	strcpy(s.server[1], "[::1]:8883");
	s.servers = 2;
	strcpy(s.firmware, "a \"quoted\" \\ one");
	s.commands = 1;
	f = fopen(path, "we");
	assert_non_null(f);
	settings_print_json(&s, f);
	assert_int_equal(fclose(f), 0);
	settings_default(&again);
	assert_int_equal(settings_read(&again, path, true, complaint, sizeof(complaint)), 0);
	assert_memory_equal(&s, &again, sizeof(s));
}

static void units(void **state)
{
	struct settings s;
	char complaint[2048];

	(void)state;
	settings_default(&s);
	/* a key's name as a value, or deeper, is no second key */
	write_file("{\"user\": \"budget_ms\", \"firmware\": \"\\\"user\\\":\", \"servers\": "
		   "[\"user:1\", \"servers:2\"]}");
	assert_int_equal(settings_read(&s, path, true, complaint, sizeof(complaint)), 0);
	write_file("{\"budget_ms\": 250, \"keepalive_s\": 7, \"stop_means\": \"shutdown\"}");
	assert_int_equal(settings_read(&s, path, true, complaint, sizeof(complaint)), 0);
	assert_int_equal(s.budget_us, 250000);
	assert_int_equal(s.keepalive_s, 7);
	assert_int_equal(s.stop, SETTINGS_STOP_SHUTDOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes), cmocka_unit_test(all_are_said), cmocka_unit_test(missing),
		cmocka_unit_test(there_and_back), cmocka_unit_test(units),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
