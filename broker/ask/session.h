/* SPDX-License-Identifier: MIT */
/*
 * Session: the clients that registered, in a table of fixed size, with what each was granted, owes
 * and has reported. Pure. A client is named by its id (generation << 32 | slot + 1): the id of one
 * that is gone is stale, never another client.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

#define SESSION_NAME_MAX	48	/* with NUL; what Register() accepts */

/* What a client can be asked; numbers as enum failsoft_step. */
enum session_step { STEP_RESUME, STEP_FLUSH, STEP_DEGRADE, STEP_SHUTDOWN, STEP_COUNT };

/* How a request ended, or went on (BUSY, LATE). */
enum session_result {
	RESULT_NONE,
	RESULT_DONE,			/* numbers up to REFUSED as enum failsoft_result */
	RESULT_PARTIAL,
	RESULT_BUSY,			/* not an end: the deadline moved once */
	RESULT_REFUSED,
	RESULT_MISSED,			/* the deadline passed */
	RESULT_VANISHED,		/* client or connection gone */
	RESULT_SUPERSEDED,		/* a later step was asked before this one was answered */
	RESULT_LATE,			/* not an end: an answer after MISSED or SUPERSEDED */
	RESULT_COUNT
};

/* What a client asks for at registration; zero is "your default". */
struct session_offer {
	char name[SESSION_NAME_MAX];
	int32_t pid;
	uint32_t uid;
	uint32_t order_group;		/* 0..99 */
	uint32_t domains;		/* bit i: concerned by domain i */
	bool may_be_ended;
	uint64_t budget_us[STEP_COUNT];
};

struct session_policy {
	uint32_t max_clients, max_per_uid;
	uint64_t default_budget_us[STEP_COUNT];
	uint64_t max_budget_us;		/* a longer wish is cut to this */
};

/* The open request of a client; sequence 0: none. */
struct session_request {
	uint64_t sequence;
	uint64_t issued_us, deadline_us;
	enum session_step step;
	uint32_t domain;
	uint64_t episode;		/* of the domain when it was asked; 0: a resume after it */
	bool extended;			/* BUSY was granted */
	bool is_final;			/* the client is ended after it */
	bool is_drill;			/* a rehearsal: nothing follows from it */
};

struct session {
	uint64_t id;			/* 0: free slot */
	uint32_t generation;
	uint64_t joined_us;
	struct session_offer offer;	/* budgets are what was granted */
	struct session_request request;
	enum session_step settled;	/* highest step that ended since the last resume; RESUME: none */
	bool settled_final;		/* a final shutdown request has ended */
	uint32_t final_domains;		/* whose victim it was asked to be since the last resume */
	bool is_shielded;
	bool owes_resume;		/* was asked something since the last resume */
	uint64_t missed_sequence;	/* newest request that ended without the client's answer */
	uint64_t exposure_bytes, freeable_bytes;
	uint64_t worst_us[STEP_COUNT];	/* slowest answer so far; 0: never answered */
	uint64_t worst_exposure_bytes[STEP_COUNT]; /* exposure when that request was issued */
	enum session_result last_result;
};

struct session_table {
	struct session *slots;		/* max_clients of them, given at init */
	uint32_t max, count;
	uint32_t top;			/* no live one at or above it: what a walk need not visit */
};

/* Outcomes of session_add; R13: positive, normal. */
enum session_outcome {
	SESSION_OK,
	SESSION_E_FULL,			/* max_clients */
	SESSION_E_USER_FULL,		/* max_per_uid */
};

/* slots: max zeroed elements that outlive the table. */
void session_init(struct session_table *t, struct session *slots, uint32_t max);

enum session_outcome session_add(struct session_table *t, const struct session_policy *p,
				 const struct session_offer *offer, struct session **ret);
/* Puts one of another table into a slot below max, with its id and its generation. */
void session_restore(struct session_table *t, uint32_t slot, const struct session *s);
void session_remove(struct session_table *t, struct session *s);

/* NULL: no such client, or a stale id. */
struct session *session_get(struct session_table *t, uint64_t id);

/* Iteration over live clients: pass NULL first, NULL comes back after the last. */
struct session *session_next(struct session_table *t, const struct session *after);

/* Has it been asked something that takes time, for this domain or, as it has one request only, for another
 * one while it lives in this one, too? */
bool session_owes(const struct session *s, uint32_t domain);

/* The time the client needs for a step: its grant, shortened or stretched by what was measured. */
uint64_t session_need_us(const struct session *s, enum session_step step);

const char *session_step_name(enum session_step step);
const char *session_result_name(enum session_result result);
