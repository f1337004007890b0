/* SPDX-License-Identifier: MIT */
/*
 * State: what a broker that comes after this one must know, whatever ended this one: which
 * processes are shielded (and what they had before) or stopped, which episodes are open. Edge: one
 * file of fixed size, mapped and locked, so that writing it is a store and survives SIGKILL at any
 * instruction. Each slot carries a checksum; a slot torn by the end is void, and the order of use
 * makes that safe: a shield is written down before it is raised and cleared after it is lowered; an
 * episode is written beside its last version. What the past left stays in the file until it was
 * dealt with, also when this broker ends before. A lock keeps a second broker out. Times are
 * CLOCK_MONOTONIC of the boot that the file names; after a reboot the file is void.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/ledger.h"

#define STATE_DOMAIN_MAX	256	/* bytes of a domain name, with NUL */
#define STATE_EPISODES_MAX	32

struct state_shield {
	uint32_t check;
	int32_t pid;			/* 0: none */
	uint64_t start_ticks;
	int32_t original_adj;
	uint32_t unused;
};

struct state_episode {
	uint32_t check;
	uint32_t stage;
	uint64_t number;		/* 0: none */
	uint64_t began_us;
	uint64_t version;		/* filled in here: the higher is the newer */
	char domain[STATE_DOMAIN_MAX];
};

struct state_file;

struct state {
	struct state_file *file;	/* mapped */
	int fd;				/* holds the lock while `file` is there */
	uint64_t file_bytes;
	uint32_t shields_max;
	/* What the previous broker of this boot left. */
	uint32_t past_shields_count;	/* at least shields_max: it may have had more clients */
	struct state_shield *past_shields;
	struct state_episode past_episodes[STATE_EPISODES_MAX];
};

/*
 * Opens or makes DIRECTORY/state and reads the past; it stays in the file until its episodes are
 * overwritten and state_shields_forget() is called. shields_max: slots, one per client. Returns 0
 * or a negative errno (logged with the path); -EBUSY: another broker works with it.
 */
int state_open(struct state *s, const char *directory, uint32_t shields_max);
void state_close(struct state *s);

/* The shields of the past are lowered: begin with none. Before the first state_shield_set(). */
void state_shields_forget(struct state *s);

void state_shield_set(struct state *s, uint32_t slot, const struct state_shield *shield);
void state_shield_clear(struct state *s, uint32_t slot);
void state_episode_set(struct state *s, uint32_t slot, const struct state_episode *episode);
void state_episode_clear(struct state *s, uint32_t slot);

/* What the brake has stopped, in the file; at first what the past left. NULL before state_open(). */
struct ledger *state_ledger(struct state *s);

/*
 * The number before the first episode of this run: a block of 1000 is reserved in
 * DIRECTORY/episode, so that no number is ever used twice, also after a crash or a reboot. When
 * that file cannot be written, or holds no number, the seconds of the wall clock stand in, with a
 * warning.
 */
uint64_t state_reserve_episodes(const char *directory);

/* An orderly end: the next run goes on after `last`. Where the file is not ours it stays as it is. */
void state_keep_episodes(const char *directory, uint64_t last);

/*
 * The same for a run with more episodes than a block: once half of it is used, the next one is reserved.
 * It writes and syncs the file, so it is for a thread that may wait, never for the loop.
 */
struct state_numbers {
	const char *directory;		/* borrowed; NULL: nothing is kept */
	uint64_t more_at;		/* with this number, or a later one */
};

/* first: what state_reserve_episodes() has given. */
void state_numbers_init(struct state_numbers *n, const char *directory, uint64_t first);
/* used: an episode's number, any, in any order; 0: of none. A failure is logged and tried again later. */
void state_numbers_step(struct state_numbers *n, uint64_t used);
