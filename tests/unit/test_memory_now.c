/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
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

#include "memory_now.h"

static void rows(void **state)
{
	static const struct {
		const char *text; /* NULL: no file */
		bool is_known;
		uint64_t available_bytes, total_bytes;
	} cases[] = {
		{"MemTotal:  1000 kB\nMemFree:  1 kB\nMemAvailable:  250 kB\n", true, 256000, 1024000},
		{"MemTotal:  1000 kB\nMemFree:  1 kB\n", false},
		{"", false},
		{NULL, false},
	};
	char folder[] = "/tmp/failsoft-memory-XXXXXX", path[64], file[96];
	int root_fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/proc", folder);
	snprintf(file, sizeof(file), "%s/meminfo", path);
	assert_int_equal(mkdir(path, 0700), 0);
	root_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t available_bytes = 7, total_bytes = 7;
		FILE *f = cases[i].text ? fopen(file, "we") : NULL;

		if (f) {
			fputs(cases[i].text, f);
			fclose(f);
		} else {
			unlink(file);
		}
		assert_int_equal(memory_now(root_fd, &available_bytes, &total_bytes), cases[i].is_known);
		assert_int_equal(available_bytes, cases[i].is_known ? cases[i].available_bytes : 7);
		assert_int_equal(total_bytes, cases[i].is_known ? cases[i].total_bytes : 7);
	}
	close(root_fd);
	rmdir(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
