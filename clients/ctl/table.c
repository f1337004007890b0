/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "status.h"

static void put_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void put_u64(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void print_json_line(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

/* ---- clients ---- */

static void client_json(const struct client_row *k)
{
	static const char *const steps[] = { "flush", "degrade", "shutdown", "resume" };
	struct json_object *o = json_object_new_object();
	char key[32];

	put_u64(o, "id", k->id);
	put_text(o, "name", k->name);
	put_u64(o, "pid", k->pid);
	put_u64(o, "uid", k->uid);
	put_u64(o, "order_group", k->group);
	put_text(o, "domains", k->domains);
	put_text(o, "state", k->state);
	put_text(o, "last_result", k->result);
	put_u64(o, "exposure_bytes", k->exposure_bytes);
	put_u64(o, "freeable_bytes", k->freeable_bytes);
	for (int i = 0; i < 4; i++) {
		snprintf(key, sizeof(key), "%s_us", steps[i]);
		put_u64(o, key, k->granted_us[i]);
		snprintf(key, sizeof(key), "worst_%s_us", steps[i]);
		put_u64(o, key, k->worst_us[i]);
	}
	json_object_object_add(o, "shielded", json_object_new_boolean(k->shielded));
	json_object_object_add(o, "may_be_ended", json_object_new_boolean(k->may_be_ended));
	print_json_line(o);
}

static void client_line(struct ctl *c, const struct client_row *k)
{
	char exposed[24], freeable[24], worst[24];
	char name[CELL_MAX_BYTES], state[CELL_MAX_BYTES], result[CELL_MAX_BYTES];
	uint64_t slowest = 0;

	for (int i = 0; i < 4; i++)
		slowest = k->worst_us[i] > slowest ? k->worst_us[i] : slowest;
	printf("%s %7u %5u %s %s %9s %9s %7s\n", print_cell(k->name, 16, name), k->pid, k->group,
	       print_cell(k->state, 9, state), print_cell(k->result, 10, result),
	       print_bytes(c, k->exposure_bytes, exposed, sizeof(exposed)),
	       print_bytes(c, k->freeable_bytes, freeable, sizeof(freeable)),
	       slowest ? print_us(c, slowest, worst, sizeof(worst)) : "-");
}

int clients_verb(struct ctl *c)
{
	struct client_row *rows = calloc(CLIENTS_MAX, sizeof(*rows));
	uint32_t count = 0;
	int r = rows ? call_clients(c, rows, CLIENTS_MAX, &count) : -ENOMEM;

	if (r >= 0 && !c->json)
		printf("%-16s %7s %5s %-9s %-10s %9s %9s %7s\n", "NAME", "PID", "GROUP", "STATE",
		       "LAST", "EXPOSED", "FREEABLE", "SLOWEST");
	for (uint32_t i = 0; r >= 0 && i < count; i++) {
		if (c->json)
			client_json(&rows[i]);
		else
			client_line(c, &rows[i]);
	}
	free(rows);
	return r < 0 ? EXIT_UNKNOWN : EXIT_OK;
}

/* ---- domains ---- */

static void domain_limit_line(const struct ctl *c, const struct domain_row *d)
{
	char limit[96], pressure[64] = "", text[192];

	if (!status_format_limit(c, d, limit, sizeof(limit))[0])
		return; /* an older broker */
	snprintf(text, sizeof(text), "%s%s%s", limit,
		 status_format_pressure(d, pressure, sizeof(pressure)) ? ", " : "", pressure);
	print_wrapped("  ", text, UINT_MAX);
}

static void domain_line(struct ctl *c, const struct domain_row *d)
{
	char a[24], b[24], lead[3][24], cut[CELL_MAX_BYTES];

	printf("%s\n  stage ", print_cut(d->name, -(int)LINE_WIDTH, cut));
	printf("%s%s%s, headroom %s of %s, %u clients\n", print_stage(c, d->stage),
	       print_cut(d->stage, 9, cut), print_plain(c),
	       print_bytes(c, d->headroom_bytes, a, sizeof(a)),
	       print_bytes(c, d->limit_bytes, b, sizeof(b)), d->clients);
	status_print_time_left(c, "  exhausted ", d);
	domain_limit_line(c, d);
	printf("  lead needed: warning %s, imminent %s, shutdown %s\n",
	       print_us(c, d->lead_us[0], lead[0], sizeof(lead[0])),
	       print_us(c, d->lead_us[1], lead[1], sizeof(lead[1])),
	       print_us(c, d->lead_us[2], lead[2], sizeof(lead[2])));
}

int domains_verb(struct ctl *c)
{
	static struct domain_row rows[DOMAINS_MAX];
	uint32_t count = 0;
	int r = call_domains(c, rows, DOMAINS_MAX, &count);

	for (uint32_t i = 0; r >= 0 && i < count; i++) {
		if (c->json)
			print_json_line(status_domain_json(&rows[i]));
		else
			domain_line(c, &rows[i]);
	}
	return r < 0 ? EXIT_UNKNOWN : EXIT_OK;
}

/* ---- sources ---- */

/* Its last text says how to add it, else what is to be known of it. */
static bool is_absent(const struct source_row *s)
{
	return !strcmp(s->state, "absent");
}

static void source_line(const struct source_row *s)
{
	char name[CELL_MAX_BYTES], state[CELL_MAX_BYTES], head[CELL_MAX_BYTES], text[300];

	snprintf(head, sizeof(head), "%.80s %.30s ", print_cell(s->name, 21, name),
		 print_cell(s->state, 7, state));
	print_wrapped(head, s->gives[0] ? s->gives : "-", UINT_MAX);
	snprintf(text, sizeof(text), "%s%s", is_absent(s) ? "to add it: " : "", s->remedy);
	if (s->remedy[0])
		print_wrapped("                              ", text, UINT_MAX);
}

static void source_json(const struct source_row *s)
{
	struct json_object *o = json_object_new_object();

	put_text(o, "name", s->name);
	put_text(o, "state", s->state);
	put_text(o, "gives", s->gives);
	put_text(o, "remedy", is_absent(s) ? s->remedy : "");
	put_text(o, "note", is_absent(s) ? "" : s->remedy);
	print_json_line(o);
}

int sources_verb(struct ctl *c)
{
	sd_bus_message *reply = NULL;
	struct source_row row;
	int r = call_method(c, &reply, "ListSources", NULL);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(ssss)");
	while (r >= 0 && (r = call_next_source(reply, &row)) > 0) {
		if (c->json)
			source_json(&row);
		else
			source_line(&row);
	}
	sd_bus_message_unref(reply);
	return r < 0 ? EXIT_UNKNOWN : EXIT_OK;
}

/* ---- episodes ---- */

static void episode_line(struct ctl *c, const struct episode_row *e)
{
	uint64_t end_us = e->ended_us ? e->ended_us : print_now_us();
	char lasted[24], stage[CELL_MAX_BYTES], outcome[CELL_MAX_BYTES], domain[CELL_MAX_BYTES];
	int used = printf("%10" PRIu64 "  ", e->number);

	used += 9 + 1 + 14 + 1;
	printf("%s %s ", print_cell(e->stage, 9, stage), print_cell(e->outcome, 14, outcome));
	used += printf("%9s  ", print_us(c, end_us - e->began_us, lasted, sizeof(lasted)));
	puts(print_cut(e->domain, used - (int)LINE_WIDTH, domain));
}

static void episode_json(const struct episode_row *e)
{
	struct json_object *o = json_object_new_object();

	put_u64(o, "episode", e->number);
	put_text(o, "domain", e->domain);
	put_text(o, "highest_stage", e->stage);
	put_text(o, "outcome", e->outcome);
	put_u64(o, "began_us", e->began_us);
	put_u64(o, "ended_us", e->ended_us);
	print_json_line(o);
}

int episodes_verb(struct ctl *c)
{
	sd_bus_message *reply = NULL;
	struct episode_row e;
	int r = call_method(c, &reply, "ListEpisodes", NULL);

	if (r >= 0 && !c->json)
		printf("%10s  %-9s %-14s %9s  %s\n", "EPISODE", "HIGHEST", "OUTCOME", "LASTED", "DOMAIN");
	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(tsstts)");
	while (r >= 0 && (r = call_next_episode(reply, &e)) > 0) {
		if (c->json)
			episode_json(&e);
		else
			episode_line(c, &e);
	}
	sd_bus_message_unref(reply);
	return r < 0 ? EXIT_UNKNOWN : EXIT_OK;
}

int reload_verb(struct ctl *c)
{
	sd_bus_message *reply = NULL;
	int r = call_method(c, &reply, "Reload", NULL);

	sd_bus_message_unref(reply);
	return r < 0 ? EXIT_UNKNOWN : EXIT_OK;
}
