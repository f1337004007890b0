/* SPDX-License-Identifier: MIT */
/*
 * Start: what the broker does once, before it can be hurried: take its memory, protect itself, find
 * out what this machine lacks. Edge. Everything missing becomes a sentence in Warnings.
 */
#pragma once

#include "broker.h"

/*
 * Instead of a broker: lets go of what one that was killed left stopped, and prints it. The process'
 * exit status: 0 also when there was nothing; 1: a broker runs, or something could not be let go.
 */
int start_release(const struct broker_options *o);

/* Allocates and opens everything. 0 or -errno, logged; then start_free(). */
int start_memory(struct broker *b);
void start_free(struct broker *b);

/* Locked memory, priority, oom_score_adj; each missing one is a warning, none an error. */
void start_protection(struct broker *b);

/* When the bus has given us our name: who must not be touched, and is it held in memory? */
void start_bus(struct broker *b);

/* What the configuration's lists mean, if that may surprise. */
void start_lists(struct broker *b);

/* Episodes that were open when the broker before us ended. */
void start_take_over(struct broker *b);
