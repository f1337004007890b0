/* SPDX-License-Identifier: MIT */
/* A survey that a test fills, and the victim rule over it. */
#pragma once

#include <stdio.h>

#include "act/kin.h"
#include "rig.h"

#define MANY	2000u

static struct process processes[MANY];
static uint64_t scratch[VICTIM_SCRATCH(MANY)];
static uint32_t count;
static struct session slots[RIG_CLIENTS];
static struct session_table clients;
static struct victim victim;
static uint64_t pools_bytes, pools_done_bytes, wanted_bytes;

static int reset(void **state)
{
	(void)state;
	count = 0;
	pools_bytes = pools_done_bytes = wanted_bytes = 0;
	memset(slots, 0, sizeof(slots));
	session_init(&clients, slots, RIG_CLIENTS);
	return 0;
}

static struct process *add(int32_t pid, int32_t parent, const char *name, uint64_t growth_mib)
{
	struct process *p = &processes[count++];

	*p = (struct process){
		.pid = pid, .parent = parent, .in_domain = true, .start_ticks = 1000 + (uint64_t)pid,
		.memory_bytes = growth_mib * MIB, .growth_bytes = growth_mib * MIB,
	};
	strcpy(p->name, name);
	return p;
}

static void add_client(int32_t pid, bool may_be_ended)
{
	const struct session_policy policy = rig_policy().session;
	struct session_offer offer = { .name = "client", .pid = pid, .may_be_ended = may_be_ended };
	struct session *s;

	assert_int_equal(session_add(&clients, &policy, &offer, &s), SESSION_OK);
}

static bool choose(void)
{
	const struct victim_view view = {
		.processes = processes, .count = count, .scratch = scratch, .clients = &clients,
		.pools_bytes = pools_bytes, .pools_done_bytes = pools_done_bytes,
		.wanted_bytes = wanted_bytes, .total_bytes = 1000 * MIB,
	};

	return victim_choose(&view, &victim);
}
