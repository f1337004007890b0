/* SPDX-License-Identifier: MIT */
/*
 * Tape: the format of a recording, and its writer. Pure: plain structs become bytes in a ring that
 * the caller gave; the caller carries them away with tape_take(). failsoft-recording(5) describes
 * the bytes, tape_read.h reads them back.
 *
 * A recording describes itself: each kind of record is a table of named fields, and these tables
 * stand at its beginning. Figures are written as differences to the previous record of their kind,
 * every record has its own check sum, and nothing depends on the machine's byte order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAPE_FORMAT		1u	/* a reader refuses a higher one */
#define TAPE_MAGIC		"\x89" "FSREC\r\n" /* no text; shows when line ends were converted */
#define TAPE_MAGIC_SIZE		8u
#define TAPE_KINDS_MAX		48u
#define TAPE_FIELDS_MAX		120u
#define TAPE_BODY_MAX		4096u	/* of one record */
#define TAPE_RECORD_MAX		(TAPE_BODY_MAX + 8u) /* with length and check sum */

/* Numbers of kinds in the file: the first ones are the format's own, the shapes' follow. */
enum tape_kind { TAPE_KIND_HEAD, TAPE_KIND_SHAPE, TAPE_KINDS_RESERVED = 8 };

enum tape_type {
	TAPE_UNSIGNED = 'u',
	TAPE_SIGNED = 'i',
	TAPE_BOOL = 'b',
	TAPE_DOUBLE = 'd',		/* IEEE 754 binary64, its bits */
	TAPE_TEXT = 't',		/* an array of char with NUL */
};

/* A member of a plain struct: 1, 2, 4 or 8 bytes, or a text. */
struct tape_field {
	const char *name;
	uint16_t offset, size;
	enum tape_type type;
};

#define TAPE_FIELD(s, m, t) { #m, offsetof(struct s, m), sizeof(((struct s *)0)->m), t }
#define TAPE_U(s, m)	TAPE_FIELD(s, m, TAPE_UNSIGNED)
#define TAPE_I(s, m)	TAPE_FIELD(s, m, TAPE_SIGNED)
#define TAPE_B(s, m)	TAPE_FIELD(s, m, TAPE_BOOL)
#define TAPE_D(s, m)	TAPE_FIELD(s, m, TAPE_DOUBLE)
#define TAPE_T(s, m)	TAPE_FIELD(s, m, TAPE_TEXT)

/* A kind of record: which members of its struct are kept. */
struct tape_shape {
	const char *name;		/* NULL: no such kind */
	uint32_t size;			/* of the struct */
	uint32_t fields_count;
	const struct tape_field *fields;
};

struct tape {
	const struct tape_shape *shapes;
	uint32_t shapes_count;
	uint8_t *ring;
	uint64_t ring_size, put, taken;	/* bytes since the beginning */
	bool is_broken;			/* the ring was full: nothing more is written */
	uint64_t previous[TAPE_KINDS_MAX][TAPE_FIELDS_MAX];
};

/* shapes: borrowed. */
void tape_init(struct tape *t, const struct tape_shape *shapes, uint32_t shapes_count);

/*
 * Begins a new recording with its head: magic, format, who made it ("failsoftd 1.0.0"), all shapes.
 * ring: borrowed; 64 KiB hold any head.
 */
void tape_begin(struct tape *t, uint8_t *ring, uint64_t ring_size, const char *made_by);

/* Writes one record of the kind, a number below shapes_count; value is its struct. */
void tape_put(struct tape *t, uint32_t kind, const void *value);

/* Takes at most `size` bytes out; returns how many. */
size_t tape_take(struct tape *t, uint8_t *ret, size_t size);

/* What is written and not yet taken. */
uint64_t tape_waiting(const struct tape *t);

/* Do both hold the same in every field of the shape? */
bool tape_is_equal(const struct tape_shape *shape, const void *a, const void *b);

/* CRC-32 (ITU-T V.42), of every record's body. */
uint32_t tape_check(const uint8_t *bytes, size_t size);
