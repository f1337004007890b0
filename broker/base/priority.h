/* SPDX-License-Identifier: MIT */
/*
 * Priority: the loop's real-time class, with a bound. Edge. A loop that turns without ever waiting,
 * by whatever mistake, would keep every other program from running, also those that it waits for;
 * the kernel says so (RLIMIT_RTTIME), and from then on the loop runs like any other program until
 * it is calm. One loop per process.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Takes SCHED_FIFO at that priority for this thread. Returns 0 or a negative errno: not taken. */
int priority_take(int priority);

/* Without it for what waits for others to run; it comes back with false. Where it was lost, nothing. */
void priority_pause(bool is_paused);

/* Gives back what was lost, once enough time has passed. Returns true when it had to. */
bool priority_step(uint64_t now_us);
