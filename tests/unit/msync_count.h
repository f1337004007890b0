/* SPDX-License-Identifier: MIT */
/* In the place of libc's msync(): counts, and fails if it shall. Include once per test program. */
#pragma once

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned syncs;
static int sync_error; /* 0: works */

int msync(void *at, size_t bytes, int flags)
{
	syncs++;
	if (sync_error) {
		errno = sync_error;
		return -1;
	}
	return (int)syscall(SYS_msync, at, bytes, flags);
}
