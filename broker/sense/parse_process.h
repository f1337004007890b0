/* SPDX-License-Identifier: MIT */
/*
 * Parse process: what /proc and the kernel's log say of processes. Pure, with the rules of parse.h:
 * 0, -ENODATA or -EINVAL, *ret untouched on failure. Names are cut to 15 bytes; what is not
 * printable in them becomes '?'.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sense/parse.h"

/* /proc/PID/cgroup: v2, and the v1 hierarchy with that controller. -ENAMETOOLONG: a path that we
 * need is longer than PARSE_PATH_MAX. */
struct parse_process_cgroups {
	char v1[PARSE_PATH_MAX];	/* "": no such hierarchy */
	char v2[PARSE_PATH_MAX];
};
int parse_process_cgroups(const char *text, size_t size, const char *controller,
			  struct parse_process_cgroups *ret);

/* /proc/PID/status */
struct parse_process_status {
	char name[16];
	int32_t parent;
	uint32_t uid;			/* real */
	bool has_memory;		/* false: kernel thread or zombie */
	uint64_t anon_bytes;		/* all resident before Linux 4.5 */
	uint64_t shmem_bytes, swap_bytes;
	uint64_t resident_bytes, page_table_bytes;
	uint64_t threads;		/* 0: not said */
	uint64_t files_room;		/* FDSize: places in its table of open files, a power of two */
	uint64_t file_bytes, locked_bytes; /* RssFile; VmLck, of whatever kind */
};
int parse_process_status(const char *text, size_t size, struct parse_process_status *ret);

/* /proc/PID/stat: field 22. */
int parse_process_start(const char *text, size_t size, uint64_t *ret_ticks);

/* A file with one signed figure, like oom_score_adj. */
int parse_process_adj(const char *text, size_t size, int32_t *ret);

/*
 * /proc/PID/io: what was written to anything but disks: tmpfs, pipes, sockets. wchar, which counts all,
 * less write_bytes, which the kernel counts for file systems on a device alone.
 */
int parse_process_io(const char *text, size_t size, uint64_t *ret_written_bytes);

/* One record of /dev/kmsg. -ENODATA: it does not speak of an OOM kill, or not the kernel wrote it.
 */
enum parse_process_oom_kind {
	PARSE_PROCESS_OOM_LIMIT,  /* announces a kill for a cgroup's limit: cgroup is its path */
	PARSE_PROCESS_OOM_KILLED, /* pid, name: the machine was out of memory */
	PARSE_PROCESS_OOM_KILLED_IN_CGROUP, /* pid, name: for the limit that was announced before */
};
struct parse_process_oom {
	enum parse_process_oom_kind kind;
	uint64_t time_us;		/* by the log's clock */
	int32_t pid;
	char name[16];
	char cgroup[PARSE_PATH_MAX];
};
int parse_process_oom(const char *text, size_t size, struct parse_process_oom *ret);
