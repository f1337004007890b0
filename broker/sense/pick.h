/* SPDX-License-Identifier: MIT */
/*
 * Pick: one entry of the lists that say who is never ended and who is ended first. Edge for
 * its fnmatch(3). A text:
 *   my-*                     a name as in /proc/PID/comm, or a path of the program if there is a '/'
 *   unit:logger.service      the last *.service or *.scope of its cgroup's path
 *   cgroup:/apps/loggers     that cgroup and all below it
 *   uid:1000                 its real user
 * '*' and '?' stand for any text and any byte in names, paths and units.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What has to be read of a process before an entry can be compared. */
enum pick_needs { PICK_NEEDS_PATH = 1 << 0, PICK_NEEDS_CGROUP = 1 << 1 };

struct pick_facts {
	const char *name;		/* comm */
	const char *path;		/* of its program; "" where it cannot be read */
	const char *cgroup;		/* v2, else the memory hierarchy's; "" the same */
	uint32_t uid;
};

/* NULL: an entry; else what is wrong with it and what to do, as "... which ". Static. */
const char *pick_problem(const char *text);

unsigned pick_needs(const char *text);

/* The entry has no problem. */
bool pick_match(const char *text, const struct pick_facts *f);
