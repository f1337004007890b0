/* SPDX-License-Identifier: MIT */
/*
 * Parse census: the two one-line files of /proc that a census reads. Pure, with the rules of
 * parse.h: 0, -ENODATA or -EINVAL, *ret untouched on failure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* /proc/PID/statm, in pages. */
struct parse_census_statm {
	bool has_memory;		/* false: kernel thread or zombie */
	uint64_t resident, shared;	/* shared: of files, and shared memory */
};
int parse_census_statm(const char *text, size_t size, struct parse_census_statm *ret);

/* /proc/PID/stat. The name is cut to 15 bytes; what is not printable in it becomes '?'. */
struct parse_census_stat {
	char name[16];
	char state;			/* 'T': stopped by a signal */
	int32_t parent;
	uint64_t start_ticks;		/* since boot */
};
int parse_census_stat(const char *text, size_t size, struct parse_census_stat *ret);
