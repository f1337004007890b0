/* SPDX-License-Identifier: MIT */
/*
 * Reboots: what must be known after the machine was ended by us: why, and how often so soon after each
 * other. Edge. One line of fixed length in a file on the disk, which stays open: in the crisis it is
 * one write of 512 bytes, a sector. The count needs no clock: a boot that lasted long begins anew.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "act/last.h"

#define REBOOTS_LINE_BYTES	512
#define REBOOTS_NAME_MAX	64

struct reboots_note {
	uint32_t count;			/* of the loop, this one included; 0: there was none */
	enum last_policy policy;
	uint64_t episode, real_s;	/* seconds since 1970, if the clock was right */
	char boot[40];			/* id of the boot that it ended */
	char domain[REBOOTS_NAME_MAX];
	bool is_told;			/* it is on the record of a later boot */
};

struct reboots {
	int fd;				/* -1: nothing can be kept */
	char boot[40];			/* this boot's id */
	struct reboots_note past;
};

/*
 * Opens or makes DIRECTORY/reboots and reads what stands there; a line that makes no sense is no
 * reboot, and a warning. root: of proc. Returns 0 or -errno (logged): then nothing can be kept.
 */
int reboots_open(struct reboots *r, int root_fd, const char *directory);
void reboots_close(struct reboots *r);

/* Is the past one of an earlier boot, and nobody was told? Says so from now on. */
bool reboots_tell(struct reboots *r);

/* The line for a note: without the newline's NUL it has REBOOTS_LINE_BYTES. Allocates nothing. */
void reboots_line(const struct reboots_note *note, char line[REBOOTS_LINE_BYTES + 1]);
