/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "sense/pidwalk.h"
#include "start.h"
#include "warning.h"

#define HOLDER "failsoft-hold\n"

/* KiB; -1: not to be seen. */
static long locked_kib(int32_t pid)
{
	char path[40], text[8192];
	const char *locked;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid); /* 23 bytes at most */
	if (pid <= 0 || file_read_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		return -1;
	locked = strstr(text, "VmLck:");
	return locked ? strtol(locked + strlen("VmLck:"), NULL, 10) : -1;
}

static bool is_holder(int32_t pid)
{
	char path[40], text[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid); /* 21 bytes at most */
	return file_read_at(AT_FDCWD, path, text, sizeof(text)) > 0 && !strcmp(text, HOLDER) &&
	       locked_kib(pid) > 0;
}

static bool has_holder(void)
{
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct pidwalk walk;
	bool is_found = false;
	int32_t pid;

	if (proc_fd < 0)
		return false;
	pidwalk_init(&walk, proc_fd);
	while (!is_found && pidwalk_next(&walk, &pid) > 0)
		is_found = is_holder(pid);
	pidwalk_fini(&walk);
	return is_found;
}

/* A bus that is not held stands still when memory runs out: signals then come after seconds or
 * never. */
void start_bus(struct broker *b)
{
	int32_t pid = bus_daemon_pid(&b->bus);

	b->protect_pids[0] = pid;
	if (b->is_bus_judged)
		return;
	b->is_bus_judged = true;
	if (locked_kib(pid) == 0 && !has_holder())
		warning_set(
			b, WARNING_BUS,
			"the bus (pid %d) was not held in memory when the broker started: "
			"clients without a lifeline may be told too late; see failsoftctl doctor",
			(int)pid);
}
