/* SPDX-License-Identifier: MIT */
/* One setting that is a list of objects: each a procedure, in words like those of AddProcedure. */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "base/units.h"
#include "config_table.h"

struct problem {
	char *text;
	size_t size;
	size_t index;			/* of the procedure, from 1 */
};

static int refuse(const struct problem *p, const char *key, const char *what)
{
	snprintf(p->text, p->size, "has in its procedure %zu %s%s%s", p->index, key, *key ? ": " : "", what);
	return -EINVAL;
}

/* ---- one value each ---- */

static int take_text(struct json_object *value, char *to, size_t size, const char **wrong)
{
	*wrong = NULL;
	if (!json_object_is_type(value, json_type_string) ||
	    strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value))
		*wrong = "it must be text";
	else if ((size_t)json_object_get_string_len(value) >= size)
		*wrong = "it is too long";
	else
		strcpy(to, json_object_get_string(value));
	return *wrong ? -EINVAL : 0;
}

static int take_words(struct json_object *value, struct procedure_words *to, const char **wrong)
{
	*wrong = json_object_is_type(value, json_type_array) ? NULL : "it must be a list of texts";
	for (size_t i = 0; !*wrong && i < json_object_array_length(value); i++) {
		char word[PROCEDURE_WORDS_BYTES];

		if (take_text(json_object_array_get_idx(value, i), word, sizeof(word), wrong) < 0)
			break;
		if (!procedure_words_add(to, word))
			*wrong = "at most 16 texts, 1023 bytes in all";
	}
	return *wrong ? -EINVAL : 0;
}

static int take_number(struct json_object *value, uint64_t most, uint64_t *to, const char **wrong)
{
	int64_t number = json_object_get_int64(value);

	*wrong = NULL;
	if (!json_object_is_type(value, json_type_int))
		*wrong = "it must be a whole number";
	else if (number < 0 || (uint64_t)number > most)
		*wrong = "it is out of its range";
	else
		*to = (uint64_t)number;
	return *wrong ? -EINVAL : 0;
}

static int take_bool(struct json_object *value, bool *to, const char **wrong)
{
	*wrong = json_object_is_type(value, json_type_boolean) ? NULL : "it must be true or false";
	if (!*wrong)
		*to = json_object_get_boolean(value);
	return *wrong ? -EINVAL : 0;
}

/* ---- a procedure ---- */

static int take_member(struct procedure_spec *s, const char *key, struct json_object *value,
		       const char **wrong)
{
	enum procedure_kind kind = procedure_kind_find(key);
	uint64_t ms = s->deadline_us / US_PER_MS;
	int r;

	if (kind == PROCEDURE_PID) {
		*wrong = "a process of today: give it by failsoftctl procedure add";
		return -EINVAL;
	}
	if (kind != PROCEDURE_KIND_COUNT) {
		s->kind = kind;
		return take_text(value, s->match, sizeof(s->match), wrong);
	}
	if (!strcmp(key, "program"))
		return take_text(value, s->program, sizeof(s->program), wrong);
	if (!strcmp(key, "arguments"))
		return take_words(value, &s->arguments, wrong);
	if (!strcmp(key, "keep"))
		return take_words(value, &s->keep, wrong);
	if (!strcmp(key, "memory_bytes"))
		return take_number(value, PROCEDURE_MEMORY_MOST_BYTES, &s->memory_bytes, wrong);
	if (!strcmp(key, "responder"))
		return take_bool(value, &s->is_responder, wrong);
	if (!strcmp(key, "hold"))
		return take_bool(value, &s->holds, wrong);
	*wrong = "there is no such word; failsoft.json(5) lists them";
	if (strcmp(key, "deadline_ms"))
		return -EINVAL;
	r = take_number(value, PROCEDURE_DEADLINE_MOST_US / US_PER_MS, &ms, wrong);
	s->deadline_us = ms * US_PER_MS;
	if (r == 0 && s->deadline_us < PROCEDURE_DEADLINE_LEAST_US) {
		*wrong = "it is out of its range";
		return -EINVAL;
	}
	return r;
}

static int take_procedure(struct procedure_spec *s, struct json_object *value, const struct problem *p)
{
	const char *wrong = NULL;
	unsigned kinds = 0;

	*s = procedure_default();
	if (!json_object_is_type(value, json_type_object))
		return refuse(p, "", "no object: write {\"name\": \"hog\", \"program\": \"/sbin/x\"}");
	json_object_object_foreach(value, key, member) {
		kinds += procedure_kind_find(key) != PROCEDURE_KIND_COUNT;
		if (take_member(s, key, member, &wrong) < 0)
			return refuse(p, key, wrong);
	}
	if (kinds != 1)
		return refuse(p, "", "not one of name, unit, cgroup and last");
	if (s->kind == PROCEDURE_LAST)
		s->holds = false; /* nobody is to be held */
	wrong = procedure_refuse(s);
	return wrong ? refuse(p, s->program, wrong) : 0;
}

int config_procedures_set(struct config_procedures *to, struct json_object *value, char *problem,
			  size_t size)
{
	struct config_procedures list = { 0 };
	struct problem p = { problem, size, 0 };

	if (!json_object_is_type(value, json_type_array)) {
		snprintf(problem, size, "must be a list of procedures");
		return -EINVAL;
	}
	if (json_object_array_length(value) > PROCEDURES_MAX) {
		snprintf(problem, size, "has %zu entries, but at most %d are allowed",
			 json_object_array_length(value), PROCEDURES_MAX);
		return -EINVAL;
	}
	for (; list.count < json_object_array_length(value); list.count++) {
		struct json_object *one = json_object_array_get_idx(value, list.count);

		p.index = list.count + 1;
		if (take_procedure(&list.spec[list.count], one, &p) < 0)
			return -EINVAL;
	}
	*to = list;
	return 0;
}

/* ---- back ---- */

static void put_words(struct json_object *o, const char *key, const struct procedure_words *words)
{
	const char *list[PROCEDURE_ARGUMENTS_MAX + 1];
	struct json_object *array = json_object_new_array();

	procedure_words_list(words, list);
	for (unsigned i = 0; list[i]; i++)
		json_object_array_add(array, json_object_new_string(list[i]));
	json_object_object_add(o, key, array);
}

void config_procedures_print(const struct config_procedures *list, FILE *out)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < list->count; i++) {
		const struct procedure_spec *s = &list->spec[i];
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, procedure_kind_name(s->kind), json_object_new_string(s->match));
		json_object_object_add(o, "program", json_object_new_string(s->program));
		put_words(o, "arguments", &s->arguments);
		put_words(o, "keep", &s->keep);
		json_object_object_add(o, "deadline_ms", json_object_new_uint64(s->deadline_us / US_PER_MS));
		json_object_object_add(o, "memory_bytes", json_object_new_uint64(s->memory_bytes));
		json_object_object_add(o, "responder", json_object_new_boolean(s->is_responder));
		json_object_object_add(o, "hold", json_object_new_boolean(s->holds));
		json_object_array_add(array, o);
	}
	fputs(list->count ? json_object_to_json_string_ext(array, JSON_C_TO_STRING_NOSLASHESCAPE)
			  : "[]", out);
	json_object_put(array);
}
