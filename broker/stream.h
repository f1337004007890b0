/* SPDX-License-Identifier: MIT */
/*
 * Stream: readers of Monitor, each with a socket and a place in the ring. Edge. Filled when the
 * loop has nothing else to do; a reader that is too slow loses events and is told how many.
 */
#pragma once

#include "broker.h"

/*
 * *ret_fd: the reader's end, to be sent and closed by the caller. -EMFILE: too many readers; -EDQUOT:
 * too many of this user, who is not root.
 */
int stream_add(struct broker *b, uint32_t uid, bool with_history, int *ret_fd);

/* What one user other than root may have: a quarter, so that one user's readers leave room for root's. */
uint32_t stream_share(const struct broker *b);

/* Writes what the readers take; returns whether some event waits that a reader would take now. */
void stream_pump(struct broker *b);

void stream_close_all(struct broker *b);
