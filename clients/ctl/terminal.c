/* SPDX-License-Identifier: MIT */
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ctl.h"

#define ROWS_WITHOUT_SIZE	24u	/* a serial line tells none */

static void enter(struct terminal *t)
{
	struct termios raw = t->before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw); /* without it, q wants Enter */
	fputs("\x1b[?25l\x1b[2J", t->out);
}

static void leave(struct terminal *t)
{
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &t->before); /* nothing else can be done */
	fputs("\x1b[?25h\n", t->out);
	fflush(t->out);
}

static int watch_signals(void)
{
	static const int ends[] = {
		SIGINT, SIGTERM, SIGHUP,
		SIGQUIT, /* Ctrl-\ would leave the terminal as it is drawn on */
		SIGTSTP, /* so would Ctrl-Z */
	};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int terminal_open(struct terminal *t)
{
	t->out = stdout;
	t->is_real = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) &&
		     tcgetattr(STDIN_FILENO, &t->before) == 0;
	t->signals = watch_signals();
	t->page = fmemopen(t->text, sizeof(t->text), "w");
	if (t->signals < 0 || !t->page) {
		int r = -errno;

		fprintf(stderr, "failsoftctl: no picture: %s\n", strerror(-r));
		t->is_real = false;
		terminal_close(t);
		return r;
	}
	if (t->is_real)
		enter(t);
	return 0;
}

void terminal_close(struct terminal *t)
{
	if (t->is_real)
		leave(t);
	if (t->signals >= 0)
		close(t->signals);
	if (t->page)
		fclose(t->page);
	t->signals = -1;
	t->page = NULL;
}

unsigned terminal_rows(const struct terminal *t)
{
	struct winsize size = { 0 };
	unsigned rows = ROWS_WITHOUT_SIZE;

	if (t->is_real && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row)
		rows = size.ws_row;
	return rows > TERMINAL_ROWS_MAX ? TERMINAL_ROWS_MAX : rows - 1;
}

unsigned terminal_columns(const struct terminal *t)
{
	struct winsize size = { 0 };

	if (!t->is_real || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col ||
	    size.ws_col > LINE_WIDTH)
		return LINE_WIDTH;
	return size.ws_col > 1 ? size.ws_col - 1u : 1;
}

FILE *terminal_page(struct terminal *t)
{
	rewind(t->page);
	return t->page;
}

/* In one piece, over the old one: nothing flickers. */
void terminal_show(struct terminal *t)
{
	const char *at = t->text, *stop, *end;
	unsigned rows = terminal_rows(t);
	long size;

	fflush(t->page);
	size = ftell(t->page);
	stop = t->text + (size > 0 ? size : 0);
	fputs("\x1b[H", t->out);
	for (; at < stop && rows && (end = memchr(at, '\n', (size_t)(stop - at))); rows--) {
		fwrite(at, 1, (size_t)(end - at), t->out);
		fputs("\x1b[K\n", t->out);
		at = end + 1;
	}
	fputs("\x1b[J", t->out);
	fflush(t->out);
}

/* false: the signal is one that ends us. */
static bool take_signal(struct terminal *t)
{
	struct signalfd_siginfo info;

	if (read(t->signals, &info, sizeof(info)) != sizeof(info) || info.ssi_signo != SIGTSTP)
		return false;
	if (t->is_real)
		leave(t);
	(void)raise(SIGSTOP); /* cannot fail; goes on after SIGCONT */
	if (t->is_real)
		enter(t);
	return true;
}

bool terminal_wait(struct terminal *t, int ms)
{
	struct pollfd fds[] = {
		{ .fd = t->signals, .events = POLLIN },
		{ .fd = t->is_real ? STDIN_FILENO : -1, .events = POLLIN },
	};
	char key = 0;
	int r = poll(fds, 2, ms);

	if (r < 0)
		return errno == EINTR; /* it was stopped by force, and goes on */
	if (fds[0].revents)
		return take_signal(t);
	if (!fds[1].revents)
		return true;
	return read(STDIN_FILENO, &key, 1) == 1 && key != 'q';
}
