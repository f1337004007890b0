/* SPDX-License-Identifier: MIT */
/*
 * Service caller: a method call that goes on when the bus daemon has said who the caller is. Edge.
 * Nothing waits for that; the call is freed when it was answered.
 */
#pragma once

#include "broker.h"

#define SERVICE_GROUPS_MAX	64u

struct service_caller {
	uint32_t uid;
	int32_t pid;
	uint32_t groups[SERVICE_GROUPS_MAX];
	uint32_t groups_count;
};

struct service_call {
	struct broker *broker;
	sd_bus_message *call;
	int (*go_on)(struct service_call *p, const struct service_caller *caller, sd_bus_error *error);
	struct session_offer offer;	/* Register */
	char domain[CORE_DOMAIN_NAME_MAX]; /* the same */
	struct procedure_spec spec;	/* AddProcedure */
	uint32_t procedure;		/* RemoveProcedure */
	int with_history;		/* Monitor */
};

/* Takes p, from malloc. */
int service_ask_caller(struct service_call *p, sd_bus_message *m, sd_bus_error *error);

/* Root, or a member of the group failsoft. */
bool service_is_privileged(const struct service_caller *caller);

/* Unique name of who sent it; ":direct" on a connection with one other end. Borrowed of m. */
const char *service_sender(sd_bus_message *m);
