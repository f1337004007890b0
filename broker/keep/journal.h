/* SPDX-License-Identifier: MIT */
/*
 * Journal: one structured entry per event with a stable MESSAGE_ID, where a journal runs; a line on
 * stderr otherwise. Edge; may block, so only the writer's thread calls it. What the entries mean is
 * in the catalogue, interfaces/failsoft.catalog.
 */
#pragma once

#include <stdint.h>

#include "keep/event.h"

void journal_put(const struct event *e);
