/* SPDX-License-Identifier: MIT */
/* The rule of low-memory-monitor: stalls, from its own triggers or from the kernel's totals. */
#include "rig.h"

#include "judge/rival.h"

#define T0	(1000 * US_PER_S)	/* up for long: a late first sample */

static struct sample sample_of(uint64_t at_ms)
{
	return (struct sample){
		.time_us = T0 + at_ms * US_PER_MS, .has = SAMPLE_HAS_MEMORY | SAMPLE_HAS_PRESSURE,
		.total_bytes = 1000 * MIB, .available_bytes = 900 * MIB,
	};
}

/* Row: what its triggers did, and what it says at that sample and until when. */
static void triggers(void **state)
{
	static const struct {
		uint64_t at_ms;
		uint32_t fired, expect_level;
	} rows[] = {
		{ 0, 0, 0 },
		{ 10, RIVAL_TRIGGER_LOW, 50 },
		{ 12, 0, 50 },		/* a trigger is silent for the rest of its window */
		{ 500, RIVAL_TRIGGER_MEDIUM, 100 },
		{ 600, RIVAL_TRIGGER_LOW, 100 },
		{ 1499, 0, 100 },
		{ 1500, 0, 0 },
		{ 1600, RIVAL_TRIGGER_LOW | RIVAL_TRIGGER_CRITICAL, 255 },
		{ 2600, 0, 0 },
	};
	struct rival_state s;

	(void)state;
	rival_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sample p = sample_of(rows[i].at_ms);

		print_message("# at %u ms\n", (unsigned)rows[i].at_ms);
		p.has |= SAMPLE_HAS_RIVALS;
		p.rival_triggers = rows[i].fired;
		p.memory_full_us = i * US_PER_S; /* triggers are better than totals */
		assert_int_equal(rival_step(&s, RIVAL_LOW_MEMORY_MONITOR, &p),
				 rows[i].expect_level ? RIVAL_WARNS : RIVAL_CALM);
		assert_int_equal(s.reason.level, rows[i].expect_level);
	}
}

/* Row: so much stall in each second, totals read so often, samples so often (0: at odd times); the
 * highest level. */
static void totals(void **state)
{
	static const struct {
		const char *name;
		uint64_t some_ms_per_s, full_ms_per_s, read_ms, sample_ms;
		uint32_t expect_level;
	} rows[] = {
		{ "none", 0, 0, 1000, 100, 0 },
		{ "just too little, read once a second", 69, 69, 1000, 100, 0 },
		{ "some 70 ms", 70, 69, 1000, 100, 50 },
		{ "some 100 ms", 100, 69, 1000, 100, 100 },
		{ "full 70 ms", 100, 70, 1000, 100, 255 },
		{ "samples at odd times", 69, 69, 1000, 0, 0 },
		{ "samples at odd times, 71 ms", 71, 0, 1000, 0, 50 },
		{ "every sample has its own reading", 69, 69, 10, 10, 0 },
		{ "every sample has its own, 70 ms", 71, 0, 10, 10, 50 },
		{ "samples two seconds apart: 138 ms in two", 69, 69, 2000, 2000, 0 },
		{ "samples two seconds apart: 140 ms in two", 70, 0, 2000, 2000, 50 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static const uint64_t odd_ms[] = { 2, 90, 41, 2, 100, 100, 13 };
		struct rival_state s;
		uint32_t level = 0, count = 0;
		uint64_t read_ms = 0, at_ms = 0;

		SAY(&rows[i]);
		rival_init(&s);
		for (; at_ms <= 60000; at_ms += rows[i].sample_ms ? rows[i].sample_ms :
						odd_ms[count++ % ARRAY_LEN(odd_ms)]) {
			struct sample p = sample_of(at_ms);

			if (at_ms >= read_ms + rows[i].read_ms) /* as sense.c does */
				read_ms = at_ms;
			p.memory_some_us = 5000 + rows[i].some_ms_per_s * read_ms;
			p.memory_full_us = 4000 + rows[i].full_ms_per_s * read_ms;
			(void)rival_step(&s, RIVAL_LOW_MEMORY_MONITOR, &p); /* read below */
			level = MAX_OF(level, s.reason.level);
		}
		assert_int_equal(level, rows[i].expect_level);
	}
}

/* After a long time of little stall, much of it is seen at once. */
static void burst(void **state)
{
	struct rival_state s;
	uint64_t stall_us = 0;

	(void)state;
	rival_init(&s);
	for (uint64_t at_ms = 0; at_ms <= 10100; at_ms += 10) {
		struct sample p = sample_of(at_ms);

		stall_us += at_ms > 10000 ? 9000 : 100;
		p.memory_some_us = stall_us;
		assert_int_equal(rival_step(&s, RIVAL_LOW_MEMORY_MONITOR, &p),
				 at_ms >= 10080 ? RIVAL_WARNS : RIVAL_CALM);
	}
	assert_int_equal(s.reason.level, 50);
}

/* A first sample with large totals says nothing, and totals that go back begin anew. */
static void totals_go_back(void **state)
{
	static const struct {
		uint64_t at_ms, total_ms;
		bool is_over;
	} rows[] = {
		{ 0, 900000, false }, { 100, 900000, false }, { 1100, 900060, false },
		{ 2100, 50, false }, { 3100, 119, false }, { 4100, 189, true },
		{ 5100, 189, false },
	};

	(void)state;
	for (unsigned kind = 1; kind <= 3; kind++) {
		struct rival_state s;

		rival_init(&s);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			struct sample p = sample_of(rows[i].at_ms);
			uint32_t over = kind & 2 ? 255 : 50;

			print_message("# kind %u at %u ms\n", kind, (unsigned)rows[i].at_ms);
			p.memory_some_us = kind & 1 ? rows[i].total_ms * US_PER_MS : 0;
			p.memory_full_us = kind & 2 ? rows[i].total_ms * US_PER_MS : 0;
			(void)rival_step(&s, RIVAL_LOW_MEMORY_MONITOR, &p); /* read below */
			assert_int_equal(s.reason.level, rows[i].is_over ? over : 0);
		}
	}
}

/* Samples without pressure are no reading of zero. */
static void missing(void **state)
{
	struct rival_state s;

	(void)state;
	rival_init(&s);
	for (uint64_t at_ms = 0; at_ms <= 20000; at_ms += 100) {
		struct sample p = sample_of(at_ms);

		if (at_ms % 1000)
			p.has &= ~(uint32_t)SAMPLE_HAS_PRESSURE;
		else
			p.memory_some_us = 900 * US_PER_S + at_ms * (at_ms > 10000 ? 80 : 60);
		assert_int_equal(rival_step(&s, RIVAL_LOW_MEMORY_MONITOR, &p),
				 at_ms > 10900 ? RIVAL_WARNS : RIVAL_CALM);
	}
	rival_init(&s);
	for (uint64_t at_ms = 0; at_ms <= 20000; at_ms += 100) {
		struct sample p = sample_of(at_ms);

		p.has &= ~(uint32_t)SAMPLE_HAS_PRESSURE;
		assert_int_equal(rival_step(&s, RIVAL_LOW_MEMORY_MONITOR, &p), RIVAL_CALM);
	}
}

/* Steps of the totals that are easily counted into the wrong second. */
static void steps(void **state)
{
	static const struct {
		const char *name;
		struct { uint64_t at_ms, total_ms; } given[5];
		uint32_t expect_level;
	} rows[] = {
		{ "nothing for long, then one step",
		  { { 0, 0 }, { 1000, 1 }, { 5900, 1 }, { 6000, 81 }, { 6100, 81 } }, 50 },
		{ "two steps and no sample between",
		  { { 0, 0 }, { 500, 60 }, { 1500, 120 }, { 1600, 120 }, { 1700, 120 } }, 0 },
		{ "one step after the first sample",
		  { { 0, 0 }, { 10, 75 }, { 20, 75 }, { 30, 75 }, { 40, 75 } }, 50 },
		{ "more stall than can be",
		  { { 0, 0 }, { 1000, 10 }, { 2990, 10 }, { 3000, 2010 }, { 3100, 2010 } }, 100 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rival_state s;
		uint32_t level = 0;

		SAY(&rows[i]);
		rival_init(&s);
		for (size_t k = 0; k < ARRAY_LEN(rows[i].given); k++) {
			struct sample p = sample_of(rows[i].given[k].at_ms);

			p.memory_some_us = rows[i].given[k].total_ms * US_PER_MS;
			(void)rival_step(&s, RIVAL_LOW_MEMORY_MONITOR, &p); /* read below */
			level = MAX_OF(level, s.reason.level);
		}
		assert_int_equal(level, rows[i].expect_level);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(triggers), cmocka_unit_test(totals), cmocka_unit_test(burst),
		cmocka_unit_test(totals_go_back), cmocka_unit_test(missing),
		cmocka_unit_test(steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
