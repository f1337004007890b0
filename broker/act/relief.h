/* SPDX-License-Identifier: MIT */
/*
 * Relief: deletes the files that were given for it, where that gives memory back: regular files on a
 * tmpfs or ramfs. Edge. Allocates nothing; may wait for a lock of the directory, so it is for a thread
 * that may block.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct relief_result {
	uint32_t files;
	uint64_t bytes;			/* that their blocks took; of hard links none */
	int error;			/* 0, or -errno of the first that failed: -EXDEV not in memory */
};

/* pattern: an absolute path below root_fd, * and ? in its last part; a leading dot is to be said. */
void relief_run(int root_fd, const char *pattern, bool is_dry, struct relief_result *ret);
