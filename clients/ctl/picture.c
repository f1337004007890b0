/* SPDX-License-Identifier: MIT */
#include "picture.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define SECOND_US	UINT64_C(1000000)
/* The row of time left, on a log scale: three decades around the leads of some seconds that decide.
 * Below, nobody can act any more; above, anything may still happen. */
#define TTE_LEAST_US	100000.0
#define TTE_DECADES	3.0
/* Rows that are always there, besides those of growers, clients and events. */
#define FIXED_ROWS	14u

/* ---- filling ---- */

double picture_share(const struct domain_row *d)
{
	return d->limit_bytes ? (double)d->headroom_bytes / (double)d->limit_bytes : 0;
}

const struct domain_row *picture_nearest(const struct picture *p)
{
	return &p->domain[p->nearest];
}

/* As the broker has it: stage first, then time, then what is left. */
static bool is_nearer(const struct domain_row *a, const struct domain_row *b)
{
	if (status_rank(a->stage) != status_rank(b->stage))
		return status_rank(a->stage) > status_rank(b->stage);
	if (a->tte_low_us != b->tte_low_us)
		return a->tte_low_us < b->tte_low_us;
	return picture_share(a) < picture_share(b);
}

static uint32_t find_nearest(const struct picture *p)
{
	uint32_t worst = 0;

	for (uint32_t i = 1; i < p->domains; i++) {
		const struct domain_row *d = &p->domain[i];

		if (d->limit_bytes && is_nearer(d, &p->domain[worst])) /* 0: not sampled yet */
			worst = i;
	}
	return worst;
}

static uint32_t more(uint32_t a, uint32_t b)
{
	if (a == PICTURE_NOT_TOLD || b == PICTURE_NOT_TOLD)
		return a == PICTURE_NOT_TOLD ? b : a;
	return a > b ? a : b;
}

static void merge(struct picture_point *to, const struct picture_point *from)
{
	if (from->headroom_permyriad < to->headroom_permyriad)
		to->headroom_permyriad = from->headroom_permyriad;
	to->some_permyriad = more(to->some_permyriad, from->some_permyriad);
	to->full_permyriad = more(to->full_permyriad, from->full_permyriad);
	if (from->tte_us < to->tte_us)
		to->tte_us = from->tte_us;
}

static void append(struct picture *p, const struct picture_point *point)
{
	if (p->points == PICTURE_POINTS)
		memmove(p->point, p->point + 1, sizeof(p->point) - sizeof(p->point[0]));
	else
		p->points++;
	p->point[p->points - 1] = *point;
}

/* Seconds without a look are as the one before them. */
static void keep_point(struct picture *p, const struct picture_point *now)
{
	uint64_t second = p->now_us / SECOND_US, passed = second - p->newest_second;

	if (p->points && second <= p->newest_second) {
		merge(&p->point[p->points - 1], now);
		return;
	}
	for (uint64_t i = 1; p->points && i < passed && i < PICTURE_POINTS; i++) {
		const struct picture_point before = p->point[p->points - 1];

		append(p, &before);
	}
	append(p, now);
	p->newest_second = second;
}

void picture_step(struct picture *p)
{
	const struct domain_row *d;

	p->nearest = find_nearest(p);
	d = picture_nearest(p);
	if (!d->limit_bytes)
		return;
	keep_point(p, &(struct picture_point){
		.headroom_permyriad = (uint32_t)(picture_share(d) * 10000),
		.some_permyriad = d->some_permyriad, .full_permyriad = d->full_permyriad,
		.tte_us = d->tte_us,
	});
}

void picture_add_event(struct picture *p, const char *sentence)
{
	if (p->events == PICTURE_EVENTS)
		memmove(p->event[0], p->event[1], sizeof(p->event) - sizeof(p->event[0]));
	else
		p->events++;
	print_clean(p->event[p->events - 1], sizeof(p->event[0]), sentence);
}

/* ---- the nearest domain ---- */

static void draw_domain(const struct picture *p, struct brush *b)
{
	const struct domain_row *d = picture_nearest(p);
	char a[24], l[24];

	brush_text(b, " failsoft   stage ");
	brush_stage(b, d->stage);
	brush_cell(b, d->stage, 10);
	brush_stage(b, NULL);
	brush_cell(b, d->name, p->place[0] ? -20 : -36);
	if (p->domains > 1)
		brush_text(b, " nearest of %u", p->domains);
	if (p->place[0])
		brush_text(b, "  %s", p->place);
	brush_end(b);

	brush_text(b, " headroom   ");
	brush_stage(b, d->stage);
	brush_bar(b, picture_share(d), 32);
	brush_stage(b, NULL);
	brush_text(b, " %s of %s (%.0f %%)", print_bytes(b->c, d->headroom_bytes, a, sizeof(a)),
		   print_bytes(b->c, d->limit_bytes, l, sizeof(l)), picture_share(d) * 100);
	brush_end(b);

	brush_text(b, " exhausted  ");
	brush_time_left(b, d);
	if (d->limited_by[0])
		brush_text(b, ", limited by %s", d->limited_by);
	if (d->rate > 0 && d->tte_us != NEVER_US)
		brush_text(b, ", falls %s/s", print_bytes(b->c, (uint64_t)d->rate, a, sizeof(a)));
	brush_end(b);
}

/* ---- the last minute ---- */

enum spark { SPARK_HEADROOM, SPARK_SOME, SPARK_FULL, SPARK_TTE, SPARK_COUNT };

static int level_of_share(uint32_t permyriad)
{
	return permyriad == PICTURE_NOT_TOLD ? BRUSH_BLANK : (int)(permyriad * BRUSH_LEVELS / 10001);
}

static int level_of_time(uint64_t us)
{
	double decades = us ? log10((double)us / TTE_LEAST_US) : 0;

	if (us == NEVER_US)
		return BRUSH_BLANK;
	decades = decades < 0 ? 0 : decades > TTE_DECADES ? TTE_DECADES : decades;
	return (int)(decades / TTE_DECADES * (BRUSH_LEVELS - 0.01));
}

static int level_of(const struct picture_point *point, enum spark what)
{
	switch (what) {
	case SPARK_HEADROOM:
		return level_of_share(point->headroom_permyriad);
	case SPARK_SOME:
		return level_of_share(point->some_permyriad);
	case SPARK_FULL:
		return level_of_share(point->full_permyriad);
	case SPARK_TTE:
		return level_of_time(point->tte_us);
	case SPARK_COUNT:
		break;
	}
	return BRUSH_BLANK;
}

static void put_newest(const struct picture *p, struct brush *b, enum spark what)
{
	const struct picture_point *newest = &p->point[p->points - 1];
	const uint32_t permyriad[SPARK_COUNT] = {
		newest->headroom_permyriad, newest->some_permyriad, newest->full_permyriad,
	};
	char a[24];

	if (what == SPARK_TTE && newest->tte_us != NEVER_US)
		brush_text(b, " %s", print_us(b->c, newest->tte_us, a, sizeof(a)));
	else if (what != SPARK_TTE && permyriad[what] != PICTURE_NOT_TOLD)
		brush_text(b, " %.0f %%", (double)permyriad[what] / 100);
}

static void draw_minute(const struct picture *p, struct brush *b)
{
	static const char *const names[SPARK_COUNT] = {
		"headroom", "PSI some", "PSI full", "time left",
	};
	int level[PICTURE_POINTS];
	unsigned missing = PICTURE_POINTS - p->points;

	brush_text(b, " %-10s %-30s%30s", "", "a minute ago", "now");
	brush_end(b);
	for (enum spark what = 0; what < SPARK_COUNT; what++) {
		for (unsigned i = 0; i < PICTURE_POINTS; i++)
			level[i] = i < missing ? BRUSH_BLANK : level_of(&p->point[i - missing], what);
		brush_text(b, " %-10s ", names[what]);
		brush_spark(b, level, PICTURE_POINTS);
		if (p->points)
			put_newest(p, b, what);
		brush_end(b);
	}
}

/* ---- the screen ---- */

enum part { PART_GROWERS, PART_CLIENTS, PART_EVENTS, PART_COUNT };

/* One row for each in turn, until all have what they want or nothing is left. */
static void share_out(unsigned rows, const unsigned wanted[PART_COUNT], unsigned ret_rows[PART_COUNT])
{
	bool is_given = true;

	memset(ret_rows, 0, PART_COUNT * sizeof(*ret_rows));
	while (is_given) {
		is_given = false;
		for (int i = 0; i < PART_COUNT && rows; i++)
			if (ret_rows[i] < wanted[i]) {
				ret_rows[i]++;
				rows--;
				is_given = true;
			}
	}
}

void picture_draw(const struct picture *p, struct brush *b)
{
	const unsigned wanted[PART_COUNT] = {
		p->growers ? p->growers : 1, p->clients ? p->clients : 1, p->events,
	};
	unsigned rows[PART_COUNT], left = brush_rows_left(b);

	share_out(left > FIXED_ROWS ? left - FIXED_ROWS : 0, wanted, rows);
	draw_domain(p, b);
	draw_minute(p, b);
	brush_end(b);
	picture_draw_growers(p, b, rows[PART_GROWERS]);
	picture_draw_outlook(p, b);
	picture_draw_clients(p, b, rows[PART_CLIENTS]);
	brush_end(b);
	picture_draw_events(p, b, rows[PART_EVENTS]);
}

void picture_line(const struct picture *p, struct brush *b)
{
	const struct domain_row *d = picture_nearest(p);
	char a[24], cut[CELL_MAX_BYTES];

	if (p->place[0])
		brush_text(b, "%s ", p->place);
	brush_text(b, "%s ", print_cut(d->stage, 9, cut));
	brush_text(b, "%s headroom %s (%.0f %%) ", print_cut(d->name, -16, cut),
		   print_bytes(b->c, d->headroom_bytes, a, sizeof(a)), picture_share(d) * 100);
	brush_time_left(b, d);
	if (p->growers)
		brush_text(b, ", %s grows %s/s", p->grower[0].name,
			   print_bytes(b->c, p->grower[0].bytes_per_s, a, sizeof(a)));
	brush_end(b);
}
