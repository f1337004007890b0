/* SPDX-License-Identifier: MIT */
#include "launcher.h"

#include <string.h>
#include <time.h>

uint64_t launch_now_usec(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail: a valid clock */
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void launch_list(const struct launch_words *words, const char *first, const char **ret)
{
	const char *at = words->bytes;
	unsigned count = 0;

	if (first)
		ret[count++] = first;
	for (uint32_t i = 0; i < words->count; i++) {
		ret[count++] = at;
		at += strlen(at) + 1;
	}
	ret[count] = NULL;
}
