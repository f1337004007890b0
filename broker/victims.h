/* SPDX-License-Identifier: MIT */
/*
 * Victims: carries out what the core has decided about processes: finds who caused it, stops, ends,
 * and sees them end. Edge; decides nothing.
 */
#pragma once

#include "broker.h"

void victims_choose(struct broker *b, uint32_t domain);	/* EFFECT_SURVEY */
void victims_look(struct broker *b, uint32_t domain);	/* EFFECT_LOOK */
void victims_stop(struct broker *b, uint32_t domain);	/* EFFECT_STOP */
void victims_signal(struct broker *b, const struct core_effect *e);

/*
 * Whom the rule would end now, one after the other, then who of 1 MiB or more is never ended. A survey,
 * so at most one a second; NULL from stage imminent on: then the broker has no time for it.
 */
const struct victims_order *victims_order(struct broker *b, uint32_t domain);

/* Looks for the domain's victim, for the second thread. */
bool victims_find(struct broker *b, uint32_t domain, struct victim *ret);

/* Who feeds a hardware watchdog is protected: all are looked for once at the start, then a few with every
 * step of stage normal. */
void victims_first_feeders(struct broker *b);
void victims_feeders(struct broker *b, uint64_t now_us);

/* With every step: what a stopped group has forked. */
void victims_hold(struct broker *b, uint64_t now_us);

/* With every step: groups that fork on, victims that have ended. */
void victims_watch(struct broker *b);
