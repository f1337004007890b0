/* SPDX-License-Identifier: MIT */
/*
 * Export: an event as one line of JSON, for Monitor streams and the JSON Lines file. Edge
 * (json-c allocates): never on the way from a sample to an order, the broker calls it when
 * nothing else is left to do.
 */
#pragma once

#include <stddef.h>

#include "keep/event.h"

#define EXPORT_LINE_MAX	2048

/* One JSON object and a newline. Returns its bytes without NUL; -ENOMEM, -EFBIG. */
int export_line(const struct event *e, char *buffer, size_t size);

/* Opens the JSON Lines file for appending; a descriptor or -errno. */
int export_open(const char *path);

/* Could it be opened, as far as can be seen without making it? 0 or -errno. */
int export_check(const char *path);
