/* SPDX-License-Identifier: MIT */
/*
 * failsoft-hold: keeps programs of others in memory, with their libraries, for as long as it runs.
 * A page of a file that anybody has locked stays for all who map it, so a daemon that cannot lock
 * itself (mlockall() does not survive exec) is never read from the disk again.
 */
#include "launcher.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE  2
#define WITHOUT_MAX 16u

static void print_usage(FILE *out)
{
	fputs("usage: failsoft-hold [--without=LIBRARY]... PROGRAM...\n"
	      "       failsoft-hold --help\n"
	      "Each PROGRAM the absolute path of one; those that are not there are left out. "
	      "LIBRARY: how\n"
	      "the name of a file begins that is not to be held, such as libzstd; at most 16.\n",
	      out);
}

static int usage(void)
{
	print_usage(stderr);
	return EXIT_USAGE;
}

/* Asked for: 0, unless nobody could be told. */
static int help(void)
{
	print_usage(stdout);
	return fflush(stdout) ? 1 : 0;
}

/* 1: held; 0: there is none. */
static int hold_one(const char *path, const char *const *without, uint64_t *bytes)
{
	int r = hold_program(path, without, bytes);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		fprintf(stderr, "failsoft-hold: %s: %s%s\n", path, strerror(-r),
			r == -EAGAIN || r == -ENOMEM || r == -EPERM
				? "; it needs LimitMEMLOCK=infinity or CAP_IPC_LOCK"
				: "");
	return r < 0 ? r : 1;
}

static int hold_all(char **programs, const char *const *without)
{
	uint64_t bytes = 0;
	int held = 0, r;

	for (; *programs; programs++) {
		r = hold_one(*programs, without, &bytes);
		if (r < 0)
			return r;
		held += r;
	}
	if (!held) {
		fputs("failsoft-hold: none of these programs is on this machine\n", stderr);
		return -ENOENT;
	}
	printf("failsoft-hold: %d programs, %llu KiB with their libraries\n", held,
	       (unsigned long long)bytes / 1024);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"without", required_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *without[WITHOUT_MAX + 1] = {NULL};
	unsigned count = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return help();
		if (option != 'w' || count == WITHOUT_MAX || !*optarg)
			return usage();
		without[count++] = optarg;
	}
	if (optind == argc)
		return usage();
	for (int i = optind; i < argc; i++)
		if (argv[i][0] != '/')
			return usage();
	if (hold_all(argv + optind, without) < 0)
		return 1;
	for (;;)
		(void)pause(); /* until a signal ends it */
}
