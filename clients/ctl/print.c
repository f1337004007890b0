/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <langinfo.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "ctl.h"

static unsigned columns_of(uint32_t code)
{
	int width = print_is_utf8() ? wcwidth((wchar_t)code) : 1;

	return width < 0 ? 1 : (unsigned)width;
}

static unsigned columns_in(const char *text)
{
	unsigned columns = 0;
	uint32_t code;
	size_t length;

	for (; (length = print_character(text, &code)) && *text; text += length)
		columns += columns_of(code);
	return columns;
}

static const char *fit(const char *text, int columns, char buffer[CELL_MAX_BYTES], bool pad)
{
	unsigned wanted = (unsigned)(columns < 0 ? -columns : columns);
	unsigned have = columns_in(text), got = 0;
	size_t used = 0, length;
	uint32_t code;

	for (; (length = print_character(text, &code)) && *text; text += length) {
		unsigned width = columns_of(code);

		if (columns < 0 && have > wanted) {
			have -= width;
			continue;
		}
		if (got + width > wanted || used + length + wanted - got >= CELL_MAX_BYTES)
			break;
		if (code >= 0x80 && !print_is_utf8()) {
			buffer[used++] = '?';
		} else {
			memcpy(buffer + used, text, length);
			used += length;
		}
		got += width;
	}
	for (; pad && got < wanted; got++)
		buffer[used++] = ' ';
	buffer[used] = 0;
	return buffer;
}

const char *print_cell(const char *text, int columns, char buffer[CELL_MAX_BYTES])
{
	return fit(text, columns, buffer, true);
}

const char *print_cut(const char *text, int columns, char buffer[CELL_MAX_BYTES])
{
	return fit(text, columns, buffer, false);
}

/* At most 8 columns, raw figures apart. */
const char *print_bytes(const struct ctl *c, uint64_t bytes, char *buffer, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	unsigned unit = 0;

	if (c->raw) {
		snprintf(buffer, size, "%" PRIu64, bytes);
		return buffer;
	}
	for (; value >= 1024 && unit < 6; unit++)
		value /= 1024;
	snprintf(buffer, size, unit && value < 999.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buffer;
}

static const struct unit {
	uint64_t below_us;
	double us;
	int decimals;
	const char *name;
} units[] = {
	{ 10000, 1e3, 1, "ms" }, { 1000000, 1e3, 0, "ms" }, { 600000000, 1e6, 1, "s" },
	{ 36000000000, 6e7, 0, "min" }, { NEVER_US, 3.6e9, 0, "h" },
};

static const struct unit *unit_of(uint64_t us)
{
	const struct unit *u = units;

	while (us >= u->below_us && us != NEVER_US)
		u++;
	return u;
}

/* At most 11 columns, raw figures apart. */
const char *print_us(const struct ctl *c, uint64_t us, char *buffer, size_t size)
{
	const struct unit *u = unit_of(us);

	if (c->raw)
		snprintf(buffer, size, "%" PRIu64, us);
	else if (us == NEVER_US)
		snprintf(buffer, size, "not falling");
	else
		snprintf(buffer, size, "%.*f %s", u->decimals, (double)us / u->us, u->name);
	return buffer;
}

/* It does not become 0, nor a number of more than four digits. */
static bool is_read_in(const struct unit *u, uint64_t us)
{
	double digits = (double)us / u->us * (u->decimals ? 10 : 1);

	return us == 0 || us == NEVER_US || (digits >= 1 && digits < 10000);
}

static const char *bound(const struct ctl *c, uint64_t us, const struct unit *u, char text[32])
{
	if (us == NEVER_US)
		return "never";
	if (!u || c->raw)
		return print_us(c, us, text, 32);
	snprintf(text, 32, "%.*f", u->decimals, (double)us / u->us);
	return text;
}

/* In one unit where they can be read in it: then three figures are compared at a glance. */
static void format_interval(const struct ctl *c, const struct domain_row *d, char *buffer, size_t size)
{
	const struct unit *u = unit_of(d->tte_us);
	char tte[32], early[32], late[32];

	if (!is_read_in(u, d->tte_early_us) || !is_read_in(u, d->tte_late_us))
		u = NULL;
	snprintf(buffer, size, "in %s (%s-%s)", print_us(c, d->tte_us, tte, sizeof(tte)),
		 bound(c, d->tte_early_us, u, early), bound(c, d->tte_late_us, u, late));
}

const char *print_time_left(const struct ctl *c, const struct domain_row *d, char *buffer, size_t size)
{
	char tte[32], low[32];

	if (d->tte_us == NEVER_US && d->tte_low_us == NEVER_US)
		snprintf(buffer, size, "not falling");
	else if (d->tte_us == NEVER_US)
		snprintf(buffer, size, "at worst in %s", print_us(c, d->tte_low_us, low, sizeof(low)));
	else if (d->tte_early_us == NEVER_US) /* an older broker */
		snprintf(buffer, size, "in %s (at worst %s)", print_us(c, d->tte_us, tte, sizeof(tte)),
			 print_us(c, d->tte_low_us, low, sizeof(low)));
	else
		format_interval(c, d, buffer, size);
	return buffer;
}

const char *print_stage(const struct ctl *c, const char *stage)
{
	static const char *const colours[] = { "\x1b[32m", "\x1b[33m", "\x1b[35m", "\x1b[1;31m" };
	int rank = status_rank(stage);

	return c->colour && rank >= 0 ? colours[rank] : "";
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

/* How many bytes of `text` go into `room` columns, up to a blank if there is one. */
static size_t line_of(const char *text, unsigned room)
{
	size_t take = 0, blank = 0, length;
	uint32_t code;

	for (; (length = print_character(text + take, &code)) && text[take]; take += length) {
		unsigned width = columns_of(code);

		if (text[take] == ' ')
			blank = take;
		if (width > room)
			return blank ? blank : take;
		room -= width;
	}
	return take;
}

unsigned print_wrapped(const char *head, const char *text, unsigned lines)
{
	unsigned indent = columns_in(head), room = LINE_WIDTH - indent, line = 0;
	char piece[CELL_MAX_BYTES], cut[CELL_MAX_BYTES];

	for (; *text && line < lines; line++, head = "") {
		size_t take = line_of(text, room);
		bool is_last = line + 1 == lines && text[take];

		if (is_last)
			take = line_of(text, room - 4);
		snprintf(piece, sizeof(piece), "%.*s", (int)take, text);
		printf("%-*s%s%s\n", (int)indent, head, print_cut(piece, (int)room, cut),
		       is_last ? " ..." : "");
		text += take;
		text += strspn(text, " ");
	}
	return line;
}
