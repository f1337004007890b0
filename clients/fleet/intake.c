/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_part.h"

static void page(struct fleet *f, const struct roster_note *note)
{
	struct roster_now now = fleet_now();

	if (!f->pager)
		return;
	if (note->kind == ROSTER_RAISED || note->kind == ROSTER_STANDS)
		pager_raise(f->pager, note->device, note->alarm);
	else if (note->kind == ROSTER_CLEARED)
		pager_clear(f->pager, note->device, note->alarm, &now);
	else if (note->kind == ROSTER_FORGOTTEN)
		pager_forget(f->pager, note->device, &now);
}

/* Who reads our lines has gone, or there is no room for them: there is nobody to go on for. */
void intake_lost(struct fleet *f)
{
	const int error = outlet_error(f->outlet);

	if (f->has_ended_output)
		return;
	f->has_ended_output = true;
	if (f->link)
		link_drop(f->link); /* what is not shown is not acknowledged */
	fprintf(stderr, "failsoft-fleet: standard output: %s\n",
		error == EPIPE ? "who read it has ended, and so do we" : strerror(error));
	sd_event_exit(f->event, 1);
}

/* false: none is to be written; one that is left out is counted. */
static bool has_line(struct fleet *f)
{
	const bool is_wanted = f->lines.out && !f->has_ended_output;

	f->left_out += is_wanted && f->is_leaving_out;
	return is_wanted && !f->is_leaving_out;
}

static void tell(struct fleet *f, const struct roster_note *note, uint32_t notes,
		 const struct ingest_raw *raw)
{
	for (uint32_t i = 0; i < notes; i++) {
		page(f, &note[i]);
		if (note[i].kind != ROSTER_STANDS && has_line(f) &&
		    !lines_note(&f->lines, &note[i], &f->message, raw))
			intake_lost(f);
	}
}

/* Written down before, and afterwards: see seen.h. */
static void tell_once(struct fleet *f, struct roster_note *note, uint32_t notes, const struct ingest_raw *raw)
{
	for (uint32_t i = 0; i < notes; i++)
		note[i].is_again = seen_is_unsure(f->seen, &f->message, &note[i]);
	if (f->lines.out && !f->is_leaving_out)
		seen_begin(f->seen, &f->message, note, notes);
	tell(f, note, notes, raw);
	if (notes && !f->has_ended_output)
		seen_end(f->seen, &f->message, note, notes);
}

void intake_message(struct fleet *f, const struct ingest_raw *raw)
{
	struct roster_note note[ROSTER_NOTES_MAX];
	struct roster_now now = fleet_now();
	enum ingest_refusal refusal;
	char why[INGEST_WHY_MAX];
	uint32_t notes = 0;

	if (f->has_ended_output)
		return;
	refusal = ingest_message(raw, &f->message, why);
	if (refusal) {
		roster_refuse(f->roster, refusal);
	} else {
		refusal = roster_apply(f->roster, &f->message, &now, note, &notes);
		snprintf(why, sizeof(why),
			 refusal == INGEST_FULL
				 ? "%u devices are known, and no more are taken: see --devices"
				 : "%u devices have this name already",
			 refusal == INGEST_FULL ? f->options->devices : ROSTER_TWINS_MAX);
	}
	if (f->seen)
		tell_once(f, note, notes, raw);
	else
		tell(f, note, notes, raw);
	if (refusal && has_line(f) && !lines_refused(&f->lines, raw, refusal, why))
		intake_lost(f);
}

void intake_expired(struct fleet *f)
{
	static const struct ingest_raw nothing;
	struct roster_now now = fleet_now();
	struct roster_note note;

	if (!f->link || !link_is_connected(f->link))
		return;
	/* not more than fits: it is to be known as shown */
	while ((!f->is_output_full || f->is_leaving_out) && roster_expire(f->roster, &now, &note)) {
		f->message.is_empty = true;
		if (f->seen)
			tell_once(f, &note, 1, &nothing);
		else
			tell(f, &note, 1, &nothing);
	}
}

/* "TOPIC PAYLOAD"; "TOPIC" alone is an empty message. */
static void on_line(void *userdata, char *line, size_t length)
{
	struct ingest_raw raw = { .topic = line };
	char *blank = memchr(line, ' ', length);

	if (blank) {
		*blank = '\0';
		raw.payload = blank + 1;
		raw.length = length - (size_t)(blank + 1 - line);
	}
	if (*line)
		intake_message(userdata, &raw);
}

static void on_end(void *userdata, int error)
{
	struct fleet *f = userdata;

	f->has_read = !error;
	if (error)
		fprintf(stderr, "failsoft-fleet: %s: %s\n", f->options->read, strerror(error));
	/* a file that nobody is shown is read, and that is all */
	if (!f->has_ended_output && (error || (!f->web && !f->pager)))
		sd_event_exit(f->event, error != 0);
}

int intake_file(struct fleet *f, const char *path)
{
	const struct reader_events events = { on_line, on_end, f };
	int r = reader_new(&f->reader, f->event, path, &events);

	if (r < 0)
		fprintf(stderr, "failsoft-fleet: %s: %s\n", path, strerror(-r));
	return r;
}
