/* SPDX-License-Identifier: MIT */
/*
 * keep/tape_read.h: recordings. Bytes that begin as a recording are read as they are, and again
 * with right check sums; others are the records' bodies, as frame() wants them. What was read is
 * written by keep/tape.h and must read the same.
 */
#include "keep/tape_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "fuzz.h"

#define RING_BYTES (1u << 18)

/* Every type in every size that a field can have. */
struct wide {
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;
	uint8_t u8;
	int64_t i64;
	int32_t i32;
	int16_t i16;
	int8_t i8;
	bool yes;
	double real;
	char name[8], path[64];
};

struct narrow {
	uint32_t u32;
};

static const struct tape_field wide_fields[] = {
	TAPE_U(wide, u64), TAPE_U(wide, u32),  TAPE_U(wide, u16),  TAPE_U(wide, u8),
	TAPE_I(wide, i64), TAPE_I(wide, i32),  TAPE_I(wide, i16),  TAPE_I(wide, i8),
	TAPE_B(wide, yes), TAPE_D(wide, real), TAPE_T(wide, name), TAPE_T(wide, path),
};

static const struct tape_field narrow_fields[] = {TAPE_U(narrow, u32)};

static const struct tape_shape shapes[] = {
	{"wide", sizeof(struct wide), ARRAY_LEN(wide_fields), wide_fields},
	{NULL, 0, 0, NULL},
	{"narrow", sizeof(struct narrow), ARRAY_LEN(narrow_fields), narrow_fields},
};

union value {
	struct wide wide;
	struct narrow narrow;
};

static void check_value(uint32_t kind, const union value *v)
{
	MUST(kind < ARRAY_LEN(shapes) && shapes[kind].name);
	if (kind != 0)
		return;
	MUST(memchr(v->wide.name, 0, sizeof(v->wide.name)));
	MUST(memchr(v->wide.path, 0, sizeof(v->wide.path)));
	MUST(*(const uint8_t *)&v->wide.yes <= 1);
}

static void check_end(const struct tape_read *r, enum tape_end end)
{
	MUST(end == TAPE_AT_END || end == TAPE_CUT || end == TAPE_DAMAGED);
	MUST((end == TAPE_AT_END) == !r->problem);
	MUST(r->offset <= r->size && (end != TAPE_AT_END || r->offset == r->size));
}

/* Reads both in step: the same records, and `copy` is whole. */
static void compare(struct tape_read *r, const uint8_t *copy, size_t size)
{
	static struct tape_read c;
	union value a, b;
	uint32_t kind, copy_kind;

	tape_read_init(&c, shapes, ARRAY_LEN(shapes));
	MUST(tape_read_open(&c, copy, size) == TAPE_READ);
	while (tape_read_next(r, &kind, &a) == TAPE_READ) {
		MUST(tape_read_next(&c, &copy_kind, &b) == TAPE_READ && copy_kind == kind);
		MUST(tape_is_equal(&shapes[kind], &a, &b));
	}
	MUST(tape_read_next(&c, &copy_kind, &b) == TAPE_AT_END && c.offset == size);
}

/* Everything that can be read, onto another tape. */
static void copy_records(struct tape_read *r, struct tape *copy)
{
	union value value;
	enum tape_end end;
	size_t before = r->offset;
	uint64_t records = 0;
	uint32_t kind;

	while ((end = tape_read_next(r, &kind, &value)) == TAPE_READ) {
		MUST(r->offset > before && r->offset <= r->size && r->records == ++records);
		before = r->offset;
		check_value(kind, &value);
		tape_put(copy, kind, &value);
	}
	check_end(r, end);
}

static void read_all(const uint8_t *bytes, size_t size)
{
	static uint8_t ring[RING_BYTES], copied[RING_BYTES];
	static struct tape_read r;
	static struct tape copy;
	struct tape_read start;
	enum tape_end end;

	tape_read_init(&r, shapes, ARRAY_LEN(shapes));
	end = tape_read_open(&r, bytes, size);
	MUST(end < TAPE_END_COUNT && end != TAPE_AT_END);
	MUST((end == TAPE_READ) == !r.problem);
	if (end != TAPE_READ)
		return;
	MUST(r.format == TAPE_FORMAT && memchr(r.made_by, 0, sizeof(r.made_by)));
	start = r;
	tape_init(&copy, shapes, ARRAY_LEN(shapes));
	tape_begin(&copy, ring, sizeof(ring), r.made_by);
	copy_records(&r, &copy);
	if (!copy.is_broken)
		compare(&start, copied, tape_take(&copy, copied, sizeof(copied)));
}

/* Right check sums where lengths allow it. */
static void repair(uint8_t *bytes, size_t size)
{
	size_t at = TAPE_MAGIC_SIZE;

	while (at < size) {
		size_t length = bytes[at] & 127;
		uint32_t check;

		if (bytes[at++] & 128 && at < size)
			length |= (size_t)bytes[at++] << 7;
		if (at + length + 4 > size)
			return;
		check = tape_check(bytes + at, length);
		at += length;
		for (int i = 0; i < 4; i++)
			bytes[at++] = (uint8_t)(check >> 8 * i);
	}
}

/*
 * Records from bytes that change easily: lengths and bodies without check sums. A body that is cut
 * counts as one that ends there. ret: room for 6 times the size.
 */
static size_t frame(const uint8_t *bytes, size_t size, uint8_t *ret)
{
	const uint8_t *end = bytes + size;
	uint8_t *to = ret;

	while (bytes < end) {
		size_t length = *bytes++;
		uint32_t check;

		if (length > 127 && bytes < end)
			length = (length & 127) | (size_t)(*bytes++ & 127) << 7;
		length = MIN_OF(length, (size_t)(end - bytes));
		if (length > 127)
			*to++ = (uint8_t)(length | 128);
		*to++ = (uint8_t)(length > 127 ? length >> 7 : length);
		memcpy(to, bytes, length);
		check = tape_check(bytes, length);
		to += length, bytes += length;
		for (int i = 0; i < 4; i++)
			*to++ = (uint8_t)(check >> 8 * i);
	}
	return (size_t)(to - ret);
}

static void read_bodies(const uint8_t *bytes, size_t size)
{
	uint8_t *framed = malloc(TAPE_MAGIC_SIZE + 6 * size), *exact;
	size_t used;

	MUST(framed);
	memcpy(framed, TAPE_MAGIC, TAPE_MAGIC_SIZE);
	used = TAPE_MAGIC_SIZE + frame(bytes, size, framed + TAPE_MAGIC_SIZE);
	exact = fuzz_exact(framed, used);
	free(framed);
	read_all(exact, used);
	free(exact);
}

void fuzz_tape(const uint8_t *bytes, size_t size)
{
	uint8_t *exact = fuzz_exact(bytes, size);

	read_all(exact, size);
	if (size > TAPE_MAGIC_SIZE && memcmp(bytes, TAPE_MAGIC, TAPE_MAGIC_SIZE) == 0) {
		repair(exact, size);
		read_all(exact, size);
	} else {
		read_bodies(bytes, size);
	}
	free(exact);
}
