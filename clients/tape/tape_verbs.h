/* SPDX-License-Identifier: MIT */
/*
 * The verbs of failsoftctl that work on recordings: record, replay, backtest. Beside the bus they
 * use the broker's own pure core, so that what they say is what the broker would decide.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../ctl/ctl.h"

/* replay.c: the policy of a configuration file; NULL: the default. -1 after a sentence. */
struct core_policy;
int tape_policy(const char *file, struct core_policy *ret);

/* lone.c: samples this machine by itself, without a broker. fd: where the recording goes. */
int lone_record(struct ctl *c, int fd);
