/* SPDX-License-Identifier: MIT */
/*
 * Parse sysv: who made the System V shared memory, and how much of it is filled. It belongs to nobody's
 * account while nobody has it attached, and stays when its maker has ended. Pure.
 */
#pragma once

#include <stdint.h>

#include "base/scan.h"

/* Makers in the table. Half: a data base with many processes fills it; double: 2 KiB more. */
#define SYSV_MAKERS_MAX	64u

struct sysv_maker {
	int32_t pid;
	uint64_t bytes;			/* in memory and in swap, of all its segments */
	uint64_t made_s;		/* the newest of them, seconds since 1970 */
};

struct sysv {
	uint32_t count;
	struct sysv_maker maker[SYSV_MAKERS_MAX];
};

/*
 * Adds a line of /proc/sysvipc/shm. A line that makes no sense, and makers beyond the table, are left
 * out.
 */
void parse_sysv_line(struct sysv *t, struct scan line);

/* Bytes in segments that this process made: one that is older than the newest of them. */
uint64_t sysv_bytes(const struct sysv *t, int32_t pid, uint64_t born_s);
