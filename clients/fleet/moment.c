/* SPDX-License-Identifier: MIT */
#include "moment.h"

#include <stdio.h>
#include <time.h>

const char *moment_format(int64_t real_s, char ret[MOMENT_MAX])
{
	time_t time = (time_t)real_s;
	struct tm tm = { 0 };

	if (!gmtime_r(&time, &tm) || strftime(ret, MOMENT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(ret, MOMENT_MAX, "1970-01-01T00:00:00Z");
	return ret;
}
