/* SPDX-License-Identifier: MIT */
/*
 * failsoft-hold: keeps programs of others in memory, with their libraries, for as long as it runs. A
 * page of a file that anybody has locked stays for all who map it, so a daemon that cannot lock itself
 * (mlockall() does not survive exec) is never read from the disk again.
 */
#include "launcher.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE	2

static int usage(void)
{
	fputs("usage: failsoft-hold PROGRAM...\nEach the absolute path of a program; those that are not "
	      "there are left out.\n", stderr);
	return EXIT_USAGE;
}

/* 1: held; 0: there is none. */
static int hold_one(const char *path, uint64_t *bytes)
{
	int r = hold_program(path, bytes);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		fprintf(stderr, "failsoft-hold: %s: %s%s\n", path, strerror(-r),
			r == -EAGAIN || r == -ENOMEM || r == -EPERM ?
				"; it needs LimitMEMLOCK=infinity or CAP_IPC_LOCK" : "");
	return r < 0 ? r : 1;
}

int main(int argc, char **argv)
{
	uint64_t bytes = 0;
	int held = 0;

	for (int i = 1; i < argc; i++)
		if (argv[i][0] != '/')
			return usage();
	if (argc < 2)
		return usage();
	for (int i = 1; i < argc; i++) {
		int r = hold_one(argv[i], &bytes);

		if (r < 0)
			return 1;
		held += r;
	}
	if (!held) {
		fputs("failsoft-hold: none of these programs is on this machine\n", stderr);
		return 1;
	}
	printf("failsoft-hold: %d programs, %llu KiB with their libraries\n", held,
	       (unsigned long long)bytes / 1024);
	fflush(stdout);
	for (;;)
		(void)pause(); /* until a signal ends it */
}
