/* SPDX-License-Identifier: MIT */
#include "board.h"

#include <inttypes.h>
#include <string.h>

#include "glance.h"

#define FIRMWARES_SHOWN	6u
#define ALARMS_MIN	4u	/* rows that firmwares leave them */

/* ---- devices by stage ---- */

static void draw_face(struct brush *b, enum roster_face face, const struct glance *g)
{
	const bool is_stage = face <= ROSTER_SHUTDOWN;

	brush_text(b, "  ");
	brush_stage(b, is_stage ? roster_face_name(face) : NULL);
	brush_cell(b, roster_face_name(face), 10);
	brush_text(b, "%8" PRIu64 "  ", g->face[face]);
	brush_bar(b, g->devices ? (double)g->face[face] / (double)g->devices : 0, 40);
	brush_stage(b, NULL);
	brush_end(b);
}

static void draw_head(const struct board *board, const struct glance *g, struct brush *b)
{
	const struct roster_totals *t = roster_totals(board->roster);
	uint64_t refused = 0;

	for (unsigned i = INGEST_OK + 1; i < INGEST_REFUSAL_COUNT; i++)
		refused += t->refused[i];
	brush_text(b, " failsoft-fleet   %" PRIu64 " devices   %s %s", g->devices,
		   board->server ? board->server : "a file", board->server && !board->is_connected ?
		   "NOT CONNECTED" : "");
	brush_end(b);
	if (board->server && !board->is_connected) {
		brush_text(b, " %s", board->why);
		brush_end(b);
	}
	brush_text(b, " messages %" PRIu64 "   again %" PRIu64 "   refused %" PRIu64 "   silent %" PRIu64,
		   t->messages, t->duplicates, refused, g->silent);
	if (g->no_broker)
		brush_text(b, "   NO failsoftd %" PRIu64, g->no_broker);
	if (g->conflicts)
		brush_text(b, "   TWO WITH ONE NAME %" PRIu64, g->conflicts);
	brush_end(b);
	brush_end(b);
	for (unsigned face = 0; face < ROSTER_FACE_COUNT; face++)
		if (face <= ROSTER_OFFLINE || g->face[face])
			draw_face(b, face, g);
}

/* ---- firmwares: those with the most near misses per day first ---- */

static double rank(const struct group *g)
{
	return glance_rate(g->counts.near_misses + g->counts.missed_deadlines + g->counts.resets,
			   g->counts.observed_s);
}

static bool is_before(const struct group *a, const struct group *b)
{
	if (rank(a) > rank(b) || rank(a) < rank(b))
		return rank(a) > rank(b);
	return a->devices > b->devices;
}

static unsigned pick(const struct groups *groups, const struct group *ret[FIRMWARES_SHOWN])
{
	unsigned count = 0;

	for (uint32_t i = 0; i <= GROUPS_MAX; i++) {
		const struct group *g = &groups->group[i];
		unsigned at = count;

		if (!g->fleet[0])
			continue;
		while (at > 0 && is_before(g, ret[at - 1])) {
			if (at < FIRMWARES_SHOWN)
				ret[at] = ret[at - 1];
			at--;
		}
		if (at < FIRMWARES_SHOWN)
			ret[at] = g;
		count += count < FIRMWARES_SHOWN;
	}
	return count;
}

static void draw_firmware(const struct group *g, struct brush *b)
{
	char name[CELL_MAX_BYTES];

	snprintf(name, sizeof(name), "%.64s %.*s", g->fleet, (int)sizeof(name) - 70, g->firmware);
	brush_text(b, "  ");
	brush_cell(b, name, 28);
	brush_text(b, "%7" PRIu64 " %6" PRIu64 " %6.2f %6" PRIu64 " %6" PRIu64 " %6" PRIu64, g->devices,
		   g->counts.near_misses, glance_rate(g->counts.near_misses, g->counts.observed_s),
		   g->counts.missed_deadlines, g->counts.oom_kills, g->counts.resets);
	brush_end(b);
}

static void draw_firmwares(const struct board *board, struct brush *b)
{
	const struct group *shown[FIRMWARES_SHOWN];
	unsigned count = pick(roster_groups(board->roster), shown);

	brush_end(b);
	brush_text(b, "  fleet, firmware             devices  near-m  /day missed oom-k. resets");
	brush_end(b);
	for (unsigned i = 0; i < count && brush_rows_left(b) > ALARMS_MIN; i++)
		draw_firmware(shown[i], b);
}

/* ---- alarms, the worst first ---- */

static void draw_alarm(const struct board *board, const struct roster_device *d, enum topic_alarm kind,
		       struct brush *b)
{
	const struct roster_alarm *a = &d->alarm[kind];
	char name[2 * TOPIC_NAME_MAX], since[24];
	int64_t age_s = board->now->real_s - a->since_s;

	snprintf(name, sizeof(name), "%s/%s", d->fleet, d->device);
	brush_text(b, "  ");
	brush_stage(b, kind <= TOPIC_ALARM_SHUTDOWN ? topic_alarm_name(kind) : "imminent");
	brush_cell(b, topic_alarm_name(kind), 12);
	brush_stage(b, NULL);
	brush_cell(b, name, -26);
	brush_text(b, " %10s  %s",
		   print_us(b->c, age_s > 0 ? (uint64_t)age_s * 1000000 : 0, since, sizeof(since)),
		   a->text ? a->text : "");
	brush_end(b);
}

static void draw_alarms(const struct board *board, const struct glance *g, struct brush *b)
{
	static const enum topic_alarm order[TOPIC_ALARM_COUNT] = {
		TOPIC_ALARM_SHUTDOWN, TOPIC_ALARM_OOM_KILL, TOPIC_ALARM_IMMINENT,
		TOPIC_ALARM_BROKER_LOST};
	uint64_t left = g->alarms;

	brush_end(b);
	brush_text(b, " %" PRIu64 " alarm%s now", g->alarms, g->alarms == 1 ? "" : "s");
	brush_end(b);
	for (unsigned k = 0; k < TOPIC_ALARM_COUNT; k++)
		for (uint32_t i = 0; i < roster_count(board->roster) && left; i++) {
			const struct roster_device *d = roster_at(board->roster, i);

			if (!d->alarm[order[k]].is_raised)
				continue;
			if (brush_rows_left(b) < 2 && left > 1) {
				brush_text(b, "  ... and %" PRIu64 " more", left);
				brush_end(b);
				return;
			}
			draw_alarm(board, d, order[k], b);
			left--;
		}
}

void board_draw(const struct board *board, struct brush *b)
{
	struct glance g = glance_at(board->roster, NULL);

	draw_head(board, &g, b);
	draw_firmwares(board, b);
	draw_alarms(board, &g, b);
}
