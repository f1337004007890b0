/* SPDX-License-Identifier: MIT */
#include "ctl_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>
#include <wchar.h>

#include <cmocka.h>

#define HUNG	(-1000)

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* In the child: becomes failsoftctl, with an environment that holds what the call says. */
static void become(const struct ctl_call *call)
{
	char path[512], bus[160];
	char *argv[CTL_ARGS_MAX + 3] = { "failsoftctl" };
	unsigned count = 1;

	(void)snprintf(path, sizeof(path), "%s/clients/ctl/failsoftctl", getenv("FAILSOFT_BUILD"));
	(void)snprintf(bus, sizeof(bus), "--bus=%s", call->address ? call->address : "");
	if (call->address)
		argv[count++] = bus;
	for (unsigned i = 0; i < CTL_ARGS_MAX && call->arg[i]; i++)
		argv[count++] = (char *)call->arg[i]; /* execv does not write to it */
	(void)unsetenv("FAILSOFT_BUS_ADDRESS");
	(void)unsetenv("NO_COLOR");
	(void)setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/system/bus", 1);
	(void)setenv("LC_ALL", call->locale ? call->locale : "C.UTF-8", 1);
	if (call->environment)
		(void)putenv((char *)call->environment); /* ours until execv */
	execv(path, argv);
	_exit(126);
}

static void end_child(pid_t pid, bool has_hung, struct ctl_result *ret)
{
	int status;

	if (has_hung)
		(void)kill(pid, SIGKILL); /* only fails when it has just ended */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	ret->code = has_hung ? HUNG : WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Appends what has come. false: nothing will come any more. */
static bool take(int fd, char *to, size_t size)
{
	size_t used = strlen(to);
	char drop[4096];
	ssize_t n = used + 1 < size ? read(fd, to + used, size - used - 1) : read(fd, drop, sizeof(drop));

	if (n > 0 && used + 1 < size)
		to[used + (size_t)n] = 0;
	return n > 0;
}

void ctl_run(const struct ctl_call *call, struct ctl_result *ret)
{
	int out[2], err[2];
	uint64_t begin_us = now_us();
	pid_t pid;

	ret->out[0] = ret->err[0] = 0;
	assert_int_equal(pipe(out) | pipe(err), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(call->has_full_output ? open("/dev/full", O_WRONLY) : out[1], STDOUT_FILENO);
		(void)dup2(err[1], STDERR_FILENO);
		for (int i = 0; i < 2; i++)
			close(out[i]), close(err[i]);
		become(call);
	}
	close(out[1]);
	close(err[1]);
	struct pollfd fds[] = { { .fd = out[0], .events = POLLIN }, { .fd = err[0], .events = POLLIN } };

	while ((fds[0].fd >= 0 || fds[1].fd >= 0) && now_us() < begin_us + CTL_PATIENCE_US) {
		(void)poll(fds, 2, 100); /* a timeout is looked at by the loop's condition */
		if (fds[0].fd >= 0 && fds[0].revents && !take(out[0], ret->out, sizeof(ret->out)))
			fds[0].fd = -1;
		if (fds[1].fd >= 0 && fds[1].revents && !take(err[0], ret->err, sizeof(ret->err)))
			fds[1].fd = -1;
	}
	ret->took_us = now_us() - begin_us;
	end_child(pid, fds[0].fd >= 0 || fds[1].fd >= 0, ret);
	close(out[0]);
	close(err[0]);
}

/* ---- on a terminal ---- */

void ctl_terminal_open(struct ctl_terminal *t, const struct ctl_call *call)
{
	const struct winsize size = { .ws_row = CTL_ROWS, .ws_col = CTL_COLUMNS };

	assert_int_equal(openpty(&t->master, &t->slave, NULL, NULL, &size), 0);
	assert_int_equal(tcgetattr(t->slave, &t->before), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (t->pid == 0) {
		close(t->master);
		(void)login_tty(t->slave); /* else the child finds no terminal, and the test that */
		become(call);
	}
}

static bool has_ended(const struct ctl_terminal *t)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)t->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

bool ctl_terminal_wait(struct ctl_terminal *t, const char *text, struct ctl_result *ret)
{
	uint64_t end_us = now_us() + CTL_PATIENCE_US;
	struct pollfd fd = { .fd = t->master, .events = POLLIN };

	while (now_us() < end_us) {
		bool was_over = has_ended(t); /* before the last read */
		int r = poll(&fd, 1, 20);

		if (r > 0)
			(void)take(t->master, ret->out, sizeof(ret->out)); /* the end is seen below */
		if (text && strstr(ret->out, text))
			return true;
		if (was_over && r == 0)
			return !text;
	}
	return false;
}

void ctl_terminal_type(struct ctl_terminal *t, char key)
{
	assert_int_equal(write(t->master, &key, 1), 1);
}

bool ctl_terminal_end(struct ctl_terminal *t, struct ctl_result *ret)
{
	bool ended = ctl_terminal_wait(t, NULL, ret);
	struct termios after;

	end_child(t->pid, !ended, ret);
	assert_int_equal(tcgetattr(t->slave, &after), 0);
	close(t->slave);
	close(t->master);
	return after.c_lflag == t->before.c_lflag && after.c_iflag == t->before.c_iflag &&
	       after.c_oflag == t->before.c_oflag;
}

/* ---- judging ---- */

static char fault[200];

/* The next character; 0: the end, -1: no UTF-8. */
static int next_char(const char **at)
{
	mbstate_t state = { 0 };
	wchar_t c;
	size_t n = mbrtowc(&c, *at, 6, &state);

	if (n == (size_t)-1 || n == (size_t)-2)
		return -1;
	*at += n;
	return n ? (int)c : 0;
}

const char *ctl_fault(const char *text, unsigned columns, unsigned lines)
{
	unsigned column = 0, line = 0;
	int c;

	for (const char *at = text; (c = next_char(&at)) != 0; ) {
		int width = c == '\n' || c < 0 ? 0 : wcwidth((wchar_t)c);

		if (c < 0 || width < 0) {
			(void)snprintf(fault, sizeof(fault), "line %u: %s %#x", line + 1,
				       c < 0 ? "no UTF-8" : "control character", c);
			return fault;
		}
		column = c == '\n' ? 0 : column + (unsigned)width;
		line += c == '\n';
		if (columns && column > columns) {
			(void)snprintf(fault, sizeof(fault), "line %u is wider than %u", line + 1, columns);
			return fault;
		}
	}
	(void)snprintf(fault, sizeof(fault), "%u lines, not %u", line, lines);
	return lines && line > lines ? fault : "";
}

/* Without the sequences that end in K, J or m; the rest is not ours to send. */
static void strip(const char *from, const char *end, char *to)
{
	while (from < end) {
		if (from[0] == '\x1b' && from[1] == '[') {
			size_t n = strspn(from + 2, "0123456789;");

			if (strchr("KJm", from[2 + n])) {
				from += n + 3;
				continue;
			}
		}
		if (*from != '\r')
			*to++ = *from;
		from++;
	}
	*to = 0;
}

const char *ctl_picture_fault(const char *text)
{
	static char clean[65536];
	const char *begin = NULL, *end = NULL;

	for (const char *at = text; (at = strstr(at, "\x1b[H")); at += 3)
		begin = at + 3;
	if (!begin)
		return "no picture";
	end = strstr(begin, "\x1b[J"); /* what follows is said under the picture */
	if (!end)
		return "half a picture";
	if ((size_t)(end - begin) >= sizeof(clean))
		return "the picture is too large";
	strip(begin, end, clean);
	/* a newline in the last row would scroll the first one away */
	return ctl_fault(clean, CTL_COLUMNS, CTL_ROWS - 1);
}
