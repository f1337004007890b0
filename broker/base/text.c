/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

void text_init(struct text *t, char *buffer, size_t size)
{
	*t = (struct text){ .buffer = buffer, .size = size, .cut = size == 0 };
	if (size)
		buffer[0] = '\0';
}

void text_add(struct text *t, const char *format, ...)
{
	size_t room = t->size - t->used;
	va_list args;
	int length;

	if (t->cut)
		return;
	va_start(args, format);
	length = vsnprintf(t->buffer + t->used, room, format, args);
	va_end(args);
	if (length < 0) {
		t->buffer[t->used] = '\0';
		t->cut = true;
	} else if ((size_t)length >= room) {
		t->used = t->size - 1;
		t->cut = true;
	} else {
		t->used += (size_t)length;
	}
}

void text_add_bytes(struct text *t, uint64_t bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	uint64_t scale = 1, tenths;
	unsigned u = 0;

	if (bytes < KIB) {
		text_add(t, "%u B", (unsigned)bytes);
		return;
	}
	while (u + 1 < ARRAY_LEN(unit) && bytes / scale >= KIB) {
		scale *= KIB;
		u++;
	}
	/* Split, so that neither the tenths nor the rounding can overflow. */
	tenths = bytes / scale * 10 + (bytes % scale / (scale / KIB) * 10 + KIB / 2) / KIB;
	if (tenths < 1000)
		text_add(t, "%u.%u %s", (unsigned)(tenths / 10), (unsigned)(tenths % 10), unit[u]);
	else if ((tenths + 5) / 10 < KIB || u + 1 == ARRAY_LEN(unit))
		text_add(t, "%u %s", (unsigned)((tenths + 5) / 10), unit[u]);
	else
		text_add(t, "1.0 %s", unit[u + 1]); /* 1023.5 and more round up to it */
}

void text_add_us(struct text *t, uint64_t us)
{
	uint64_t s = us / US_PER_S;

	if (us == NEVER_US)
		text_add(t, "never");
	else if (us < US_PER_MS)
		text_add(t, "%u us", (unsigned)us);
	else if (us < US_PER_S - US_PER_MS / 2)
		text_add(t, "%u ms", (unsigned)((us + US_PER_MS / 2) / US_PER_MS));
	else if (us < 60 * US_PER_S - 50 * US_PER_MS)
		text_add(t, "%u.%u s", (unsigned)((us + 50 * US_PER_MS) / US_PER_S),
			 (unsigned)((us + 50 * US_PER_MS) / (100 * US_PER_MS) % 10));
	else if (s < 3600)
		text_add(t, "%u min %u s", (unsigned)(MAX_OF(s, 60u) / 60),
			 (unsigned)(MAX_OF(s, 60u) % 60));
	else if (s < 86400)
		text_add(t, "%u h %u min", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
	else
		text_add(t, "%llu d %u h", (unsigned long long)(s / 86400),
			 (unsigned)(s / 3600 % 24));
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

void text_copy_tail(char *to, size_t size, const char *from)
{
	size_t length = strlen(from);

	if (length < size) {
		memcpy(to, from, length + 1);
		return;
	}
	from += length - (size - 4);
	while (is_continuation(*from)) /* half a character is none */
		from++;
	memcpy(to, "...", 3);
	memcpy(to + 3, from, strlen(from) + 1);
}

bool text_is_utf8(const char *s)
{
	while (*s) {
		const unsigned char first = (unsigned char)*s++;
		const unsigned more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
		uint32_t point = more ? first & (0x3fu >> more) : first;
		static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };

		if ((first >= 0x80 && first < 0xc2) || first > 0xf4)
			return false;
		for (unsigned i = 0; i < more; i++) {
			if (!is_continuation(*s))
				return false;
			point = point << 6 | ((unsigned char)*s++ & 0x3fu);
		}
		if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
			return false;
	}
	return true;
}
