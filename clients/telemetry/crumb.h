/* SPDX-License-Identifier: MIT */
/*
 * Crumb: what the next boot must know of this one, also if it ends between two instructions: the counts,
 * the worst open episode, when we were last alive, whether the end was in order; and the next process of the
 * same boot, how far the broker was followed. Edge: two copies in a
 * mapped, locked file, each with a CRC32; the one that is known to be on the disk is not touched before the
 * other one is. One process at a time: who has the spool (spool.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tally.h"
#include "topic.h"

/* ramoops keeps some ten dumps, EFI as many; each boot may add some. Half: an old one may count again. */
#define CRUMB_DUMPS_MAX	16u

struct crumb_note {
	char boot[TOPIC_BOOT_MAX];
	char firmware[TOPIC_NAME_MAX];	/* that ran then */
	uint64_t alive_us;		/* CLOCK_BOOTTIME of that boot, at the last sign of life */
	uint64_t mono_us;		/* CLOCK_MONOTONIC then, without sleep, as forecasts */
	uint64_t real_s;		/* seconds since 1970 then; 0: the clock was not synchronised */
	uint32_t is_orderly;		/* we were told to end, and the machine was going down */
	uint32_t last_policy;		/* 1: failsoft was ending the machine */
	uint32_t dumps[CRUMB_DUMPS_MAX]; /* CRC32 of last words that were there when it began; 0: none */
	struct tally_counts counts;
	struct tally_episode episode;	/* number 0: none was open */
	struct tally_mark mark;		/* the first layout ended before it: from here on it is zero */
	uint32_t is_stopped;		/* we were told to end, and the machine was not going down */
};

struct crumb;

/* *ret_past: what the last process left, of this boot or another; boot "": nothing that can be believed.
 * Damage is no error. path NULL: in memory, for a disk without room. 0 or -errno: -ENOSPC, -EPROTO (no
 * regular file), what the system said. */
int crumb_open(struct crumb **ret, const char *path, struct crumb_note *ret_past);
struct crumb *crumb_close(struct crumb *c);	/* NULL is fine; returns NULL */

/* Stores; is_urgent: returns when it is on the disk. Otherwise SIGKILL does not lose it, and the end of power
 * at most what the kernel had not written back (30 s); one note in 10 min of alive_us is waited for all the
 * same. Its texts end. 0, or what msync returned: it is in memory then. */
int crumb_write(struct crumb *c, const struct crumb_note *note, bool is_urgent);
