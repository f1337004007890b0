/* SPDX-License-Identifier: MIT */
#include "sense/sysv.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define PIECE_BYTES	4096u

/* The whole lines of what is there; what is left of the last one goes to the front. */
static size_t take_lines(struct sysv *t, char *piece, size_t size)
{
	struct scan s = scan_of(piece, size), line;

	while (scan_line(&s, &line))
		parse_sysv_line(t, line);
	memmove(piece, s.at, scan_left(&s));
	return scan_left(&s);
}

void sysv_read(struct sysv *t, int proc_fd)
{
	_cleanup_close_ int fd = file_open_at(proc_fd, "sysvipc/shm");
	char piece[PIECE_BYTES];
	size_t kept = 0;
	ssize_t n;

	t->count = 0;
	if (fd < 0)
		return;
	while (kept < sizeof(piece) && (n = read(fd, piece + kept, sizeof(piece) - kept)) > 0)
		kept = take_lines(t, piece, kept + (size_t)n);
}
