/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/units.h"
#include "tree.h"

static void whole_or_nothing(void **state)
{
	const char *content = "MemFree: 7 kB\n";
	struct tree t;
	int dir;

	tree_open(&t, "root-v2");
	dir = open(t.root, O_RDONLY | O_DIRECTORY);
	tree_write(&t, "file", content);
	for (size_t size = 0; size <= strlen(content) + 2; size++) {
		char buffer[64];
		ssize_t r;

		memset(buffer, '#', sizeof(buffer));
		r = file_read_at(dir, "file", buffer, size);
		if (size == 0) {
			assert_int_equal(r, -EINVAL);
		} else if (size <= strlen(content)) {
			assert_int_equal(r, -EFBIG);
		} else {
			assert_int_equal(r, strlen(content));
			assert_string_equal(buffer, content);
		}
		assert_int_equal(buffer[size], '#');
	}
	close(dir);
	tree_close(&t);
	(void)state;
}

static void errors_are_passed_on(void **state)
{
	char buffer[64];

	assert_int_equal(file_read_at(AT_FDCWD, "/does/not/exist", buffer, sizeof(buffer)),
			 -ENOENT);
	assert_int_equal(file_read_at(AT_FDCWD, "/", buffer, sizeof(buffer)), -EISDIR);
	assert_int_equal(file_reread(-1, buffer, sizeof(buffer)), -EBADF);
	assert_int_equal(file_close(-1), -1);
	(void)state;
}

/* The descriptor stays open and sees what is there now; a page-wise file comes as a whole. */
static void reread_is_fresh(void **state)
{
	static char buffer[65536];
	struct tree t;
	char path[128];
	int fd;

	tree_open(&t, "root-v2");
	tree_write(&t, "file", "1\n");
	snprintf(path, sizeof(path), "%s/file", t.root);
	fd = file_open_at(AT_FDCWD, path);
	assert_true(fd >= 0);
	assert_int_equal(file_reread(fd, buffer, sizeof(buffer)), 2);
	tree_write(&t, "file", "2345\n");
	assert_int_equal(file_reread(fd, buffer, sizeof(buffer)), 5);
	assert_string_equal(buffer, "2345\n");
	close(fd);
	tree_close(&t);

	fd = file_open_at(AT_FDCWD, "/proc/self/maps"); /* more than one page here */
	assert_true(fd >= 0);
	assert_true(file_reread(fd, buffer, sizeof(buffer)) > 0);
	assert_non_null(strstr(buffer, "[stack]"));
	close(fd);
	(void)state;
}

static void cleanup_closes(void **state)
{
	int copy;

	{
		_cleanup_close_ int fd = file_open_at(AT_FDCWD, "/proc/self/status");

		assert_true(fd >= 0);
		copy = fd;
	}
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_or_nothing),
		cmocka_unit_test(errors_are_passed_on),
		cmocka_unit_test(reread_is_fresh),
		cmocka_unit_test(cleanup_closes),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
