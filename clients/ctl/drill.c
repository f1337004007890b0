/* SPDX-License-Identifier: MIT */
/*
 * A drill: the broker asks, everybody's answers come with its events. Nothing is kept there; the table
 * is made here, from what is marked as a drill.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

/* Beyond the last deadline, for the broker to say so. Half: a busy machine's last word is not heard;
 * double: a broker that hangs is waited for 2 s longer. */
#define GRACE_US	2000000u
#define EXIT_INTERRUPTED 4

struct drill_row {
	char name[NAME_MAX_BYTES], result[16], resumed[16];
	uint64_t client, sequence, resume_sequence, taken_us, budget_us, deadline_us, freed_bytes;
};

struct drill {
	struct drill_row *row;
	uint32_t count, wanted;
	uint64_t until_us;		/* of the last deadline */
	uint64_t before_bytes, after_bytes;
	bool is_interrupted;
};

static uint64_t number_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_uint64(value) : 0;
}

static void text_of(struct json_object *o, const char *key, char *ret, size_t size)
{
	struct json_object *value = NULL;
	const char *text = "";

	if (json_object_object_get_ex(o, key, &value) && value)
		text = json_object_get_string(value);
	print_clean(ret, size, text);
}

static struct drill_row *row_of(struct drill *d, uint64_t client)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (d->row[i].client == client)
			return &d->row[i];
	return NULL;
}

static void take_request(struct drill *d, struct json_object *o)
{
	struct drill_row *row = row_of(d, number_of(o, "client"));
	uint64_t now_us = number_of(o, "time_us");
	char step[16];

	text_of(o, "step", step, sizeof(step));
	if (!row && d->count < d->wanted) {
		row = &d->row[d->count++];
		row->client = number_of(o, "client");
		text_of(o, "name", row->name, sizeof(row->name));
	}
	if (!row)
		return;
	if (strcmp(step, "resume")) {
		row->sequence = number_of(o, "sequence");
		row->deadline_us = number_of(o, "deadline_us");
		row->budget_us = row->deadline_us - now_us;
	} else {
		row->resume_sequence = number_of(o, "sequence");
	}
	if (number_of(o, "deadline_us") > d->until_us)
		d->until_us = number_of(o, "deadline_us");
}

static void take_answer(struct drill *d, struct json_object *o)
{
	struct drill_row *row = row_of(d, number_of(o, "client"));
	uint64_t sequence = number_of(o, "sequence");
	char result[16];

	text_of(o, "result", result, sizeof(result));
	if (!row)
		return;
	if (!strcmp(result, "busy")) {
		if (number_of(o, "deadline_us") > d->until_us)
			d->until_us = number_of(o, "deadline_us");
		return;
	}
	d->is_interrupted |= !strcmp(result, "superseded");
	if (sequence == row->sequence) {
		memcpy(row->result, result, sizeof(result));
		row->taken_us = number_of(o, "taken_us");
		row->freed_bytes = number_of(o, "freed_bytes");
	} else if (sequence == row->resume_sequence) {
		memcpy(row->resumed, result, sizeof(result));
	}
}

static void take_line(struct drill *d, const char *line)
{
	struct json_object *o = json_tokener_parse(line);
	char event[24];

	if (!o)
		return;
	text_of(o, "event", event, sizeof(event));
	if (!strcmp(event, "request") && number_of(o, "drill"))
		take_request(d, o);
	else if (!strcmp(event, "answer") && number_of(o, "drill"))
		take_answer(d, o);
	json_object_put(o);
}

/* Who vanished is not asked to resume. */
static bool is_complete(const struct drill *d)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (!d->row[i].result[0] || (!d->row[i].resumed[0] && strcmp(d->row[i].result, "vanished")))
			return false;
	return d->count == d->wanted;
}

/* A line at a time, for as long as something can still come. */
static int follow(struct drill *d, int fd)
{
	char text[8192];
	size_t used = 0;

	while (!is_complete(d) && !d->is_interrupted) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now_us = print_now_us(), until_us = (d->until_us ? d->until_us : now_us) + GRACE_US;
		ssize_t n;
		char *end;

		if (now_us >= until_us || poll(&p, 1, (int)((until_us - now_us) / 1000 + 1)) == 0)
			return 0;
		n = read(fd, text + used, sizeof(text) - 1 - used);
		if (n <= 0)
			return n < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : -EPIPE;
		used += (size_t)n;
		text[used] = 0;
		while ((end = strchr(text, '\n'))) {
			*end = 0;
			take_line(d, text);
			used -= (size_t)(end + 1 - text);
			memmove(text, end + 1, used + 1);
		}
		if (used == sizeof(text) - 1)
			used = 0; /* no line is so long */
	}
	return 0;
}

static uint64_t headroom_of(struct ctl *c)
{
	static struct domain_row rows[DOMAINS_MAX];
	uint32_t count = 0;

	if (call_domains(c, rows, DOMAINS_MAX, &count) < 0)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		if (!strcmp(rows[i].name, "system"))
			return rows[i].headroom_bytes;
	return 0;
}

/* ---- what came of it ---- */

static bool is_good(const struct drill_row *r)
{
	return !strcmp(r->result, "done") || !strcmp(r->result, "partial");
}

static uint32_t count_good(const struct drill *d)
{
	uint32_t good = 0;

	for (uint32_t i = 0; i < d->count; i++)
		good += is_good(&d->row[i]);
	return good;
}

static struct json_object *word_or_null(const char *word)
{
	return word[0] ? json_object_new_string(word) : NULL;
}

static void print_json(const struct drill *d)
{
	for (uint32_t i = 0; i < d->count; i++) {
		const struct drill_row *r = &d->row[i];
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "name", json_object_new_string(r->name));
		json_object_object_add(o, "client", json_object_new_uint64(r->client));
		json_object_object_add(o, "result", word_or_null(r->result));
		json_object_object_add(o, "taken_us", json_object_new_uint64(r->taken_us));
		json_object_object_add(o, "budget_us", json_object_new_uint64(r->budget_us));
		json_object_object_add(o, "freed_bytes", json_object_new_uint64(r->freed_bytes));
		json_object_object_add(o, "resumed", word_or_null(r->resumed));
		json_object_object_add(o, "good", json_object_new_boolean(is_good(r)));
		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
		json_object_put(o);
	}
}

static void print_table(struct ctl *c, const struct drill *d)
{
	char name[CELL_MAX_BYTES], taken[24], budget[24], freed[24], before[24], after[24];

	printf("%-24s %-10s %9s %9s %10s %s\n", "CLIENT", "ANSWER", "AFTER", "OF", "FREED", "RESUME");
	for (uint32_t i = 0; i < d->count; i++) {
		const struct drill_row *r = &d->row[i];

		printf("%s %-10s %9s %9s %10s %s\n", print_cell(r->name, 24, name),
		       r->result[0] ? r->result : "none", print_us(c, r->taken_us, taken, sizeof(taken)),
		       print_us(c, r->budget_us, budget, sizeof(budget)),
		       print_bytes(c, r->freed_bytes, freed, sizeof(freed)),
		       r->resumed[0] ? r->resumed : "none");
	}
	printf("%" PRIu32 " of %" PRIu32 " answered in time; headroom %s, before it %s\n", count_good(d),
	       d->count, print_bytes(c, d->after_bytes, after, sizeof(after)),
	       print_bytes(c, d->before_bytes, before, sizeof(before)));
}

static int conclude(struct ctl *c, struct drill *d)
{
	d->after_bytes = headroom_of(c);
	if (c->json)
		print_json(d);
	else
		print_table(c, d);
	if (d->is_interrupted) {
		fputs("failsoftctl: memory ran short, and the drill was ended: what counts now is meant\n",
		      stderr);
		return EXIT_INTERRUPTED;
	}
	return count_good(d) == d->count && is_complete(d) ? EXIT_OK : EXIT_WARNING;
}

/* ---- the call ---- */

static int begin(struct ctl *c, uint32_t *ret_asked)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL, *reply = NULL;
	int r = sd_bus_message_new_method_call(c->bus, &m, CTL_NAME, CTL_PATH, CTL_NAME, "Drill");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", c->argument);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "s");
	for (uint32_t i = 0; r >= 0 && i < c->clients_count; i++)
		r = sd_bus_message_append(m, "s", c->clients[i]);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_call(c->bus, m, 0, &error, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "u", ret_asked);
	if (r < 0)
		call_complain("Drill", &error, r);
	sd_bus_error_free(&error);
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	return r;
}

/* The same sentence as the broker's; but a word that it would never take is wrong use, not its refusal. */
static bool is_rehearsed(const char *stage)
{
	if (!strcmp(stage, "warning") || !strcmp(stage, "imminent") || !strcmp(stage, "shutdown"))
		return true;
	fprintf(stderr, "failsoftctl: \"%s\" is no stage to rehearse: give warning, imminent or shutdown\n",
		stage);
	return false;
}

static int drill(struct ctl *c)
{
	struct drill d = { .before_bytes = headroom_of(c) };
	int fd = call_monitor(c, false), code = EXIT_UNKNOWN, r;

	if (fd < 0)
		return EXIT_UNKNOWN;
	r = begin(c, &d.wanted);
	if (r >= 0 && !d.wanted) {
		fputs("failsoftctl: nobody is registered, so nobody was asked\n", stderr);
		code = EXIT_WARNING;
	} else if (r >= 0) {
		d.row = calloc(d.wanted, sizeof(*d.row));
		r = d.row ? follow(&d, fd) : -ENOMEM;
		if (r < 0)
			fprintf(stderr, "failsoftctl: the drill was not followed to its end: %s\n",
				strerror(-r));
		else
			code = conclude(c, &d);
	}
	free(d.row);
	close(fd);
	return code;
}

int drill_verb(struct ctl *c)
{
	return is_rehearsed(c->argument) ? drill(c) : EXIT_USAGE;
}
