/* SPDX-License-Identifier: MIT */
/*
 * Trip: the tripwire in the running broker: its cgroup as the configuration has it, what is read for
 * the core and when, what the core wants written, and in words what the machine has of it. Edge.
 */
#pragma once

#include "broker.h"

/* Before the domains: takes the cgroup of the configuration. What is missing is a warning. */
void trip_start(struct broker *b);

/* The configuration was read again. */
void trip_reload(struct broker *b);

/* What stood there before stands again. Also of one that was not started. */
void trip_stop(struct broker *b);

/* The newest sample of the system. */
void trip_sample(struct broker *b, const struct sample *s);

/* Once per step, after the samples. */
void trip_watch(struct broker *b, uint64_t now_us);

/* Effect of the core. */
void trip_set(struct broker *b, uint64_t limit_bytes);

/* Does the process whose /proc/PID is proc_fd live in it, or below? */
bool trip_holds(const struct broker *b, int proc_fd);

/* One sentence: where it stands, or why there is none and what that means. */
void trip_sentence(const struct broker *b, char *buffer, size_t size);
