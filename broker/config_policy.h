/* SPDX-License-Identifier: MIT */
/* Config policy: the settings as the core wants them. Pure. */
#pragma once

#include "config.h"
#include "core.h"

struct core_policy config_policy(const struct config *c);
