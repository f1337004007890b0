/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "../ctl/ctl.h"

int fields_letters(const char *text, size_t length)
{
	int letters = 0;

	if (strlen(text) != length)
		return -1;
	for (; *text; text++)
		letters += ((unsigned char)*text & 0xc0) != 0x80;
	return letters;
}

static bool take_number(const struct field *f, struct json_object *value, void *to)
{
	uint64_t number = json_object_get_uint64(value);

	/* json-c gives 0 for what is negative and its largest for what is larger */
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
	    number > INT64_MAX || number < f->limit)
		return false;
	*(uint64_t *)to = number;
	return true;
}

static const char *text_of(const struct field *f, struct json_object *value)
{
	const char *text;
	int letters;

	if (!json_object_is_type(value, json_type_string))
		return NULL;
	text = json_object_get_string(value);
	letters = fields_letters(text, (size_t)json_object_get_string_len(value));
	return letters < 0 || (unsigned)letters > f->limit ? NULL : text;
}

static bool take_text(const struct field *f, struct json_object *value, void *to)
{
	const char *text = text_of(f, value);

	if (!text)
		return false;
	print_clean(to, f->size, text);
	return true;
}

static bool take_truth(const struct field *f, struct json_object *value, void *to)
{
	if (!json_object_is_type(value, json_type_boolean))
		return false;
	*(bool *)to = json_object_get_boolean(value);
	return f->kind == FIELD_TRUTH || *(bool *)to;
}

static int find_word(const struct field *f, struct json_object *value)
{
	const char *text = json_object_is_type(value, json_type_string) ?
				   json_object_get_string(value) : NULL;

	for (int i = 0; text && f->words[i]; i++)
		if (!strcmp(f->words[i], text) &&
		    strlen(text) == (size_t)json_object_get_string_len(value))
			return i;
	return -1;
}

static bool take_word(const struct field *f, struct json_object *value, void *to)
{
	int found = find_word(f, value);

	if (found < 0)
		return false;
	if (f->kind == FIELD_WORD)
		*(uint32_t *)to = (uint32_t)found;
	else
		snprintf(to, f->size, "%s", f->words[found]);
	return true;
}

static bool take_digits(const struct field *f, struct json_object *value, void *to)
{
	const char *text = text_of(f, value);

	if (!text || strlen(text) != f->limit || strspn(text, "0123456789abcdef") != f->limit)
		return false;
	snprintf(to, f->size, "%s", text);
	return true;
}

static bool take(const struct field *f, struct json_object *value, void *ret, char *why)
{
	static bool (*const takers[FIELD_KIND_COUNT])(const struct field *, struct json_object *,
						      void *) = {
		[FIELD_NUMBER] = take_number, [FIELD_TEXT] = take_text, [FIELD_TRUTH] = take_truth,
		[FIELD_TRUE] = take_truth,    [FIELD_WORD] = take_word, [FIELD_CHOICE] = take_word,
		[FIELD_DIGITS] = take_digits,
	};

	if (f->kind == FIELD_ANY)
		return true;
	if (f->kind == FIELD_OBJECT)
		return fields_take(f->inner, value, ret, why);
	return takers[f->kind](f, value, (char *)ret + f->offset);
}

/* Of a member that no table has; a hostile name is shown cleaned and cut. */
static bool complain(const struct fields *table, const char *name, const char *what, char *why)
{
	char clean[49];

	print_clean(clean, sizeof(clean), name);
	snprintf(why, INGEST_WHY_MAX, "%s: \"%s\" %s", table->name, clean, what);
	return false;
}

static const struct field *find(const struct fields *table, const char *name)
{
	for (unsigned i = 0; i < table->count; i++)
		if (!strcmp(table->row[i].name, name))
			return &table->row[i];
	return NULL;
}

static bool take_members(const struct fields *table, struct json_object *object, void *ret, char *why)
{
	json_object_object_foreach(object, name, value) {
		const struct field *f = find(table, name);

		if (!f)
			return complain(table, name, "is unknown in version 1", why);
		why[0] = '\0';
		if (!take(f, value, ret, why))
			return why[0] ? false : complain(table, name, "has no value that it may have", why);
		if (f->has)
			*(bool *)((char *)ret + f->has) = true;
	}
	return true;
}

bool fields_take(const struct fields *table, struct json_object *object, void *ret,
		 char why[INGEST_WHY_MAX])
{
	if (!json_object_is_type(object, json_type_object)) {
		snprintf(why, INGEST_WHY_MAX, "%s is no object", table->name);
		return false;
	}
	if (!take_members(table, object, ret, why))
		return false;
	for (unsigned i = 0; i < table->count; i++)
		if (table->row[i].is_required &&
		    !json_object_object_get_ex(object, table->row[i].name, NULL))
			return complain(table, table->row[i].name, "is missing", why);
	return true;
}
