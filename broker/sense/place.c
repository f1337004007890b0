/* SPDX-License-Identifier: MIT */
#include "sense/place.h"

#include <string.h>

bool place_is_below(const char *path, const char *top)
{
	size_t length = strlen(top);

	while (length > 1 && top[length - 1] == '/')
		length--;
	if (length == 1 && top[0] == '/')
		return true;
	return !strncmp(path, top, length) && (path[length] == 0 || path[length] == '/');
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t n = strlen(end);

	return length > n && !memcmp(text + length - n, end, n);
}

bool place_unit(const char *path, char *ret, size_t size)
{
	const char *last = "";
	size_t last_length = 0;

	while (*path) {
		size_t length;

		path += strspn(path, "/");
		length = strcspn(path, "/");
		if (ends_with(path, length, ".service") || ends_with(path, length, ".scope")) {
			last = path;
			last_length = length;
		}
		path += length;
	}
	if (last_length >= size)
		last_length = 0;
	memcpy(ret, last, last_length);
	ret[last_length] = 0;
	return last_length;
}
