/* SPDX-License-Identifier: MIT */
/*
 * Reads the configuration files. json-c checks the syntax but keeps neither the place of a key nor
 * the first of two equal ones, so the keys are found once more in the text that it has accepted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"
#include "config_table.h"

#define FILE_MAX_BYTES MIB /* the sample with every key is 2 KiB: more is another file */
#define PROBLEM_MAX    400
#define ORIGIN_MAX     320 /* "FILE:LINE" */

struct reader {
	struct config next;
	char origin[CONFIG_OPTIONS_MAX][ORIGIN_MAX]; /* where each value was set; "": default */
	char *error;
	size_t error_size, error_used;
	bool is_full; /* no room for further problems */
	int result;   /* first problem's */
};

/* A file while it is read. */
struct text {
	const char *path;
	char *bytes; /* NUL-terminated, owned */
	size_t length;
	size_t line_of_option[CONFIG_OPTIONS_MAX]; /* 0: not seen in this file */
};

__attribute__((format(printf, 3, 4))) static void complain(struct reader *r, int result,
							   const char *format, ...)
{
	static const char more[] = "\n(more problems are not shown)";
	char line[ORIGIN_MAX + PROBLEM_MAX];
	size_t length;
	va_list list;

	va_start(list, format);
	vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	r->result = r->result ? r->result : result;
	length = strlen(line);
	if (r->is_full)
		return;
	r->is_full = r->error_used + length + sizeof(more) + 1 >= r->error_size;
	if (!r->is_full || r->error_used == 0)
		r->error_used +=
			(size_t)snprintf(r->error + r->error_used, r->error_size - r->error_used,
					 "%s%s", r->error_used ? "\n" : "", line);
	else
		strcpy(r->error + r->error_used, more);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void free_json(struct json_object **object)
{
	json_object_put(*object);
}

static int fill(int fd, char *bytes, size_t size, size_t *ret_length)
{
	size_t length = 0;
	ssize_t got = 1;

	while (got > 0 && length < size) {
		got = read(fd, bytes + length, size - length);
		if (got < 0 && errno != EINTR)
			return -errno;
		length += got > 0 ? (size_t)got : 0;
		got = got < 0 ? 1 : got;
	}
	*ret_length = length;
	return 0;
}

/* Reads the file whole. -ENOENT is left to the caller, all else has been complained about. */
static int load(struct reader *r, struct text *t)
{
	/* O_NONBLOCK: a FIFO must not stop the start; it is refused below */
	__attribute__((cleanup(close_fd))) int fd =
		open(t->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int result;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0) {
		result = -errno;
		complain(r, result, "%s: cannot be read: %s", t->path, strerror(-result));
		return result;
	}
	if (!S_ISREG(st.st_mode)) {
		complain(r, -EINVAL, "%s: is not a regular file", t->path);
		return -EINVAL;
	}
	t->bytes = malloc(FILE_MAX_BYTES + 2);
	result = t->bytes ? fill(fd, t->bytes, FILE_MAX_BYTES + 1, &t->length) : -ENOMEM;
	if (result < 0) {
		complain(r, result, "%s: cannot be read: %s", t->path, strerror(-result));
		return result;
	}
	if (t->length > FILE_MAX_BYTES) {
		complain(r, -EINVAL,
			 "%s: is larger than 1 MiB, so it is no configuration of failsoft",
			 t->path);
		return -EINVAL;
	}
	t->bytes[t->length] = '\0';
	return 0;
}

static size_t line_at(const struct text *t, const char *at)
{
	size_t line = 1;

	for (const char *p = t->bytes; p < at; p++)
		line += *p == '\n';
	return line;
}

/* The file as one JSON object; NULL: complained. */
static struct json_object *parse(struct reader *r, const struct text *t)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object = NULL;
	enum json_tokener_error why;
	const char *nul = memchr(t->bytes, '\0', t->length);

	if (!tokener || nul) {
		complain(r, tokener ? -EINVAL : -ENOMEM, "%s:%zu: %s", t->path,
			 nul ? line_at(t, nul) : 1,
			 nul ? "contains a NUL byte: is it a text file?" : "out of memory");
		json_tokener_free(tokener);
		return NULL;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* with the NUL: it tells json-c that nothing follows */
	object = json_tokener_parse_ex(tokener, t->bytes, (int)t->length + 1);
	why = json_tokener_get_error(tokener);
	if (why != json_tokener_success)
		complain(r, -EINVAL, "%s:%zu: is not valid JSON: %s", t->path,
			 line_at(t,
				 t->bytes + MIN_OF(json_tokener_get_parse_end(tokener), t->length)),
			 t->bytes[strspn(t->bytes, " \t\r\n")] == '\0'
				 ? "the file is empty; write {} to use the defaults"
				 : json_tokener_error_desc(why));
	else if (!json_object_is_type(object, json_type_object))
		complain(r, -EINVAL, "%s:1: must be one JSON object, like {\"hold_ms\": 3000}",
			 t->path);
	json_tokener_free(tokener);
	if (json_object_is_type(object, json_type_object))
		return object;
	json_object_put(object);
	return NULL;
}

/* `at` is a string's opening quote in valid JSON; returns what follows its closing one. */
static const char *skip_string(const char *at)
{
	for (at++; *at != '"'; at++)
		at += *at == '\\';
	return at + 1;
}

/* The next key of the outermost object at or after `at`, its quote; NULL: none. */
static const char *next_key(const char *at, int *depth)
{
	while (*at != '\0') {
		const char *end = *at == '"' ? skip_string(at) : at + 1;

		if (*at == '"' && *depth == 1 && end[strspn(end, " \t\r\n")] == ':')
			return at;
		*depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
		at = end;
	}
	return NULL;
}

static void take_unknown(struct reader *r, const struct text *t, size_t line, const char *key)
{
	const char *nearest = config_option_nearest(key);

	if (nearest)
		complain(r, -EINVAL, "%s:%zu: unknown key \"%.60s\"; did you mean \"%s\"?", t->path,
			 line, key, nearest);
	else
		complain(r, -EINVAL,
			 "%s:%zu: unknown key \"%.60s\"; failsoft.json(5) lists all keys", t->path,
			 line, key);
}

static void take_key(struct reader *r, struct text *t, struct json_object *file, const char *key,
		     size_t line)
{
	const struct config_option *o = config_option_find(key);
	char problem[PROBLEM_MAX];
	size_t index;

	if (!o) {
		take_unknown(r, t, line, key);
		return;
	}
	index = (size_t)(o - config_options);
	if (t->line_of_option[index]) {
		complain(r, -EINVAL, "%s:%zu: %s is set twice, first in line %zu; remove one",
			 t->path, line, key, t->line_of_option[index]);
		return;
	}
	t->line_of_option[index] = line;
	snprintf(r->origin[index], ORIGIN_MAX, "%.300s:%zu", t->path, line);
	if (config_value_set(&r->next, o, json_object_object_get(file, key), problem,
			     sizeof(problem)) < 0)
		complain(r, -EINVAL, "%s:%zu: %s %s", t->path, line, key, problem);
}

static void take_keys(struct reader *r, struct text *t)
{
	__attribute__((cleanup(free_json))) struct json_object *file = parse(r, t);
	const char *at = t->bytes;
	int depth = 0;

	while (file && (at = next_key(at, &depth))) {
		const char *end = skip_string(at);
		struct json_tokener *tokener = json_tokener_new();
		struct json_object *key;

		if (!tokener) {
			complain(r, -ENOMEM, "%s: out of memory", t->path);
			return;
		}
		/* decodes \u escapes */
		key = json_tokener_parse_ex(tokener, at, (int)(end - at));
		take_key(r, t, file, json_object_get_string(key), line_at(t, at));
		json_object_put(key);
		json_tokener_free(tokener);
		at = end;
	}
}

static void read_file(struct reader *r, const char *path, bool must_exist)
{
	struct text t = {.path = path};
	int result = load(r, &t);

	if (result == 0)
		take_keys(r, &t);
	else if (result == -ENOENT && must_exist)
		complain(r, -ENOENT, "%s: does not exist", path);
	free(t.bytes);
}

static int is_fragment(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 5 &&
	       !strcmp(entry->d_name + length - 5, ".json");
}

/* Byte order, whatever the locale: 10-a.json before 20-b.json on every machine. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_fragments(struct reader *r, const char *file)
{
	struct dirent **entries = NULL;
	size_t stem = strlen(file);
	char directory[ORIGIN_MAX], path[ORIGIN_MAX + 256];
	int count;

	if (stem > 5 && !strcmp(file + stem - 5, ".json"))
		stem -= 5;
	snprintf(directory, sizeof(directory), "%.*s.d", (int)stem, file);
	count = scandir(directory, &entries, is_fragment, by_name);
	if (count < 0 && errno != ENOENT)
		complain(r, -errno, "%s: cannot be read: %s", directory, strerror(errno));
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		read_file(r, path, false);
		free(entries[i]);
	}
	free(entries);
}

/* The first of each pair must not be above the second. */
static const char *const not_above[][2] = {
	{"near_interval_ms", "idle_interval_ms"},
	{"psi_some_ms", "psi_window_ms"},
	{"psi_full_ms", "psi_window_ms"},
	{"floor_imminent_percent", "floor_warning_percent"},
	{"floor_shutdown_percent", "floor_imminent_percent"},
	{"floor_imminent_max_bytes", "floor_warning_max_bytes"},
	{"floor_shutdown_max_bytes", "floor_imminent_max_bytes"},
	{"budget_flush_ms", "budget_max_ms"},
	{"budget_degrade_ms", "budget_max_ms"},
	{"budget_shutdown_ms", "budget_max_ms"},
	{"budget_resume_ms", "budget_max_ms"},
};

static void check_pair(struct reader *r, const struct config_option *low,
		       const struct config_option *high)
{
	char low_text[CONFIG_NUMBER_MAX], high_text[CONFIG_NUMBER_MAX];
	const char *low_origin = r->origin[low - config_options],
		   *high_origin = r->origin[high - config_options];
	int64_t low_number, high_number;

	memcpy(&low_number, config_member(&r->next, low), sizeof(low_number));
	memcpy(&high_number, config_member(&r->next, high), sizeof(high_number));
	if (low_number <= high_number)
		return;
	config_number_text(low->type, low_number, low_text);
	config_number_text(high->type, high_number, high_text);
	complain(r, -EINVAL, "%s: %s is %s%s, but must not be above %s, which is %s%s",
		 *low_origin ? low_origin : high_origin, low->key, low_text,
		 *low_origin ? "" : " by default", high->key, high_text,
		 *high_origin ? "" : " by default");
}

static bool has_program(const struct config *c, const char *domain)
{
	for (uint32_t i = 0; i < c->procedures.count; i++)
		if (c->procedures.spec[i].kind == PROCEDURE_LAST &&
		    !strcmp(c->procedures.spec[i].match, domain))
			return true;
	return false;
}

/* A policy that has nothing to run would be found out in the crisis. */
static void check_policy(struct reader *r, const char *key, enum last_policy policy, const char *domain)
{
	const char *origin = r->origin[config_option_find(key) - config_options];

	if (policy == LAST_BAREBONE && !r->next.barebone_keep.count)
		complain(r, -EINVAL, "%s: %s is barebone, but barebone_keep is empty: name what keeps "
			 "running", origin, key);
	if (policy == LAST_PROGRAM && !has_program(&r->next, domain))
		complain(r, -EINVAL, "%s: %s is program, but procedures has none with \"last\": \"%s\"",
			 origin, key, domain);
}

static void check_policies(struct reader *r)
{
	const struct config *c = &r->next;
	const char *origin = r->origin[config_option_find("barebone_keep") - config_options];

	if (c->barebone_keep.count >= PROCEDURE_ARGUMENTS_MAX)
		complain(r, -EINVAL, "%s: barebone_keep has %u names, but at most %u are allowed: patterns "
			 "may stand for several", origin, (unsigned)c->barebone_keep.count,
			 PROCEDURE_ARGUMENTS_MAX - 1);
	check_policy(r, "last_policy", config_last_policy(c, "system"), "system");
	for (uint32_t i = 0; i < c->last_policies.count; i++) {
		char cgroup[CONFIG_TEXT_MAX];

		strcpy(cgroup, c->last_policies.text[i]);
		*strrchr(cgroup, '=') = '\0';
		check_policy(r, "last_policies", config_last_policy(c, cgroup), cgroup);
	}
}

int config_read(struct config *c, const struct config_source *source, char *error,
		size_t error_size)
{
	struct reader *r;
	int result;

	if (!c || !source || !source->file || !error || error_size == 0)
		return -EINVAL;
	error[0] = '\0';
	if (strlen(source->file) > ORIGIN_MAX - 20) {
		snprintf(error, error_size, "%.60s...: the path is longer than %d bytes",
			 source->file, ORIGIN_MAX - 20);
		return -ENAMETOOLONG;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		snprintf(error, error_size, "%s: out of memory", source->file);
		return -ENOMEM;
	}
	r->error = error;
	r->error_size = error_size;
	config_default(&r->next);
	read_file(r, source->file, source->is_explicit);
	read_fragments(r, source->file);
	for (size_t i = 0; r->result == 0 && i < ARRAY_LEN(not_above); i++)
		check_pair(r, config_option_find(not_above[i][0]),
			   config_option_find(not_above[i][1]));
	if (r->result == 0)
		check_policies(r);
	result = r->result;
	if (result == 0)
		*c = r->next;
	free(r);
	return result;
}
