/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value) || !value) /* JSON's null is NULL */
		return "";
	return json_object_get_string(value);
}

static void print_event(const char *line)
{
	struct json_object *o = json_tokener_parse(line), *value;
	uint64_t time_us = 0;
	char kind[24], sentence[600];

	if (!o) {
		fprintf(stderr, "failsoftctl: the broker sent a line that is no JSON\n");
		return;
	}
	if (json_object_object_get_ex(o, "time_us", &value))
		time_us = json_object_get_uint64(value);
	print_clean(kind, sizeof(kind), text_of(o, "event"));
	print_clean(sentence, sizeof(sentence), text_of(o, "text"));
	if (!strcmp(kind, "lost"))
		snprintf(sentence, sizeof(sentence), "%s events were lost: this reader is too slow",
			 text_of(o, "count"));
	printf("%8" PRIu64 ".%06" PRIu64 " %-17s %s\n", time_us / 1000000, time_us % 1000000, kind,
	       sentence);
	json_object_put(o);
}

int monitor_verb(struct ctl *c)
{
	int fd = call_monitor(c, c->history);
	FILE *stream = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;
	long i;

	if (!stream)
		return EXIT_UNKNOWN;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; (!c->count || i < c->count) && getline(&line, &size, stream) > 0; i++) {
		if (c->json)
			fputs(line, stdout);
		else
			print_event(line);
		if (ferror(stdout))
			break;
	}
	free(line);
	fclose(stream);
	if (ferror(stdout))
		return EXIT_UNKNOWN; /* which main() says */
	if (c->count && i == c->count)
		return EXIT_OK;
	fprintf(stderr, "failsoftctl: the broker has ended\n");
	return EXIT_UNKNOWN;
}
