/* SPDX-License-Identifier: MIT */
/* A core of its own for a test, its clock, and what goes in and comes out. */
#pragma once

#include "rig.h"

static struct core core;
static struct session slots[RIG_CLIENTS];
static struct core_effect effects[8 * RIG_CLIENTS + 4 * CORE_DOMAINS_MAX];
static struct event events[RIG_EVENTS];
static uint64_t now_us;

static inline int reset(void **state)
{
	const struct core_policy policy = rig_policy();
	const struct core_memory memory = { slots, effects, ARRAY_LEN(effects), events, RIG_EVENTS };

	(void)state;
	memset(slots, 0, sizeof(slots));
	now_us = US_PER_S;
	core_init(&core, &policy, &memory, 1000, now_us);
	return 0;
}

static inline uint64_t join(const char *name, uint32_t group, uint32_t domains)
{
	struct session_offer offer = {
		.pid = 100, .order_group = group, .domains = domains, .may_be_ended = true };
	struct session *s;

	strcpy(offer.name, name);
	assert_int_equal(core_join(&core, &offer, now_us, &s), SESSION_OK);
	return s->id;
}

static inline void free_mib(uint32_t domain, uint64_t mib)
{
	const struct sample s = {
		.time_us = now_us, .domain = domain, .has = SAMPLE_HAS_MEMORY,
		.total_bytes = RIG_TOTAL, .free_bytes = mib * MIB };

	core_sample(&core, &s);
}

static inline void pass(uint64_t us)
{
	now_us += us;
	core_tick(&core, now_us);
}

/* The next effect of the kind; others before it are dropped. kind NONE in the result: none. */
static inline struct core_effect next(enum core_effect_kind kind)
{
	struct core_effect e;

	while (core_effect(&core, &e))
		if (e.kind == kind)
			return e;
	return (struct core_effect){ .kind = EFFECT_NONE };
}

static inline void drain(void)
{
	(void)next(EFFECT_KIND_COUNT);
}

static inline bool answer(uint64_t client, uint64_t sequence, enum session_result result)
{
	const struct core_answer a = { .client = client, .sequence = sequence, .result = result };

	return core_answer(&core, &a, now_us);
}

/* The newest event of the kind; number 0: none. */
static inline struct event newest(enum event_kind kind)
{
	struct event found = { .number = 0 };
	uint64_t number = 0, lost;
	const struct event *e;

	while ((e = record_next(&core.record, &number, &lost)))
		if (e->kind == kind)
			found = *e;
	return found;
}

/* To the bottom, everybody answering, until the core asks for a survey. */
static inline void run_out(uint64_t client)
{
	struct core_effect e;

	for (uint64_t mib = 12; mib > 1; mib--) {
		free_mib(0, mib);
		while (core_effect(&core, &e)) {
			if (e.kind == EFFECT_SURVEY)
				return;
			if (e.kind == EFFECT_ORDER)
				assert_true(answer(client, e.request.sequence, RESULT_DONE));
		}
		pass(5000);
	}
	fail_msg("no survey");
}

static inline struct victim victim_of(uint64_t client)
{
	return (struct victim){ .kind = VICTIM_PROCESS, .client = client, .pid = 7, .name = "hog",
				.memory_bytes = 64 * MIB,
				.pids_count = 1, .pids = { 7 }, .growth_bytes = 64 * MIB,
				.all_growth_bytes = 64 * MIB };
}
