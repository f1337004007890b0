/* SPDX-License-Identifier: MIT */
#include "tell.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Only the journal knows what "<3>" means: a person, or a file, is not given it. systemd says in
 * JOURNAL_STREAM which socket leads there, so that a child with another one can tell. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void tell(enum tell_level level, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list list;
	int length;

	if (level > highest)
		return;
	length = is_journal() ? snprintf(line, sizeof(line), "<%d>", level)
			      : snprintf(line, sizeof(line), "failsoft-telemetry: ");
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
