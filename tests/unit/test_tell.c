/* SPDX-License-Identifier: MIT */
/* Lines into a pipe in place of the journal: whole, marked, and never waited for. */
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

#include "tell.h"

static char text[1 << 20];

/* What stands in the pipe. */
static size_t drain(int fd)
{
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return strlen(text);
}

static void lines(void **state)
{
	const int kept = dup(STDERR_FILENO);
	static char wide[3000];
	struct stat st;
	int ends[2];
	size_t full;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	tell(TELL_WARNING, "one %d", 1);
	drain(ends[0]);
	assert_string_equal(text, "failsoft-telemetry: one 1\n"); /* nobody there knows <4> */
	assert_int_equal(setenv("JOURNAL_STREAM", "1:2", 1), 0);
	tell(TELL_WARNING, "one %d", 1);
	drain(ends[0]);
	assert_string_equal(text, "failsoft-telemetry: one 1\n"); /* the journal is another file */
	assert_int_equal(fstat(ends[1], &st), 0);
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", text, 1), 0);
	tell(TELL_WARNING, "one %d", 1);
	tell(TELL_DEBUG, "not told");
	drain(ends[0]);
	assert_string_equal(text, "<4>one 1\n");
	memset(wide, 'x', sizeof(wide) - 1);
	tell(TELL_ERROR, "%s", wide);
	assert_true(drain(ends[0]) <= 1024);
	assert_int_equal(text[strlen(text) - 1], '\n');
	for (int i = 0; i < 2000; i++)
		tell(TELL_INFO, "nobody reads this, and nobody waits for that %d", i);
	full = drain(ends[0]);
	assert_true(full > 30000);
	tell(TELL_INFO, "again");
	drain(ends[0]);
	assert_non_null(strstr(text, "lines were dropped) again\n"));
	tell(TELL_INFO, "as before");
	drain(ends[0]);
	assert_string_equal(text, "<6>as before\n");
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	close(kept);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lines)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
