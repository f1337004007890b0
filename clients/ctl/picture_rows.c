/* SPDX-License-Identifier: MIT */
/* The tables of a picture. */
#include "picture.h"

#include <string.h>

/* ---- who grows, what others would do ---- */

static void draw_grower(struct brush *b, const struct grower_row *g)
{
	char bytes[24], rate[24], what[32], pid[16] = "";

	if (g->processes > 1)
		snprintf(what, sizeof(what), "%s of %u", g->kind, g->processes);
	else
		snprintf(what, sizeof(what), "%s", g->kind);
	if (g->pid)
		snprintf(pid, sizeof(pid), "%u", g->pid);
	brush_text(b, " ");
	brush_cell(b, g->name, 24);
	brush_text(b, " ");
	brush_cell(b, what, 16);
	brush_text(b, " %7s %9s %8s/s %3u %%", pid, print_bytes(b->c, g->bytes, bytes, sizeof(bytes)),
		   print_bytes(b->c, g->bytes_per_s, rate, sizeof(rate)),
		   g->share_permyriad / 100);
	brush_end(b);
}

void picture_draw_growers(const struct picture *p, struct brush *b, unsigned rows)
{
	brush_text(b, " %-24s %-16s %7s %9s %10s %5s", "WHO GROWS", "", "PID", "HOLDS",
		   "GROWS", "SHARE");
	brush_end(b);
	for (uint32_t i = 0; i < p->growers && i < rows; i++)
		draw_grower(b, &p->grower[i]);
	if (!p->growers && rows) {
		brush_text(b, " nobody, or far from the end: then nobody is looked at");
		brush_end(b);
	}
}

/* Those that would do something come first. Of a recording they are all that is said: it does not tell
 * who ran there. */
static void put_others(const struct picture *p, struct brush *b)
{
	const struct outlook_row *o = &p->outlook;
	unsigned said = 0;

	for (int calm = 0; calm <= !p->is_recorded; calm++)
		for (uint32_t i = 0; i < o->rivals; i++)
			if ((strcmp(o->rival[i].word, "nothing") == 0) == calm)
				brush_text(b, "%s%s: %s", said++ ? "; " : "", o->rival[i].name,
					   o->rival[i].word);
	if (!said)
		brush_text(b, p->is_recorded ? "do nothing" : "none is known to run here");
}

void picture_draw_outlook(const struct picture *p, struct brush *b)
{
	const struct outlook_row *o = &p->outlook;

	if (p->is_recorded) {
		brush_text(b, " others' rules would    ");
	} else {
		brush_text(b, " kernel would end now   ");
		if (o->pid)
			brush_text(b, "%s (pid %u), its score %u", o->name, o->pid, o->score);
		else
			brush_text(b, "not known yet");
		brush_end(b);
		brush_text(b, " other daemons would    ");
	}
	put_others(p, b);
	brush_end(b);
}

/* ---- clients, events ---- */

void picture_draw_client(const struct picture *p, struct brush *b, const struct client_row *k)
{
	static const char *const steps[] = { "flush", "degrade", "shutdown", "resume" };
	uint64_t granted = 0;
	char left[24] = "", exposed[24];

	for (int i = 0; i < 4; i++)
		if (!strcmp(k->state, steps[i]))
			granted = k->granted_us[i];
	brush_text(b, " ");
	brush_cell(b, k->name, 15);
	brush_text(b, " ");
	brush_cell(b, k->state, 9);
	brush_text(b, " ");
	if (granted && k->deadline_us > p->now_us) {
		brush_bar(b, (double)(k->deadline_us - p->now_us) / (double)granted, 10);
		print_us(b->c, k->deadline_us - p->now_us, left, sizeof(left));
	} else {
		brush_cell(b, "", 10);
	}
	brush_text(b, " %-8s ", left);
	brush_cell(b, k->result, 11);
	brush_text(b, " %10s not saved", print_bytes(b->c, k->exposure_bytes, exposed, sizeof(exposed)));
	brush_end(b);
}

/* Those that owe an answer come first. */
void picture_draw_clients(const struct picture *p, struct brush *b, unsigned rows)
{
	unsigned shown = 0, most = p->clients > rows && rows ? rows - 1 : rows;

	brush_text(b, " %-15s %-9s %-19s %-11s %20s", "CLIENT", "ASKED", "DEADLINE",
		   "LAST ANSWER", "EXPOSED");
	brush_end(b);
	for (int idle = 0; idle < 2; idle++)
		for (uint32_t i = 0; i < p->clients && shown < most; i++)
			if ((strcmp(p->client[i].state, "idle") == 0) == idle) {
				picture_draw_client(p, b, &p->client[i]);
				shown++;
			}
	if (rows && p->clients > rows)
		brush_text(b, " ... and %u more clients", p->clients - shown);
	else if (rows && !p->clients)
		brush_text(b, " none has registered");
	else
		return;
	brush_end(b);
}

void picture_draw_events(const struct picture *p, struct brush *b, unsigned rows)
{
	for (unsigned i = p->events > rows ? p->events - rows : 0; i < p->events; i++) {
		brush_text(b, " %s", p->event[i]);
		brush_end(b);
	}
}
