/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tape_verbs.h"

#define END_WAIT_MS	2000	/* a broker in a crisis answers within milliseconds */

/* A recording is never written over: it may be the only witness. */
static int open_file(const char *path)
{
	int fd;

	if (!strcmp(path, "-"))
		return STDOUT_FILENO;
	/* For its owner: it has the names and users of all processes. */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		fprintf(stderr, "failsoftctl: %s exists; give another name, or remove it first\n", path);
	else if (fd < 0)
		fprintf(stderr, "failsoftctl: %s cannot be created: %s\n", path, strerror(errno));
	return fd;
}

/* What could not even begin leaves nothing that would refuse the next try. */
static void drop_if_empty(const char *path, int fd)
{
	struct stat st;

	if (strcmp(path, "-") != 0 && fstat(fd, &st) == 0 && !st.st_size)
		(void)unlink(path); /* then it stays, and the next try says so */
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static bool write_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno != EINTR)
			return false;
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* false: nothing more comes. */
static bool copy_piece(int from, int to, int *ret_code)
{
	char piece[16384];
	ssize_t n = read(from, piece, sizeof(piece));

	if (n < 0 && errno == EINTR)
		return true;
	if (n > 0 && write_all(to, piece, (size_t)n))
		return true;
	if (n > 0)
		fprintf(stderr, "failsoftctl: the recording cannot be written: %s\n", strerror(errno));
	else
		fputs("failsoftctl: the broker has ended the recording\n", stderr);
	*ret_code = EXIT_UNKNOWN;
	return false;
}

/* The broker writes why it ended and closes; one that does not is not waited for. */
static void copy_end(int from, int to)
{
	struct pollfd fd = { from, POLLIN, 0 };
	char piece[16384];
	ssize_t n = 1;

	(void)shutdown(from, SHUT_WR); /* it may be gone already */
	while (n > 0 && poll(&fd, 1, END_WAIT_MS) > 0) {
		n = read(from, piece, sizeof(piece));
		if (n > 0 && !write_all(to, piece, (size_t)n))
			n = 0;
	}
}

/* From the broker's descriptor into the file, until time, signal or broker end it. */
static int copy(struct ctl *c, int from, int to)
{
	uint64_t until_us = c->seconds ? print_now_us() + (uint64_t)c->seconds * 1000000u : NEVER_US;
	struct pollfd fds[] = { { from, POLLIN, 0 }, { open_signals(), POLLIN, 0 } };
	int code = EXIT_OK;

	for (;;) {
		uint64_t now_us = print_now_us();
		int wait_ms = until_us == NEVER_US ? -1 : (int)((until_us - now_us) / 1000u + 1);

		if (now_us >= until_us)
			break;
		if (poll(fds, 2, wait_ms) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			break;
		if (fds[0].revents && !copy_piece(from, to, &code))
			break;
	}
	close(fds[1].fd);
	if (code == EXIT_OK)
		copy_end(from, to);
	return code;
}

static int record_live(struct ctl *c, int to)
{
	int from = call_record(c), code;

	if (from < 0)
		return EXIT_UNKNOWN;
	code = copy(c, from, to);
	close(from);
	return code;
}

int record_verb(struct ctl *c)
{
	int fd, code;

	if (!c->stand_alone && (c->note || c->cgroups_count)) {
		fprintf(stderr, "failsoftctl: --%s is for --stand-alone; the broker writes its own record\n",
			c->note ? "note" : "cgroup");
		return EXIT_USAGE;
	}
	if (!c->stand_alone && call_connect(c, c->address) < 0) {
		fputs("failsoftctl: to record this machine without a broker: record --stand-alone FILE\n",
		      stderr);
		return EXIT_UNKNOWN;
	}
	fd = open_file(c->argument);
	if (fd < 0)
		return EXIT_UNKNOWN;
	code = c->stand_alone ? lone_record(c, fd) : record_live(c, fd);
	if (code != EXIT_OK)
		drop_if_empty(c->argument, fd);
	if (close(fd) < 0 && code == EXIT_OK) {
		fprintf(stderr, "failsoftctl: the recording may be incomplete: %s\n", strerror(errno));
		code = EXIT_UNKNOWN;
	}
	return code;
}
