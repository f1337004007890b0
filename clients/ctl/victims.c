/* SPDX-License-Identifier: MIT */
/* The order in which programs would be ended now, and who is never ended. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"

struct victim_row {
	char name[32], why[24];
	uint32_t pid, processes;
	uint64_t bytes, grown_bytes;
};

static int next_row(sd_bus_message *m, struct victim_row *ret)
{
	const char *name, *why;
	int r = sd_bus_message_read(m, "(suustt)", &name, &ret->pid, &ret->processes, &why, &ret->bytes,
				    &ret->grown_bytes);

	if (r <= 0)
		return r;
	print_clean(ret->name, sizeof(ret->name), name);
	print_clean(ret->why, sizeof(ret->why), why);
	return r;
}

static bool is_never(const struct victim_row *v)
{
	return !strcmp(v->why, "protected") || !strcmp(v->why, "never-client");
}

static void put_words(const struct ctl *c, const struct victim_row *v, char *ret, size_t size)
{
	char grown[24];

	print_bytes(c, v->grown_bytes, grown, sizeof(grown));
	if (!strcmp(v->why, "grew"))
		snprintf(ret, size, "grew by %s", grown);
	else if (!strcmp(v->why, "wrote"))
		snprintf(ret, size, "wrote %s into memory that no process shows", grown);
	else if (!strcmp(v->why, "size"))
		snprintf(ret, size, "nobody grew, it is the largest");
	else if (!strcmp(v->why, "preferred"))
		snprintf(ret, size, "the configuration prefers it");
	else if (!strcmp(v->why, "client"))
		snprintf(ret, size, "a client, grew by %s; asked to shut down first", grown);
	else if (!strcmp(v->why, "never-client"))
		snprintf(ret, size, "a client that may not be ended");
	else if (!strcmp(v->why, "protected"))
		snprintf(ret, size, "protected");
	else
		snprintf(ret, size, "%s", v->why);
}

static void print_row(const struct ctl *c, const struct victim_row *v, unsigned place)
{
	char name[CELL_MAX_BYTES], bytes[24], words[96], number[16] = "never";

	if (!is_never(v))
		snprintf(number, sizeof(number), "%u", place);
	put_words(c, v, words, sizeof(words));
	printf("%5s %s %8" PRIu32 " %5" PRIu32 " %10s  %s\n", number, print_cell(v->name, 15, name), v->pid,
	       v->processes, print_bytes(c, v->bytes, bytes, sizeof(bytes)), words);
}

static void print_json(const struct victim_row *v, unsigned place)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "place", is_never(v) ? NULL : json_object_new_int64(place));
	json_object_object_add(o, "name", json_object_new_string(v->name));
	json_object_object_add(o, "pid", json_object_new_int64(v->pid));
	json_object_object_add(o, "processes", json_object_new_int64(v->processes));
	json_object_object_add(o, "why", json_object_new_string(v->why));
	json_object_object_add(o, "bytes", json_object_new_uint64(v->bytes));
	json_object_object_add(o, "grown_bytes", json_object_new_uint64(v->grown_bytes));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

int victims_verb(struct ctl *c)
{
	sd_bus_message *reply = NULL;
	struct victim_row row;
	unsigned place = 0;
	int r = call_method(c, &reply, "ListVictims", "s", "");

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(suustt)");
	while (r >= 0 && (r = next_row(reply, &row)) > 0) {
		if (!place++ && !c->json)
			printf("%5s %-15s %8s %5s %10s  %s\n", "", "NAME", "PID", "PROCS", "HOLDS", "WHY");
		if (c->json)
			print_json(&row, place);
		else
			print_row(c, &row, place);
	}
	if (r >= 0 && !place && !c->json)
		puts("Nobody: no program here may be ended.");
	sd_bus_message_unref(reply);
	return r < 0 ? EXIT_UNKNOWN : EXIT_OK;
}
