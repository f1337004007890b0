/* SPDX-License-Identifier: MIT */
/* What comes from others, before it reaches a terminal. Needs libc alone. */
#include "ctl.h"

size_t print_character(const char *at, uint32_t *ret_code)
{
	const unsigned char *b = (const unsigned char *)at;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = b[0] < 0x80 ? 1 : b[0] < 0xc0 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 :
			b[0] < 0xf8 ? 4 : 0;
	uint32_t code = length <= 1 ? b[0] : b[0] & (0xffu >> (length + 1));

	for (size_t i = 1; i < length; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (b[i] & 0x3f);
	}
	if (length == 0 || code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret_code = code;
	return length;
}

/* C0 and C1 (U+009B is the CSI of an escape sequence), and what turns the direction of writing. */
bool print_is_harmful(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e ||
	       code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

void print_clean(char *to, size_t size, const char *from)
{
	size_t used = 0;

	while (*from && used + 1 < size) {
		uint32_t code = 0;
		size_t length = print_character(from, &code);

		if (!length || print_is_harmful(code)) {
			to[used++] = '?';
			from += length ? length : 1;
			continue;
		}
		if (used + length >= size)
			break;
		memmove(to + used, from, length); /* to and from may be the same */
		used += length;
		from += length;
	}
	to[used] = 0;
}
