/* SPDX-License-Identifier: MIT */
/*
 * Freezer: the cgroup that a process lives in, as something that can be frozen: cgroup v2 (Linux
 * 5.2), else a v1 freezer. Edge. A frozen cgroup holds what is forked meanwhile, too, which SIGSTOP
 * to each process may miss. The root of a hierarchy is never one. Fixed room, allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/ledger.h"

struct freezer_trees {
	int v2_fd, v1_fd;		/* roots of the hierarchies; -1: not mounted */
};

/* Finds them in the root's proc/mounts. Never fails. */
void freezer_trees_open(struct freezer_trees *t, int root_fd);
void freezer_trees_close(struct freezer_trees *t);

struct freezer {
	int dir_fd, switch_fd;		/* -1: none */
	struct ledger_freeze place;
};

/*
 * Opens the cgroup that the process lives in. 0; -ENODEV: it has none that can be frozen; -EBUSY:
 * it is frozen already, by somebody else; or another negative errno.
 */
int freezer_find(struct freezer *f, const struct freezer_trees *t, int root_fd, int32_t pid);

/* Opens the cgroup of a ledger. -ENOENT, -ESTALE: it is gone, another one has its name. */
int freezer_open(struct freezer *f, const struct freezer_trees *t,
		 const struct ledger_freeze *place);
void freezer_close(struct freezer *f);

/* What to write into switch_fd. */
const char *freezer_word(const struct freezer *f, bool freeze);

/* Asks about a process. */
struct freezer_question {
	bool (*is_good)(void *userdata, int32_t pid);
	void *userdata;
};

/*
 * The switch that ends the whole cgroup that the process lives in (cgroup v2, Linux 5.14), also what is
 * forked meanwhile: to be written "1". Only if the answer is yes for all in it. A descriptor; -ENODEV:
 * there is none; -EPERM: somebody else lives there; or another negative errno.
 */
int freezer_kill_switch(const struct freezer_trees *t, int root_fd, int32_t pid,
			const struct freezer_question *q);

/* Is the answer yes for all processes in it, is there one, and is no cgroup below it? */
bool freezer_is_only(const struct freezer *f, const struct freezer_question *q);
