/* SPDX-License-Identifier: MIT */
/*
 * Draw: a recording on the screen of failsoftctl top, at c->speed times real time. Edge.
 */
#pragma once

#include "player.h"
#include "tape_verbs.h"

/* Plays to its end, or until the user has had enough. 1: the end was reached; 0: not; -errno after a
 * sentence on stderr. */
int draw_recording(struct ctl *c, struct player *p);
