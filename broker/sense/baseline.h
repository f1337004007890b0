/* SPDX-License-Identifier: MIT */
/*
 * Baseline: how much memory each process held, how much of it in the kernel, and how much it had written, at
 * one moment. Edge for
 * its one allocation. A fixed table by pid and start time; bytes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct baseline;

struct baseline *baseline_new(uint32_t max_processes);
struct baseline *baseline_free(struct baseline *b);

/*
 * Before all are set anew. Who cannot be read then keeps what it had: with memory short, a baseline without
 * everybody made every old program one that grew by all it has. Those that have ended go when half of the
 * room is used, with all others.
 */
void baseline_renew(struct baseline *b);
/* Processes beyond max_processes are not remembered. */
struct baseline_figures {
	uint64_t memory_bytes, written_bytes;
	uint64_t kernel_bytes;		/* so much of memory_bytes is the kernel's */
};
void baseline_set(struct baseline *b, int32_t pid, uint64_t start_ticks, struct baseline_figures f);
/* false: this very process was not there, or was not remembered. */
bool baseline_get(const struct baseline *b, int32_t pid, uint64_t start_ticks,
		  struct baseline_figures *ret);
