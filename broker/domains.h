/* SPDX-License-Identifier: MIT */
/*
 * Domains: which cgroups are watched in the running broker: those of the configuration as long as
 * they exist, also when they are made anew, and those that a client lives in. Edge.
 */
#pragma once

#include "broker.h"

/* The cgroups that the configuration names. One that is not there is looked for by domains_step(). */
void domains_take(struct broker *b);

/* Its cgroup is gone. */
void domains_lose(struct broker *b, uint32_t domain, uint64_t now_us);

/* With every turn: drops what nobody needs any more, takes what is there again. */
void domains_step(struct broker *b, uint64_t now_us);
