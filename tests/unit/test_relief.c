/* SPDX-License-Identifier: MIT */
#include "act/relief.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"

/* Files of this name in the directory, and what is left of them. */
static const struct row {
	const char *name, *pattern;
	bool is_dry;
	uint32_t files;
	bool a, b, hidden, sub;		/* is it there afterwards? */
} rows[] = {
	{ "a pattern", "/d/*.tmp", false, 2, false, false, true, true },
	{ "one name", "/d/a.tmp", false, 1, false, true, true, true },
	{ "a question mark", "/d/?.tmp", false, 2, false, false, true, true },
	{ "a dot is to be said", "/d/.*", false, 1, true, true, false, true },
	{ "nothing of that name", "/d/*.log", false, 0, true, true, true, true },
	{ "no such directory", "/e/*", false, 0, true, true, true, true },
	{ "directories stay", "/d/*", false, 2, false, false, true, true },
	{ "a dry run", "/d/*.tmp", true, 2, true, true, true, true },
};

static void file(const char *root, const char *name, size_t size)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	assert_non_null(f);
	for (size_t i = 0; i < size; i++)
		fputc('x', f);
	assert_int_equal(fclose(f), 0);
}

static bool is_there(const char *root, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return access(path, F_OK) == 0;
}

static void fill(char *root, const char *where)
{
	char path[256];

	snprintf(root, 64, "%s/failsoft-relief-XXXXXX", where);
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/d", root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/d/sub.tmp", root);
	assert_int_equal(mkdir(path, 0700), 0);
	file(root, "d/a.tmp", 5000);
	file(root, "d/b.tmp", 5000);
	file(root, "d/.hidden.tmp", 1);
}

static void drop(const char *root)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", root);
	assert_int_equal(system(command), 0);
}

static bool is_memory(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC && access(path, W_OK) == 0;
}

static void each_row(void **state)
{
	(void)state;
	if (!is_memory("/dev/shm"))
		skip();
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct relief_result r;
		char root[64];
		int fd;

		print_message("# %s\n", row->name);
		fill(root, "/dev/shm");
		fd = open(root, O_PATH | O_DIRECTORY);
		relief_run(fd, row->pattern, row->is_dry, &r);
		assert_int_equal(r.files, row->files);
		assert_int_equal(r.error, 0);
		assert_true(r.bytes >= 4096 * r.files || row->hidden == false);
		assert_int_equal(is_there(root, "d/a.tmp"), row->a);
		assert_int_equal(is_there(root, "d/b.tmp"), row->b);
		assert_int_equal(is_there(root, "d/.hidden.tmp"), row->hidden);
		assert_int_equal(is_there(root, "d/sub.tmp"), row->sub);
		close(fd);
		drop(root);
	}
}

/* More than one read of the directory returns. */
static void many_files(void **state)
{
	struct relief_result r;
	char root[64], name[32];
	int fd;

	(void)state;
	if (!is_memory("/dev/shm"))
		skip();
	fill(root, "/dev/shm");
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "d/%u.many", i);
		file(root, name, 1);
	}
	fd = open(root, O_PATH | O_DIRECTORY);
	relief_run(fd, "/d/*.many", false, &r);
	assert_int_equal(r.files, 1000);
	assert_false(is_there(root, "d/999.many"));
	close(fd);
	drop(root);
}

static void on_a_disk(void **state)
{
	const char *build = getenv("FAILSOFT_BUILD");
	struct relief_result r;
	char root[64];
	int fd;

	(void)state;
	if (!build || strlen(build) > 30 || is_memory(build))
		skip();
	fill(root, build);
	fd = open(root, O_PATH | O_DIRECTORY);
	relief_run(fd, "/d/*", false, &r);
	assert_int_equal(r.error, -EXDEV);
	assert_int_equal(r.files, 0);
	assert_true(is_there(root, "d/a.tmp"));
	close(fd);
	drop(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row), cmocka_unit_test(many_files), cmocka_unit_test(on_a_disk),
	};

	return cmocka_run_group_tests_name("relief", tests, NULL, NULL);
}
