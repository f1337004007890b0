/* SPDX-License-Identifier: MIT */
/*
 * Resort: last policies in the running broker: the files that are deleted, what is run, and how the
 * machine is ended. Edge. What of it is needed is made ready at start and at reload.
 */
#pragma once

#include "broker.h"

/* Reads how the last boot ended, and makes ready what the configuration names. */
void resort_open(struct broker *b);
void resort_reload(struct broker *b);
void resort_close(struct broker *b);

/* A domain has come (CORE_DOMAINS_MAX: it has not): its policy. */
void resort_domain(struct broker *b, uint32_t domain);

/* EFFECT_FREE_FILES, EFFECT_LAST_RUN, EFFECT_END_MACHINE. */
void resort_do(struct broker *b, const struct core_effect *e);

/* Files of a pattern were deleted. */
void resort_freed(struct broker *b, const struct worker_result *result);
