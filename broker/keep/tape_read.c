/* SPDX-License-Identifier: MIT */
#include "keep/tape_read.h"

#include <assert.h>
#include <string.h>

#include "base/units.h"

/* What is left of one record's body. */
struct rest {
	const uint8_t *at, *end;
	bool is_short;			/* something was to be read that is not there */
};

static uint64_t take_number(struct rest *r)
{
	uint64_t value = 0;

	if (r->at < r->end && *r->at < 128)
		return *r->at++;
	for (unsigned shift = 0; r->at < r->end && shift < 64; shift += 7) {
		uint8_t byte = *r->at++;

		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 127) << shift;
		if (!(byte & 128))
			return value;
	}
	r->is_short = true;
	return 0;
}

static const uint8_t *take_bytes(struct rest *r, uint64_t size)
{
	const uint8_t *at = r->at;

	if (size > (uint64_t)(r->end - r->at)) {
		r->is_short = true;
		return NULL;
	}
	r->at += size;
	return at;
}

/* Into a buffer with NUL. false: it does not fit, or is not there. */
static bool take_text(struct rest *r, char *ret, size_t size)
{
	uint64_t length = take_number(r);
	const uint8_t *text = take_bytes(r, length);

	if (!text || length >= size || memchr(text, 0, length))
		return false;
	memcpy(ret, text, length);
	ret[length] = 0;
	return true;
}

static enum tape_end fail(struct tape_read *r, enum tape_end end, const char *problem)
{
	r->problem = problem;
	return end;
}

/* The next record's body; r->offset moves behind the record. */
static enum tape_end take_body(struct tape_read *r, struct rest *ret)
{
	struct rest file = { r->bytes + r->offset, r->bytes + r->size, false };
	const uint8_t *body, *check;
	uint64_t size;
	uint32_t sum = 0;

	if (file.at == file.end)
		return TAPE_AT_END;
	size = take_number(&file);
	if (file.is_short && file.at < file.end)
		return fail(r, TAPE_DAMAGED, "a record's length is no number");
	if (size > TAPE_BODY_MAX)
		return fail(r, TAPE_DAMAGED, "a record is longer than any can be");
	body = take_bytes(&file, size);
	check = take_bytes(&file, 4);
	if (file.is_short)
		return fail(r, TAPE_CUT, "it ends within a record");
	for (int i = 0; i < 4; i++)
		sum |= (uint32_t)check[i] << 8 * i;
	if (sum != tape_check(body, size))
		return fail(r, TAPE_DAMAGED, "a record's check sum is wrong");
	*ret = (struct rest){ body, body + size, false };
	r->offset = (size_t)(file.at - r->bytes);
	return TAPE_READ;
}

static int32_t find_shape(const struct tape_read *r, const char *name)
{
	for (uint32_t i = 0; i < r->shapes_count; i++)
		if (r->shapes[i].name && !strcmp(r->shapes[i].name, name))
			return (int32_t)i;
	return -1;
}

static int16_t find_field(const struct tape_shape *shape, const char *name, uint8_t type)
{
	for (uint32_t i = 0; i < shape->fields_count; i++)
		if (shape->fields[i].type == (enum tape_type)type &&
		    !strcmp(shape->fields[i].name, name))
			return (int16_t)i;
	return -1;
}

/* A shape's own record: how a kind is called in this file, and its fields. */
static bool take_shape(struct tape_read *r, struct rest *body)
{
	uint64_t number = take_number(body);
	struct tape_map *map;
	char name[64];
	uint64_t count;

	if (number < TAPE_KINDS_RESERVED || number - TAPE_KINDS_RESERVED >= TAPE_KINDS_MAX ||
	    !take_text(body, name, sizeof(name)))
		return false;
	map = &r->map[number - TAPE_KINDS_RESERVED];
	count = take_number(body);
	if (map->fields_count || count == 0 || count > TAPE_FIELDS_MAX)
		return false;
	map->kind = find_shape(r, name);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *type = take_bytes(body, 1);

		if (!type || !memchr("uibdt", *type, 5) || !take_text(body, name, sizeof(name)))
			return false;
		map->type[i] = *type;
		map->field[i] = map->kind < 0 ? -1 : find_field(&r->shapes[map->kind], name, *type);
	}
	map->fields_count = (uint32_t)count;
	return true;
}

static bool fits(const struct tape_field *f, uint64_t value)
{
	unsigned bits = f->type == TAPE_BOOL ? 1 : 8u * f->size;

	if (bits == 64)
		return true;
	if (f->type == TAPE_SIGNED)
		return (int64_t)value >= -(INT64_C(1) << (bits - 1)) &&
		       (int64_t)value < INT64_C(1) << (bits - 1);
	return value >> bits == 0;
}

static bool store(const struct tape_field *f, uint64_t value, void *to)
{
	uint8_t *at = (uint8_t *)to + f->offset;
	const uint32_t u32 = (uint32_t)value;
	const uint16_t u16 = (uint16_t)value;

	if (!fits(f, value))
		return false;
	if (f->size == 8)
		memcpy(at, &value, 8);
	else if (f->size == 4)
		memcpy(at, &u32, 4);
	else if (f->size == 2)
		memcpy(at, &u16, 2);
	else
		*at = (uint8_t)value;
	return true;
}

static uint64_t take_value(struct rest *body, uint8_t type, uint64_t previous)
{
	uint64_t value = 0;

	if (type == TAPE_DOUBLE) {
		const uint8_t *bits = take_bytes(body, 8);

		for (int i = 0; bits && i < 8; i++)
			value |= (uint64_t)bits[i] << 8 * i;
		return value;
	}
	value = take_number(body);
	return previous + (value >> 1 ^ (uint64_t)-(int64_t)(value & 1));
}

/* One field of a record; value NULL: nobody here knows it. */
static bool take_field(struct tape_read *r, struct tape_map *map, uint32_t i, struct rest *body,
		       bool is_changed, void *value)
{
	const struct tape_field *f = map->field[i] < 0 ? NULL
				   : &r->shapes[map->kind].fields[map->field[i]];

	if (map->type[i] == TAPE_TEXT) {
		char unknown[TAPE_BODY_MAX];

		if (!is_changed)
			return true;
		return f ? take_text(body, (char *)value + f->offset, f->size)
			 : take_text(body, unknown, sizeof(unknown));
	}
	if (is_changed)
		map->previous[i] = take_value(body, map->type[i], map->previous[i]);
	return !f || store(f, map->previous[i], value);
}

static bool take_fields(struct tape_read *r, struct tape_map *map, struct rest *body, void *value)
{
	const uint8_t *changed = take_bytes(body, (map->fields_count + 7) / 8);

	if (!changed)
		return false;
	if (map->kind >= 0)
		memset(value, 0, r->shapes[map->kind].size);
	for (uint32_t i = 0; i < map->fields_count; i++)
		if (!take_field(r, map, i, body, changed[i / 8] >> i % 8 & 1, value) ||
		    body->is_short)
			return false;
	return body->at == body->end;
}

void tape_read_init(struct tape_read *r, const struct tape_shape *shapes, uint32_t shapes_count)
{
	assert(shapes_count <= TAPE_KINDS_MAX);
	memset(r, 0, sizeof(*r));
	r->shapes = shapes;
	r->shapes_count = shapes_count;
}

enum tape_end tape_read_open(struct tape_read *r, const uint8_t *bytes, size_t size)
{
	struct rest head;
	enum tape_end end;
	uint64_t format;

	r->bytes = bytes;
	r->size = size;
	if (memcmp(bytes, TAPE_MAGIC, MIN_OF(size, (size_t)TAPE_MAGIC_SIZE)) != 0)
		return fail(r, TAPE_FOREIGN, "it does not begin as a recording does");
	if (size < TAPE_MAGIC_SIZE)
		return fail(r, TAPE_CUT, "it ends before its head");
	r->offset = TAPE_MAGIC_SIZE;
	end = take_body(r, &head);
	if (end == TAPE_AT_END)
		return fail(r, TAPE_CUT, "it ends before its head");
	if (end != TAPE_READ)
		return end;
	if (take_number(&head) != TAPE_KIND_HEAD)
		return fail(r, TAPE_DAMAGED, "its first record is not the head");
	format = take_number(&head);
	if (format > TAPE_FORMAT)
		return fail(r, TAPE_NEWER, "it was made by a newer failsoft");
	r->format = (uint32_t)format;
	if (!format || !take_text(&head, r->made_by, sizeof(r->made_by)))
		return fail(r, TAPE_DAMAGED, "its head is wrong");
	return TAPE_READ;
}

/* One record; false: it was the format's own, or of a kind that is unknown here. */
static bool take_record(struct tape_read *r, struct rest *body, uint32_t *ret_kind, void *value)
{
	uint64_t number = take_number(body);
	struct tape_map *map;

	if (number == TAPE_KIND_SHAPE && !take_shape(r, body))
		r->problem = "the description of a kind is wrong";
	if (number < TAPE_KINDS_RESERVED || r->problem)
		return false;
	number -= TAPE_KINDS_RESERVED;
	map = number < TAPE_KINDS_MAX ? &r->map[number] : NULL;
	if (!map || !map->fields_count) {
		r->problem = "a record is of a kind that was never described";
		return false;
	}
	if (!take_fields(r, map, body, value)) {
		r->problem = "a record does not fit its description";
		return false;
	}
	*ret_kind = (uint32_t)map->kind;
	return map->kind >= 0;
}

enum tape_end tape_read_next(struct tape_read *r, uint32_t *ret_kind, void *value)
{
	for (;;) {
		size_t before = r->offset;
		struct rest body;
		enum tape_end end = take_body(r, &body);

		if (end != TAPE_READ)
			return end;
		if (take_record(r, &body, ret_kind, value)) {
			r->records++;
			return TAPE_READ;
		}
		if (r->problem) {
			r->offset = before;
			return TAPE_DAMAGED;
		}
	}
}
