/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/units.h"

/* stderr into a pipe for the time of the test. */
struct capture {
	int old, read_fd;
};

static struct capture capture_begin(int pipe_bytes)
{
	struct capture c = { .old = dup(STDERR_FILENO) };
	int ends[2];

	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, pipe_bytes) >= 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	c.read_fd = ends[0];
	return c;
}

static ssize_t capture_end(struct capture *c, char *ret, size_t size)
{
	ssize_t n;

	dup2(c->old, STDERR_FILENO);
	close(c->old);
	n = read(c->read_fd, ret, size - 1);
	ret[MAX_OF(n, 0)] = '\0';
	close(c->read_fd);
	return n;
}

static void log_lines(void **state)
{
	struct capture c = capture_begin(65536);
	char got[8192], longer[3000];
	uint64_t dropped;

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	log_info("7 %s", "B");
	log_debug("not shown");
	log_warning("forged\nerror: line\x1b[2J");
	log_error("%s", longer);
	capture_end(&c, got, sizeof(got));
	assert_non_null(strstr(got, ": 7 B\n"));
	assert_null(strstr(got, "not shown"));
	assert_non_null(strstr(got, "warning: forged?error: line?[2J\n"));
	assert_true(strlen(strstr(got, "error: x")) < 1024);
	assert_int_equal(got[strlen(got) - 1], '\n');

	/* A storm, or a reader that does not read: nothing blocks, everything is counted. */
	c = capture_begin(4096);
	dropped = log_dropped();
	for (int i = 0; i < 1000; i++)
		log_info("%.200s", longer);
	assert_true(log_dropped() - dropped > 900);
	capture_end(&c, got, sizeof(got));
	c = capture_begin(65536);
	usleep(250000);
	log_info("after");
	capture_end(&c, got, sizeof(got));
	assert_non_null(strstr(got, "lines before this one were not written\n"));
	assert_non_null(strstr(got, ": after\n"));
	(void)state;
}

/* Its end was dropped, and nothing else is to be said for hours. */
static void a_burst_that_is_the_last(void **state)
{
	struct capture c = capture_begin(4096);
	char got[8192];

	for (int i = 0; i < 200; i++)
		log_info("%0200d", i);
	capture_end(&c, got, sizeof(got));
	c = capture_begin(65536);
	assert_true(log_owes());
	usleep(250000);
	log_tell_dropped();
	assert_false(log_owes());
	log_tell_dropped();
	capture_end(&c, got, sizeof(got));
	assert_non_null(strstr(got, "lines before this one were not written\n"));
	assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1); /* once */
	(void)state;
}

/* Of 30 clients through all stages, with nothing to read it from but stderr. */
static void an_episode_fits(void **state)
{
	struct capture c = capture_begin(65536);
	const uint64_t dropped = log_dropped();
	char got[8192];

	for (int i = 0; i < 480; i++)
		log_info("client %d", i);
	assert_true(log_dropped() == dropped);
	capture_end(&c, got, sizeof(got));
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_episode_fits),
		cmocka_unit_test(log_lines),
		cmocka_unit_test(a_burst_that_is_the_last),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
