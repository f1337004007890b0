/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "brush.h"
#include "status.h"

#define ROWS_MAX	23u	/* of 24: the prompt needs one */
#define GROWERS_SHOWN	2u
#define HEAD_WIDTH	13u


int status_rank(const char *stage)
{
	static const char *const names[] = { "normal", "warning", "imminent", "shutdown" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(stage, names[i]))
			return i;
	return -1;
}

static int exit_code(const char *stage)
{
	static const int codes[] = { EXIT_OK, EXIT_WARNING, EXIT_CRITICAL, EXIT_CRITICAL };

	return status_rank(stage) < 0 ? EXIT_UNKNOWN : codes[status_rank(stage)];
}

static int read_warnings(struct ctl *c, struct status_view *v)
{
	sd_bus_message *reply = NULL;
	const char *text;
	int r = call_property(c, "Warnings", &reply);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'v', "as");
	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "s");
	while (r >= 0 && v->warnings < WARNINGS_MAX && (r = sd_bus_message_read(reply, "s", &text)) > 0)
		print_clean(v->warning[v->warnings++], sizeof(v->warning[0]), text);
	sd_bus_message_unref(reply);
	return r;
}

static int read_absent(struct ctl *c, struct status_view *v)
{
	sd_bus_message *reply = NULL;
	int r = call_method(c, &reply, "ListSources", NULL);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(ssss)");
	while (r >= 0 && v->absents < ABSENT_MAX &&
	       (r = call_next_source(reply, &v->absent[v->absents])) > 0)
		v->absents += strcmp(v->absent[v->absents].state, "ok") != 0;
	sd_bus_message_unref(reply);
	return r;
}

/* The newest is the last one. */
static int read_last_episode(struct ctl *c, struct status_view *v)
{
	sd_bus_message *reply = NULL;
	int r = call_method(c, &reply, "ListEpisodes", NULL);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(tsstts)");
	while (r >= 0 && (r = call_next_episode(reply, &v->last)) > 0)
		continue;
	sd_bus_message_unref(reply);
	return r;
}

static int read_view(struct ctl *c, struct status_view *v)
{
	int r;

	v->client = calloc(CLIENTS_MAX, sizeof(*v->client));
	if (!v->client)
		return -1;
	r = call_text(c, "Stage", v->stage, sizeof(v->stage));
	if (r >= 0)
		r = call_text(c, "Domain", v->nearest, sizeof(v->nearest));
	if (r >= 0)
		r = call_text(c, "Version", v->version, sizeof(v->version));
	if (r >= 0)
		r = call_domains(c, v->domain, DOMAINS_MAX, &v->domains);
	if (r >= 0)
		r = call_clients(c, v->client, CLIENTS_MAX, &v->clients);
	if (r >= 0)
		r = call_growers(c, "", v->grower, STATUS_GROWERS_MAX, &v->growers);
	if (r >= 0)
		r = call_outlook(c, &v->outlook);
	if (r >= 0)
		r = read_absent(c, v);
	if (r >= 0)
		r = read_last_episode(c, v);
	return r < 0 ? r : read_warnings(c, v);
}

static const struct domain_row *nearest(const struct status_view *v)
{
	for (uint32_t i = 0; i < v->domains; i++)
		if (!strcmp(v->domain[i].name, v->nearest))
			return &v->domain[i];
	return &v->domain[0];
}

/* ---- for people ---- */

void status_print_time_left(struct ctl *c, const struct domain_row *d)
{
	struct brush b = brush_begin(c, stdout, LINE_WIDTH - HEAD_WIDTH, 1);
	char a[32];

	brush_time_left(&b, d);
	if (d->guaranteed_us != NEVER_US)
		brush_text(&b, "; never sooner than %s", print_us(c, d->guaranteed_us, a, sizeof(a)));
	brush_end(&b);
}

static void print_domain(struct ctl *c, const struct domain_row *d)
{
	char a[32], b[32], time[32], lead[32], name[CELL_MAX_BYTES], stage[CELL_MAX_BYTES];

	printf("%s %s%s%s %9s %9s %11s %11s\n", print_cell(d->name, -24, name),
	       print_stage(c, d->stage), print_cell(d->stage, 9, stage), print_plain(c),
	       print_bytes(c, d->headroom_bytes, a, sizeof(a)),
	       print_bytes(c, d->limit_bytes, b, sizeof(b)),
	       print_us(c, d->tte_low_us, time, sizeof(time)),
	       print_us(c, d->lead_us[0], lead, sizeof(lead)));
}

static void print_domains(struct ctl *c, struct status_view *v)
{
	uint32_t shown = v->domains > 4 ? 3 : v->domains;

	printf("\n%-24s %-9s %9s %9s %11s %11s\n", "DOMAIN", "STAGE", "HEADROOM", "LIMIT",
	       "AT WORST IN", "LEAD NEEDED");
	for (uint32_t i = 0; i < shown; i++)
		print_domain(c, &v->domain[i]);
	if (v->domains > shown)
		printf("... and %u more: failsoftctl domains\n", v->domains - shown);
	v->rows -= 2 + shown + (v->domains > shown);
}

static void print_clients(struct ctl *c, struct status_view *v)
{
	uint32_t asked = 0, missed = 0;
	uint64_t exposed = 0;
	char a[32];

	for (uint32_t i = 0; i < v->clients; i++) {
		asked += strcmp(v->client[i].state, "idle") != 0;
		missed += !strcmp(v->client[i].result, "missed");
		exposed += v->client[i].exposure_bytes;
	}
	printf("\nclients      %u registered, %u being asked, %u missed their last deadline\n",
	       v->clients, asked, missed);
	printf("exposed      %s would be lost if all ended now\n",
	       print_bytes(c, exposed, a, sizeof(a)));
	v->rows -= 3;
}

/* The rows that are left, shared out: the broker's own sentences in full where there is room, then one
 * row for each absent source. */
static void print_weak_points(struct status_view *v)
{
	const char *head = "weak points  ";
	char text[512];

	for (uint32_t i = 0; i < v->warnings + v->absents && v->rows; i++) {
		uint32_t more = v->warnings + v->absents - i - 1;
		uint32_t after = i < v->warnings ? v->warnings - i - 1 + (v->absents > 0) : more;
		uint32_t rest = after < v->rows ? after : v->rows - 1;
		const struct source_row *s = &v->absent[i < v->warnings ? 0 : i - v->warnings];

		if (i < v->warnings)
			snprintf(text, sizeof(text), "%s", v->warning[i]);
		else
			snprintf(text, sizeof(text), "no %s; to add it: %s", s->name, s->remedy);
		if (v->rows == 1 && more)
			snprintf(text, sizeof(text), "and %u more: failsoftctl sources, --json",
				 more + 1);
		v->rows -= print_wrapped(head, text, v->rows - rest);
		head = "             ";
	}
}

static void print_last_episode(struct status_view *v)
{
	const struct episode_row *e = &v->last;
	char text[512];

	if (!e->number)
		return;
	snprintf(text, sizeof(text), "%" PRIu64 ", up to %s, %s, in %s", e->number, e->stage,
		 e->outcome, e->domain);
	v->rows -= print_wrapped("last episode ", text, 1);
}

static void print_headroom(struct ctl *c, const struct domain_row *d)
{
	char a[32], b[32];

	printf("headroom     %s of %s", print_bytes(c, d->headroom_bytes, a, sizeof(a)),
	       print_bytes(c, d->limit_bytes, b, sizeof(b)));
	if (d->limited_by[0])
		printf(", limited by %s", d->limited_by);
	if (d->some_permyriad != UINT32_MAX)
		printf("; PSI some %.1f %%, full %.1f %%", d->some_permyriad / 100.0,
		       d->full_permyriad / 100.0);
	putchar('\n');
}

static void print_growers(struct ctl *c, struct status_view *v)
{
	const char *head = "grows        ";
	char text[256], what[40], rate[32], holds[32];

	for (uint32_t i = 0; i < v->growers && i < GROWERS_SHOWN; i++) {
		const struct grower_row *g = &v->grower[i];

		if (!g->pid)
			snprintf(what, sizeof(what), "in no process");
		else if (g->processes > 1)
			snprintf(what, sizeof(what), "pid %u and %u more", g->pid, g->processes - 1);
		else
			snprintf(what, sizeof(what), "pid %u", g->pid);
		snprintf(text, sizeof(text), "%s (%s): %s/s, %u %%, holds %s", g->name, what,
			 print_bytes(c, g->bytes_per_s, rate, sizeof(rate)), g->share_permyriad / 100,
			 print_bytes(c, g->bytes, holds, sizeof(holds)));
		v->rows -= print_wrapped(head, text, 1);
		head = "             ";
	}
}

/* What would happen now without us. */
static void print_outlook(struct status_view *v)
{
	const struct outlook_row *o = &v->outlook;
	char text[512];
	size_t used = 0;

	if (o->pid) {
		snprintf(text, sizeof(text), "would end %s (pid %u) now, its oom_score is %u", o->name,
			 o->pid, o->score);
		v->rows -= print_wrapped("the kernel   ", text, 1);
	}
	for (uint32_t i = 0; i < o->rivals && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s: %s", i ? "; " : "",
					 o->rival[i].name, o->rival[i].word);
	if (o->rivals)
		v->rows -= print_wrapped("others would ", text, 1);
}

static void print_people(struct ctl *c, struct status_view *v)
{
	const struct domain_row *d = nearest(v);
	char a[CELL_MAX_BYTES];

	printf("stage        %s%s%s\n", print_stage(c, v->stage), print_cut(v->stage, 9, a),
	       print_plain(c));
	printf("nearest      %s\n", print_cut(d->name, -60, a));
	print_headroom(c, d);
	printf("exhausted    ");
	status_print_time_left(c, d);
	v->rows = ROWS_MAX - 4;
	if (d->reason[0] && status_rank(v->stage))
		v->rows -= print_wrapped("because      ", d->reason, 3);
	print_growers(c, v);
	print_outlook(v);
	print_domains(c, v);
	print_clients(c, v);
	print_last_episode(v);
	print_weak_points(v);
}

/* One would begin the figures. */
static void without_bars(char *text)
{
	while ((text = strchr(text, '|')))
		*text = '_';
}

static void print_nagios(struct ctl *c, const struct status_view *v)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL", "CRITICAL" };
	const struct domain_row *d = nearest(v);
	int rank = status_rank(v->stage);
	char a[32], name[CELL_MAX_BYTES], stage[CELL_MAX_BYTES];

	print_cut(v->stage, 15, stage);
	print_cut(d->name, -64, name);
	without_bars(stage);
	without_bars(name);
	printf("FAILSOFT %s - stage %s, headroom %s in %.64s | headroom=%" PRIu64 "B;;;0;%" PRIu64
	       " clients=%u\n", rank < 0 ? "UNKNOWN" : words[rank], stage,
	       print_bytes(c, d->headroom_bytes, a, sizeof(a)), name, d->headroom_bytes,
	       d->limit_bytes, v->clients);
}

int status_unknown(struct ctl *c)
{
	if (c->nagios)
		puts("FAILSOFT UNKNOWN - failsoftd does not answer");
	return EXIT_UNKNOWN;
}

static int print_view(struct ctl *c, struct status_view *v)
{
	if (!v->domains) {
		fputs("failsoftctl: the broker watches no domain; see failsoftctl sources\n",
		      stderr);
		return status_unknown(c);
	}
	if (c->json)
		status_print_json(v);
	else if (c->nagios)
		print_nagios(c, v);
	else
		print_people(c, v);
	return exit_code(v->stage);
}

int status_verb(struct ctl *c)
{
	struct status_view *v = calloc(1, sizeof(*v));
	int code = v && read_view(c, v) >= 0 ? print_view(c, v) : status_unknown(c);

	if (v)
		free(v->client);
	free(v);
	return code;
}
