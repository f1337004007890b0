/* SPDX-License-Identifier: MIT */
/*
 * Picture: what `top`, `watch` and `replay --draw` show, and the screen that the first and the last
 * draw of it. Pure: live.c fills it from the bus, ../tape/draw.c from a recording. Times of
 * CLOCK_MONOTONIC; of the recorded machine where it is one. Texts are clean (print_clean).
 */
#pragma once

#include "brush.h"
#include "ctl.h"

#define PICTURE_POINTS	60u		/* one a second: the last minute */
#define PICTURE_EVENTS	24u
#define PICTURE_NOT_TOLD UINT32_MAX

/* The worst of a second, of the domain that was then nearest to exhaustion. */
struct picture_point {
	uint32_t headroom_permyriad;	/* of the limit */
	uint32_t some_permyriad, full_permyriad; /* PSI memory; or PICTURE_NOT_TOLD */
	uint64_t tte_us;		/* NEVER_US: not falling */
};

struct picture {
	uint64_t now_us;
	struct domain_row domain[DOMAINS_MAX];
	uint32_t domains, nearest;	/* nearest: which of them; see picture_step() */
	struct picture_point point[PICTURE_POINTS]; /* oldest first */
	unsigned points;
	uint64_t newest_second;		/* of the last of them */
	struct grower_row grower[GROWERS_MAX];
	uint32_t growers;
	struct outlook_row outlook;
	const struct client_row *client; /* borrowed */
	uint32_t clients;
	char event[PICTURE_EVENTS][200]; /* sentences, oldest first */
	unsigned events;
	char place[40];			/* in a recording: when and how fast; "": it is live */
	bool is_recorded;		/* whom the kernel would end is not known */
};

/* After time and domains were filled in: finds the nearest domain and keeps the point of now. */
void picture_step(struct picture *p);
void picture_add_event(struct picture *p, const char *sentence);

const struct domain_row *picture_nearest(const struct picture *p);
double picture_share(const struct domain_row *d);

/* The screen: at most as many rows as the brush has, useful from 80x24 on. */
void picture_draw(const struct picture *p, struct brush *b);
/* All of it in one row, where there is no terminal. */
void picture_line(const struct picture *p, struct brush *b);

/* Parts of it, in picture_rows.c. `rows`: so many at most besides the table's head. */
void picture_draw_growers(const struct picture *p, struct brush *b, unsigned rows);
void picture_draw_outlook(const struct picture *p, struct brush *b);
void picture_draw_clients(const struct picture *p, struct brush *b, unsigned rows);
void picture_draw_client(const struct picture *p, struct brush *b, const struct client_row *k);
void picture_draw_events(const struct picture *p, struct brush *b, unsigned rows);
