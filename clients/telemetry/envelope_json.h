/* SPDX-License-Identifier: MIT */
/*
 * Envelope JSON: a message while it is put together: json-c with one place for what fails. Edge for its
 * memory alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "envelope.h"

struct json_object;

struct envelope_json {
	struct json_object *root, *data;
	bool has_failed;		/* memory: everything after it is left out */
};

/* What every message has, and an empty `data`. 0, -EINVAL or -ENOMEM; free with envelope_json_finish(). */
int envelope_json_begin(struct envelope_json *j, enum topic_type type, const struct envelope *v,
			const struct envelope_moment *m);

/* NULL where memory failed; fine to be given to the others. */
struct json_object *envelope_json_object(struct envelope_json *j, struct json_object *in, const char *key);

void envelope_json_text(struct envelope_json *j, struct json_object *in, const char *key, const char *text);
void envelope_json_flag(struct envelope_json *j, struct json_object *in, const char *key, bool is_set);
void envelope_json_stage(struct envelope_json *j, struct json_object *in, const char *key, uint32_t stage);

/* A figure is left out where it has the value that says it is absent. */
struct envelope_figure {
	const char *key;
	uint64_t value, absent;
};

#define ENVELOPE_ALWAYS                                                                            \
	(UINT64_MAX - 1) /* `absent` of what is always there: nothing counts so far */

void envelope_json_figures(struct envelope_json *j, struct json_object *in,
			   const struct envelope_figure *figures, size_t count);

/* Writes and frees. sentence: into data, what fits of it; NULL: none. Returns the bytes, -ENOMEM, or
 * -EMSGSIZE (a bug: test and check hold that the longest message fits without its sentence). */
int envelope_json_finish(struct envelope_json *j, const char *sentence, char ret[TOPIC_PAYLOAD_MAX]);
