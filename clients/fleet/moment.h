/* SPDX-License-Identifier: MIT */
/* Moment: seconds since 1970 as RFC 3339 in UTC,. Pure. */
#pragma once

#include <stdint.h>

#define MOMENT_MAX	32

const char *moment_format(int64_t real_s, char ret[MOMENT_MAX]);	/* "2026-11-28T12:33:29Z" */
