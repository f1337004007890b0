/* SPDX-License-Identifier: MIT */
/*
 * Tape read: a recording's bytes back into plain structs, whoever wrote them and whatever has
 * happened to them since. Pure: borrows the bytes, allocates nothing, never reads beyond them.
 *
 * Kinds and fields are matched by name: those that this version does not know are left out, those
 * that the recording does not have are 0. So older and newer recordings of the same format number
 * can be read; what the values mean is for the caller to check.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "keep/tape.h"

#define TAPE_MADE_BY_MAX	64

/* How reading ended. */
enum tape_end {
	TAPE_READ,			/* a record was read */
	TAPE_AT_END,			/* nothing follows */
	TAPE_CUT,			/* ends within a record: the recorder was stopped by force */
	TAPE_DAMAGED,			/* check sum or structure is wrong at `offset` */
	TAPE_FOREIGN,			/* not a recording of failsoft */
	TAPE_NEWER,			/* of a later format number */
	TAPE_END_COUNT
};

/* A kind of record in the file, and where its fields go. */
struct tape_map {
	int32_t kind;			/* ours; -1: unknown here */
	uint32_t fields_count;		/* 0: not announced */
	uint8_t type[TAPE_FIELDS_MAX];
	int16_t field[TAPE_FIELDS_MAX];	/* ours; -1: unknown here */
	uint64_t previous[TAPE_FIELDS_MAX];
};

struct tape_read {
	const struct tape_shape *shapes;
	uint32_t shapes_count;
	const uint8_t *bytes;
	size_t size, offset;		/* offset: of the record that comes next, or was wrong */
	uint32_t format;
	const char *problem;		/* static; what is wrong there */
	uint64_t records;		/* read so far, the head's not counted */
	char made_by[TAPE_MADE_BY_MAX];
	struct tape_map map[TAPE_KINDS_MAX];
};

/* Reads magic and head. TAPE_READ, or why not; then the reader must not be used. */
enum tape_end tape_read_open(struct tape_read *r, const uint8_t *bytes, size_t size);

/*
 * The next record: *ret_kind is its number in the caller's shapes, its struct is written to value,
 * which must hold the largest of them. After anything but TAPE_READ nothing follows.
 */
enum tape_end tape_read_next(struct tape_read *r, uint32_t *ret_kind, void *value);

/* Whose shapes: before tape_read_open. */
void tape_read_init(struct tape_read *r, const struct tape_shape *shapes, uint32_t shapes_count);
