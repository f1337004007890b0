/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <unistd.h>

#include "board.h"
#include "fleet_part.h"

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

int show_open(struct fleet *f)
{
	int r = terminal_open(&f->terminal);

	if (r < 0)
		return r;
	f->has_terminal = true;
	f->ctl.colour = !f->options->is_plain && !getenv("NO_COLOR");
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

	board_draw(&board, &b);
	terminal_show(&f->terminal);
}
