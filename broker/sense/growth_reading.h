/* SPDX-License-Identifier: MIT */
/*
 * A growth reading: what one process holds at one moment. Pure, a plain struct; taken by census.c,
 * judged by growth.c. Bytes; times in microseconds of CLOCK_MONOTONIC.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct growth_reading {
	int32_t pid;
	int32_t parent;
	uint32_t uid;
	bool is_apart;			/* never part of a group: a client, or protected; set by who
					 * knows, as the victim rule does; the census says false */
	char name[16];			/* comm, NUL-terminated */
	uint64_t start_ticks;		/* field 22 of /proc/PID/stat: with pid names a process for good */
	uint64_t started_us;		/* the same on our clock, to 10 ms; 0: unknown or before it began */
	uint64_t bytes;			/* anonymous memory and swap; shared memory is in a pool */
	uint64_t time_us;		/* when it was read */
};
