/* SPDX-License-Identifier: MIT */
/* failsoftctl watch: one 80x24 picture, redrawn in place; one line per look where there is no
 * terminal. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "ctl.h"

#define POINTS		60
#define EVENTS		8	/* with all else 23 lines, the cursor on the 24th */
#define PERIOD_MS	200

struct screen {
	struct ctl *c;
	struct domain_row domain[DOMAINS_MAX];
	struct client_row *client;
	uint32_t domains, clients;
	double point[POINTS];		/* headroom as a share of the limit, oldest first */
	unsigned points;
	char event[EVENTS][200];
	unsigned events;
	int stream;			/* non-blocking */
	char part[4096];		/* an unfinished line */
	size_t part_used;
	bool is_terminal;
	struct termios before;
};

/* ---- events ---- */

static void keep_event(struct screen *s, const char *line)
{
	struct json_object *o = json_tokener_parse(line), *text;

	if (!o)
		return;
	if (json_object_object_get_ex(o, "text", &text) && text) {
		if (s->events == EVENTS)
			memmove(s->event[0], s->event[1], sizeof(s->event) - sizeof(s->event[0]));
		else
			s->events++;
		print_clean(s->event[s->events - 1], sizeof(s->event[0]),
			    json_object_get_string(text));
	}
	json_object_put(o);
}

/* false: the broker has gone. */
static bool read_events(struct screen *s)
{
	for (;;) {
		ssize_t n = read(s->stream, s->part + s->part_used,
				 sizeof(s->part) - 1 - s->part_used);
		char *end;

		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		s->part_used += (size_t)n;
		s->part[s->part_used] = 0;
		while ((end = strchr(s->part, '\n'))) {
			*end = 0;
			keep_event(s, s->part);
			s->part_used -= (size_t)(end + 1 - s->part);
			memmove(s->part, end + 1, s->part_used + 1);
		}
		if (s->part_used == sizeof(s->part) - 1)
			s->part_used = 0; /* no line of ours is that long */
	}
}

/* ---- the picture ---- */

static void end_line(void)
{
	fputs("\x1b[K\n", stdout);
}

static void draw_bar(double share, int width)
{
	bool utf8 = print_is_utf8();
	int full = (int)(share * width + 0.5);

	for (int i = 0; i < width; i++)
		fputs(i < full ? (utf8 ? "█" : "#") : (utf8 ? "░" : "."), stdout);
}

static void draw_history(const struct screen *s)
{
	static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char ascii[] = "_.-~=+*#";

	for (unsigned i = 0; i < s->points; i++) {
		int level = (int)(s->point[i] * 7.99);

		level = level < 0 ? 0 : level > 7 ? 7 : level;
		if (print_is_utf8())
			fputs(blocks[level], stdout);
		else
			fputc(ascii[level], stdout);
	}
}

static const struct domain_row *nearest(const struct screen *s)
{
	const struct domain_row *worst = &s->domain[0];

	for (uint32_t i = 1; i < s->domains; i++) {
		const struct domain_row *d = &s->domain[i];

		if (d->tte_low_us < worst->tte_low_us ||
		    (d->tte_low_us == worst->tte_low_us &&
		     (double)d->headroom_bytes * (double)worst->limit_bytes <
			     (double)worst->headroom_bytes * (double)d->limit_bytes))
			worst = d;
	}
	return worst;
}

static double share_of(const struct domain_row *d)
{
	return d->limit_bytes ? (double)d->headroom_bytes / (double)d->limit_bytes : 0;
}

static void draw_domain(struct screen *s, const struct domain_row *d)
{
	char a[24], b[24], t[24], name[CELL_MAX_BYTES], stage[CELL_MAX_BYTES];

	printf(" %s %s%s%s ", print_cell(d->name, -30, name), print_stage(s->c, d->stage),
	       print_cell(d->stage, 9, stage), print_plain(s->c));
	printf("%10s of %-10s %s", print_bytes(s->c, d->headroom_bytes, a, sizeof(a)),
	       print_bytes(s->c, d->limit_bytes, b, sizeof(b)),
	       print_us(s->c, d->tte_low_us, t, sizeof(t)));
	end_line();
}

static void draw_client(struct screen *s, const struct client_row *k)
{
	static const char *const steps[] = { "flush", "degrade", "shutdown", "resume" };
	uint64_t now_us = print_now_us(), granted = 0;
	char left[24] = "", exposed[24], name[CELL_MAX_BYTES], state[CELL_MAX_BYTES];

	for (int i = 0; i < 4; i++)
		if (!strcmp(k->state, steps[i]))
			granted = k->granted_us[i];
	printf(" %s %s ", print_cell(k->name, 15, name), print_cell(k->state, 9, state));
	if (granted && k->deadline_us > now_us) {
		draw_bar((double)(k->deadline_us - now_us) / (double)granted, 10);
		print_us(s->c, k->deadline_us - now_us, left, sizeof(left));
	} else {
		printf("%10s", "");
	}
	printf(" %-8s %s %10s not saved", left, print_cell(k->result, 11, name),
	       print_bytes(s->c, k->exposure_bytes, exposed, sizeof(exposed)));
	end_line();
}

static void draw(struct screen *s)
{
	const struct domain_row *d = nearest(s);
	char a[24], b[24], cut[CELL_MAX_BYTES];

	printf("\x1b[H failsoft   stage %s%s%s   ", print_stage(s->c, d->stage),
	       print_cut(d->stage, 9, cut), print_plain(s->c));
	fputs(print_cut(d->name, -40, cut), stdout);
	end_line();
	printf(" headroom   ");
	draw_bar(share_of(d), 40);
	printf(" %s", print_bytes(s->c, d->headroom_bytes, a, sizeof(a)));
	end_line();
	printf(" exhausted  %s", print_us(s->c, d->tte_us, a, sizeof(a)));
	if (d->tte_low_us != NEVER_US)
		printf(" (at worst %s)", print_us(s->c, d->tte_low_us, b, sizeof(b)));
	end_line();
	printf(" so far     ");
	draw_history(s);
	end_line();
	end_line();
	for (uint32_t i = 0; i < s->domains && i < 3; i++)
		draw_domain(s, &s->domain[i]);
	end_line();
	for (uint32_t i = 0; i < s->clients && i < 4; i++)
		draw_client(s, &s->client[i]);
	if (s->clients > 4) {
		printf(" ... and %u more clients", s->clients - 4);
		end_line();
	}
	end_line();
	for (unsigned i = 0; i < s->events; i++) {
		printf(" %s", print_cut(s->event[i], LINE_WIDTH - 1, cut));
		end_line();
	}
	fputs("\x1b[J", stdout);
	fflush(stdout);
}

static void print_line(struct screen *s)
{
	const struct domain_row *d = nearest(s);
	char a[24], t[24], name[CELL_MAX_BYTES], stage[CELL_MAX_BYTES];

	printf("%s %s headroom %s exhausted %s clients %u\n", print_cut(d->stage, 9, stage),
	       print_cut(d->name, -24, name),
	       print_bytes(s->c, d->headroom_bytes, a, sizeof(a)),
	       print_us(s->c, d->tte_low_us, t, sizeof(t)), s->clients);
	fflush(stdout);
}

/* ---- the terminal ---- */

static void enter(struct screen *s)
{
	struct termios raw;

	s->is_terminal = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) &&
			 tcgetattr(STDIN_FILENO, &s->before) == 0;
	if (!s->is_terminal)
		return;
	raw = s->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw); /* without it, q wants Enter */
	fputs("\x1b[?25l\x1b[2J", stdout);
}

static void leave(struct screen *s)
{
	if (!s->is_terminal)
		return;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &s->before); /* nothing else can be done */
	fputs("\x1b[?25h\n", stdout);
	fflush(stdout);
}

static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGQUIT); /* Ctrl-\ would leave the terminal as it is drawn on */
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* false: the user has had enough. */
static bool wait_a_moment(struct screen *s, int signals)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = s->is_terminal ? STDIN_FILENO : -1, .events = POLLIN },
	};
	char key = 0;

	if (poll(fds, 2, PERIOD_MS) < 0 || fds[0].revents)
		return false;
	if (!fds[1].revents)
		return true;
	return read(STDIN_FILENO, &key, 1) == 1 && key != 'q';
}

static int look(struct screen *s)
{
	int r = call_domains(s->c, s->domain, DOMAINS_MAX, &s->domains);

	if (r >= 0)
		r = call_clients(s->c, s->client, CLIENTS_MAX, &s->clients);
	if (r < 0 || !s->domains)
		return -EIO;
	if (s->points == POINTS)
		memmove(s->point, s->point + 1, sizeof(s->point) - sizeof(s->point[0]));
	else
		s->points++;
	s->point[s->points - 1] = share_of(nearest(s));
	return read_events(s) ? 0 : -EIO;
}

static int run(struct screen *s)
{
	int signals = watch_signals(), r = 0;

	enter(s);
	for (long i = 0; !s->c->count || i < s->c->count; i++) {
		r = look(s);
		if (r < 0)
			break;
		if (s->is_terminal)
			draw(s);
		else
			print_line(s);
		if (s->c->count != i + 1 && !wait_a_moment(s, signals))
			break;
	}
	leave(s);
	close(signals);
	if (r < 0)
		fprintf(stderr, "failsoftctl: the broker has ended\n");
	return r < 0 ? EXIT_UNKNOWN : EXIT_OK;
}

int watch_verb(struct ctl *c)
{
	struct screen *s = calloc(1, sizeof(*s));
	int code = EXIT_UNKNOWN;

	if (!s)
		return code;
	s->c = c;
	s->client = calloc(CLIENTS_MAX, sizeof(*s->client));
	s->stream = s->client ? call_monitor(c, true) : -1;
	if (s->stream >= 0 && fcntl(s->stream, F_SETFL, O_NONBLOCK) == 0)
		code = run(s);
	if (s->stream >= 0)
		close(s->stream);
	free(s->client);
	free(s);
	return code;
}
