/* SPDX-License-Identifier: MIT */
/*
 * Pid walk: the pids of the machine or of a cgroup with all below it, one by one, so that a walk can
 * pause anywhere. Edge. No allocation; keeps a piece of the list between calls, so a pid that it
 * tells may have ended meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel allows more, systemd nests about 6 deep. Deeper ones are not seen. */
#define PIDWALK_DEPTH_MAX	16

/* Names of directory entries and pids come in pieces of this size. Half: a tenth more system calls
 * per round; double: what is told is staler when the walk pauses. */
#define PIDWALK_PIECE_BYTES	4096u

struct pidwalk {
	int proc_fd;			/* borrowed */
	int cgroup_fd;			/* borrowed; -1: the machine */
	bool is_running;		/* in the middle of a round */
	int depth;			/* open directories of cgroups */
	int dir_fd[PIDWALK_DEPTH_MAX];
	int procs_fd;			/* the cgroup.procs being read; -1: none */
	uint64_t digits;		/* a pid that the piece may have cut */
	size_t at, size;		/* what is left of the piece */
	char piece[PIDWALK_PIECE_BYTES] __attribute__((aligned(8)));
};

/* proc_fd: the directory proc; borrowed until pidwalk_fini(). */
void pidwalk_init(struct pidwalk *w, int proc_fd);
void pidwalk_fini(struct pidwalk *w);

/* Walks the cgroup of this directory, borrowed; -1: the machine. Starts a new round. */
void pidwalk_within(struct pidwalk *w, int cgroup_fd);

/*
 * 1: *ret_pid is the next; 0: the round is over, the next call starts a new one; -ENODEV: the cgroup
 * is gone; a negative errno. After a failure the next call starts a new round, too.
 */
int pidwalk_next(struct pidwalk *w, int32_t *ret_pid);
