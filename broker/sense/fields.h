/* SPDX-License-Identifier: MIT */
/* Fields: a file of "key figure" lines into a struct of uint64_t. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scan.h"

/* Which keys go where. */
struct field {
	const char *key;
	size_t offset;			/* of an uint64_t in the struct */
	bool is_optional;
};

struct fields {
	const struct field *field;
	size_t count;			/* at most 32 */
	bool is_kib;			/* figures carry " kB" */
};

/* The rest of a line after its key: one figure, with its unit if it has one. */
bool fields_figure(struct scan *line, bool is_kib, uint64_t *ret);

/* Whose key that is; NULL: of none. */
const struct field *fields_find(const struct fields *f, const struct scan *key);

/* 0; -ENODATA: one that is not optional is missing; -EINVAL: no figure. What is missing is left alone. */
int fields_read(struct scan text, const struct fields *f, void *ret);
