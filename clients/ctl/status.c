/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

#define WARNINGS_MAX	16u
#define ABSENT_MAX	16u
#define ROWS_MAX	23u	/* of 24: the prompt needs one */

struct view {
	struct domain_row domain[DOMAINS_MAX];
	struct client_row *client;
	uint32_t domains, clients;
	char stage[16], nearest[DOMAIN_MAX_BYTES], version[32];
	char warning[WARNINGS_MAX][300];
	uint32_t warnings;
	struct source_row absent[ABSENT_MAX];
	uint32_t absents;
	struct episode_row last;
	unsigned rows;			/* left on the screen */
};

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

static int read_warnings(struct ctl *c, struct view *v)
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

static int read_absent(struct ctl *c, struct view *v)
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
static int read_last_episode(struct ctl *c, struct view *v)
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

static int read_view(struct ctl *c, struct view *v)
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
	return r < 0 ? r : read_warnings(c, v);
}

static const struct domain_row *nearest(const struct view *v)
{
	for (uint32_t i = 0; i < v->domains; i++)
		if (!strcmp(v->domain[i].name, v->nearest))
			return &v->domain[i];
	return &v->domain[0];
}

/* ---- for people ---- */

void status_print_time_left(struct ctl *c, const struct domain_row *d)
{
	char a[32], b[32];

	if (d->tte_low_us == NEVER_US)
		printf("not falling");
	else if (d->tte_us == NEVER_US)
		printf("at worst in %s", print_us(c, d->tte_low_us, b, sizeof(b)));
	else
		printf("in %s (at worst %s)", print_us(c, d->tte_us, a, sizeof(a)),
		       print_us(c, d->tte_low_us, b, sizeof(b)));
	if (d->guaranteed_us != NEVER_US)
		printf("; never sooner than %s", print_us(c, d->guaranteed_us, a, sizeof(a)));
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

static void print_domains(struct ctl *c, struct view *v)
{
	uint32_t shown = v->domains > 5 ? 4 : v->domains;

	printf("\n%-24s %-9s %9s %9s %11s %11s\n", "DOMAIN", "STAGE", "HEADROOM", "LIMIT",
	       "AT WORST IN", "LEAD NEEDED");
	for (uint32_t i = 0; i < shown; i++)
		print_domain(c, &v->domain[i]);
	if (v->domains > shown)
		printf("... and %u more: failsoftctl domains\n", v->domains - shown);
	v->rows -= 2 + shown + (v->domains > shown);
}

static void print_clients(struct ctl *c, struct view *v)
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
static void print_weak_points(struct view *v)
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

static void print_last_episode(struct view *v)
{
	const struct episode_row *e = &v->last;
	char text[512];

	if (!e->number)
		return;
	snprintf(text, sizeof(text), "%" PRIu64 ", up to %s, %s, in %s", e->number, e->stage,
		 e->outcome, e->domain);
	v->rows -= print_wrapped("last episode ", text, 1);
}

static void print_people(struct ctl *c, struct view *v)
{
	const struct domain_row *d = nearest(v);
	char a[CELL_MAX_BYTES], b[32];

	printf("stage        %s%s%s\n", print_stage(c, v->stage), print_cut(v->stage, 9, a),
	       print_plain(c));
	printf("nearest      %s\n", print_cut(d->name, -60, a));
	printf("headroom     %s of %s\n", print_bytes(c, d->headroom_bytes, a, sizeof(a)),
	       print_bytes(c, d->limit_bytes, b, sizeof(b)));
	printf("exhausted    ");
	status_print_time_left(c, d);
	putchar('\n');
	v->rows = ROWS_MAX - 4;
	if (d->reason[0] && status_rank(v->stage))
		v->rows -= print_wrapped("because      ", d->reason, 4);
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

static void print_nagios(struct ctl *c, const struct view *v)
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

/* ---- for programs ---- */

static void put_time(struct json_object *o, const char *key, uint64_t us)
{
	/* null: not falling */
	json_object_object_add(o, key, us == NEVER_US ? NULL : json_object_new_uint64(us));
}

static struct json_object *domain_json(const struct domain_row *d)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(d->name));
	json_object_object_add(o, "stage", json_object_new_string(d->stage));
	json_object_object_add(o, "headroom_bytes", json_object_new_uint64(d->headroom_bytes));
	json_object_object_add(o, "limit_bytes", json_object_new_uint64(d->limit_bytes));
	put_time(o, "exhaustion_us", d->tte_us);
	put_time(o, "exhaustion_low_us", d->tte_low_us);
	put_time(o, "guaranteed_us", d->guaranteed_us);
	json_object_object_add(o, "lead_warning_us", json_object_new_uint64(d->lead_us[0]));
	json_object_object_add(o, "lead_imminent_us", json_object_new_uint64(d->lead_us[1]));
	json_object_object_add(o, "lead_shutdown_us", json_object_new_uint64(d->lead_us[2]));
	json_object_object_add(o, "episode", json_object_new_uint64(d->episode));
	json_object_object_add(o, "clients", json_object_new_uint64(d->clients));
	json_object_object_add(o, "reason", json_object_new_string(d->reason));
	return o;
}

static struct json_object *last_episode_json(const struct episode_row *e)
{
	struct json_object *o = e->number ? json_object_new_object() : NULL;

	if (!o)
		return NULL;
	json_object_object_add(o, "episode", json_object_new_uint64(e->number));
	json_object_object_add(o, "domain", json_object_new_string(e->domain));
	json_object_object_add(o, "highest_stage", json_object_new_string(e->stage));
	json_object_object_add(o, "outcome", json_object_new_string(e->outcome));
	return o;
}

static struct json_object *absent_json(const struct view *v)
{
	struct json_object *list = json_object_new_array();

	for (uint32_t i = 0; i < v->absents; i++) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "name", json_object_new_string(v->absent[i].name));
		json_object_object_add(o, "remedy", json_object_new_string(v->absent[i].remedy));
		json_object_array_add(list, o);
	}
	return list;
}

static void print_json(const struct view *v)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	struct json_object *warnings = json_object_new_array();

	json_object_object_add(o, "stage", json_object_new_string(v->stage));
	json_object_object_add(o, "nearest", json_object_new_string(v->nearest));
	json_object_object_add(o, "version", json_object_new_string(v->version));
	json_object_object_add(o, "clients", json_object_new_uint64(v->clients));
	for (uint32_t i = 0; i < v->domains; i++)
		json_object_array_add(list, domain_json(&v->domain[i]));
	json_object_object_add(o, "domains", list);
	for (uint32_t i = 0; i < v->warnings; i++)
		json_object_array_add(warnings, json_object_new_string(v->warning[i]));
	json_object_object_add(o, "warnings", warnings);
	json_object_object_add(o, "absent_sources", absent_json(v));
	json_object_object_add(o, "last_episode", last_episode_json(&v->last));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

int status_unknown(struct ctl *c)
{
	if (c->nagios)
		puts("FAILSOFT UNKNOWN - failsoftd does not answer");
	return EXIT_UNKNOWN;
}

static int print_view(struct ctl *c, struct view *v)
{
	if (!v->domains) {
		fputs("failsoftctl: the broker watches no domain; see failsoftctl sources\n",
		      stderr);
		return status_unknown(c);
	}
	if (c->json)
		print_json(v);
	else if (c->nagios)
		print_nagios(c, v);
	else
		print_people(c, v);
	return exit_code(v->stage);
}

int status_verb(struct ctl *c)
{
	struct view *v = calloc(1, sizeof(*v));
	int code = v && read_view(c, v) >= 0 ? print_view(c, v) : status_unknown(c);

	if (v)
		free(v->client);
	free(v);
	return code;
}
