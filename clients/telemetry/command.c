/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <json-c/json.h>
#include <string.h>

#define LENGTH_MAX 64u /* {"drill": "imminent"} has 21 */

static const char *const stages[] = {"warning", "imminent", "shutdown"};

/* {"drill": WORD} and nothing else. */
static const char *stage_of(struct json_object *object)
{
	struct json_object *value;
	const char *text;

	if (!json_object_is_type(object, json_type_object) ||
	    json_object_object_length(object) != 1 ||
	    !json_object_object_get_ex(object, "drill", &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	text = json_object_get_string(value);
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (!strcmp(stages[i], text) &&
		    (size_t)json_object_get_string_len(value) == strlen(text))
			return stages[i];
	return NULL;
}

static const char *parse(const char *payload, size_t length)
{
	struct json_tokener *tokener = json_tokener_new_ex(2);
	struct json_object *object;
	const char *stage = NULL;

	if (!tokener)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, payload, (int)length);
	if (json_tokener_get_error(tokener) == json_tokener_success &&
	    json_tokener_get_parse_end(tokener) == length)
		stage = stage_of(object);
	json_object_put(object);
	json_tokener_free(tokener);
	return stage;
}

const char *command_take(struct command_gate *g, const void *payload, size_t length,
			 bool is_retained, uint64_t now_us, const char **ret_why)
{
	const char *stage = NULL;

	if (is_retained)
		*ret_why = "it is a retained one: nobody asks for it now";
	else if (length == 0 || length > LENGTH_MAX)
		*ret_why = "it is not {\"drill\":\"warning\"}, imminent or shutdown";
	else if (now_us < g->next_us)
		*ret_why = "the last drill was less than a minute ago";
	else if (!(stage = parse(payload, length)))
		*ret_why = "it is not {\"drill\":\"warning\"}, imminent or shutdown";
	if (stage)
		g->next_us = now_us + COMMAND_PAUSE_US;
	else
		g->refused++;
	return stage;
}
