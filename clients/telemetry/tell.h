/* SPDX-License-Identifier: MIT */
/*
 * Tell: lines for the journal on standard error. Never waits: a reader that stands still costs lines, and
 * the next one that goes out says how many. Allocates nothing. Edge.
 */
#pragma once

#include <stdbool.h>

enum tell_level { TELL_ERROR = 3, TELL_WARNING = 4, TELL_INFO = 6, TELL_DEBUG = 7 }; /* as sd-daemon.h */

void tell_set_verbose(bool is_verbose);
void tell(enum tell_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
