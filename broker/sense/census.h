/* SPDX-License-Identifier: MIT */
/*
 * Census: what the processes of the machine or of a cgroup hold, read in slices, round after round.
 * Edge. Cheap: one small file per process; name, parent and user only when a process is new or
 * changed much. Bytes; times of CLOCK_MONOTONIC. Everything is allocated by census_open().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sense/growth_reading.h"

/* Processes that one step reads at most, at some 10 us each. */
#define CENSUS_SLICE_MAX	256u

struct census;

/*
 * root: NULL is "/"; must have a proc in it. max_processes: how many can be remembered from one
 * round to the next (88 bytes each); what is beyond costs more to read and nothing else.
 */
int census_open(const char *root, uint32_t max_processes, struct census **ret);
struct census *census_close(struct census *c);

/*
 * Looks at a cgroup, with all below it, instead of the whole machine; -1: the machine again. The fd
 * of its directory is borrowed until the next call. Starts a new round.
 */
void census_within(struct census *c, int cgroup_fd);

/*
 * Does the machine have swap (sample.swap_total_bytes)? Then what is swapped of a process counts, too,
 * and is read once a second, at three times the cost. What leaves memory in between is taken for
 * swapped until then, so that swapping out does not look like a fall and a rise. Begins with false.
 */
void census_swap(struct census *c, bool has_swap);

/* This pid was born, called another program, or ended (process events): what is remembered of it is
 * void. Without events a new name is seen when the memory doubles or halves, or within 16 rounds. */
void census_forget(struct census *c, int32_t pid);

struct census_slice {
	const struct growth_reading *reading;	/* the census's own, valid until the next step */
	uint32_t count;			/* of them: processes that have memory and still lived */
	bool is_round_end;		/* all were seen: growth_sweep(round_us) */
	uint64_t round_us;		/* when the round began that this slice belongs to */
};

/*
 * Looks at the next max_processes (1 to CENSUS_SLICE_MAX) of the round, fewer at its end; the next
 * step then begins a new one. Eight kernel threads or zombies that are known to be such count as one
 * process. now_us: the time of the first reading, those after it carry their own.
 * Returns 0; -EINVAL; -ENODEV: the cgroup is gone; a negative errno of reading the list of
 * processes, after which the next step begins a new round. Processes that end meanwhile are left
 * out.
 */
int census_step(struct census *c, uint64_t now_us, uint32_t max_processes,
		struct census_slice *ret);
