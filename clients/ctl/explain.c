/* SPDX-License-Identifier: MIT */
/* failsoftctl explain: the sentences of one episode. */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

#define AFTER_BYTES	24u	/* no episode is longer than its ring, and no ring so old */

/* "+12.345 s  what happened". Returns how long "+12.345 s  " is; 0: an older broker tells no time.
 * Not strtod alone: "+nan" and "+1e300" are times to it. */
static size_t time_of(const char *sentence)
{
	size_t length = 1;

	if (sentence[0] != '+' || !isdigit((unsigned char)sentence[1]))
		return 0;
	length += strspn(sentence + length, "0123456789");
	if (sentence[length] == '.')
		length += 1 + strspn(sentence + length + 1, "0123456789");
	if (strncmp(sentence + length, " s  ", 4) || length + 4 >= AFTER_BYTES)
		return 0;
	return length + 4;
}

static void print_json(const char *sentence)
{
	struct json_object *o = json_object_new_object(), *after = NULL;
	size_t length = time_of(sentence);
	char clean[600], text[64];
	double after_s = strtod(sentence, NULL);

	print_clean(clean, sizeof(clean), sentence + length);
	snprintf(text, sizeof(text), "%.3f", after_s);
	if (length) /* with a text of its own, or 12.345 becomes 12.345000000000001 */
		after = json_object_new_double_s(after_s, text);
	json_object_object_add(o, "after_s", after);
	json_object_object_add(o, "text", json_object_new_string(clean));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

/* `width`: of the longest time, so that all end in one column. */
static void print_people(const char *sentence, size_t width)
{
	size_t length = time_of(sentence);
	char head[AFTER_BYTES + 1], clean[600];

	print_clean(clean, sizeof(clean), sentence + length);
	snprintf(head, sizeof(head), "%*s%.*s", (int)(width - length), "", (int)length, sentence);
	print_wrapped(head, clean, UINT_MAX);
}

static int print_sentences(const struct ctl *c, sd_bus_message *m)
{
	const char *sentence;
	size_t width = 0;
	int r = sd_bus_message_enter_container(m, 'a', "s");

	while (r >= 0 && (r = sd_bus_message_read(m, "s", &sentence)) > 0)
		width = time_of(sentence) > width ? time_of(sentence) : width;
	if (r >= 0)
		r = sd_bus_message_rewind(m, false);
	while (r >= 0 && (r = sd_bus_message_read(m, "s", &sentence)) > 0) {
		if (c->json)
			print_json(sentence);
		else
			print_people(sentence, width);
	}
	return r;
}

int explain_verb(struct ctl *c)
{
	sd_bus_message *reply = NULL;
	const char *number = c->argument;
	uint64_t episode;
	char *end;
	int r;

	errno = 0;
	episode = strtoull(number, &end, 10);
	if (errno || *end || end == number || number[0] == '-') {
		fprintf(stderr, "failsoftctl: \"%s\" is no episode number; see failsoftctl episodes\n",
			number);
		return EXIT_USAGE;
	}
	r = call_method(c, &reply, "Explain", "t", episode);
	if (r >= 0)
		r = print_sentences(c, reply);
	sd_bus_message_unref(reply);
	return r < 0 ? EXIT_UNKNOWN : EXIT_OK;
}
