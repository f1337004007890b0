/* SPDX-License-Identifier: MIT */
/*
 * Peer: a client as the shell sees it, its lifeline and its shield. Edge. The slot of a peer is the
 * slot of its session, so that looking one up is an index.
 */
#pragma once

#include "broker.h"

/* NULL: no such client any more. */
struct peer *peer_get(struct broker *b, uint64_t client);
struct peer *peer_by_sender(struct broker *b, const char *sender);

/*
 * Gives a fresh session its peer. proc_fd is taken (-1: unknown, no shield). *ret_lifeline is the
 * client's end, to be sent and closed by the caller. 0 or -errno; then the session must leave.
 */
struct peer_offer {
	const char *sender;
	int proc_fd;
	uint64_t start_ticks;
};
int peer_add(struct broker *b, uint64_t client, const struct peer_offer *offer, int *ret_lifeline);

/* Reads what waits on all lifelines: after a stall answers were given that nobody has seen. */
void peer_hear(struct broker *b);

/* The client has left: its session ends, effects are carried out, everything is closed. */
void peer_leave(struct peer *p);

/* Effects of the core. */
void peer_order(struct broker *b, const struct core_effect *e);
void peer_shield_up(struct broker *b, uint64_t client);
void peer_shield_down(struct broker *b, uint64_t client);

/* What a broker before us left raised. */
void peer_restore_past(struct broker *b);
