/* SPDX-License-Identifier: MIT */
/*
 * Standby: the loop's part of the second thread, see act/sentry.h. Edge. Leaves with every turn what
 * that thread needs to know, and takes over what it did while the loop stood still.
 */
#pragma once

#include "broker.h"

/* A broker without one goes on, with a warning. */
void standby_start(struct broker *b);

/* First in a turn. false: the other thread acts at this moment, come again in a millisecond. */
bool standby_begin(struct broker *b, uint64_t now_us);

/* A sample of the system that was just taken. */
void standby_sample(struct broker *b, const struct sample *s);

/* Last in a turn: the next one is due then. */
void standby_end(struct broker *b, uint64_t due_us);

/* Around a signal to the victim of a domain. false: not now; it is sent later if it still has to be. */
bool standby_sign(struct broker *b, const struct core_effect *e);
void standby_signed(struct broker *b, uint32_t domain);
