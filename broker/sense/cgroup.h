/* SPDX-License-Identifier: MIT */
/*
 * Cgroup: memory limits of cgroups, v2 or v1, as domains. Edge. A cgroup is named by its path in
 * the hierarchy, "/demo/apps". Bytes; all files stay open, reading allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sense/parse.h"
#include "sense/source.h"

#define CGROUP_PATHS_MAX	8	/* limits in one line of ancestors */

/* The hierarchy that has the memory controller. */
struct cgroup_tree {
	struct source source;		/* fd: its root directory */
	bool is_v2;
	char tripwire[PARSE_PATH_MAX];	/* the memory.high of this cgroup is no limit: it is ours */
};

struct cgroup_paths {
	uint32_t count;
	char name[CGROUP_PATHS_MAX][PARSE_PATH_MAX];
};

enum cgroup_file {
	CGROUP_USAGE, CGROUP_LIMIT, CGROUP_HIGH, CGROUP_STAT, CGROUP_EVENTS, CGROUP_HITS,
	CGROUP_SWAP_USAGE, CGROUP_SWAP_LIMIT, CGROUP_FILE_COUNT
};

/* Counters of the kernel's distress, since the cgroup was made. */
struct cgroup_counters {
	uint64_t high, hits, oom;
};

struct cgroup {
	bool is_v2;
	bool has_local_events;		/* counts only what its own limit caused */
	bool has_counters;
	int dir_fd;			/* -1: closed */
	int fd[CGROUP_FILE_COUNT];	/* -1: this kernel has no such file */
	uint64_t limit_bytes;		/* at the last read; 0: not yet read */
	struct cgroup_counters counters;
};

/* Finds it in the root's proc/mounts. Never fails: t->source.error. */
void cgroup_tree_open(struct cgroup_tree *t, int root_fd, const struct source_room *room);
void cgroup_tree_close(struct cgroup_tree *t);

/*
 * The cgroups with a limit below ceiling_bytes that the process lives in, its own first, then its
 * ancestors. Returns 0 (count 0: it is not limited), -ENODEV without memory cgroups, -ESRCH when
 * there is no such process, -ENAMETOOLONG, or a negative errno.
 */
struct cgroup_question {
	int root_fd;
	int32_t pid;
	uint64_t ceiling_bytes;
};
int cgroup_find(const struct cgroup_tree *t, const struct cgroup_question *q,
		const struct source_room *room, struct cgroup_paths *ret);

/* -EINVAL: the name does not begin with "/", is the root, or climbs; -ENOENT: no such cgroup. */
int cgroup_open(struct cgroup *c, const struct cgroup_tree *t, const char *name);
void cgroup_close(struct cgroup *c);

/* v2: what the tripwire needs to know of its cgroup. Errors as cgroup_read(). */
struct cgroup_figures {
	uint64_t usage_bytes, file_bytes;
	uint64_t high_bytes;		/* PARSE_UNLIMITED: none */
	uint64_t high_events;		/* so often was it reached */
};
int cgroup_figures(struct cgroup *c, const struct source_room *room, struct cgroup_figures *ret);

/*
 * Memory, swap and counters. ret->total_bytes must hold the memory of the machine and swap_* its
 * swap: a cgroup cannot have more. -ENODEV, -ENOENT: the cgroup is gone.
 */
int cgroup_read(struct cgroup *c, const struct source_room *room, struct sample *ret);
