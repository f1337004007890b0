/* SPDX-License-Identifier: MIT */
/*
 * Command: the one thing that a message may make a device do, if the settings say so: rehearse. Pure but
 * for json-c's memory. Microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Between two drills: one after the other would hide a real alarm. */
#define COMMAND_PAUSE_US	UINT64_C(60000000)

struct command_gate {
	uint64_t next_us;		/* not before */
	uint64_t refused;		/* since the start */
};

/* The stage to rehearse, "warning", "imminent" or "shutdown"; NULL: refused and counted,
 * *ret_why says why. */
const char *command_take(struct command_gate *g, const void *payload, size_t length, bool is_retained,
			 uint64_t now_us, const char **ret_why);
