/* SPDX-License-Identifier: MIT */
#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "terminal.h"

#define PERIOD_MS	200
/* The broker looks at others' rules no more often than every 2 s. */
#define OUTLOOK_US	1000000u

struct live {
	struct ctl *c;
	const struct live_view *view;
	struct picture picture;
	struct client_row *client;
	int stream;			/* events; non-blocking */
	char part[4096];		/* an unfinished line of it */
	size_t part_used;
	uint64_t outlook_us;		/* when it was asked for; 0: never */
	struct terminal terminal;
};

/* ---- events ---- */

static void keep_event(struct live *l, const char *line)
{
	struct json_object *o = json_tokener_parse(line), *text;

	if (!o)
		return;
	if (json_object_object_get_ex(o, "text", &text) && text)
		picture_add_event(&l->picture, json_object_get_string(text));
	json_object_put(o);
}

/* false: the broker has gone. */
static bool read_events(struct live *l)
{
	for (;;) {
		ssize_t n = read(l->stream, l->part + l->part_used,
				 sizeof(l->part) - 1 - l->part_used);
		char *end;

		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		l->part_used += (size_t)n;
		l->part[l->part_used] = 0;
		while ((end = strchr(l->part, '\n'))) {
			*end = 0;
			keep_event(l, l->part);
			l->part_used -= (size_t)(end + 1 - l->part);
			memmove(l->part, end + 1, l->part_used + 1);
		}
		if (l->part_used == sizeof(l->part) - 1)
			l->part_used = 0; /* no line of ours is that long */
	}
}

/* ---- a look ---- */

static int look_around(struct live *l)
{
	struct picture *p = &l->picture;
	int r = call_growers(l->c, "", p->grower, GROWERS_MAX, &p->growers);

	if (r < 0 || (l->outlook_us && p->now_us < l->outlook_us + OUTLOOK_US))
		return r;
	l->outlook_us = p->now_us;
	return call_outlook(l->c, &p->outlook);
}

static int look(struct live *l)
{
	struct picture *p = &l->picture;
	int r = call_domains(l->c, p->domain, DOMAINS_MAX, &p->domains);

	if (r >= 0)
		r = call_clients(l->c, l->client, CLIENTS_MAX, &p->clients);
	if (r < 0 || !p->domains)
		return -EIO;
	p->now_us = print_now_us();
	picture_step(p);
	if (l->view->wants_outlook && look_around(l) < 0)
		return -EIO;
	return read_events(l) ? 0 : -EIO;
}

static void show(struct live *l)
{
	struct terminal *t = &l->terminal;
	struct brush b;

	if (t->is_real) {
		b = brush_begin(l->c, terminal_page(t), LINE_WIDTH, terminal_rows(t));
		l->view->draw(&l->picture, &b);
		terminal_show(t);
	} else {
		b = brush_begin(l->c, stdout, PIPE_WIDTH, 1);
		l->view->line(&l->picture, &b);
		fflush(stdout);
	}
}

static int run(struct live *l)
{
	int r = terminal_open(&l->terminal);

	if (r < 0)
		return EXIT_UNKNOWN;
	for (long i = 0; !l->c->count || i < l->c->count; i++) {
		r = look(l);
		if (r < 0)
			break;
		show(l);
		if (l->c->count != i + 1 && !terminal_wait(&l->terminal, PERIOD_MS))
			break;
	}
	terminal_close(&l->terminal);
	if (r < 0)
		fprintf(stderr, "failsoftctl: the broker has ended\n");
	return r < 0 ? EXIT_UNKNOWN : EXIT_OK;
}

int live_run(struct ctl *c, const struct live_view *view)
{
	struct live *l = calloc(1, sizeof(*l));
	int code = EXIT_UNKNOWN;

	if (!l)
		return code;
	l->c = c;
	l->view = view;
	l->client = calloc(CLIENTS_MAX, sizeof(*l->client));
	l->picture.client = l->client;
	l->stream = l->client ? call_monitor(c, true) : -1;
	if (l->stream >= 0 && fcntl(l->stream, F_SETFL, O_NONBLOCK) == 0)
		code = run(l);
	if (l->stream >= 0)
		close(l->stream);
	free(l->client);
	free(l);
	return code;
}
