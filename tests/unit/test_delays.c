/* SPDX-License-Identifier: MIT */
/* On the kernel that runs: what it may not do here is skipped. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "sense/delays.h"

/* Some 12 answers. */
#define SMALL_QUEUE_BYTES	(8u * 1024u)

static int open_at(struct delays *d, const char *root, uint32_t queue_bytes)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	assert_true(fd >= 0);
	r = delays_open(d, fd, queue_bytes);
	close(fd);
	return r;
}

static void open_or_skip(struct delays *d, const char *root, uint32_t queue_bytes)
{
	int r = open_at(d, root, queue_bytes);

	if (r == -EPERM || r == -ENOENT || r == -EPROTONOSUPPORT) {
		print_message("# no taskstats here: %s\n", strerrordesc_np(-r));
		skip();
	}
	assert_int_equal(r, 0);
	assert_true(d->source.fd >= 0);
}

static pid_t dead_pid(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return pid;
}

static void own(void **state)
{
	struct parse_netlink_delays before, after;
	struct delays d;

	open_or_skip(&d, "/", DELAYS_QUEUE_BYTES);
	assert_int_equal(delays_ask(&d, getpid()), 0);
	assert_int_equal(delays_next(&d, &before), 0);
	assert_int_equal(delays_next(&d, &after), -EAGAIN);
	for (clock_t began = clock(); clock() < began + CLOCKS_PER_SEC / 50;)
		;
	assert_int_equal(delays_ask(&d, getpid()), 0);
	assert_int_equal(delays_next(&d, &after), 0);
	print_message("# taskstats version %u, %s\n", after.version,
		      d.source.note ? d.source.note : "all is there");
	assert_int_equal(after.pid, getpid());
	if (after.has & PARSE_NETLINK_HAS_CPU) {
		assert_true(after.cpu_count > 0);
		assert_true(after.cpu_run_us >= before.cpu_run_us + 10 * US_PER_MS);
	}
	assert_int_equal(d.ignored, 0);
	assert_int_equal(d.malformed, 0);
	delays_close(&d);
	assert_int_equal(delays_ask(&d, getpid()), -ENOTCONN);
	assert_int_equal(delays_next(&d, &after), -ENOTCONN);
	delays_close(&d);
	(void)state;
}

/* Several at once, in order; the dead are told by name. */
static void several(void **state)
{
	pid_t dead = dead_pid();
	struct parse_netlink_delays got = { 0 };
	struct delays d;

	open_or_skip(&d, "/", DELAYS_QUEUE_BYTES);
	assert_int_equal(delays_ask(&d, 0), -EINVAL);
	assert_int_equal(delays_ask(&d, -1), -EINVAL);
	assert_int_equal(delays_ask(&d, 1), 0);
	assert_int_equal(delays_ask(&d, dead), 0);
	assert_int_equal(delays_ask(&d, getpid()), 0);
	assert_int_equal(delays_next(&d, &got), 0);
	assert_int_equal(got.pid, 1);
	assert_int_equal(delays_next(&d, &got), -ESRCH);
	assert_int_equal(d.failed_pid, dead);
	assert_int_equal(got.pid, 1);
	assert_int_equal(delays_next(&d, &got), 0);
	assert_int_equal(got.pid, getpid());
	assert_int_equal(d.failed_pid, 0);
	assert_int_equal(delays_next(&d, &got), -EAGAIN);
	delays_close(&d);
	(void)state;
}

static void many(void **state)
{
	struct parse_netlink_delays got;
	struct delays d;

	open_or_skip(&d, "/", DELAYS_QUEUE_BYTES);
	for (int i = 0; i < 60; i++)
		assert_int_equal(delays_ask(&d, getpid()), 0);
	for (int i = 0; i < 60; i++)
		assert_int_equal(delays_next(&d, &got), 0);
	assert_int_equal(delays_next(&d, &got), -EAGAIN);
	assert_int_equal(d.overruns, 0);
	delays_close(&d);
	(void)state;
}

static void overrun(void **state)
{
	struct parse_netlink_delays got;
	struct delays d;
	int seen = 0, r;

	open_or_skip(&d, "/", SMALL_QUEUE_BYTES);
	for (int i = 0; i < 300; i++)
		assert_int_equal(delays_ask(&d, getpid()), 0);
	while ((r = delays_next(&d, &got)) == 0)
		seen++;
	print_message("# %d answers, then a loss\n", seen);
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(seen, 1, 60);
	assert_int_equal(delays_next(&d, &got), -EAGAIN);
	assert_int_equal(d.overruns, 1);
	assert_int_equal(delays_ask(&d, getpid()), 0);
	assert_int_equal(delays_next(&d, &got), 0);
	delays_close(&d);
	(void)state;
}

static void write_switch(const char *root, const char *content)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/proc/sys/kernel/task_delayacct", root);
	if (!content) {
		(void)unlink(path);
		return;
	}
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(content, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void note(void **state)
{
	static const struct {
		const char *content, *expect;
	} rows[] = {
		{ "0\n", "delay accounting is off" },
		{ "1\n", NULL },
		{ "", NULL },
		{ NULL, NULL }, /* before Linux 5.14: on */
	};
	char root[] = "/tmp/failsoft-delays-XXXXXX", command[128];

	assert_non_null(mkdtemp(root));
	(void)snprintf(command, sizeof(command), "mkdir -p %s/proc/sys/kernel", root);
	assert_int_equal(system(command), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct delays d;

		write_switch(root, rows[i].content);
		open_or_skip(&d, root, DELAYS_QUEUE_BYTES);
		if (rows[i].expect)
			assert_memory_equal(d.source.note, rows[i].expect, strlen(rows[i].expect));
		else
			assert_null(d.source.note);
		delays_close(&d);
	}
	(void)snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
	(void)state;
}

/* What delays_open says in a child that gave up something; -EXFULL: it could not. */
static int open_without(int (*give_up)(void))
{
	pid_t pid = fork();
	int status, r;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct delays d;

		r = give_up() < 0 ? -EXFULL : open_at(&d, "/", DELAYS_QUEUE_BYTES);
		if (r < 0 && r != -EXFULL && (d.source.fd != -1 || d.source.error != r))
			r = -255;
		_exit(-r);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static int give_up_network(void)
{
	return unshare(CLONE_NEWNET);
}

static int give_up_root(void)
{
	return setuid(65534);
}

static void refused(void **state)
{
	struct delays d;
	int r;

	open_or_skip(&d, "/", DELAYS_QUEUE_BYTES);
	delays_close(&d);
	r = open_without(give_up_network);
	assert_true(r == 0 || r == -EXFULL);
	r = open_without(give_up_root);
	assert_true(r == -EPERM || r == -EXFULL);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own),	   cmocka_unit_test(several), cmocka_unit_test(many),
		cmocka_unit_test(overrun), cmocka_unit_test(note),    cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests_name("delays", tests, NULL, NULL);
}
