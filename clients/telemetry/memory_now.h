/* SPDX-License-Identifier: MIT */
/* Memory now: what the kernel calls available, and all of it. Edge; allocates nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool memory_now(int root_fd, uint64_t *ret_available_bytes, uint64_t *ret_total_bytes);
