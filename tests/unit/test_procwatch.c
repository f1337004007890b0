/* SPDX-License-Identifier: MIT */
/* On the kernel that runs: what it may not do here is skipped. */
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <netlink/socket.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/units.h"
#include "netlink_bytes.h"
#include "sense/procwatch.h"

/* Some 40 events. */
#define SMALL_QUEUE_BYTES	(16u * 1024u)

static void open_or_skip(struct procwatch *w, uint32_t queue_bytes)
{
	int r = procwatch_open(w, queue_bytes);

	if (r == -EPERM || r == -EPROTONOSUPPORT || r == -EOPNOTSUPP || r == -ECONNREFUSED) {
		print_message("# no process events here: %s\n", strerrordesc_np(-r));
		skip();
	}
	assert_int_equal(r, 0);
	assert_true(w->source.fd >= 0);
}

/* A child that calls this program anew, and there kills itself. */
static pid_t spawn(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		execl("/proc/self/exe", "child", "die", NULL);
		_exit(1);
	}
	return pid;
}

static void spawn_and_wait(int count)
{
	while (count--) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
}

/* The next event of that process within 5 s; those of others are skipped. */
static struct parse_netlink_event await(struct procwatch *w, int32_t pid)
{
	uint64_t deadline_us = clock_now_us() + 5 * US_PER_S;
	struct pollfd p = { w->source.fd, POLLIN, 0 };
	struct parse_netlink_event event;

	while (clock_now_us() < deadline_us) {
		int r = procwatch_next(w, &event);

		if (r == -EAGAIN) {
			(void)poll(&p, 1, 100);
			continue;
		}
		assert_int_equal(r, 0);
		if (event.pid == pid)
			return event;
	}
	fail_msg("no event of %d", pid);
	return (struct parse_netlink_event){ 0 };
}

static void life_and_death(void **state)
{
	uint64_t before_us = clock_now_us();
	struct parse_netlink_event event;
	struct procwatch w;
	pid_t pid;

	open_or_skip(&w, PROCWATCH_QUEUE_BYTES);
	pid = spawn();
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	event = await(&w, pid);
	assert_int_equal(event.kind, PARSE_NETLINK_FORK);
	assert_int_equal(event.parent, getpid());
	assert_in_range(event.time_us, before_us, clock_now_us());
	event = await(&w, pid);
	assert_int_equal(event.kind, PARSE_NETLINK_EXEC);
	event = await(&w, pid);
	assert_int_equal(event.kind, PARSE_NETLINK_EXIT);
	assert_int_equal(event.exit_code, SIGKILL);
	assert_int_equal(event.exit_signal, SIGCHLD);
	assert_true(event.parent == getpid() || event.parent == 0);
	assert_int_equal(w.overruns, 0);
	assert_int_equal(w.malformed, 0);
	procwatch_close(&w);
	assert_int_equal(procwatch_next(&w, &event), -ENOTCONN);
	procwatch_close(&w);
	(void)state;
}

static void *thread(void *ret)
{
	*(pid_t *)ret = gettid();
	return NULL;
}

static void threads_are_silent(void **state)
{
	struct parse_netlink_event event;
	struct procwatch w;
	pthread_t t;
	pid_t tid, pid;

	open_or_skip(&w, PROCWATCH_QUEUE_BYTES);
	assert_int_equal(pthread_create(&t, NULL, thread, &tid), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	pid = spawn();
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	do {
		event = (struct parse_netlink_event){ 0 };
		if (procwatch_next(&w, &event) == 0)
			assert_int_not_equal(event.pid, tid);
	} while (event.pid != pid || event.kind != PARSE_NETLINK_EXIT);
	procwatch_close(&w);
	(void)state;
}

/*
 * What was queued before comes first, and the loss after it: what happens in between the kernel
 * drops without a word, so that a scan before that would be in vain.
 */
static void overrun(void **state)
{
	int r, seen = 0, lost = 0, after = 0;
	struct parse_netlink_event event;
	struct procwatch w;
	pid_t dropped, pid;

	open_or_skip(&w, SMALL_QUEUE_BYTES);
	spawn_and_wait(300);
	assert_int_equal(procwatch_next(&w, &event), 0);
	dropped = spawn();
	assert_int_equal(waitpid(dropped, NULL, 0), dropped);
	while ((r = procwatch_next(&w, &event)) != -EAGAIN) {
		assert_true(r == 0 || r == -ENOBUFS);
		seen += r == 0;
		lost += r == -ENOBUFS;
		after += r == 0 && lost;
		assert_true(r < 0 || lost || event.pid != dropped);
	}
	print_message("# %d events, then a loss, then %d\n", seen - after, after);
	assert_in_range(seen - after, 5, 100);
	assert_true(lost >= 1); /* a busy machine may overrun it again meanwhile */
	assert_int_equal(w.overruns, lost);
	pid = spawn();
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(await(&w, pid).kind, PARSE_NETLINK_FORK);
	assert_int_equal(await(&w, pid).kind, PARSE_NETLINK_EXEC);
	assert_int_equal(await(&w, pid).kind, PARSE_NETLINK_EXIT);
	procwatch_close(&w);
	(void)state;
}

static void large_queue(void **state)
{
	struct parse_netlink_event event;
	struct procwatch w;
	int seen = 0;

	open_or_skip(&w, PROCWATCH_QUEUE_BYTES);
	spawn_and_wait(1000);
	while (procwatch_next(&w, &event) == 0)
		seen++;
	print_message("# %d events of 1000 processes\n", seen);
	if (w.overruns) { /* SO_RCVBUFFORCE was not allowed */
		procwatch_close(&w);
		skip();
	}
	assert_true(seen >= 2000);
	procwatch_close(&w);
	(void)state;
}

/* Far from the cliff a machine may fork as it likes: only ends by a signal are queued. */
static void only_the_killed(void **state)
{
	struct parse_netlink_event event;
	struct procwatch w;
	unsigned other = 0;
	pid_t pid;

	open_or_skip(&w, SMALL_QUEUE_BYTES);
	procwatch_want(&w, PROCWATCH_KILLED);
	while (procwatch_next(&w, &event) == 0)
		continue; /* of before */
	spawn_and_wait(300);
	pid = spawn();
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	do {
		assert_int_equal(procwatch_next(&w, &event), 0);
		assert_int_equal(event.kind, PARSE_NETLINK_EXIT);
		assert_true(event.exit_code & 127);
		other += event.pid != pid;
	} while (event.pid != pid);
	assert_int_equal(event.exit_code, SIGKILL);
	assert_in_range(other, 0, 20); /* this machine's own */
	assert_int_equal(w.overruns, 0);
	procwatch_want(&w, PROCWATCH_ALL);
	pid = spawn();
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(await(&w, pid).kind, PARSE_NETLINK_FORK);
	procwatch_close(&w);
	procwatch_want(&w, PROCWATCH_KILLED);
	(void)state;
}

/* A root process may send to our address; it is not believed. */
static void forged(void **state)
{
	static const struct proc_event event = { .what = PROC_EVENT_EXEC,
						 .event_data.exec = { 4194000, 4194000 } };
	const struct cn_msg header = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = sizeof(event) };
	struct bytes body = { .size = 0 }, b = { .size = 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_CONNECTOR);
	struct parse_netlink_event got;
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct procwatch w;
	ssize_t sent;

	open_or_skip(&w, PROCWATCH_QUEUE_BYTES);
	to.nl_pid = nl_socket_get_local_port(w.link.socket);
	put(&body, &header, sizeof(header));
	put(&body, &event, sizeof(event));
	put_message(&b, NLMSG_DONE, body.at, body.size);
	sent = sendto(fd, b.at, b.size, 0, (struct sockaddr *)&to, sizeof(to));
	close(fd);
	if (sent != (ssize_t)b.size) {
		procwatch_close(&w);
		skip();
	}
	while (procwatch_next(&w, &got) == 0)
		assert_int_not_equal(got.pid, 4194000);
	procwatch_close(&w);
	(void)state;
}

/* What procwatch_open says in a child that gave up something; -EXFULL: it could not. */
static int open_without(int (*give_up)(void))
{
	int status, r;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct procwatch w;

		r = give_up() < 0 ? -EXFULL : procwatch_open(&w, PROCWATCH_QUEUE_BYTES);
		if (r < 0 && r != -EXFULL && (w.source.fd != -1 || w.source.error != r))
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
	struct procwatch w;
	int r;

	open_or_skip(&w, PROCWATCH_QUEUE_BYTES);
	procwatch_close(&w);
	r = open_without(give_up_network);
	assert_true(r == -ECONNREFUSED || r == -EXFULL);
	r = open_without(give_up_root);
	assert_true(r == -EPERM || r == 0 || r == -EXFULL); /* 0: since Linux 6.6 */
	(void)state;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life_and_death), cmocka_unit_test(threads_are_silent),
		cmocka_unit_test(overrun),	  cmocka_unit_test(large_queue),
		cmocka_unit_test(forged),	  cmocka_unit_test(refused),
		cmocka_unit_test(only_the_killed),
	};

	if (argc > 1 && strcmp(argv[1], "die") == 0)
		raise(SIGKILL);
	return cmocka_run_group_tests_name("procwatch", tests, NULL, NULL);
}
