/* SPDX-License-Identifier: MIT */
/* failsoftctl watch: `status` as one 80x24 picture, with all domains side by side. */
#include "live.h"

#define EVENTS		8u	/* with all else 23 lines, the cursor on the 24th */
#define DOMAINS		3u
#define CLIENTS		4u

static void draw_history(const struct picture *p, struct brush *b)
{
	int level[PICTURE_POINTS];

	for (unsigned i = 0; i < p->points; i++)
		level[i] = (int)(p->point[i].headroom_permyriad * BRUSH_LEVELS / 10001);
	brush_spark(b, level, p->points);
}

static void draw_domain(struct brush *b, const struct domain_row *d)
{
	char a[24], l[24], t[24];

	brush_text(b, " ");
	brush_cell(b, d->name, -30);
	brush_text(b, " ");
	brush_stage(b, d->stage);
	brush_cell(b, d->stage, 9);
	brush_stage(b, NULL);
	brush_text(b, " %10s of %-10s %s", print_bytes(b->c, d->headroom_bytes, a, sizeof(a)),
		   print_bytes(b->c, d->limit_bytes, l, sizeof(l)),
		   print_us(b->c, d->tte_low_us, t, sizeof(t)));
	brush_end(b);
}

static void draw_nearest(const struct picture *p, struct brush *b)
{
	const struct domain_row *d = picture_nearest(p);
	char a[24], t[24], cut[CELL_MAX_BYTES];

	brush_text(b, " failsoft   stage ");
	brush_stage(b, d->stage);
	brush_text(b, "%s", print_cut(d->stage, 9, cut));
	brush_stage(b, NULL);
	brush_text(b, "   %s", print_cut(d->name, -40, cut));
	brush_end(b);
	brush_text(b, " headroom   ");
	brush_bar(b, picture_share(d), 40);
	brush_text(b, " %s", print_bytes(b->c, d->headroom_bytes, a, sizeof(a)));
	brush_end(b);
	brush_text(b, " exhausted  %s", print_us(b->c, d->tte_us, a, sizeof(a)));
	if (d->tte_low_us != NEVER_US)
		brush_text(b, " (at worst %s)", print_us(b->c, d->tte_low_us, t, sizeof(t)));
	brush_end(b);
}

static void draw(const struct picture *p, struct brush *b)
{
	draw_nearest(p, b);
	brush_text(b, " so far     ");
	draw_history(p, b);
	brush_end(b);
	brush_end(b);
	for (uint32_t i = 0; i < p->domains && i < DOMAINS; i++)
		draw_domain(b, &p->domain[i]);
	brush_end(b);
	for (uint32_t i = 0; i < p->clients && i < CLIENTS; i++)
		picture_draw_client(p, b, &p->client[i]);
	if (p->clients > CLIENTS) {
		brush_text(b, " ... and %u more clients", p->clients - CLIENTS);
		brush_end(b);
	}
	brush_end(b);
	picture_draw_events(p, b, EVENTS);
}

static void print_line(const struct picture *p, struct brush *b)
{
	const struct domain_row *d = picture_nearest(p);
	char a[24], t[24], name[CELL_MAX_BYTES], stage[CELL_MAX_BYTES];

	brush_text(b, "%s %s headroom %s exhausted %s clients %u", print_cut(d->stage, 9, stage),
		   print_cut(d->name, -24, name),
		   print_bytes(b->c, d->headroom_bytes, a, sizeof(a)),
		   print_us(b->c, d->tte_low_us, t, sizeof(t)), p->clients);
	brush_end(b);
}

int watch_verb(struct ctl *c)
{
	static const struct live_view view = { false, draw, print_line };

	return live_run(c, &view);
}
