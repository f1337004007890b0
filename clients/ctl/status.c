/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

#define WARNINGS_MAX	16u

struct view {
	struct domain_row domain[DOMAINS_MAX];
	struct client_row *client;
	uint32_t domains, clients;
	char stage[16], nearest[DOMAIN_MAX_BYTES], version[32];
	char warning[WARNINGS_MAX][300];
	uint32_t warnings;
};

int status_rank(const char *stage)
{
	static const char *const names[] = { "normal", "warning", "imminent", "shutdown" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(stage, names[i]))
			return i;
	return 0;
}

static int exit_code(const char *stage)
{
	static const int codes[] = { EXIT_OK, EXIT_WARNING, EXIT_CRITICAL, EXIT_CRITICAL };

	return codes[status_rank(stage)];
}

static int read_warnings(struct ctl *c, struct view *v)
{
	sd_bus_message *reply = NULL;
	const char *text;
	int r = sd_bus_get_property(c->bus, "org.failsoft.Broker1", "/org/failsoft/Broker1",
				    "org.failsoft.Broker1", "Warnings", NULL, &reply, "as");

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "s");
	while (r >= 0 && v->warnings < WARNINGS_MAX && (r = sd_bus_message_read(reply, "s", &text)) > 0)
		print_clean(v->warning[v->warnings++], sizeof(v->warning[0]), text);
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

static void print_time_left(struct ctl *c, const struct domain_row *d)
{
	char a[32], b[32];

	if (d->tte_low_us == NEVER_US)
		printf("not falling");
	else if (d->tte_us == NEVER_US)
		printf("at worst in %s", print_us(c, d->tte_low_us, b, sizeof(b)));
	else
		printf("in %s (at worst %s)", print_us(c, d->tte_us, a, sizeof(a)),
		       print_us(c, d->tte_low_us, b, sizeof(b)));
}

static void print_domains(struct ctl *c, const struct view *v)
{
	char a[32], b[32], lead[32];

	printf("\n%-26s %-9s %11s %11s %16s\n", "DOMAIN", "STAGE", "HEADROOM", "LIMIT", "LEAD NEEDED");
	for (uint32_t i = 0; i < v->domains && i < 6; i++) {
		const struct domain_row *d = &v->domain[i];
		size_t length = strlen(d->name);
		const char *name = length > 26 ? d->name + length - 26 : d->name;

		printf("%-26s %s%-9s%s %11s %11s %16s\n", name, print_stage(c, d->stage), d->stage,
		       print_plain(c), print_bytes(c, d->headroom_bytes, a, sizeof(a)),
		       print_bytes(c, d->limit_bytes, b, sizeof(b)),
		       print_us(c, d->lead_us[0], lead, sizeof(lead)));
	}
	if (v->domains > 6)
		printf("... and %u more: failsoftctl domains\n", v->domains - 6);
}

static void print_clients(struct ctl *c, const struct view *v)
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
}

static void print_people(struct ctl *c, const struct view *v)
{
	const struct domain_row *d = nearest(v);
	char a[32], b[32];

	printf("stage        %s%s%s\n", print_stage(c, v->stage), v->stage, print_plain(c));
	printf("nearest      %.60s\n", d->name);
	printf("headroom     %s of %s\n", print_bytes(c, d->headroom_bytes, a, sizeof(a)),
	       print_bytes(c, d->limit_bytes, b, sizeof(b)));
	printf("exhausted    ");
	print_time_left(c, d);
	printf("; never sooner than %s\n", print_us(c, d->guaranteed_us, a, sizeof(a)));
	if (d->reason[0] && strcmp(v->stage, "normal"))
		print_wrapped("because      ", d->reason);
	print_domains(c, v);
	print_clients(c, v);
	for (uint32_t i = 0; i < v->warnings && i < 5; i++)
		print_wrapped(i ? "             " : "weak points  ", v->warning[i]);
}

static void print_nagios(struct ctl *c, const struct view *v)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL", "CRITICAL" };
	const struct domain_row *d = nearest(v);
	char a[32];

	printf("FAILSOFT %s - stage %s, headroom %s in %.64s | headroom=%" PRIu64 "B;;;0;%" PRIu64
	       " clients=%u\n", words[status_rank(v->stage)], v->stage,
	       print_bytes(c, d->headroom_bytes, a, sizeof(a)), d->name, d->headroom_bytes,
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
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

int status_verb(struct ctl *c)
{
	struct view *v = calloc(1, sizeof(*v));
	int code = EXIT_UNKNOWN;

	if (v && read_view(c, v) >= 0 && v->domains) {
		code = exit_code(v->stage);
		if (c->json)
			print_json(v);
		else if (c->nagios)
			print_nagios(c, v);
		else
			print_people(c, v);
	} else if (c->nagios) {
		puts("FAILSOFT UNKNOWN - failsoftd does not answer");
	}
	if (v)
		free(v->client);
	free(v);
	return code;
}
