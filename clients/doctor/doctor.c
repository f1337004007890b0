/* SPDX-License-Identifier: MIT */
/* The verb: rows for people and for programs. */
#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#include "checkup.h"
#include "facts_broker.h"

enum { EXIT_MISSING = 1, EXIT_BLIND = 2 };

#define NAME_COLUMNS  16
#define STATE_COLUMNS 7

static const char *colour_of(const struct ctl *c, enum checkup_state s)
{
	static const char *const colours[CHECKUP_STATE_COUNT] = {
		[CHECKUP_OK] = "\x1b[32m",
		[CHECKUP_WARN] = "\x1b[33m",
		[CHECKUP_MISSING] = "\x1b[1;31m",
		[CHECKUP_UNSEEN] = "\x1b[35m",
	};

	return c->colour ? colours[s] : "";
}

static void print_part(const char *head, const char *text)
{
	char clean[sizeof(((struct checkup_row *)0)->found)];

	print_clean(clean, sizeof(clean), text);
	if (clean[0])
		print_wrapped(head, clean, UINT_MAX);
}

static void print_row(const struct ctl *c, const struct checkup_row *row)
{
	char head[64];

	snprintf(head, sizeof(head), "%-*s  %-*s ", STATE_COLUMNS, checkup_state_name(row->state),
		 NAME_COLUMNS, row->name);
	fputs(colour_of(c, row->state), stdout);
	print_part(head, row->found);
	fputs(print_plain(c), stdout);
	if (row->state == CHECKUP_OK)
		return;
	if (row->state != CHECKUP_UNSEEN)
		print_part("         why: ", row->why);
	print_part("         fix: ", row->fix);
}

static void put(struct json_object *o, const char *key, const char *value)
{
	char clean[sizeof(((struct checkup_row *)0)->found)];

	print_clean(clean, sizeof(clean), value);
	json_object_object_add(o, key, json_object_new_string(clean));
}

static void row_json(const struct checkup_row *row)
{
	struct json_object *o = json_object_new_object();

	put(o, "check", row->name);
	put(o, "state", checkup_state_name(row->state));
	put(o, "found", row->found);
	put(o, "why", row->why);
	put(o, "fix", row->fix);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static int exit_code(const struct checkup_row *rows, uint32_t count)
{
	if (checkup_count(rows, count, CHECKUP_MISSING))
		return EXIT_MISSING;
	return !count || checkup_count(rows, count, CHECKUP_UNSEEN) ? EXIT_BLIND : EXIT_OK;
}

static int print_all(const struct ctl *c, const struct checkup_row *rows, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (c->json)
			row_json(&rows[i]);
		else
			print_row(c, &rows[i]);
	}
	if (!c->json)
		printf("\n%u missing, %u to think about, %u not seen\n",
		       checkup_count(rows, count, CHECKUP_MISSING),
		       checkup_count(rows, count, CHECKUP_WARN),
		       checkup_count(rows, count, CHECKUP_UNSEEN));
	return exit_code(rows, count);
}

/* Of another tree nobody is asked, unless it is said where. */
static void look(struct ctl *c, struct facts *f)
{
	struct facts_hint hint = {0};
	bool asks = !c->root || c->address;
	int r = asks ? facts_ask_bus(c, &hint) : 0;

	facts_read(f, c->root, &hint);
	if (asks)
		facts_ask_broker(f, c, r);
}

int doctor_verb(struct ctl *c)
{
	static struct facts f;
	struct checkup_row rows[CHECKUP_MAX];

	look(c, &f);
	if (f.proc.state != FIGURE_SEEN) {
		fprintf(stderr,
			"failsoftctl: there is no proc/meminfo below %s (%s): is /proc mounted, is "
			"--root right?\n",
			c->root ? c->root : "/", strerror(f.proc.error));
		return EXIT_BLIND;
	}
	return print_all(c, rows, checkup_run(&f, rows));
}

bool doctor_sentence(char *text, size_t size)
{
	static struct facts f;
	struct checkup_row rows[CHECKUP_MAX];
	uint32_t missing;

	facts_read(&f, NULL, NULL);
	missing = checkup_count(rows, checkup_run(&f, rows), CHECKUP_MISSING);
	snprintf(text, size, "%u thing%s missing here: failsoftctl doctor", missing,
		 missing == 1 ? " is" : "s are");
	return missing;
}
