/* SPDX-License-Identifier: MIT */
/*
 * Shield: lowers a process' oom_score_adj, so that the kernel does not take it in the middle of a
 * step, and restores it. Edge. Works on a directory handle of /proc/PID that was opened at
 * registration: it names that process for good, a reused pid cannot be hit.
 */
#pragma once

#include <stdint.h>

/* Opens ROOT/proc/PID; *ret_start_ticks is field 22 of its stat. A descriptor or -errno. */
int shield_open(int root_fd, int32_t pid, uint64_t *ret_start_ticks);

/* Reads the present value; 0 or -errno (-ESRCH, -ENOENT: the process has ended). */
int shield_read(int proc_fd, int32_t *ret_adj);

/*
 * Writes the value. 0; -EACCES, -EPERM: lowering needs CAP_SYS_RESOURCE; -ESRCH, -ENOENT: the
 * process has ended, there is nothing to do.
 */
int shield_write(int proc_fd, int32_t adj);
