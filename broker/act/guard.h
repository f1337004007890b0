/* SPDX-License-Identifier: MIT */
/*
 * Guard: when a second thread acts in place of a loop that stands still. Pure. The loop leaves at
 * the end of each turn what it knows and by when it will turn again; the guard looks only while
 * memory is short, and acts only after a look of its own. It never decides whom: the grower is the
 * one that the loop chose last. What it did is an input of the core, see core_guard().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/victim.h"
#include "sense/sample.h"

enum guard_flag {
	GUARD_IS_ARMED = 1 << 0,	/* memory is short or falls; else the guard sleeps for good */
	GUARD_MAY_STOP = 1 << 1,
	GUARD_MAY_END = 1 << 2,
	GUARD_IS_DRY = 1 << 3,
	GUARD_IS_HELD = 1 << 4,		/* the grower stands still already */
};

/* What the loop leaves. All of one size: it is copied between threads word by word. */
struct guard_basis {
	uint64_t turn;			/* grows with each */
	uint64_t flags;			/* enum guard_flag */
	uint64_t beat_us;		/* when it was left */
	uint64_t due_us;		/* the loop turns again by then; NEVER_US: when something comes */
	uint64_t after_us;		/* so much later it stands still */
	uint64_t domain, episode;
	uint64_t sequence;		/* the guard's requests are numbered from here */
	uint64_t ends;			/* how often the loop has sent a victim a signal, see sentry.h */
	uint64_t headroom_bytes, level_bytes; /* of the newest sample; level: what the guard reads, too */
	uint64_t swap_weight_permyriad;
	uint64_t sampled_us;
	uint64_t floor_imminent_bytes, floor_shutdown_bytes;
	uint64_t lead_us;		/* what imminent needs */
	uint64_t owed_us;		/* nobody is ended before: what was asked, or was begun, runs */
};

enum guard_phase {
	GUARD_RESTING,			/* not armed */
	GUARD_WATCHING,			/* the loop turns, or is not late yet */
	GUARD_DOUBTING,			/* late: a second look, in case it is only about to run */
	GUARD_ACTING,			/* it stands still */
	GUARD_PHASE_COUNT
};

struct guard {
	enum guard_phase phase;
	uint64_t turn;			/* of the basis that this is about */
	uint64_t wake_us;		/* NEVER_US: when it is told to */
	uint64_t patience_us;		/* not before: this thread itself was kept from running */
	uint64_t late_us;		/* ACTING: when it was found to stand still, it was so late */
	uint64_t end_us;		/* the grower is not ended before */
	bool has_stopped, has_told, has_ended; /* in this stall */
};

/* What one step sees. */
struct guard_view {
	uint64_t now_us;
	const struct guard_basis *basis;
	bool has_aim;			/* a grower is known that may be stopped and ended */
	bool has_procedure;		/* ... for which a program is to run first */
	bool has_level;			/* the next was read a moment ago */
	uint64_t level_bytes;
};

enum guard_do {
	GUARD_SLEEP,			/* until wake_us */
	GUARD_LOOK,			/* read the level, and step again; so after each of those below */
	GUARD_STOP,			/* stop the grower */
	GUARD_TELL,			/* ask every client for its step shutdown, then guard_told() */
	GUARD_END,			/* end the grower */
	GUARD_DO_COUNT
};

void guard_init(struct guard *g);
enum guard_do guard_step(struct guard *g, const struct guard_view *v);

/* The latest deadline of those who were told; 0: nobody was. */
void guard_told(struct guard *g, uint64_t deadline_us);

/* What it was to do is done; that took its time, and is no lateness. */
void guard_did(struct guard *g, uint64_t now_us);

/* What meminfo alone says can be had, of a sample; its changes are those of headroom. */
uint64_t guard_level_bytes(const struct sample *s, uint64_t swap_weight_permyriad);

/* The distance to the cliff as the guard sees it. */
uint64_t guard_headroom_bytes(const struct guard_basis *b, uint64_t level_bytes);

/* The time to exhaustion, as headroom went since the loop's newest sample. */
uint64_t guard_left_us(const struct guard_view *v);

/* What it did, since the loop last asked. */
struct guard_report {
	uint32_t domain;
	bool is_dry;			/* it only says what it would have done */
	bool is_withheld;		/* filled in by the loop: a signal of its own was not sent any more */
	uint64_t began_us;		/* it found the loop standing still */
	uint64_t late_us;		/* ... which was so late then */
	uint64_t headroom_bytes, left_us; /* at its newest look; NEVER_US: it does not fall */
	uint32_t stopped, told, ended;	/* processes, clients, processes */
	uint64_t stopped_us, ended_us;
	struct victim victim;		/* NONE: it knew nobody */
};

/* One client that it told. */
struct guard_told {
	uint64_t client, sequence, issued_us, deadline_us;
};
