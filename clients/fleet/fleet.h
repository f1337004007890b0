/* SPDX-License-Identifier: MIT */
/* Fleet: failsoft-fleet's loop: messages in, the roster, and everything that shows it. Edge. */
#pragma once

#include "options.h"

/* Returns the exit status: 0 or 1, after a sentence on stderr. */
int fleet_run(const struct options *options);
