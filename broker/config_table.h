/* SPDX-License-Identifier: MIT */
/*
 * Config table: what a row of the settings table is, and how one value is checked, stored and
 * written as text. Edge (JSON values of json-c). Only config*.c include this; the rest of the
 * broker sees struct config. A row's numbers are in the internal unit (us, bytes, permyriad).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "config.h"

struct json_object;

#define CONFIG_OPTIONS_MAX	64	/* rows; the reader keeps an array of so many */
#define CONFIG_NUMBER_MAX	32	/* bytes of a number as text, with NUL */

enum config_type {
	CONFIG_MS,			/* uint64_t microseconds, in files whole milliseconds */
	CONFIG_BYTES,			/* uint64_t, in files bytes or text like "64M" */
	CONFIG_RATE,			/* uint64_t bytes per second, written like CONFIG_BYTES */
	CONFIG_PERCENT,			/* uint64_t permyriad, in files percent, two decimals */
	CONFIG_COUNT,			/* uint64_t */
	CONFIG_SIGNED,			/* int64_t */
	CONFIG_BOOL,			/* bool */
	CONFIG_PATH,			/* char[CONFIG_TEXT_MAX], absolute, "" is none */
	CONFIG_CGROUP,			/* char[CONFIG_TEXT_MAX], a cgroup path, "" is none */
	CONFIG_NAMES,			/* struct config_list of processes, see sense/pick.h */
	CONFIG_CGROUPS,			/* struct config_list of cgroup paths */
	CONFIG_POLICY,			/* char[CONFIG_TEXT_MAX], a word of act/last.h */
	CONFIG_POLICIES,		/* struct config_list of "CGROUP=WORD" */
	CONFIG_FILES,			/* struct config_list of absolute paths, patterns in the last part */
	CONFIG_COMMS,			/* struct config_list of patterns of /proc/PID/comm */
	CONFIG_PROCEDURES,		/* struct config_procedures */
	CONFIG_TYPE_COUNT
};

struct config_option {
	const char *group;
	const char *key;
	enum config_type type;
	size_t offset;			/* in struct config */
	int64_t min, max;		/* numbers only */
	int64_t number;			/* default of a number or a bool */
	const char *words;		/* default of a text or, separated by spaces, of a list */
	const char *text;		/* what it does, where the default comes from */
	bool needs_restart;		/* a reload keeps the old value */
};

extern const struct config_option config_options[];
extern const size_t config_options_count;

/* NULL: no such key. */
const struct config_option *config_option_find(const char *key);

/* The key that was probably meant; NULL: none is near. */
const char *config_option_nearest(const char *key);

/* The member of *c that the row describes. */
static inline void *config_member(struct config *c, const struct config_option *o)
{
	return (char *)c + o->offset;
}

static inline const void *config_member_const(const struct config *c, const struct config_option *o)
{
	return (const char *)c + o->offset;
}

/* config_value.c: is the row's member an int64_t or uint64_t? */
bool config_type_is_number(enum config_type type);

bool config_type_is_list(enum config_type type); /* a struct config_list? */
bool config_type_is_text(enum config_type type); /* a char[CONFIG_TEXT_MAX]? */

/* "ms", "bytes", ...; "" when there is none. */
const char *config_type_unit(enum config_type type);

/* The number as it is written in a file, without quotes: 2000, 256M, 2.5. */
void config_number_text(enum config_type type, int64_t number, char buffer[CONFIG_NUMBER_MAX]);

/*
 * Checks a JSON value and stores it. Returns 0, or -EINVAL with *c unchanged and `problem` the
 * rest of a sentence that begins with the key: "is 5, but must be 100..60000 ms".
 */
int config_value_set(struct config *c, const struct config_option *o, struct json_object *value,
		     char *problem, size_t problem_size);

/* config_procedure.c: the same for the list of procedures, and that list as JSON in one line. */
int config_procedures_set(struct config_procedures *to, struct json_object *value, char *problem,
			  size_t size);
void config_procedures_print(const struct config_procedures *list, FILE *out);
