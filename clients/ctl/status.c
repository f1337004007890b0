/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "status.h"

#define ROWS_MAX	23u	/* of 24: the prompt needs one */
#define BECAUSE_ROWS	4u
#define OUTLOOK_ROWS	3u
#define DOMAIN_ROWS	5u
#define GROWER_ROWS	5u	/* the broker names no more, and the first of them explain most */
/* So many at least, however much else there is to say. */
#define GROWER_LEAST	3u
#define DOMAIN_LEAST	2u

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

/* Stage and headroom are known by then: they are said even if this fails, which says so itself. */
static void read_outlook(struct ctl *c, struct status_view *v)
{
	if (call_growers(c, "", v->grower, GROWERS_MAX, &v->growers) >= 0)
		(void)call_outlook(c, &v->outlook);
}

/* Last, so that the broker's own come first; and only while there is time for it. */
static void add_doctor(const struct ctl *c, struct status_view *v)
{
	if (!c->json && !c->nagios && !status_rank(v->stage) && v->warnings < WARNINGS_MAX)
		v->warnings += doctor_sentence(v->warning[v->warnings], sizeof(v->warning[0]));
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
		r = read_absent(c, v);
	if (r >= 0)
		r = read_last_episode(c, v);
	if (r >= 0)
		r = read_warnings(c, v);
	if (r >= 0)
		call_text_if_there(c, "Tripwire", v->tripwire, sizeof(v->tripwire));
	if (r >= 0 && !c->nagios)
		read_outlook(c, v);
	if (r >= 0)
		add_doctor(c, v);
	return r;
}

static const struct domain_row *nearest(const struct status_view *v)
{
	for (uint32_t i = 0; i < v->domains; i++)
		if (!strcmp(v->domain[i].name, v->nearest))
			return &v->domain[i];
	return &v->domain[0];
}

/* ---- for people ---- */

unsigned status_print_time_left(const struct ctl *c, const char *head, const struct domain_row *d)
{
	char time[TIME_LEFT_BYTES], sooner[64] = "", a[32];
	bool is_one;

	print_time_left(c, d, time, sizeof(time));
	if (d->guaranteed_us != NEVER_US)
		snprintf(sooner, sizeof(sooner), "never sooner than %s",
			 print_us(c, d->guaranteed_us, a, sizeof(a)));
	is_one = strlen(head) + strlen(time) + 2 + strlen(sooner) <= LINE_WIDTH;
	printf("%s%s", head, time);
	if (sooner[0] && is_one)
		printf("; %s", sooner);
	else if (sooner[0])
		printf("\n%*s%s", (int)strlen(head), "", sooner);
	putchar('\n');
	return sooner[0] && !is_one ? 2 : 1;
}

/* Less is what every machine does that reads files. */
#define STALLED_SHOWN	1000u

bool status_format_pressure(const struct domain_row *d, char *text, size_t size)
{
	if (d->some_permyriad == UINT32_MAX || d->full_permyriad == UINT32_MAX)
		return false;
	snprintf(text, size, "PSI some %.1f %%, full %.1f %% over 10 s", d->some_permyriad / 100.0,
		 d->full_permyriad / 100.0);
	if (d->stalled_permyriad >= STALLED_SHOWN)
		snprintf(text + strlen(text), size - strlen(text), "; stood still for %.0f %%",
			 d->stalled_permyriad / 100.0);
	return true;
}

/* That there is none is among the weak points. */
static bool has_tripwire(const struct status_view *v)
{
	return v->tripwire[0] && strncmp(v->tripwire, "off", 3);
}

/*
 * What must fit below: each part may take what is left beyond that. Together they leave room for
 * two rows of reasons on a screen of which every part is there; half of the least rows would hide
 * who grows, double would push out what is below.
 */
static unsigned below_domains(const struct status_view *v)
{
	return 3 + has_tripwire(v) + (v->last.number != 0) + (v->warnings + v->absents != 0);
}

static unsigned below_growers(const struct status_view *v)
{
	return 2 + (v->domains < DOMAIN_LEAST ? v->domains : DOMAIN_LEAST) + below_domains(v);
}

static unsigned below_outlook(const struct status_view *v)
{
	unsigned growers = v->growers < GROWER_LEAST ? v->growers : GROWER_LEAST;

	return (growers ? 1 + growers : 0) + below_growers(v);
}

static unsigned below_reason(const struct status_view *v)
{
	return (v->outlook.pid != 0) + (v->outlook.rivals != 0) + below_outlook(v);
}

static unsigned at_most(unsigned wanted, unsigned rows, unsigned below)
{
	unsigned room = rows > below ? rows - below : 0;

	return wanted < room ? wanted : room;
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
	uint32_t room = at_most(DOMAIN_ROWS, v->rows - 2, below_domains(v));
	uint32_t shown = v->domains <= room ? v->domains : room - 1;

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
			snprintf(text, sizeof(text), "%s%u%s: failsoftctl sources, --json", i ? "and " : "",
				 more + 1, i ? " more" : "");
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

static void print_tripwire(struct status_view *v)
{
	if (has_tripwire(v))
		v->rows -= print_wrapped("tripwire     ", v->tripwire, 1);
}

/* "limited by swap, falls by 5.0 MiB/s"; "" if an older broker tells neither. */
const char *status_format_limit(const struct ctl *c, const struct domain_row *d, char *text, size_t size)
{
	char rate[32];
	bool is_falling = d->rate > 0 && d->tte_us != NEVER_US;

	snprintf(text, size, "limited by %s%s%s%s", d->limited_by, is_falling ? ", falls by " : "",
		 is_falling ? print_bytes(c, (uint64_t)d->rate, rate, sizeof(rate)) : "",
		 is_falling ? "/s" : "");
	if (!d->limited_by[0])
		text[0] = 0;
	return text;
}

static void print_headroom(const struct ctl *c, struct status_view *v)
{
	const struct domain_row *d = nearest(v);
	char a[32], b[32], limit[96], text[192];

	status_format_limit(c, d, limit, sizeof(limit));
	snprintf(text, sizeof(text), "%s of %s%s%s", print_bytes(c, d->headroom_bytes, a, sizeof(a)),
		 print_bytes(c, d->limit_bytes, b, sizeof(b)), limit[0] ? ", " : "", limit);
	v->rows -= print_wrapped("headroom     ", text, 2);
}

static void print_nearest(struct ctl *c, struct status_view *v)
{
	const struct domain_row *d = nearest(v);
	char a[CELL_MAX_BYTES], pressure[64];

	printf("stage        %s%s%s\n", print_stage(c, v->stage), print_cut(v->stage, 9, a),
	       print_plain(c));
	printf("nearest      %s\n", print_cut(d->name, -60, a));
	v->rows = ROWS_MAX - 2;
	print_headroom(c, v);
	v->rows -= status_print_time_left(c, "exhausted    ", d);
	if (status_format_pressure(d, pressure, sizeof(pressure)))
		v->rows -= print_wrapped("pressure     ", pressure, 1);
	if (d->reason[0] && status_rank(v->stage))
		v->rows -= print_wrapped("because      ", d->reason,
					 at_most(BECAUSE_ROWS, v->rows, below_reason(v)));
}

/* Far from the cliff nobody is looked at, and there is nothing to show. */
static void print_growers(struct ctl *c, struct status_view *v)
{
	unsigned wanted = 1 + (v->growers < GROWER_ROWS ? v->growers : GROWER_ROWS);

	if (!v->growers)
		return;
	if (v->rows > wanted + below_growers(v)) {
		putchar('\n');
		v->rows--;
	}
	v->rows -= growers_print(c, v->grower, v->growers, at_most(wanted, v->rows, below_growers(v)));
}

static void print_people(struct ctl *c, struct status_view *v)
{
	print_nearest(c, v);
	v->rows -= growers_print_outlook(&v->outlook, at_most(OUTLOOK_ROWS, v->rows, below_outlook(v)));
	print_growers(c, v);
	print_domains(c, v);
	print_clients(c, v);
	print_tripwire(v);
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
