/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "service.h"

static const char *const type_signature[] = {
	[OPTION_U64] = "t", [OPTION_U32] = "u", [OPTION_TEXT] = "s", [OPTION_BOOL] = "b",
	[OPTION_WORDS] = "as",
};

static int read_words(sd_bus_message *m, const struct service_option *o, sd_bus_error *error)
{
	const char *word;
	int r = sd_bus_message_enter_container(m, 'v', "as");

	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &word)) > 0)
		if (!procedure_words_add(o->to, word))
			return service_error(error, "InvalidOption",
					     "option %s: at most %u texts, %u bytes in all", o->key,
					     PROCEDURE_ARGUMENTS_MAX, PROCEDURE_WORDS_BYTES - 1);
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_value(sd_bus_message *m, const struct service_option *o, sd_bus_error *error)
{
	union {
		uint64_t u64;
		uint32_t u32;
		const char *text;
		int boolean;
	} value = { .u64 = 0 };
	uint64_t number;
	int r = sd_bus_message_read(m, "v", type_signature[o->type], &value);

	if (r < 0)
		return r;
	number = o->type == OPTION_U64 ? value.u64 : value.u32;
	switch (o->type) {
	case OPTION_TEXT:
		*(const char **)o->to = value.text;
		return 0;
	case OPTION_BOOL:
		*(int *)o->to = value.boolean;
		return 0;
	case OPTION_U64:
	case OPTION_U32:
	case OPTION_WORDS: /* read_words() */
		break;
	}
	if (number < o->min || number > o->max)
		return service_error(error, "InvalidOption",
				     "option %s is %" PRIu64 ", it must be %" PRIu64 " to %" PRIu64,
				     o->key, number, o->min, o->max);
	if (o->type == OPTION_U64)
		*(uint64_t *)o->to = number;
	else
		*(uint32_t *)o->to = (uint32_t)number;
	return 0;
}

static int read_entry(sd_bus_message *m, const struct service_option *options, uint32_t count,
		      sd_bus_error *error)
{
	const char *key, *contents = NULL;
	char type;
	int r = sd_bus_message_read_basic(m, 's', &key);

	if (r < 0)
		return r;
	r = sd_bus_message_peek_type(m, &type, &contents);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(key, options[i].key))
			continue;
		if (!contents || strcmp(contents, type_signature[options[i].type]))
			return service_error(error, "InvalidOption",
					     "option %s has type '%s', it must be '%s'", key,
					     contents ? contents : "?", type_signature[options[i].type]);
		return options[i].type == OPTION_WORDS ? read_words(m, &options[i], error)
						       : read_value(m, &options[i], error);
	}
	return service_error(error, "UnknownOption", "there is no option \"%s\" in this call; "
			     "see org.failsoft.Broker1(5)", key);
}

int service_read_options(sd_bus_message *m, const struct service_option *options, uint32_t count,
			 sd_bus_error *error)
{
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = read_entry(m, options, count, error);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}
