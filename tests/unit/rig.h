/* SPDX-License-Identifier: MIT */
/* What the unit tests of the pure core share: cmocka, and a core of small size. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core.h"

#define RIG_CLIENTS	8u
#define RIG_EVENTS	256u
#define RIG_TOTAL	(128 * MIB)
#define SAY(row)	print_message("# %s\n", (row)->name)

static inline struct core_policy rig_policy(void)
{
	return (struct core_policy){
		.estimate = { 5000, 1024 * MIB },
		.stage = { { 0, 1000, 600, 300 }, { 0, 256 * MIB, 128 * MIB, 64 * MIB },
			   3 * US_PER_S, 3 * US_PER_S },
		.session = { RIG_CLIENTS, RIG_CLIENTS,
			     { 100 * US_PER_MS, 100 * US_PER_MS, 100 * US_PER_MS, 100 * US_PER_MS },
			     60 * US_PER_S },
		.plan = { 700 * US_PER_MS, 5 * US_PER_MS },
		.escalate = { true, false, 500 * US_PER_MS, US_PER_S, 200 * US_PER_MS, true },
		.shield = true,
		.idle_interval_us = 2 * US_PER_S, .near_interval_us = 2 * US_PER_MS,
	};
}
