/* SPDX-License-Identifier: MIT */
#include "tell.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024u /* below PIPE_BUF: a line is written whole or not at all */

static enum tell_level highest = TELL_INFO;
static unsigned dropped;

void tell_set_verbose(bool is_verbose)
{
	highest = is_verbose ? TELL_DEBUG : TELL_INFO;
}

static void put(const char *line, size_t length)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT) ||
	    write(STDERR_FILENO, line, length) < 0)
		dropped++;
}

void tell(enum tell_level level, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	int length = snprintf(line, sizeof(line), "<%d>", level);
	va_list list;

	if (level > highest)
		return;
	if (dropped)
		length += snprintf(line + length, sizeof(line) - (size_t)length,
				   "(%u lines were dropped) ", dropped);
	dropped = 0;
	va_start(list, format);
	(void)vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format, list);
	va_end(list);
	length = (int)strlen(line);
	line[length++] = '\n';
	put(line, (size_t)length);
}
