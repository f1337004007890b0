/* SPDX-License-Identifier: MIT */
/* Settings of last policies: what a file says, and what is wrong with it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "config.h"

#define LAST_SYSTEM "\"procedures\": [{\"last\": \"system\", \"program\": \"/bin/true\"}]"

static const struct row {
	const char *name, *file;
	const char *says;		/* NULL: it is accepted */
	enum last_policy system, slice;	/* then; of "/a.slice" */
	bool ends_machine;
} rows[] = {
	{ "nothing", "{}", NULL, LAST_RELIEVE, LAST_RELIEVE, false },
	{ "reboot", "{\"last_policy\": \"reboot\"}", NULL, LAST_REBOOT, LAST_RELIEVE, true },
	{ "of a cgroup", "{\"last_policies\": [\"/a=reboot\", \"/a.slice=poweroff\"]}", NULL, LAST_RELIEVE,
	  LAST_POWEROFF, true },
	{ "a cgroup with = in its name", "{\"last_policies\": [\"/a=b=reboot\"]}", NULL, LAST_RELIEVE,
	  LAST_RELIEVE, true },
	{ "barebone", "{\"last_policy\": \"barebone\", \"barebone_keep\": [\"pump*\"]}", NULL, LAST_BAREBONE,
	  LAST_RELIEVE, false },
	{ "program",
	  "{\"last_policy\": \"program\", " LAST_SYSTEM "}", NULL, LAST_PROGRAM, LAST_RELIEVE, false },
	{ "files",
	  "{\"last_files\": [\"/run/cache/*.tmp\", \"/dev/shm/a?\"]}", NULL, LAST_RELIEVE, LAST_RELIEVE,
	  false },
	{ "no such word", "{\"last_policy\": \"restart\"}",
	  "a.json:1: last_policy has the value \"restart\", which is not relieve, barebone, reboot",
	  0, 0, 0 },
	{ "no word", "{\"last_policy\": 3}", "last_policy is 3, but must be text", 0, 0, 0 },
	{ "a cgroup without a word",
	  "{\"last_policies\": [\"/a.slice\"]}", "does not end in =relieve", 0, 0, 0 },
	{ "a word without a cgroup", "{\"last_policies\": [\"=reboot\"]}", "is not a cgroup path", 0, 0, 0 },
	{ "barebone without anybody", "{\"last_policy\": \"barebone\"}",
	  "last_policy is barebone, but barebone_keep is empty", 0, 0, 0 },
	{ "barebone of a cgroup without anybody", "{\"last_policies\": [\"/a.slice=barebone\"]}",
	  "last_policies is barebone, but barebone_keep is empty", 0, 0, 0 },
	{ "program without one", "{\"last_policy\": \"program\"}",
	  "procedures has none with \"last\": \"system\"", 0, 0, 0 },
	{ "program of another domain", "{\"last_policies\": [\"/a.slice=program\"], " LAST_SYSTEM "}",
	  "procedures has none with \"last\": \"/a.slice\"", 0, 0, 0 },
	{ "a program of no domain", "{\"procedures\": [{\"last\": \"a.slice\", \"program\": \"/bin/true\"}]}",
	  "last is neither \"system\" nor a cgroup's path", 0, 0, 0 },
	{ "keep: a path", "{\"barebone_keep\": [\"/bin/sh\"]}", "is no name as in /proc/PID/comm", 0, 0, 0 },
	{ "keep: an option",
	  "{\"barebone_keep\": [\"--continue\"]}", "is no name as in /proc/PID/comm", 0, 0, 0 },
	{ "keep: too long",
	  "{\"barebone_keep\": [\"0123456789abcdef\"]}", "longer than the 15 bytes", 0, 0, 0 },
	{ "keep: too many",
	  "{\"barebone_keep\": [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\","
	  "\"11\",\"12\",\"13\",\"14\",\"15\",\"16\"]}", "has 16 names, but at most 15 are allowed",
	  0, 0, 0 },
	{ "files: relative", "{\"last_files\": [\"run/*\"]}", "is not an absolute path of a file", 0, 0, 0 },
	{ "files: a directory",
	  "{\"last_files\": [\"/run/\"]}", "is not an absolute path of a file", 0, 0, 0 },
	{ "files: a pattern of directories", "{\"last_files\": [\"/run/*/a\"]}",
	  "has a pattern in a directory's name", 0, 0, 0 },
	{ "files: up", "{\"last_files\": [\"/run/../etc/passwd\"]}", "contains /../", 0, 0, 0 },
	{ "stall above all", "{\"stall_percent\": 101}", "must be 0..100 %", 0, 0, 0 },
	{ "watchdog: relative", "{\"watchdog_device\": \"watchdog\"}", "is not an absolute path", 0, 0, 0 },
};

static void each_row(void **state)
{
	char directory[] = "/tmp/failsoft-config-XXXXXX", path[64], error[4096];
	const struct config_source source = { .file = path, .is_explicit = true };
	struct config *c = malloc(sizeof(*c));

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/a.json", directory);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		FILE *f = fopen(path, "w");

		print_message("# %s\n", rows[i].name);
		assert_true(fputs(rows[i].file, f) >= 0);
		assert_int_equal(fclose(f), 0);
		assert_int_equal(config_read(c, &source, error, sizeof(error)), rows[i].says ? -EINVAL : 0);
		if (rows[i].says && !strstr(error, rows[i].says))
			fail_msg("expected \"%s\" in \"%s\"", rows[i].says, error);
		if (rows[i].says)
			continue;
		assert_string_equal(error, "");
		assert_int_equal(config_last_policy(c, "system"), rows[i].system);
		assert_int_equal(config_last_policy(c, "/a.slice"), rows[i].slice);
		assert_int_equal(config_ends_machine(c), rows[i].ends_machine);
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_row) };

	return cmocka_run_group_tests_name("config_last", tests, NULL, NULL);
}
