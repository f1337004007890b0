/* SPDX-License-Identifier: MIT */
/* The words of tally.c, for tests that link what is kept alone; the schemas' check holds them. */
#pragma once

#include "tally.h"

const char *tally_end_name(enum tally_end end)
{
	static const char *const ends[TALLY_END_COUNT] = {"cleared",	 "victim",  "oom-kill",
							  "last-policy", "panic",   "watchdog",
							  "power-loss",	 "unknown", "shutdown"};

	return ends[end];
}
