/* SPDX-License-Identifier: MIT */
/*
 * Respond: procedures in the running broker: who stands ready, who runs, what came of it. Edge.
 * Starting is done in stage normal only; in a crisis a victim gets what stands ready, and is let
 * go on again whatever happens.
 */
#pragma once

#include "broker.h"

void respond_open(struct broker *b);
/* Ends all responders; victims that were stopped go on. */
void respond_close(struct broker *b);

/* The configuration may name others now: they are taken over when no domain is under pressure. */
void respond_reload(struct broker *b);

/* In broker_step(), before victims are looked at: lets go, stops what is not wanted any more. */
void respond_watch(struct broker *b, uint64_t now_us);
/* In broker_step(), last: starts what is missing, in stage normal. */
void respond_start(struct broker *b, uint64_t now_us);

/* A domain is about to be forgotten. */
void respond_let_go(struct broker *b, uint32_t domain);

/* A procedure runs for whom it wants to stand still: nobody else lets go of the domain's victim. */
bool respond_holds(const struct broker *b, uint32_t domain);

/* Looks up which procedure the victim gets. */
void respond_give(struct broker *b, struct victim *v);

/* EFFECT_PROCEDURE. */
void respond_run(struct broker *b, uint32_t domain);

/* EFFECT_LAST_RUN: barebone, or the procedure that is the domain's last policy. */
void respond_run_last(struct broker *b, uint32_t domain, enum last_policy policy);

/* Among its own files. */
/* What is in the way: its program, a file to keep, or what stands ready for all of them. Borrowed. */
const char *respond_broken_path(const struct broker *b, const struct procedure *p);
struct respond_slot *respond_slot_of(struct broker *b, const struct procedure *p);
void respond_close_slot(struct respond_slot *slot);

enum respond_outcome { RESPOND_OK, RESPOND_E_FULL, RESPOND_E_USER_FULL, RESPOND_E_NO_PROCESS, RESPOND_E_NEVER,
	RESPOND_E_BUSY, RESPOND_E_CONFIGURED };

/* What was added by the bus lives until the broker ends. */
enum respond_outcome respond_add(struct broker *b, const struct procedure_spec *spec, uint32_t *ret_id);
enum respond_outcome respond_remove(struct broker *b, struct procedure *p);
