/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <stdlib.h>

#include "core_tape.h"
#include "keep/tape_read.h"

#define RING		(1u << 20)
#define RECORDS		300u

struct thing {
	uint64_t big;
	int64_t balance;
	uint32_t middle;
	int32_t small;
	uint16_t half;
	uint8_t byte;
	bool flag;
	double ratio;
	char name[16];
};

static const struct tape_field fields[] = {
	TAPE_U(thing, big), TAPE_I(thing, balance), TAPE_U(thing, middle), TAPE_I(thing, small),
	TAPE_U(thing, half), TAPE_U(thing, byte), TAPE_B(thing, flag), TAPE_D(thing, ratio),
	TAPE_T(thing, name),
};
static const struct tape_field other_fields[] = { TAPE_U(thing, big) };
static const struct tape_shape shapes[] = {
	{ "thing", sizeof(struct thing), ARRAY_LEN(fields), fields },
	{ "other", sizeof(struct thing), ARRAY_LEN(other_fields), other_fields },
};

static struct tape tape;
static struct tape_read reader;
static uint8_t ring[RING], bytes[RING];

static uint64_t random_u64(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state ^ *state >> 29;
}

static struct thing random_thing(uint64_t *state)
{
	struct thing t = {
		.big = random_u64(state) >> random_u64(state) % 64, .balance = (int64_t)random_u64(state),
		.middle = (uint32_t)random_u64(state), .small = (int32_t)random_u64(state),
		.half = (uint16_t)random_u64(state), .byte = (uint8_t)random_u64(state),
		.flag = random_u64(state) & 1, .ratio = (double)random_u64(state) / 7,
	};

	for (unsigned i = 0; i < random_u64(state) % sizeof(t.name); i++)
		t.name[i] = (char)('a' + random_u64(state) % 26);
	return t;
}

static size_t write_things(uint64_t seed)
{
	tape_init(&tape, shapes, ARRAY_LEN(shapes));
	tape_begin(&tape, ring, sizeof(ring), "test 1");
	for (unsigned i = 0; i < RECORDS; i++) {
		struct thing t = random_thing(&seed);

		tape_put(&tape, i % 7 == 3, &t);
	}
	return tape_take(&tape, bytes, sizeof(bytes));
}

static void there_and_back(void **state)
{
	uint64_t seed = 42;
	size_t size = write_things(42);
	uint32_t kind;

	tape_read_init(&reader, shapes, ARRAY_LEN(shapes));
	assert_int_equal(tape_read_open(&reader, bytes, size), TAPE_READ);
	assert_string_equal(reader.made_by, "test 1");
	for (unsigned i = 0; i < RECORDS; i++) {
		struct thing is, was = random_thing(&seed);

		assert_int_equal(tape_read_next(&reader, &kind, &is), TAPE_READ);
		assert_int_equal(kind, i % 7 == 3);
		assert_true(tape_is_equal(&shapes[kind], &is, &was));
	}
	assert_int_equal(tape_read_next(&reader, &kind, &(struct thing){ 0 }), TAPE_AT_END);
	(void)state;
}

/* How many records can be read, and how it ends. */
static enum tape_end read_all(const uint8_t *from, size_t size, uint64_t *ret_records)
{
	uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees a byte too far */
	enum tape_end end;
	struct thing thing;
	uint32_t kind;

	memcpy(exact, from, size);
	tape_read_init(&reader, shapes, ARRAY_LEN(shapes));
	end = tape_read_open(&reader, exact, size);
	while (end == TAPE_READ)
		end = tape_read_next(&reader, &kind, &thing);
	*ret_records = reader.records;
	free(exact);
	return end;
}

static void cut_anywhere(void **state)
{
	size_t size = write_things(7);
	uint64_t before = 0, records;

	for (size_t at = 0; at < size; at++) {
		enum tape_end end = read_all(bytes, at, &records);

		assert_true(end == TAPE_CUT || (end == TAPE_AT_END && at > TAPE_MAGIC_SIZE));
		assert_true(records >= before && records <= before + 1);
		before = records;
	}
	assert_int_equal(read_all(bytes, size, &records), TAPE_AT_END);
	assert_int_equal(records, RECORDS);
	(void)state;
}

static void flipped_anywhere(void **state)
{
	size_t size = write_things(9);
	uint64_t records;

	for (size_t at = 0; at < size; at++) {
		enum tape_end end;

		bytes[at] ^= (uint8_t)(1u << at % 8);
		end = read_all(bytes, size, &records);
		bytes[at] ^= (uint8_t)(1u << at % 8);
		/* a length that grew may reach beyond the end: then it looks cut */
		assert_true(end == TAPE_DAMAGED || end == TAPE_FOREIGN || end == TAPE_CUT);
		assert_true(records < RECORDS);
	}
	(void)state;
}

/* A record with a right check sum, as another version would write it. */
static size_t put_raw(uint8_t *to, const uint8_t *body, size_t size)
{
	uint32_t check = tape_check(body, size);

	assert_true(size < 128);
	to[0] = (uint8_t)size;
	memcpy(to + 1, body, size);
	for (int i = 0; i < 4; i++)
		to[1 + size + i] = (uint8_t)(check >> 8 * i);
	return size + 5;
}

static const struct {
	const char *name;
	uint8_t body[24];
	size_t size;
	enum tape_end end;
} raws[] = {
	{ "a later format", { 0, 2, 1, 'x' }, 4, TAPE_NEWER },
	{ "a far later format", { 0, 255, 255, 255, 255, 15, 1, 'x' }, 8, TAPE_NEWER },
	{ "format 0", { 0, 0, 1, 'x' }, 4, TAPE_DAMAGED },
	{ "no head", { 1, 8, 1, 'x', 0 }, 5, TAPE_DAMAGED },
	{ "a head that says nothing", { 0 }, 1, TAPE_DAMAGED },
	{ "a head whose text is longer than it", { 0, 1, 9, 'x' }, 4, TAPE_DAMAGED },
};

static void other_heads(void **state)
{
	uint64_t records;

	for (unsigned i = 0; i < ARRAY_LEN(raws); i++) {
		uint8_t file[64] = TAPE_MAGIC;
		size_t size = put_raw(file + TAPE_MAGIC_SIZE, raws[i].body, raws[i].size);

		SAY(&raws[i]);
		assert_int_equal(read_all(file, TAPE_MAGIC_SIZE + size, &records), raws[i].end);
	}
	(void)state;
}

static const struct {
	const char *name;
	uint8_t body[24];
	size_t size;
	enum tape_end end;
	uint64_t records;
} records_rows[] = {
	{ "a kind that was never described", { 40, 1, 2 }, 3, TAPE_DAMAGED, 0 },
	{ "a kind of a later version", { 30, 1, 2 }, 3, TAPE_DAMAGED, 0 },
	{ "the format's own, unknown here", { 5, 1, 2, 3 }, 4, TAPE_AT_END, 0 },
	{ "a thing without its bitmap", { 8 }, 1, TAPE_DAMAGED, 0 },
	{ "a thing as before", { 8, 0, 0 }, 3, TAPE_READ, 1 },
	{ "a thing with bytes left over", { 8, 0, 0, 1 }, 4, TAPE_DAMAGED, 0 },
	{ "a value that is not there", { 8, 1, 0 }, 3, TAPE_DAMAGED, 0 },
	{ "a byte of 300", { 8, 32, 0, 0xd8, 4 }, 5, TAPE_DAMAGED, 0 },
	{ "a flag of 2", { 8, 64, 0, 4 }, 4, TAPE_DAMAGED, 0 },
	{ "a name that is too long", { 8, 0, 1, 16, 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a',
				       'a', 'a', 'a', 'a', 'a', 'a' }, 20, TAPE_DAMAGED, 0 },
	{ "a name with a NUL", { 8, 0, 1, 2, 'a', 0 }, 6, TAPE_DAMAGED, 0 },
	{ "a shape twice", { 1, 8, 1, 'x', 1, 'u', 1, 'y' }, 8, TAPE_DAMAGED, 0 },
	{ "a shape without fields", { 1, 20, 1, 'x', 0 }, 5, TAPE_DAMAGED, 0 },
	{ "a shape with a type of its own", { 1, 20, 1, 'x', 1, 'z', 1, 'y' }, 8, TAPE_DAMAGED, 0 },
};

static void odd_records(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(records_rows); i++) {
		struct thing thing = { 0 };
		uint32_t kind;
		size_t size;
		enum tape_end end;

		SAY(&records_rows[i]);
		tape_init(&tape, shapes, ARRAY_LEN(shapes));
		tape_begin(&tape, ring, sizeof(ring), "t");
		size = tape_take(&tape, bytes, sizeof(bytes));
		size += put_raw(bytes + size, records_rows[i].body, records_rows[i].size);
		tape_read_init(&reader, shapes, ARRAY_LEN(shapes));
		assert_int_equal(tape_read_open(&reader, bytes, size), TAPE_READ);
		end = tape_read_next(&reader, &kind, &thing);
		assert_int_equal(end, records_rows[i].end);
		assert_int_equal(reader.records, records_rows[i].records);
		assert_true(end != TAPE_DAMAGED || reader.problem);
	}
	(void)state;
}

/* A reader that knows fewer kinds and fields, and one that knows more. */
static void other_versions(void **state)
{
	static const struct tape_field few[] = { TAPE_T(thing, name), TAPE_U(thing, big) };
	static const struct tape_field more[] = { TAPE_U(thing, big), TAPE_U(thing, half) };
	const struct tape_shape older[] = { { "thing", sizeof(struct thing), 2, few } };
	const struct tape_shape newer[] = { { "new", sizeof(struct thing), 2, more },
					    { "other", sizeof(struct thing), 2, more } };
	size_t size = write_things(5);
	uint64_t seed = 5;
	struct thing is;
	uint32_t kind;

	tape_read_init(&reader, older, 1);
	assert_int_equal(tape_read_open(&reader, bytes, size), TAPE_READ);
	for (unsigned i = 0; i < RECORDS; i++) {
		struct thing was = random_thing(&seed);

		if (i % 7 == 3)
			continue;
		assert_int_equal(tape_read_next(&reader, &kind, &is), TAPE_READ);
		assert_int_equal(is.big, was.big);
		assert_string_equal(is.name, was.name);
		assert_int_equal(is.half, 0);
	}
	tape_read_init(&reader, newer, 2);
	assert_int_equal(tape_read_open(&reader, bytes, size), TAPE_READ);
	assert_int_equal(tape_read_next(&reader, &kind, &is), TAPE_READ);
	assert_int_equal(kind, 1);
	assert_int_equal(is.half, 0);
	(void)state;
}

/* A ring that nobody empties: the tape stops, whole records only. */
static void full_ring(void **state)
{
	uint64_t seed = 3, records;
	struct thing t = random_thing(&seed);
	size_t size;

	tape_init(&tape, shapes, ARRAY_LEN(shapes));
	tape_begin(&tape, ring, 1024, "t");
	for (unsigned i = 0; i < 1000; i++) {
		t.big = random_u64(&seed);
		tape_put(&tape, 0, &t);
	}
	assert_true(tape.is_broken);
	size = tape_take(&tape, bytes, sizeof(bytes));
	assert_true(size <= 1024);
	assert_int_equal(read_all(bytes, size, &records), TAPE_AT_END);
	assert_true(records > 10 && records < 1000);
	(void)state;
}

/* What every recording of the core begins with. */
static void core_shapes(void **state)
{
	tape_init(&tape, core_tape_shapes, CORE_TAPE_KIND_COUNT);
	tape_begin(&tape, ring, 64 * KIB, "t");
	assert_false(tape.is_broken);
	for (unsigned i = 0; i < CORE_TAPE_KIND_COUNT; i++) {
		assert_non_null(core_tape_shapes[i].name);
		assert_true(core_tape_shapes[i].fields_count <= TAPE_FIELDS_MAX);
		assert_true(core_tape_shapes[i].size <= sizeof(union core_record));
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(flipped_anywhere), cmocka_unit_test(other_heads),
		cmocka_unit_test(odd_records), cmocka_unit_test(other_versions),
		cmocka_unit_test(full_ring), cmocka_unit_test(core_shapes),
	};

	return cmocka_run_group_tests_name("tape", tests, NULL, NULL);
}
