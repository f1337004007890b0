/* SPDX-License-Identifier: MIT */
/*
 * Replayed: a part of some schedules is recorded, and replayed by a second core; both must decide
 * the same, and be the same at the end. One recording at a time, in static memory.
 */
#pragma once

struct sim;

/* A recording begins, if this schedule is to have one; to be called before every round. */
void replayed_begin(struct sim *s);

/* The recording ends and is replayed; nothing if there is none. */
void replayed_check(struct sim *s);
