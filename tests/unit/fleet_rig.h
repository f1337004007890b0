/* SPDX-License-Identifier: MIT */
/* A device's messages as structs, for the tests of the roster and what shows it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "roster.h"

#define BOOT_A	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BOOT_B	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct roster_limits rig_limits = { 100, 0, 1, UINT64_C(60000000) };

static inline struct ingest_message rig_message(enum topic_place place, enum topic_type type,
						uint64_t sequence)
{
	struct ingest_message m = { .topic = { "f", "d", place, 0 }, .type = type, .sequence = sequence,
				    .instance = 1, .firmware = "1.0", .boot = BOOT_A };

	topic_id_format(m.boot, sequence, m.id);
	m.data.tte_us = m.data.tte_early_us = m.data.tte_late_us = INGEST_NEVER_US;
	return m;
}

static inline struct ingest_message rig_state(uint64_t session, uint64_t sequence, uint32_t stage)
{
	struct ingest_message m = rig_message(TOPIC_AT_STATE, TOPIC_STATE, sequence);

	m.data.is_online = m.data.has_stage = m.data.has_broker = m.data.is_broker_there = true;
	m.data.session = session;
	m.data.stage = stage;
	return m;
}

static inline struct ingest_message rig_will(uint64_t session)
{
	struct ingest_message m = rig_message(TOPIC_AT_STATE, TOPIC_STATE, 1);

	m.data.session = session;
	return m;
}

static inline struct ingest_message rig_alarm(enum topic_place place, enum topic_alarm kind, bool is_raised,
					      uint64_t sequence)
{
	struct ingest_message m = rig_message(place, TOPIC_ALARM, sequence);

	m.topic.alarm = place == TOPIC_AT_ALARM ? kind : 0;
	m.data.kind = kind;
	m.data.is_raised = is_raised;
	snprintf(m.data.text, sizeof(m.data.text), "memory \"ends\"");
	return m;
}

/* The kinds of notes that came of it, as bits. */
static inline unsigned rig_give(struct roster *r, struct ingest_message m, uint64_t now_s)
{
	struct roster_now now = { now_s * 1000000, (int64_t)(1000000 + now_s) };
	struct roster_note note[ROSTER_NOTES_MAX];
	unsigned kinds = 0;
	uint32_t notes;

	assert_int_equal(roster_apply(r, &m, &now, note, &notes), INGEST_OK);
	for (uint32_t i = 0; i < notes; i++)
		kinds |= 1u << note[i].kind;
	return kinds;
}

static inline const struct roster_device *rig_device(struct roster *r)
{
	return roster_find(r, "f", "d", 0);
}
