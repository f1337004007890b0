/* SPDX-License-Identifier: MIT */
#include "envelope_text.h"

#include <stdint.h>
#include <string.h>

#define DOTS	"..."

/* Bytes of the well-formed UTF-8 character at s (RFC 3629), 0: it is none. */
static size_t character_bytes(const uint8_t *s)
{
	static const struct {
		uint8_t first_low, first_high, second_low, second_high, bytes;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	if (s[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].first_low || s[0] > forms[i].first_high)
			continue;
		if (s[1] < forms[i].second_low || s[1] > forms[i].second_high)
			return 0;
		/* A NUL is no continuation: nothing behind it is read. */
		for (size_t k = 2; k < forms[i].bytes; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].bytes;
	}
	return 0;
}

/* What stands for the character; 0: itself. */
static char instead(const uint8_t *s, size_t bytes)
{
	if (s[0] == '\t' || s[0] == '\n' || s[0] == '\r')
		return ' ';
	if (bytes == 0 || s[0] < 0x20 || s[0] == 0x7f)
		return '?';
	return bytes == 2 && s[0] == 0xc2 && s[1] < 0xa0 ? '?' : '\0';
}

size_t envelope_text_clean(const char *from, char *ret, size_t size)
{
	size_t used = 0;

	while (*from) {
		const size_t bytes = character_bytes((const uint8_t *)from);
		const char other = instead((const uint8_t *)from, bytes);
		const size_t need = other ? 1 : bytes;

		if (used + need >= size)
			break;
		if (other)
			ret[used] = other;
		else
			memcpy(ret + used, from, bytes);
		used += need;
		from += bytes ? bytes : 1;
	}
	ret[used] = '\0';
	return used;
}

static size_t json_bytes_of(char c)
{
	return c == '"' || c == '\\' ? 2 : 1;
}

size_t envelope_text_json_bytes(const char *clean)
{
	size_t bytes = 0;

	for (; *clean; clean++)
		bytes += json_bytes_of(*clean);
	return bytes;
}

/* Of a text that starts with whole characters: as many of them as take at most `bytes` in JSON. */
static size_t whole_characters(const char *clean, size_t bytes)
{
	size_t used = 0, end = 0;

	for (size_t at = 0; clean[at] && used <= bytes; at++) {
		if (((uint8_t)clean[at] & 0xc0) != 0x80)
			end = at;
		used += json_bytes_of(clean[at]);
	}
	return end;
}

void envelope_text_fit(char *clean, size_t bytes)
{
	size_t end;

	if (envelope_text_json_bytes(clean) <= bytes)
		return;
	end = whole_characters(clean, bytes > strlen(DOTS) ? bytes - strlen(DOTS) : 0);
	/* Quotes take two bytes each: what is cut may be shorter than the dots. */
	if (bytes >= strlen(DOTS) && strlen(clean + end) >= strlen(DOTS))
		memcpy(clean + end, DOTS, sizeof(DOTS));
	else
		clean[end] = '\0';
}
