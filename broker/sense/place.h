/* SPDX-License-Identifier: MIT */
/* Place: what a cgroup's path, as in /proc/PID/cgroup, says of a process. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Is it that cgroup, or below it? "/" is above all; a slash at the end of `top` does not matter. */
bool place_is_below(const char *path, const char *top);

/*
 * The unit that systemd would name: the last *.service or *.scope of the path; what is below it are
 * the unit's own cgroups. "" and false: none, or longer than the room.
 */
bool place_unit(const char *path, char *ret, size_t size);
