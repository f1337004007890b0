/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <unistd.h>

#include "board.h"
#include "fleet_part.h"

#define CLOSE_MS	200	/* for the cursor to come back; a terminal that stands still takes none */

static int on_key(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct fleet *f = userdata;

	(void)source;
	(void)fd;
	(void)events;
	if (!terminal_wait(&f->terminal, 0))
		sd_event_exit(f->event, 0);
	return 0;
}

/* The rest of the last picture waits, or the terminal takes no more (Ctrl-S, a line that hangs). */
static void on_full(void *userdata, bool is_full)
{
	(void)userdata;
	(void)is_full; /* show_draw() looks */
}

static void on_lost(void *userdata)
{
	struct fleet *f = userdata;

	sd_event_exit(f->event, 0); /* as the hang-up that comes with it */
}

/* Alerts and pages do not wait for it. */
static int open_screen(struct fleet *f)
{
	const struct outlet_events events = { on_full, on_lost, f };
	int r = outlet_new(&f->screen, f->event, STDOUT_FILENO, OUTLET_BYTES_MAX, &events);

	if (r < 0)
		return r;
	fflush(stdout);
	f->terminal.out = outlet_stream(f->screen);
	return 0;
}

int show_open(struct fleet *f)
{
	int r = terminal_open(&f->terminal);

	if (r < 0)
		return r;
	f->has_terminal = true;
	f->ctl.colour = !f->options->is_plain && !getenv("NO_COLOR");
	r = open_screen(f);
	if (r >= 0)
		r = sd_event_add_io(f->event, &f->signals, f->terminal.signals, EPOLLIN, on_key, f);
	if (r >= 0)
		r = sd_event_add_io(f->event, &f->keys, STDIN_FILENO, EPOLLIN, on_key, f);
	return r;
}

void show_close(struct fleet *f)
{
	if (!f->has_terminal)
		return;
	sd_event_source_disable_unref(f->signals);
	sd_event_source_disable_unref(f->keys);
	terminal_close(&f->terminal);
	if (f->screen)
		(void)outlet_drain(f->screen, 0, CLOSE_MS); /* what it does not take is lost */
	f->screen = outlet_free(f->screen);
	f->has_terminal = false;
}

void show_draw(struct fleet *f)
{
	struct roster_now now = fleet_now();
	struct board board = { f->roster, f->link && link_is_connected(f->link),
			       f->link ? link_server(f->link) : NULL, f->why, &now };
	struct brush b = brush_begin(&f->ctl, terminal_page(&f->terminal),
				     terminal_columns(&f->terminal),
				     terminal_rows(&f->terminal));

	if (outlet_waiting(f->screen))
		return; /* the next one says more */
	board_draw(&board, &b);
	terminal_show(&f->terminal);
}
