/* SPDX-License-Identifier: MIT */
#include "draw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../ctl/picture.h"
#include "../ctl/terminal.h"
#include "base/clock.h"
#include "judge/rival.h"

#define PERIOD_MS	200

struct draw {
	struct ctl *c;
	struct player *player;
	struct picture picture;
	struct client_row client[PLAYER_CLIENTS];
	struct rival_state rival[RIVAL_COUNT];
	enum rival_word word[RIVAL_COUNT];
	enum stage_word stage[CORE_DOMAINS_MAX]; /* as last shown */
	uint64_t event;			/* number of the newest that is in the picture */
	bool is_ready;
	uint64_t begun_us;		/* when we began, by our own clock */
	struct terminal terminal;
};

/* ---- from the core's structs to rows, as the broker's bus has them ---- */

static void fill_domain(struct domain_row *row, const struct core_domain *d)
{
	const struct estimate *e = &d->estimate;

	memset(row, 0, sizeof(*row));
	print_clean(row->name, sizeof(row->name), d->name);
	snprintf(row->stage, sizeof(row->stage), "%s", stage_name(d->stage.now));
	snprintf(row->limited_by, sizeof(row->limited_by), "%s",
		 estimate_limit_name((enum estimate_limit)e->limit));
	row->headroom_bytes = e->headroom_bytes;
	row->limit_bytes = e->total_bytes;
	row->tte_us = e->tte_us;
	row->tte_low_us = e->tte_low_us;
	row->tte_early_us = e->tte_us == NEVER_US ? NEVER_US : e->tte_early_us;
	row->tte_late_us = e->tte_us == NEVER_US ? NEVER_US : e->tte_late_us;
	row->guaranteed_us = e->guaranteed_us;
	row->rate = e->fall_bytes_per_s;
	row->some_permyriad = d->has_pressure ? d->memory_some_permyriad : PICTURE_NOT_TOLD;
	row->full_permyriad = d->has_pressure ? d->memory_full_permyriad : PICTURE_NOT_TOLD;
}

static void fill_domains(struct draw *w)
{
	const struct core *core = &w->player->core;
	struct picture *p = &w->picture;

	p->domains = 0;
	for (uint32_t i = 0; i < CORE_DOMAINS_MAX; i++)
		if (core->domain[i].used)
			fill_domain(&p->domain[p->domains++], &core->domain[i]);
	p->now_us = w->player->replay.now_us;
	picture_step(p);
}

static void fill_growers(struct draw *w)
{
	static const char *const kinds[GROWER_KIND_COUNT] = {
		[GROWER_NONE] = "none", [GROWER_PROCESS] = "process", [GROWER_TREE] = "tree",
		[GROWER_NAMESAKES] = "namesakes", [GROWER_POOL] = "pool",
	};
	const struct core *core = &w->player->core;
	const struct core_domain *d = &core->domain[core_worst_domain(core)];
	struct picture *p = &w->picture;

	p->growers = 0;
	for (uint32_t i = 0; i < d->growers_count && d->growers_us + 3 * US_PER_S > p->now_us; i++) {
		const struct grower *g = &d->growers[i];
		struct grower_row *row = &p->grower[p->growers++];

		*row = (struct grower_row){
			.pid = (uint32_t)g->pid, .processes = g->processes, .bytes = g->bytes,
			.share_permyriad = g->share_permyriad, .since_bytes = g->since_bytes,
			.bytes_per_s = g->bytes_per_s,
		};
		snprintf(row->kind, sizeof(row->kind), "%s", kinds[g->kind]);
		print_clean(row->name, sizeof(row->name), g->name);
	}
}

static void fill_client(struct client_row *row, const struct session *s)
{
	const enum session_step steps[] = { STEP_FLUSH, STEP_DEGRADE, STEP_SHUTDOWN, STEP_RESUME };
	const struct session_request *request = &s->request;

	*row = (struct client_row){
		.id = s->id, .pid = (uint32_t)s->offer.pid, .exposure_bytes = s->exposure_bytes,
		.deadline_us = request->deadline_us,
	};
	for (int i = 0; i < 4; i++)
		row->granted_us[i] = s->offer.budget_us[steps[i]];
	print_clean(row->name, sizeof(row->name), s->offer.name);
	snprintf(row->state, sizeof(row->state), "%s",
		 request->sequence ? session_step_name(request->step) : "idle");
	snprintf(row->result, sizeof(row->result), "%s", session_result_name(s->last_result));
}

static void fill_clients(struct draw *w)
{
	struct session_table *t = &w->player->core.sessions;
	struct picture *p = &w->picture;

	p->clients = 0;
	for (struct session *s = session_next(t, NULL); s && p->clients < PLAYER_CLIENTS;
	     s = session_next(t, s))
		fill_client(&w->client[p->clients++], s);
}

/* Nobody knows which of them ran on the recorded machine: it is the rules that speak. RIVAL_POLL is the
 * last, and no daemon. */
static void fill_rivals(struct draw *w)
{
	static const char *const words[] = { [RIVAL_CALM] = "nothing", [RIVAL_WARNS] = "warn",
					     [RIVAL_ACTS] = "end a program" };
	struct outlook_row *o = &w->picture.outlook;

	o->rivals = 0;
	for (int i = 0; i < RIVAL_POLL; i++) {
		struct rival_row *row = &o->rival[o->rivals++];

		snprintf(row->name, sizeof(row->name), "%s", rival_name((enum rival)i));
		snprintf(row->word, sizeof(row->word), "%s", words[w->word[i]]);
	}
}

static void fill_events(struct draw *w)
{
	const struct event *e;
	char sentence[600];
	uint64_t lost;

	while ((e = record_next(&w->player->core.record, &w->event, &lost))) {
		event_sentence(e, sentence, sizeof(sentence));
		picture_add_event(&w->picture, sentence);
	}
}

static void fill(struct draw *w)
{
	double at_s = (double)(w->player->replay.now_us - w->player->first_us) / 1e6;

	fill_growers(w);
	fill_clients(w);
	fill_rivals(w);
	fill_events(w);
	w->picture.is_recorded = true;
	if (w->terminal.is_real)
		snprintf(w->picture.place, sizeof(w->picture.place), "+%.1f s, speed %g", at_s, w->c->speed);
	else
		snprintf(w->picture.place, sizeof(w->picture.place), "%+.3f s", at_s);
}

/* ---- playing ---- */

static bool is_stage_changed(struct draw *w)
{
	bool is_changed = false;

	for (uint32_t i = 0; i < CORE_DOMAINS_MAX; i++) {
		enum stage_word now = w->player->core.domain[i].stage.now;

		is_changed |= now != w->stage[i];
		w->stage[i] = now;
	}
	return is_changed;
}

static void take_record(struct draw *w)
{
	struct player *p = w->player;

	if (!w->is_ready)
		w->event = p->core.record.last; /* what was before is not in here */
	w->is_ready = p->replay.is_ready;
	if (!w->is_ready || p->kind != CORE_TAPE_SAMPLE)
		return;
	for (int i = 0; i < RIVAL_COUNT; i++)
		w->word[i] = rival_step(&w->rival[i], (enum rival)i, &p->record.sample);
	fill_domains(w);
}

enum next { NEXT_LATER, NEXT_STAGE, NEXT_END };

/* Up to the moment that is due; a stage that lasts for less than a look is seen, too. */
static enum next advance(struct draw *w)
{
	struct player *p = w->player;
	double passed_us = (double)(clock_now_us() - w->begun_us) * w->c->speed;

	while (!w->picture.domains || (double)(p->replay.now_us - p->first_us) < passed_us) {
		if (!player_next(p))
			return NEXT_END;
		take_record(w);
		if (w->picture.domains && is_stage_changed(w))
			return NEXT_STAGE;
	}
	return NEXT_LATER;
}

static void show(struct draw *w)
{
	struct terminal *t = &w->terminal;
	struct brush b;

	if (t->is_real) {
		b = brush_begin(w->c, terminal_page(t), LINE_WIDTH, terminal_rows(t));
		picture_draw(&w->picture, &b);
		terminal_show(t);
	} else {
		b = brush_begin(w->c, stdout, PIPE_WIDTH, 1);
		picture_line(&w->picture, &b);
		fflush(stdout);
	}
}

static int play(struct draw *w)
{
	enum next next;

	w->begun_us = clock_now_us();
	for (long i = 0; !w->c->count || i < w->c->count; i++) {
		next = advance(w);
		if (w->picture.domains) {
			fill(w);
			show(w);
		}
		if (next == NEXT_END)
			return 1;
		if (next == NEXT_LATER && w->c->count != i + 1 &&
		    !terminal_wait(&w->terminal, PERIOD_MS))
			break;
	}
	return 0;
}

int draw_recording(struct ctl *c, struct player *p)
{
	struct draw *w = calloc(1, sizeof(*w));
	int r = w ? terminal_open(&w->terminal) : -ENOMEM;

	if (r < 0) {
		free(w);
		return r;
	}
	w->c = c;
	w->player = p;
	w->picture.client = w->client;
	for (int i = 0; i < RIVAL_COUNT; i++)
		rival_init(&w->rival[i]);
	r = play(w);
	terminal_close(&w->terminal);
	free(w);
	return r;
}
