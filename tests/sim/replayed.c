/* SPDX-License-Identifier: MIT */
#include "replayed.h"

#include <string.h>

#include "core_replay.h"
#include "keep/tape_read.h"
#include "sim.h"

#define RING_BYTES	(4u << 20)
#define STATE_BYTES	(1u << 18)
#define EVERY		8u	/* schedules with a recording: one in so many */
#define LATEST_ROUND	60u

static struct tape tape, state;
static uint8_t ring[RING_BYTES], bytes[RING_BYTES];
static uint8_t states[2][STATE_BYTES];

/* A second core, and its own memory. */
static struct core core;
static struct session sessions[SIM_CLIENTS];
static struct core_effect effects[SIM_EFFECTS];
static struct event events[SIM_EVENTS];

void replayed_begin(struct sim *s)
{
	const struct core_tape_machine machine = { .now_us = s->now_us };
	uint64_t round = s->seed / EVERY % LATEST_ROUND;

	if (s->seed % EVERY || s->core.tape || s->now_us % (round + 1))
		return;
	tape_init(&tape, core_tape_shapes, CORE_TAPE_KIND_COUNT);
	tape_begin(&tape, ring, sizeof(ring), "sim");
	core_tape_start(&s->core, &tape, &machine);
}

/* The whole state as bytes: what differs here would make later decisions differ. */
static size_t state_of(struct core *c, uint8_t *ret)
{
	const struct core_tape_machine machine = { 0 };
	struct tape *was = c->tape;

	tape_init(&state, core_tape_shapes, CORE_TAPE_KIND_COUNT);
	tape_begin(&state, ret, STATE_BYTES, "sim");
	core_tape_start(c, &state, &machine);
	c->tape = was;
	return (size_t)state.put;
}

static void compare_states(struct sim *s)
{
	size_t size = state_of(&s->core, states[0]);

	if (state_of(&core, states[1]) != size || memcmp(states[0], states[1], size) != 0)
		sim_fail(s, "after the replay the core is in another state");
}

static enum tape_end replay(struct sim *s, struct core_replay *replay, size_t size)
{
	static union core_record record;
	struct core_effect effect;
	struct tape_read read;
	enum tape_end end;
	uint32_t kind;

	tape_read_init(&read, core_tape_shapes, CORE_TAPE_KIND_COUNT);
	end = tape_read_open(&read, bytes, size);
	while (end == TAPE_READ && (end = tape_read_next(&read, &kind, &record)) == TAPE_READ) {
		const char *wrong = core_replay_take(replay, kind, &record);

		if (wrong)
			sim_fail(s, "record %llu of the recording: %s",
				 (unsigned long long)read.records, wrong);
		while (core_effect(&core, &effect))
			continue;
	}
	if (end != TAPE_AT_END)
		sim_fail(s, "the recording ends at byte %zu: %s", read.offset, read.problem);
	return end;
}

void replayed_check(struct sim *s)
{
	const struct core_memory memory = { sessions, effects, SIM_EFFECTS, events, SIM_EVENTS };
	struct core_policy policy = s->policy;
	struct core_replay done;
	size_t size;

	if (!s->core.tape)
		return;
	core_tape_stop(&s->core, s->now_us, "the schedule is over");
	if (tape.is_broken)
		sim_fail(s, "the recording is larger than %u bytes", RING_BYTES);
	size = tape_take(&tape, bytes, sizeof(bytes));
	memset(sessions, 0, sizeof(sessions));
	policy.session.max_clients = SIM_CLIENTS; /* the recording's own policy comes with it */
	core_init(&core, &policy, &memory, 0, 1);
	core_replay_init(&done, &core);
	if (replay(s, &done, size) != TAPE_AT_END || !done.is_over)
		sim_fail(s, "the recording cannot be read to its end");
	if (done.different)
		sim_fail(s, "event %llu is decided differently in the replay",
			 (unsigned long long)done.first_different);
	compare_states(s);
	if (done.same)
		cover_add(&s->cover, COVER_REPLAYED);
}
