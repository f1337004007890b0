/* SPDX-License-Identifier: MIT */
/*
 * Survey: all processes of the machine or of a cgroup, with their memory and how much it grew since
 * a baseline. Edge. Bytes; ages by the system's boot clock. Everything is allocated by survey_open;
 * taking one opens files of /proc one after the other and keeps none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sense/process.h"

struct survey;

/*
 * What a process takes beside its own memory and page tables: 16 KiB of stack and 18 KiB of slab
 * (measured on Linux 6.1 with 400 processes). Half: a fork bomb's growth is taken for kernel memory
 * that nobody holds; double: a crowd of small programs looks larger than one leak.
 */
#define SURVEY_KERNEL_BYTES	(32 * KIB)
/* Each of its threads but the first: 16 KiB of stack and 8 to 12 of slab (Linux 6.1, 1200 threads).
 * Half or double: as above, of a program that makes threads without end. */
#define SURVEY_THREAD_BYTES	(24 * KIB)
/* Each open file, of a program that may have more than SURVEY_FILES_LEAST: a socket without data (2.3
 * KiB of slab on Linux 6.1; a pipe's end 1.2, an eventfd 0.5). Half: a leak of sockets is nobody's;
 * double: a server with many files looks larger than one leak. */
#define SURVEY_FILE_BYTES	(2 * KIB)
/* Half: 512 KiB more are seen, and some daemons' files are counted for them. */
#define SURVEY_FILES_LEAST	512u
/* Counted one by one up to here, some 2 ms; then half of the table's room is taken: the kernel doubles it
 * when it is full. Half: a high number in a small table counts as many; double: twice the time. */
#define SURVEY_FILES_MOST	4096u

/* Until then a program is still starting: loading what it needs and, ours, registering (0.65 s were not
 * enough with 4 MiB left and a slow disk). Half: such a one is taken for a leak; double: a small fast leak is
 * forgiven its first 2 MiB for 4 s. */
#define SURVEY_NEWBORN_US	(2 * US_PER_S)

/* Who is never ended beside pid 1, kernel threads and this process itself, and who first. Borrowed. */
struct survey_protect {
	const int32_t *pids;
	uint32_t pids_count;
	const char *const *picks;	/* pick.h */
	uint32_t picks_count;
	const char *const *preferred;	/* pick.h: is_preferred */
	uint32_t preferred_count;
};

struct survey_request {
	int cgroup_fd; /* its directory, with all below it; -1: the whole machine */
	const struct survey_protect *protect; /* may be NULL */
};

/* max_processes: how many a baseline can remember; 80 to 160 bytes each. */
int survey_open(const char *root, uint32_t max_processes, struct survey **ret);
struct survey *survey_close(struct survey *s);

/*
 * Takes the memory of all processes as what growth is measured from. Returns 0 or a negative errno;
 * then the baseline holds what was seen up to there.
 */
int survey_baseline_reset(struct survey *s);
/* Adds those that are not in it, with what they have now: they came before what is to be measured. */
int survey_baseline_extend(struct survey *s);

/*
 * Fills ret[max], *ret_count of them. growth_bytes is what a process has more than at the baseline;
 * of one that is younger than 60 s and was not there then, all it has; of any other that was not
 * there, 0. Processes that end meanwhile are left out. Returns 0, -ENOBUFS when there were more
 * than max (ret is full and usable), -ENODEV when the cgroup is gone, or a negative errno.
 */
int survey_take(struct survey *s, const struct survey_request *q, struct process *ret, uint32_t max,
		uint32_t *ret_count);
