/* SPDX-License-Identifier: MIT */
/*
 * core_replay.h: a core that is fed hostile records. A record here is: its kind (2 bytes, hash of
 * the name), how many fields are set (1), and of each the name's hash (2), a length (1), the value.
 * So a kept input means the same when members come and go; a hash that nobody has means any one.
 */
#include "core_replay.h"

#include <string.h>

#include "base/units.h"
#include "fuzz.h"

#define CLIENTS 16u
#define EVENTS	64u
#define EFFECTS 1024u

static struct core core;
static struct session sessions[CLIENTS];
static struct core_effect effects[EFFECTS];
static struct event events[EVENTS];

struct input {
	const uint8_t *at, *end;
};

/* ---- bytes into records ---- */

/* FNV-1a, folded. */
static uint16_t hash_of(const char *name)
{
	uint32_t hash = 0x811c9dc5u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x01000193u;
	return (uint16_t)(hash >> 16 ^ hash);
}

/* The lowest byte first; what is not there is 0. */
static uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes && in->at < in->end; i++)
		value |= (uint64_t)*in->at++ << 8 * i;
	return value;
}

static uint32_t take_kind(struct input *in)
{
	uint64_t hash = take(in, 2);

	for (uint32_t i = 0; i < CORE_TAPE_KIND_COUNT; i++)
		if (hash_of(core_tape_shapes[i].name) == hash)
			return i;
	return hash % CORE_TAPE_KIND_COUNT;
}

static const struct tape_field *take_name(struct input *in, const struct tape_shape *shape)
{
	uint64_t hash = take(in, 2);

	for (uint32_t i = 0; i < shape->fields_count; i++)
		if (hash_of(shape->fields[i].name) == hash)
			return &shape->fields[i];
	return &shape->fields[hash % shape->fields_count];
}

static void store(const struct tape_field *f, uint64_t value, uint8_t *to)
{
	const uint32_t u32 = (uint32_t)value;
	const uint16_t u16 = (uint16_t)value;

	if (f->size == 8)
		memcpy(to, &value, 8);
	else if (f->size == 4)
		memcpy(to, &u32, 4);
	else if (f->size == 2)
		memcpy(to, &u16, 2);
	else
		*to = (uint8_t)(f->type == TAPE_BOOL ? value & 1 : value);
}

/* As a recording could have it: a text with its NUL, a bool of 0 or 1. */
static void take_field(struct input *in, const struct tape_shape *shape, union core_record *record)
{
	const struct tape_field *f = take_name(in, shape);
	size_t length = (size_t)take(in, 1), left = (size_t)(in->end - in->at);
	struct input value = {in->at, in->at + MIN_OF(length, left)};
	uint8_t *to = (uint8_t *)record + f->offset;

	in->at = value.end;
	if (f->type != TAPE_TEXT) {
		store(f, take(&value, 8), to);
		return;
	}
	length = MIN_OF((size_t)(value.end - value.at), f->size - 1u);
	memcpy(to, value.at, length);
	to[length] = 0;
}

static uint32_t take_record(struct input *in, union core_record *ret)
{
	uint32_t kind = take_kind(in);
	uint64_t fields = take(in, 1);

	memset(ret, 0, sizeof(*ret));
	for (uint64_t i = 0; i < fields && in->at < in->end; i++)
		take_field(in, &core_tape_shapes[kind], ret);
	return kind;
}

/* ---- records into the core ---- */

static void begin(struct core_replay *ret)
{
	const struct core_memory memory = {sessions, effects, EFFECTS, events, EVENTS};
	const struct core_policy policy = {.session.max_clients = CLIENTS};

	MUST(core_effects_needed(CLIENTS) <= EFFECTS);
	memset(sessions, 0, sizeof(sessions));
	core_init(&core, &policy, &memory, 0, 1);
	core_replay_init(ret, &core);
}

static void take_effects(void)
{
	struct core_effect e;

	for (uint32_t i = 0; core_effect(&core, &e); i++) {
		MUST(i < EFFECTS && e.kind > EFFECT_NONE && e.kind < EFFECT_KIND_COUNT);
		MUST(e.domain < CORE_DOMAINS_MAX && (unsigned)e.stage < STAGE_COUNT);
	}
}

static void replay_one(struct core_replay *replay, enum core_tape_kind kind,
		       const union core_record *record)
{
	uint64_t last = core.record.last, now_us = replay->now_us;
	const char *wrong = core_replay_take(replay, kind, record);

	MUST(wrong || !core_replay_check(kind, record));
	if (wrong)
		MUST(core.record.last == last && replay->now_us == now_us && !core.queue.count);
	take_effects();
	MUST((unsigned)core_stage(&core) < STAGE_COUNT);
	MUST(core_worst_domain(&core) < CORE_DOMAINS_MAX);
	MUST(core.sessions.count <= CLIENTS && core.sessions.max <= CLIENTS);
	(void)core_due_us(&core); /* any time may come out of any state */
}

void fuzz_replay(const uint8_t *bytes, size_t size)
{
	static union core_record record;
	struct input in = {bytes, bytes + size};
	struct core_replay replay;

	begin(&replay);
	while (in.at < in.end) {
		uint32_t kind = take_record(&in, &record);

		replay_one(&replay, (enum core_tape_kind)kind, &record);
	}
}
