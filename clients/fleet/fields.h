/* SPDX-License-Identifier: MIT */
/*
 * Fields: JSON objects against tables that say what they may have, as the schemas in
 * interfaces/telemetry/ do. Pure but for json-c's memory.
 */
#pragma once

#include "ingest.h"

struct json_object;

/* fields.c: the members of `object` by a table. false: `why` says which one is wrong. */
struct field;
struct fields {
	const char *name;		/* of the object: "data" */
	const struct field *row;
	unsigned count;
};
bool fields_take(const struct fields *table, struct json_object *object, void *ret,
		 char why[INGEST_WHY_MAX]);

enum field_kind {
	FIELD_NUMBER,			/* uint64_t */
	FIELD_TEXT,			/* char[], cleaned; at most `limit` letters */
	FIELD_TRUTH,			/* bool */
	FIELD_TRUE,			/* bool, and nothing but true */
	FIELD_WORD,			/* uint32_t: the place in `words` */
	FIELD_CHOICE,			/* char[], one of `words` */
	FIELD_DIGITS,			/* char[], `limit` hexadecimal digits */
	FIELD_OBJECT,			/* into the same struct */
	FIELD_ANY,			/* looked at elsewhere */
	FIELD_KIND_COUNT
};

struct field {
	const char *name;
	enum field_kind kind;
	bool is_required;
	unsigned limit;
	unsigned short offset, size;	/* of the member */
	unsigned short has;		/* of a bool that says it was there; 0: none */
	const char *const *words;	/* ends with NULL */
	const struct fields *inner;
};

/* fields_data.c: of each type. */
const struct fields *fields_of(enum topic_type type);

/* Letters of a text; -1: it has NUL inside or is no UTF-8. */
int fields_letters(const char *text, size_t length);
