/* SPDX-License-Identifier: MIT */
/* Halt: what happens while the reader of our lines stands still. No messages are taken; but where alerts
 * are told, not for long: lines are left out then, and counted. */
#include <inttypes.h>
#include <stdio.h>

#include "fleet_part.h"

/* Ticks of a second. Half: lines are lost to a disk that pauses; double: a page comes later. */
#define PATIENCE	5u

/* A file waits. */
static bool may_leave_out(const struct fleet *f)
{
	return f->pager && f->link;
}

/* The server keeps what we do not take, as far as it does that for us; nothing that we took is lost. */
static void set_halt(struct fleet *f, bool is_halted)
{
	const struct roster_now now = fleet_now();

	roster_halt(f->roster, &now, is_halted);
	if (f->link)
		link_pause(f->link, is_halted);
	if (f->reader)
		reader_pause(f->reader, is_halted);
}

void halt_full(void *userdata, bool is_full)
{
	struct fleet *f = userdata;

	f->is_output_full = is_full;
	f->full_ticks = 0;
	/* one that is slow is waited for no more than one that stands still: the sum counts */
	f->is_leaving_out = is_full && f->waited_ticks == PATIENCE;
	set_halt(f, is_full && !f->is_leaving_out);
	if (!is_full && f->has_said_full) {
		fprintf(stderr, "failsoft-fleet: standard output: it is read again\n");
		f->has_said_full = false;
	}
}

/* A short halt is no news. */
static void say_full(struct fleet *f)
{
	if (!f->is_output_full || f->has_said_full || ++f->full_ticks < 2)
		return;
	fprintf(stderr, "failsoft-fleet: standard output: its reader stands still; no messages are taken "
			"until it reads on\n");
	f->has_said_full = true;
}

void halt_end(struct fleet *f)
{
	if (f->has_said_left_out)
		fprintf(stderr, "failsoft-fleet: standard output: %" PRIu64 " lines were left out\n",
			f->left_out);
	f->has_said_left_out = false;
	f->left_out = 0;
}

void halt_tick(struct fleet *f)
{
	if (!may_leave_out(f)) {
		say_full(f);
		return;
	}
	if (!f->is_output_full)
		f->waited_ticks -= f->waited_ticks > 0;
	else if (f->waited_ticks < PATIENCE)
		f->waited_ticks++;
	if (f->is_output_full && !f->is_leaving_out && f->waited_ticks == PATIENCE) {
		f->is_leaving_out = true;
		set_halt(f, false);
	}
	if (f->is_leaving_out && !f->has_said_left_out) {
		fprintf(stderr, "failsoft-fleet: standard output: its reader stands still; alerts do not "
				"wait: lines are left out\n");
		f->has_said_left_out = true;
	}
	if (!f->waited_ticks)
		halt_end(f);
}
