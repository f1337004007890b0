/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define KEEP_MAX	16u
/* What the broker takes, so that its refusal need not be in its own words. */
#define DEADLINE_LEAST_MS	10u
#define DEADLINE_MOST_MS	30000u
#define MEMORY_MOST_BYTES	67108864u

static void print_usage(FILE *out)
{
	fputs("usage: failsoftctl procedure list\n"
	      "       failsoftctl procedure remove NUMBER\n"
	      "       failsoftctl procedure add [OPTION]... KIND=WHO PROGRAM [ARGUMENT]...\n\n"
	      "  KIND=WHO        pid=NUMBER, name=NAME (or the path of its program), unit=UNIT, cgroup=PATH\n"
	      "  PROGRAM         an absolute path; runs as you, before the one is ended\n"
	      "  --deadline=MS   how long it may take, 10 to 30000; default 500\n"
	      "  --memory=BYTES  kept for it until it runs, 0 to 67108864; default 1048576\n"
	      "  --keep=FILE     held in memory for it, too (may be repeated)\n"
	      "  --responder     it uses failsoft/responder.h: it is started now, not then\n"
	      "  --no-hold       the one is not stopped meanwhile\n", out);
}

/* The reason alone: below a screen of usage nobody finds it. */
static int wrong(const char *what, const char *given, const char *wanted)
{
	fprintf(stderr, "failsoftctl: %s%s: %s; see failsoftctl procedure help\n", what, given, wanted);
	return -EINVAL;
}

struct wish {
	const char *kind, *who;
	uint64_t deadline_ms, memory_bytes; /* UINT64_MAX: the default */
	bool is_responder, is_loose;
	const char *keep[KEEP_MAX];
	unsigned keep_count;
};

static int read_number(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno || *end || end == text || *text == '-' || *ret > UINT64_MAX / 1000 ? -EINVAL : 0;
}

static int take_deadline(struct wish *w, const char *text)
{
	if (read_number(text, &w->deadline_ms) < 0 || w->deadline_ms < DEADLINE_LEAST_MS ||
	    w->deadline_ms > DEADLINE_MOST_MS)
		return wrong("--deadline=", text, "give 10 to 30000 milliseconds");
	return 0;
}

static int take_option(struct wish *w, int option)
{
	switch (option) {
	case 'd':
		return take_deadline(w, optarg);
	case 'm':
		if (read_number(optarg, &w->memory_bytes) < 0 || w->memory_bytes > MEMORY_MOST_BYTES)
			return wrong("--memory=", optarg, "give 0 to 67108864 bytes, in figures alone");
		return 0;
	case 'k':
		if (optarg[0] != '/')
			return wrong("--keep=", optarg, "give the file by its absolute path");
		if (w->keep_count == KEEP_MAX)
			return wrong("--keep=", optarg, "16 files are kept at most");
		w->keep[w->keep_count++] = optarg;
		return 0;
	case 'r':
		w->is_responder = true;
		return 0;
	case 'l':
		w->is_loose = true;
		return 0;
	default: /* getopt has said what is wrong */
		fputs("failsoftctl: see failsoftctl procedure help\n", stderr);
		return -EINVAL;
	}
}

/* "name=hog" */
static int take_who(struct wish *w, const char *text)
{
	static const char *const kinds[] = { "pid", "name", "unit", "cgroup" };
	const size_t length = strcspn(text, "=");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (length != strlen(kinds[i]) || strncmp(text, kinds[i], length) != 0)
			continue;
		w->kind = kinds[i];
		w->who = text[length] ? text + length + 1 : "";
		return *w->who ? 0 : wrong("", text, "it is not said who is meant, as in name=logger");
	}
	return wrong("procedure add ", text, "begin with whose end it is for: pid=NUMBER, name=NAME, "
					     "unit=UNIT or cgroup=PATH");
}

static int take_words(struct wish *w, int count, char **word)
{
	if (count < 1)
		return wrong("procedure add", "", "KIND=WHO and PROGRAM are missing");
	if (take_who(w, word[0]) < 0)
		return -EINVAL;
	if (count < 2)
		return wrong("procedure add ", word[0], "PROGRAM is missing");
	if (word[1][0] == '-')
		return wrong("", word[1], "options stand before KIND=WHO");
	if (word[1][0] != '/')
		return wrong("program ", word[1], "give it by its absolute path, such as /bin/sh");
	return 0;
}

static int put_keep(sd_bus_message *m, const struct wish *w)
{
	int r = sd_bus_message_open_container(m, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", "Keep");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "as");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "s");
	for (unsigned i = 0; r >= 0 && i < w->keep_count; i++)
		r = sd_bus_message_append(m, "s", w->keep[i]);
	for (unsigned i = 0; r >= 0 && i < 3; i++)
		r = sd_bus_message_close_container(m);
	return r;
}

static int put_wish(sd_bus_message *m, const struct wish *w, char **program)
{
	int r = sd_bus_message_append(m, "sss", w->kind, w->who, program[0]);

	if (r >= 0)
		r = sd_bus_message_append_strv(m, program + 1);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "{sv}");
	if (r >= 0 && w->deadline_ms != UINT64_MAX)
		r = sd_bus_message_append(m, "{sv}", "DeadlineUSec", "t", w->deadline_ms * 1000);
	if (r >= 0 && w->memory_bytes != UINT64_MAX)
		r = sd_bus_message_append(m, "{sv}", "MemoryBytes", "t", w->memory_bytes);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}", "Responder", "b", w->is_responder, "Hold", "b",
					  !w->is_loose);
	if (r >= 0)
		r = put_keep(m, w);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Its number; negative: refused, complained of. */
static int64_t send_wish(struct ctl *c, const struct wish *w, char **program)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL, *reply = NULL;
	uint32_t id = 0;
	int r = sd_bus_message_new_method_call(c->bus, &m, CTL_NAME, CTL_PATH, CTL_NAME, "AddProcedure");

	if (r >= 0)
		r = put_wish(m, w, program);
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, false);
	if (r >= 0)
		r = sd_bus_call(c->bus, m, 0, &error, &reply);
	if (r < 0)
		call_complain("AddProcedure", &error, r);
	if (r >= 0)
		r = sd_bus_message_read(reply, "u", &id);
	sd_bus_error_free(&error);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return r < 0 ? r : (int64_t)id;
}

static int remove_one(struct ctl *c, const char *text)
{
	sd_bus_message *reply = NULL;
	uint64_t id;
	int r;

	if (read_number(text, &id) < 0 || id > UINT32_MAX) {
		fprintf(stderr, "failsoftctl: procedure remove %s: give a number that failsoftctl procedure "
				"shows\n", text);
		return EXIT_USAGE;
	}
	r = call_method(c, &reply, "RemoveProcedure", "u", (uint32_t)id);
	sd_bus_message_unref(reply);
	return r < 0 ? EXIT_UNKNOWN : EXIT_OK;
}

/* ---- list ---- */

struct procedure_row {
	uint32_t id, error;
	char broken[DOMAIN_MAX_BYTES];
	char kind[16], who[DOMAIN_MAX_BYTES], state[16], program[DOMAIN_MAX_BYTES], command[512], result[16];
	uint64_t deadline_us, held_bytes, runs;
	uint64_t started_us, ends_us;	/* 0: it does not run now */
};

/* Where the figure of that name goes; NULL: it is none. */
static uint64_t *figure_of(struct procedure_row *p, const char *key)
{
	const struct {
		const char *key;
		uint64_t *to;
	} figures[] = {
		{ "DeadlineUSec", &p->deadline_us }, { "HeldBytes", &p->held_bytes }, { "Runs", &p->runs },
		{ "StartedUSec", &p->started_us }, { "EndsUSec", &p->ends_us },
	};

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		if (!strcmp(key, figures[i].key))
			return figures[i].to;
	return NULL;
}

static int read_detail(sd_bus_message *m, struct procedure_row *ret)
{
	const char *key, *text;
	uint64_t *figure;
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = sd_bus_message_read_basic(m, 's', &key);
		if (r < 0)
			break;
		figure = figure_of(ret, key);
		if (figure)
			r = sd_bus_message_read(m, "v", "t", figure);
		else if (!strcmp(key, "Errno"))
			r = sd_bus_message_read(m, "v", "u", &ret->error);
		else if (!strcmp(key, "Broken") && (r = sd_bus_message_read(m, "v", "s", &text)) >= 0)
			print_clean(ret->broken, sizeof(ret->broken), text);
		else if (strcmp(key, "LastResult"))
			r = sd_bus_message_skip(m, "v");
		else if ((r = sd_bus_message_read(m, "v", "s", &text)) >= 0)
			print_clean(ret->result, sizeof(ret->result), text);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_arguments(sd_bus_message *m, struct procedure_row *ret)
{
	const char *text;
	size_t used = strlen(ret->command);
	int r = sd_bus_message_enter_container(m, 'a', "s");

	while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &text)) > 0) {
		char clean[256];

		print_clean(clean, sizeof(clean), text);
		if (used + 1 < sizeof(ret->command))
			snprintf(ret->command + used, sizeof(ret->command) - used, " %s", clean);
		used = strlen(ret->command);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_row(sd_bus_message *m, struct procedure_row *ret)
{
	const char *kind, *who, *state, *program;
	int r = sd_bus_message_enter_container(m, 'r', "ussssasa{sv}");

	*ret = (struct procedure_row){ 0 };
	if (r <= 0)
		return r;
	r = sd_bus_message_read(m, "ussss", &ret->id, &kind, &who, &state, &program);
	if (r < 0)
		return r;
	print_clean(ret->kind, sizeof(ret->kind), kind);
	print_clean(ret->who, sizeof(ret->who), who);
	print_clean(ret->state, sizeof(ret->state), state);
	print_clean(ret->program, sizeof(ret->program), program);
	print_clean(ret->command, sizeof(ret->command), program);
	r = read_arguments(m, ret);
	if (r >= 0)
		r = read_detail(m, ret);
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	return r < 0 ? r : 1;
}

static void put(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void row_json(const struct procedure_row *p)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "id", json_object_new_uint64(p->id));
	put(o, "kind", p->kind);
	put(o, "match", p->who);
	put(o, "state", p->state);
	put(o, "command", p->command);
	json_object_object_add(o, "deadline_us", json_object_new_uint64(p->deadline_us));
	json_object_object_add(o, "held_bytes", json_object_new_uint64(p->held_bytes));
	json_object_object_add(o, "runs", json_object_new_uint64(p->runs));
	json_object_object_add(o, "started_us", json_object_new_uint64(p->started_us));
	json_object_object_add(o, "ends_us", json_object_new_uint64(p->ends_us));
	json_object_object_add(o, "errno", json_object_new_uint64(p->error));
	put(o, "last_result", p->result);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

/* A responder reports an error of the kernel, or that the program was not what was taken for one. */
static const char *why_broken(uint32_t error)
{
	if (error == EPROTO)
		return "it ended before it stood ready: is it a responder, and are its arguments right?";
	return strerror((int)error);
}

static void running_line(struct ctl *c, const struct procedure_row *p)
{
	const uint64_t now_us = print_now_us();
	char since[24], left[24];

	printf("      runs for %s now", print_us(c, now_us - p->started_us, since, sizeof(since)));
	if (now_us < p->ends_us)
		printf(", ended at the latest in %s",
		       print_us(c, p->ends_us - now_us, left, sizeof(left)));
	else
		fputs(", its time is over", stdout);
	if (p->result[0])
		printf("; run %" PRIu64 ", the last one: %s", p->runs, p->result);
	putchar('\n');
}

static void row_line(struct ctl *c, const struct procedure_row *p)
{
	char deadline[24], held[24], who[CELL_MAX_BYTES], command[CELL_MAX_BYTES];
	char both[DOMAIN_MAX_BYTES + 20], state[CELL_MAX_BYTES];

	snprintf(both, sizeof(both), "%s=%s", p->kind, p->who);
	printf("%3" PRIu32 " %s %s %8s %8s %s\n", p->id, print_cell(both, 20, who),
	       print_cell(p->state, 8, state),
	       print_us(c, p->deadline_us, deadline, sizeof(deadline)),
	       print_bytes(c, p->held_bytes, held, sizeof(held)), print_cut(p->command, 26, command));
	if (p->error)
		printf("      %s%s%s\n", p->broken, p->broken[0] ? ": " : "", why_broken(p->error));
	else if (p->started_us)
		running_line(c, p);
	else if (p->result[0])
		printf("      run %" PRIu64 " time%s, last: %s\n", p->runs, p->runs == 1 ? "" : "s",
		       p->result);
}

static int list(struct ctl *c)
{
	sd_bus_message *reply = NULL;
	struct procedure_row row;
	int r = call_method(c, &reply, "ListProcedures", NULL);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(ussssasa{sv})");
	if (r >= 0 && !c->json)
		printf("%3s %-20s %-8s %8s %8s %s\n", "NO", "WHO", "STATE", "AT MOST", "HELD", "PROGRAM");
	while (r >= 0 && (r = read_row(reply, &row)) > 0) {
		if (c->json)
			row_json(&row);
		else
			row_line(c, &row);
	}
	sd_bus_message_unref(reply);
	return r < 0 ? EXIT_UNKNOWN : EXIT_OK;
}

/* ---- add ---- */

/* To stand ready takes 10 to 60 ms; a slow disk may be in the way. Half: a slow one is not waited for;
 * double: who adds it to a busy machine waits so much longer. */
#define READY_MS	1000
#define LOOK_MS		20

/* 0: not there; negative: no answer, complained of. */
static int find_row(struct ctl *c, uint32_t id, struct procedure_row *ret)
{
	sd_bus_message *reply = NULL;
	int r = call_method(c, &reply, "ListProcedures", NULL);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(ussssasa{sv})");
	while (r >= 0 && (r = read_row(reply, ret)) > 0 && ret->id != id)
		continue;
	sd_bus_message_unref(reply);
	return r;
}

static void say_broken(const struct procedure_row *p)
{
	fprintf(stderr, "failsoftctl: procedure %" PRIu32 " cannot stand ready: %s: %s\n", p->id,
		p->broken[0] ? p->broken : p->program, why_broken(p->error));
	fprintf(stderr, "failsoftctl: it is tried again every minute, until failsoftctl procedure remove "
		"%" PRIu32 "\n", p->id);
}

/* It was added all the same, and is tried again every minute. */
static int wait_ready(struct ctl *c, uint32_t id)
{
	struct procedure_row row = { 0 };

	for (unsigned waited = 0; waited < READY_MS; waited += LOOK_MS) {
		int r = find_row(c, id, &row);

		if (r <= 0)
			return r < 0 ? EXIT_UNKNOWN : EXIT_OK; /* somebody has removed it */
		if (!strcmp(row.state, "broken")) {
			say_broken(&row);
			return EXIT_WARNING;
		}
		if (strcmp(row.state, "starting"))
			return EXIT_OK;
		usleep(LOOK_MS * 1000);
	}
	fprintf(stderr, "failsoftctl: procedure %" PRIu32 " does not stand ready yet, and does not while "
		"memory is short: ask again with failsoftctl procedure\n", id);
	return EXIT_WARNING;
}

static int add(struct ctl *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "deadline", required_argument, NULL, 'd' }, { "memory", required_argument, NULL, 'm' },
		{ "keep", required_argument, NULL, 'k' }, { "responder", no_argument, NULL, 'r' },
		{ "no-hold", no_argument, NULL, 'l' }, { NULL, 0, NULL, 0 },
	};
	struct wish w = { .deadline_ms = UINT64_MAX, .memory_bytes = UINT64_MAX };
	int64_t id;
	int option;

	argv[0] = (char *)"failsoftctl procedure add"; /* in getopt's sentences */
	optind = 0; /* a second list of options: glibc and musl start over with 0 */
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (take_option(&w, option) < 0)
			return EXIT_USAGE;
	if (take_words(&w, argc - optind, argv + optind) < 0)
		return EXIT_USAGE;
	id = send_wish(c, &w, argv + optind + 1);
	if (id < 0)
		return EXIT_UNKNOWN;
	printf("%" PRId64 "\n", id);
	return wait_ready(c, (uint32_t)id);
}

static int wrong_words(const struct ctl *c, const char *what)
{
	if (!strcmp(what, "remove"))
		(void)wrong("procedure remove", "", "give one number that failsoftctl procedure shows");
	else if (!strcmp(what, "list"))
		(void)wrong("procedure list ", c->rest[1], "it takes nothing more");
	else if (what[0] == '-')
		(void)wrong("procedure ", what, "options stand before procedure, those of add behind add");
	else
		(void)wrong("procedure ", what, "give list, add or remove");
	return EXIT_USAGE;
}

int procedure_verb(struct ctl *c)
{
	const char *what = c->rest_count ? c->rest[0] : "list";

	if (!strcmp(what, "add"))
		return add(c, c->rest_count, c->rest);
	if (!strcmp(what, "remove") && c->rest_count == 2)
		return remove_one(c, c->rest[1]);
	if (!strcmp(what, "help"))
		return print_usage(stdout), EXIT_OK;
	return !strcmp(what, "list") && c->rest_count <= 1 ? list(c) : wrong_words(c, what);
}
