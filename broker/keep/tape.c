/* SPDX-License-Identifier: MIT */
#include "keep/tape.h"

#include <assert.h>
#include <string.h>

#include "base/units.h"

struct body {
	uint8_t bytes[TAPE_BODY_MAX];
	size_t used;
};

uint32_t tape_check(const uint8_t *bytes, size_t size)
{
	/* Half a byte at a time: 64 bytes of table instead of 1024. */
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		crc = crc >> 4 ^ table[(crc ^ bytes[i]) & 15];
		crc = crc >> 4 ^ table[(crc ^ bytes[i] >> 4) & 15];
	}
	return ~crc;
}

/* Seven bits a byte, the lowest first; the eighth says that more follow. */
static void add_number(struct body *b, uint64_t value)
{
	for (; value > 127; value >>= 7)
		b->bytes[b->used++] = (uint8_t)(value | 128);
	b->bytes[b->used++] = (uint8_t)value;
}

static void add_text(struct body *b, const char *text, size_t size)
{
	size_t length = strnlen(text, MIN_OF(size, TAPE_BODY_MAX / 8));

	add_number(b, length);
	memcpy(b->bytes + b->used, text, length);
	b->used += length;
}

/* A difference of either sign as a small number. */
static uint64_t zigzag(uint64_t difference)
{
	return difference << 1 ^ (uint64_t)-(int64_t)(difference >> 63);
}

static uint64_t load(const struct tape_field *f, const void *value)
{
	const uint8_t *at = (const uint8_t *)value + f->offset;
	bool is_signed = f->type == TAPE_SIGNED;
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (f->size) {
	case 8:
		memcpy(&u64, at, 8);
		return u64;
	case 4:
		memcpy(&u32, at, 4);
		return is_signed ? (uint64_t)(int64_t)(int32_t)u32 : u32;
	case 2:
		memcpy(&u16, at, 2);
		return is_signed ? (uint64_t)(int64_t)(int16_t)u16 : u16;
	}
	return is_signed ? (uint64_t)(int64_t)(int8_t)*at : *at;
}

/* false: as in the previous record. */
static bool add_field(struct body *b, const struct tape_field *f, const void *value, uint64_t *previous)
{
	uint64_t now;

	if (f->type == TAPE_TEXT) {
		const char *text = (const char *)value + f->offset;

		if (!*text)
			return false;
		add_text(b, text, f->size);
		return true;
	}
	now = load(f, value);
	if (now == *previous)
		return false;
	if (f->type == TAPE_DOUBLE)
		for (int shift = 0; shift < 64; shift += 8)
			b->bytes[b->used++] = (uint8_t)(now >> shift);
	else
		add_number(b, zigzag(now - *previous));
	*previous = now;
	return true;
}

static void copy_in(struct tape *t, const uint8_t *bytes, size_t size)
{
	uint64_t at = t->put % t->ring_size, first = MIN_OF((uint64_t)size, t->ring_size - at);

	memcpy(t->ring + at, bytes, first);
	memcpy(t->ring, bytes + first, size - first);
	t->put += size;
}

static void put_body(struct tape *t, const struct body *b)
{
	uint32_t check = tape_check(b->bytes, b->used);
	struct body frame;

	frame.used = 0;
	add_number(&frame, b->used);
	if (t->is_broken || tape_waiting(t) + frame.used + b->used + 4 > t->ring_size) {
		t->is_broken = true;
		return;
	}
	copy_in(t, frame.bytes, frame.used);
	copy_in(t, b->bytes, b->used);
	for (int i = 0; i < 4; i++)
		frame.bytes[i] = (uint8_t)(check >> 8 * i);
	copy_in(t, frame.bytes, 4);
}

/* Number, name, how many fields, and of each its type and name. */
static void put_shape(struct tape *t, uint32_t kind)
{
	const struct tape_shape *shape = &t->shapes[kind];
	struct body b;

	b.used = 0;
	add_number(&b, TAPE_KIND_SHAPE);
	add_number(&b, TAPE_KINDS_RESERVED + kind);
	add_text(&b, shape->name, SIZE_MAX);
	add_number(&b, shape->fields_count);
	for (uint32_t i = 0; i < shape->fields_count; i++) {
		b.bytes[b.used++] = (uint8_t)shape->fields[i].type;
		add_text(&b, shape->fields[i].name, SIZE_MAX);
	}
	put_body(t, &b);
}

void tape_init(struct tape *t, const struct tape_shape *shapes, uint32_t shapes_count)
{
	assert(shapes_count <= TAPE_KINDS_MAX);
	memset(t, 0, sizeof(*t));
	t->shapes = shapes;
	t->shapes_count = shapes_count;
}

void tape_begin(struct tape *t, uint8_t *ring, uint64_t ring_size, const char *made_by)
{
	struct body b;

	b.used = 0;
	tape_init(t, t->shapes, t->shapes_count);
	t->ring = ring;
	t->ring_size = ring_size;
	copy_in(t, (const uint8_t *)TAPE_MAGIC, TAPE_MAGIC_SIZE);
	add_number(&b, TAPE_KIND_HEAD);
	add_number(&b, TAPE_FORMAT);
	add_text(&b, made_by, SIZE_MAX);
	put_body(t, &b);
	for (uint32_t kind = 0; kind < t->shapes_count; kind++)
		if (t->shapes[kind].name)
			put_shape(t, kind);
}

void tape_put(struct tape *t, uint32_t kind, const void *value)
{
	const struct tape_shape *shape = &t->shapes[kind];
	struct body b; /* not cleared: its 4 KiB would cost more than the record */
	size_t changed;

	b.used = 0;
	add_number(&b, TAPE_KINDS_RESERVED + kind);
	changed = b.used;
	b.used += (shape->fields_count + 7) / 8;
	memset(b.bytes + changed, 0, b.used - changed);
	for (uint32_t i = 0; i < shape->fields_count; i++)
		if (add_field(&b, &shape->fields[i], value, &t->previous[kind][i]))
			b.bytes[changed + i / 8] |= (uint8_t)(1u << i % 8);
	put_body(t, &b);
}

uint64_t tape_waiting(const struct tape *t)
{
	return t->put - t->taken;
}

size_t tape_take(struct tape *t, uint8_t *ret, size_t size)
{
	uint64_t at = t->taken % t->ring_size, n = MIN_OF(tape_waiting(t), (uint64_t)size);
	uint64_t first = MIN_OF(n, t->ring_size - at);

	memcpy(ret, t->ring + at, first);
	memcpy(ret + first, t->ring, n - first);
	t->taken += n;
	return n;
}

bool tape_is_equal(const struct tape_shape *shape, const void *a, const void *b)
{
	for (uint32_t i = 0; i < shape->fields_count; i++) {
		const struct tape_field *f = &shape->fields[i];

		if (f->type == TAPE_TEXT ? strncmp((const char *)a + f->offset,
						   (const char *)b + f->offset, f->size) != 0
					 : load(f, a) != load(f, b))
			return false;
	}
	return true;
}
