/* SPDX-License-Identifier: MIT */
/*
 * failsoft-last-words: root's eyes for failsoft-telemetry, which may not read pstore. A program of
 * its own, because what runs as root should have no network library in it: it reads, keeps what
 * counts, is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "words.h"

#define EXIT_USAGE 64 /* sysexits.h */

static int usage(FILE *out, int status)
{
	fputs("usage: failsoft-last-words [--root=DIR] [DIRECTORY]\n\n"
	      "Reads what the last boot left in pstore and its watchdogs, and writes what counts "
	      "of it to\n"
	      "DIRECTORY/" WORDS_FILE " for failsoft-telemetry. Default: $RUNTIME_DIRECTORY.\n"
	      "--root=DIR: where proc, sys and var are; for tests.\n"
	      "Exit status: 0, 1 failure, 64 wrong usage. See failsoft-telemetry(8).\n",
	      out);
	return status;
}

static int fail(const char *what, const char *path, int error)
{
	fprintf(stderr, "failsoft-last-words: %s %s: %s%s\n", what, path, strerror(error),
		error == EPERM ? " (it must belong to the user of this process, and be writable "
				 "for nobody else)"
			       : "");
	return EXIT_FAILURE;
}

static int run(const char *root, const char *directory)
{
	static struct words words;
	int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, r;

	if (root_fd < 0)
		return fail("cannot open", root, errno);
	words_read(root_fd, &words);
	close(root_fd);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail("cannot open", directory, errno);
	r = words_write(fd, &words);
	close(fd);
	return r < 0 ? fail("cannot write to", directory, -r) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const char *root = "/", *directory = getenv("RUNTIME_DIRECTORY");
	int at = 1;

	if (at < argc && !strcmp(argv[at], "--help"))
		return usage(stdout, EXIT_SUCCESS);
	if (at < argc && !strncmp(argv[at], "--root=", 7))
		root = argv[at++] + 7;
	if (at < argc)
		directory = argv[at++];
	if (at < argc || !directory || directory[0] == '-' || !directory[0])
		return usage(stderr, EXIT_USAGE);
	return run(root, directory);
}
