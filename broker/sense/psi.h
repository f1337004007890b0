/* SPDX-License-Identifier: MIT */
/*
 * PSI: a trigger on memory stall, of the machine or of a cgroup. Edge. Times in microseconds.
 * Only triggers: reading PSI files in a fast loop makes their figures too low, for everybody.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sense/source.h"

struct psi {
	struct source source;		/* fd: poll it for EPOLLPRI */
	uint32_t distress;		/* DISTRESS_PSI_SOME or DISTRESS_PSI_FULL */
	uint64_t threshold_us,
		window_us;		/* wanted; what was armed may be longer, see source.note */
	bool is_doubtful;		/* may fire without cause: each event is checked */
	uint64_t total_us;		/* of stall, when armed or last believed */
	uint64_t needed_us;		/* by so much it must have grown since */
};

extern const struct source_ops psi_some_ops, psi_full_ops;

/*
 * Arms the trigger that `distress`, `threshold_us` and `window_us` of *p describe on `path` (its
 * own default when NULL). On failure the source is absent and says why; nothing else happens.
 */
void psi_open(struct psi *p, int dir_fd, const char *path);
void psi_close(struct psi *p);

/* After EPOLLPRI. Did memory really stall? Reads the file at most once per window. */
bool psi_is_true(struct psi *p, const struct source_room *room);
