/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <langinfo.h>
#include <string.h>
#include <time.h>

#include "ctl.h"

#define LINE_WIDTH	79u

/* Names come from other programs: nothing in them may steer a terminal. */
void print_clean(char *to, size_t size, const char *from)
{
	size_t used = 0;

	for (; *from && used + 1 < size; from++)
		to[used++] = (unsigned char)*from < 0x20 || *from == 0x7f ? '?' : *from;
	to[used] = 0;
}

const char *print_bytes(const struct ctl *c, uint64_t bytes, char *buffer, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	unsigned unit = 0;

	if (c->raw) {
		snprintf(buffer, size, "%" PRIu64, bytes);
		return buffer;
	}
	for (; value >= 1024 && unit < 4; unit++)
		value /= 1024;
	snprintf(buffer, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buffer;
}

const char *print_us(const struct ctl *c, uint64_t us, char *buffer, size_t size)
{
	if (c->raw)
		snprintf(buffer, size, "%" PRIu64, us);
	else if (us == NEVER_US)
		snprintf(buffer, size, "not falling");
	else if (us < 10000)
		snprintf(buffer, size, "%.1f ms", (double)us / 1e3);
	else if (us < 1000000)
		snprintf(buffer, size, "%.0f ms", (double)us / 1e3);
	else if (us < 600000000)
		snprintf(buffer, size, "%.1f s", (double)us / 1e6);
	else
		snprintf(buffer, size, "%.0f min", (double)us / 6e7);
	return buffer;
}

const char *print_stage(const struct ctl *c, const char *stage)
{
	static const char *const colours[] = { "\x1b[32m", "\x1b[33m", "\x1b[35m", "\x1b[1;31m" };

	return c->colour ? colours[status_rank(stage)] : "";
}

const char *print_plain(const struct ctl *c)
{
	return c->colour ? "\x1b[0m" : "";
}

bool print_is_utf8(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

uint64_t print_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void print_wrapped(const char *head, const char *text)
{
	size_t indent = strlen(head), left = strlen(text);

	for (const char *at = text; left; head = "") {
		size_t room = LINE_WIDTH - indent, take = left < room ? left : room;

		while (take < left && take && at[take] != ' ')
			take--;
		take = take ? take : room;
		printf("%-*s%.*s\n", (int)indent, head, (int)take, at);
		at += take;
		left -= take;
		while (left && *at == ' ') {
			at++;
			left--;
		}
	}
}
