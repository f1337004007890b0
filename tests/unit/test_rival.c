/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <signal.h>

#include "judge/rival.h"

#define T0	(1000 * US_PER_S)	/* up for long: a late first sample */

/* A machine of 1000 MiB: what is available and anonymous, swap and its free part, in MiB. */
struct machine {
	uint32_t available, anon, swap, swap_free;
};

static struct sample sample_of(uint64_t at_ms, struct machine m)
{
	return (struct sample){
		.time_us = T0 + at_ms * US_PER_MS,
		.has = SAMPLE_HAS_MEMORY | SAMPLE_HAS_POOLS | SAMPLE_HAS_PRESSURE |
		       SAMPLE_HAS_VMSTAT | (m.swap ? SAMPLE_HAS_SWAP : 0),
		.total_bytes = MAX_OF(1000, m.available) * MIB,
		.available_bytes = m.available * MIB, .anon_bytes = m.anon * MIB,
		.swap_total_bytes = m.swap * MIB, .swap_free_bytes = m.swap_free * MIB,
	};
}

/* What each rule says to one look at the machine. */
static void looks(void **state)
{
	static const struct {
		const char *name;
		struct machine given;
		int32_t earlyoom;
		bool oomd, poll;
	} rows[] = {
		{ "plenty", { 500, 500, 0, 0 }, 0, false, false },
		{ "a fifth", { 200, 800, 0, 0 }, 0, false, false },
		{ "less than a fifth", { 199, 801, 0, 0 }, 0, false, true },
		{ "just above a tenth", { 101, 899, 0, 0 }, 0, false, true },
		{ "a tenth, no swap", { 100, 900, 0, 0 }, SIGTERM, false, true },
		{ "just above a twentieth", { 51, 949, 0, 0 }, SIGTERM, false, true },
		{ "a twentieth, no swap", { 50, 950, 0, 0 }, SIGKILL, false, true },
		{ "a tenth, swap half full", { 100, 900, 100, 50 }, 0, false, true },
		{ "a tenth of both", { 100, 900, 100, 10 }, SIGTERM, false, true },
		{ "less of both", { 99, 901, 100, 9 }, SIGTERM, true, true },
		{ "memory below, swap just not", { 99, 901, 100, 10 }, SIGTERM, false, true },
		{ "no memory, a tenth of swap", { 0, 999, 100, 10 }, SIGTERM, false, true },
		{ "a twentieth of both", { 50, 950, 100, 5 }, SIGKILL, true, true },
		{ "full of tmpfs, which no program can have", { 90, 100, 0, 0 }, 0, false, true },
		{ "swap full, memory free", { 800, 200, 100, 0 }, 0, false, false },
		{ "nothing at all for programs", { 0, 0, 0, 0 }, 0, false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sample p = sample_of(0, rows[i].given);
		struct rival_state s[RIVAL_COUNT];
		enum rival_word word[RIVAL_COUNT];

		SAY(&rows[i]);
		for (int r = 0; r < RIVAL_COUNT; r++)
			rival_init(&s[r]);
		for (int r = 0; r < RIVAL_COUNT; r++)
			word[r] = rival_step(&s[r], (enum rival)r, &p);
		assert_int_equal(word[RIVAL_EARLYOOM], rows[i].earlyoom ? RIVAL_ACTS : RIVAL_CALM);
		assert_int_equal(s[RIVAL_EARLYOOM].reason.signal, rows[i].earlyoom);
		assert_int_equal(word[RIVAL_SYSTEMD_OOMD], rows[i].oomd ? RIVAL_ACTS : RIVAL_CALM);
		assert_int_equal(word[RIVAL_POLL], rows[i].poll ? RIVAL_WARNS : RIVAL_CALM);
	}
}

/* Both ages of earlyoom: of what is the share? */
static void ages(void **state)
{
	struct rival_state now, old, blind;
	struct sample p = sample_of(0, (struct machine){ 90, 510, 0, 0 });

	(void)state;
	rival_init(&now);
	rival_init(&old);
	rival_init(&blind);
	assert_int_equal(rival_step(&now, RIVAL_EARLYOOM, &p), RIVAL_CALM);
	assert_int_equal(now.reason.memory_permyriad, 1500);
	assert_int_equal(rival_step(&old, RIVAL_EARLYOOM_1_7, &p), RIVAL_ACTS);
	assert_int_equal(old.reason.memory_permyriad, 900);
	p.has &= ~(uint32_t)SAMPLE_HAS_POOLS; /* nothing better is known than MemTotal */
	assert_int_equal(rival_step(&blind, RIVAL_EARLYOOM, &p), RIVAL_ACTS);
}

/* Row: a calm first look, then memory is low from the first millisecond; who sees it when? */
static void grids(void **state)
{
	static const struct machine low = { 40, 960, 0, 0 };
	static const struct {
		const char *name;
		enum rival rival;
		struct machine first;
		uint64_t period_ms;
	} rows[] = {
		{ "earlyoom, little room: ten times a second", RIVAL_EARLYOOM,
		  { 500, 500, 0, 0 }, 100 },
		{ "earlyoom, 4 GiB: its headroom at 6000 MiB/s", RIVAL_EARLYOOM,
		  { 4096, 0, 0, 0 }, 629 },
		{ "earlyoom, 16 GiB: once a second", RIVAL_EARLYOOM, { 16384, 0, 0, 0 }, 1000 },
		{ "earlyoom, memory low: swap's headroom at 800 MiB/s", RIVAL_EARLYOOM,
		  { 40, 960, 1000, 500 }, 512 },
		{ "poll20", RIVAL_POLL, { 500, 500, 0, 0 }, 250 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sample p = sample_of(0, rows[i].first);
		struct rival_state s;
		uint64_t at_ms = 0;

		SAY(&rows[i]);
		rival_init(&s);
		assert_int_equal(rival_step(&s, rows[i].rival, &p), RIVAL_CALM);
		do {
			p = sample_of(++at_ms, low);
		} while (at_ms < 3000 && rival_step(&s, rows[i].rival, &p) == RIVAL_CALM);
		assert_int_equal(at_ms, rows[i].period_ms);
	}
}

/* Samples that come late do not make the daemon later: its looks stay 250 ms apart. */
static void late_samples(void **state)
{
	static const struct {
		uint64_t at_ms;
		bool is_low, expect;
	} rows[] = {
		{ 0, false, false },
		{ 249, true, false },	/* it sleeps */
		{ 370, false, false },	/* the look of 250 */
		{ 499, true, false },
		{ 500, true, true },	/* not of 620 */
		{ 501, false, true },	/* what it saw last */
		{ 2600, true, true },	/* a gap of eight looks */
		{ 2749, false, true },
		{ 2750, false, false },	/* still on the grid */
	};
	struct rival_state s;

	(void)state;
	rival_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct machine m = { rows[i].is_low ? 100 : 900, 0, 0, 0 };
		struct sample p = sample_of(rows[i].at_ms, m);

		print_message("# at %u ms\n", (unsigned)rows[i].at_ms);
		assert_int_equal(rival_step(&s, RIVAL_POLL, &p),
				 rows[i].expect ? RIVAL_WARNS : RIVAL_CALM);
	}
}

/* AnonPages is read with every 8th sample: a leak must not look smaller for it. */
static void old_anon(void **state)
{
	struct rival_state s;
	uint32_t available = 792, first_low = 0;

	(void)state;
	rival_init(&s);
	for (uint32_t i = 0; i < 200 && !first_low; i++) {
		uint32_t leaking = i < 16 ? 0 : i - 16, read_at = leaking / 8 * 8;
		struct machine m = { 792 - 8 * leaking, 208 + 8 * read_at, 0, 0 };
		struct sample p = sample_of(i * 100, m);

		if (rival_step(&s, RIVAL_EARLYOOM, &p) == RIVAL_ACTS)
			first_low = m.available;
	}
	assert_int_equal(first_low, 96); /* the first multiple of 8 at or below 100 of 1000 */

	/* tmpfs fills: AnonPages stands still, and what programs can have shrinks */
	rival_init(&s);
	first_low = 0;
	for (uint32_t i = 0; i < 198 && !first_low; i++, available -= 4) {
		struct sample p = sample_of(i * 100, (struct machine){ available, 200, 0, 0 });

		if (rival_step(&s, RIVAL_EARLYOOM, &p) == RIVAL_ACTS)
			first_low = available;
	}
	assert_in_range(first_low, 20, 24); /* exact: 22 of 222; up to 8 samples old */
}

/* Row: pressure at so much from second 1 on, with a dip and reclaim as told; first acts when? */
static void pressure(void **state)
{
	static const struct {
		const char *name;
		uint32_t permyriad;
		uint64_t dip_from_ms, dip_to_ms, reclaim_to_ms, period_ms, expect_ms; /* 0: never */
	} rows[] = {
		{ "at the limit", 6000, 0, 0, 90000, 50, 0 },
		{ "just above", 6001, 0, 0, 90000, 50, 31000 },
		{ "samples two seconds apart", 6001, 0, 0, 90000, 2000, 32000 },
		{ "interrupted at a look", 9000, 20000, 20050, 90000, 50, 51000 },
		{ "interrupted between two looks: unseen", 9000, 20050, 20950, 90000, 50, 31000 },
		{ "nothing reclaimed for half a minute", 9000, 20000, 20050, 15000, 50, 0 },
		{ "reclaim ended less than that ago", 9000, 0, 0, 15000, 50, 31000 },
		{ "never any reclaim", 9000, 0, 0, 0, 50, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rival_state s;
		uint64_t at_ms = 0, acts_ms = 0;

		SAY(&rows[i]);
		rival_init(&s);
		for (; at_ms <= 60000 && !acts_ms; at_ms += rows[i].period_ms) {
			struct sample p = sample_of(at_ms, (struct machine){ 300, 700, 0, 0 });

			if (at_ms >= 1000 &&
			    (at_ms < rows[i].dip_from_ms || at_ms >= rows[i].dip_to_ms))
				p.memory_full_permyriad = rows[i].permyriad;
			p.direct_reclaims = MIN_OF(at_ms, rows[i].reclaim_to_ms);
			if (rival_step(&s, RIVAL_SYSTEMD_OOMD, &p) == RIVAL_ACTS)
				acts_ms = at_ms;
		}
		assert_int_equal(acts_ms, rows[i].expect_ms);
		assert_int_equal(s.reason.signal, acts_ms ? SIGKILL : 0);
	}
}

/* Pressure is read once a second, and not by every kernel: what is not there is not looked at. */
static void missing(void **state)
{
	struct rival_state s;

	(void)state;
	rival_init(&s);
	for (uint64_t at_ms = 0; at_ms <= 40000; at_ms += 100) {
		struct sample p = sample_of(at_ms, (struct machine){ 300, 700, 0, 0 });

		p.memory_full_permyriad = 9000;
		p.has &= ~(uint32_t)SAMPLE_HAS_VMSTAT; /* then pressure is believed */
		if (at_ms % 1000 != 300)
			p.has &= ~(uint32_t)SAMPLE_HAS_PRESSURE, p.memory_full_permyriad = 0;
		assert_int_equal(rival_step(&s, RIVAL_SYSTEMD_OOMD, &p),
				 at_ms >= 30300 ? RIVAL_ACTS : RIVAL_CALM);
	}
	assert_int_equal(s.reason.high_us, 39 * US_PER_S); /* its last look was at 39.3 s */

	rival_init(&s);
	for (uint64_t at_ms = 0; at_ms <= 40000; at_ms += 100) {
		struct sample p = sample_of(at_ms, (struct machine){ 300, 700, 0, 0 });

		p.has &= ~(uint32_t)SAMPLE_HAS_PRESSURE;
		assert_int_equal(rival_step(&s, RIVAL_SYSTEMD_OOMD, &p), RIVAL_CALM);
	}
}

/* Both swap and pressure are its own: one's calm look does not end the other's word. */
static void swap_grid(void **state)
{
	static const struct machine low = { 50, 950, 100, 5 }, fine = { 500, 500, 100, 90 };
	static const struct {
		uint64_t at_ms;
		const struct machine *given;
		enum rival_word expect;
	} rows[] = {
		{ 0, &fine, RIVAL_CALM }, { 149, &low, RIVAL_CALM }, { 150, &low, RIVAL_ACTS },
		{ 299, &fine, RIVAL_ACTS }, { 300, &fine, RIVAL_CALM }, { 950, &low, RIVAL_ACTS },
		{ 1000, &low, RIVAL_ACTS }, { 1060, &fine, RIVAL_CALM },
	};
	struct rival_state s;

	(void)state;
	rival_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sample p = sample_of(rows[i].at_ms, *rows[i].given);

		print_message("# at %u ms\n", (unsigned)rows[i].at_ms);
		assert_int_equal(rival_step(&s, RIVAL_SYSTEMD_OOMD, &p), rows[i].expect);
	}
}

/* What cannot be used changes nothing; what comes from another boot begins anew. */
static void unusable(void **state)
{
	static const struct machine low = { 40, 960, 0, 0 };

	(void)state;
	for (int r = 0; r < RIVAL_COUNT; r++) {
		struct sample bad[] = {
			sample_of(5000, low), sample_of(5000, low), sample_of(5000, low),
			sample_of(5000, low), sample_of(5000, low), sample_of(5000, low),
		};
		struct sample good = sample_of(5000, low);
		struct rival_state s, before;

		bad[0].domain = 1;
		bad[1].has &= ~(uint32_t)SAMPLE_HAS_MEMORY;
		bad[2].total_bytes = 0;
		bad[3].available_bytes = UINT64_MAX;
		bad[4].swap_free_bytes = 1;
		bad[5].total_bytes = UINT64_MAX;
		rival_init(&s);
		before = s;
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			assert_int_equal(rival_step(&s, (enum rival)r, &bad[i]), RIVAL_CALM);
			assert_memory_equal(&s, &before, sizeof(s));
		}
		(void)rival_step(&s, (enum rival)r, &good); /* acts or warns, if it is its kind */
		good = sample_of(0, (struct machine){ 800, 200, 0, 0 });
		assert_int_equal(rival_step(&s, (enum rival)r, &good), RIVAL_CALM);
	}
}

/* Any figures at all: no crash, only words that the daemon has, shares within their bounds. */
static void noise(void **state)
{
	uint64_t x = 88172645463325252u;

	(void)state;
	for (int r = 0; r < RIVAL_COUNT; r++) {
		struct rival_state s;
		struct sample p;

		rival_init(&s);
		for (unsigned i = 0; i < 20000; i++) {
			for (size_t k = 0; k < sizeof(p); k++) {
				x ^= x << 13, x ^= x >> 7, x ^= x << 17;
				((uint8_t *)&p)[k] = (uint8_t)x;
			}
			p.domain = 0;
			p.has |= SAMPLE_HAS_MEMORY;
			p.total_bytes >>= x % 64;
			p.available_bytes = MIN_OF(p.available_bytes, p.total_bytes);
			p.swap_total_bytes >>= x % 61;
			p.swap_free_bytes = MIN_OF(p.swap_free_bytes, p.swap_total_bytes);
			assert_true(rival_has((enum rival)r, rival_step(&s, (enum rival)r, &p)));
			assert_true(s.reason.memory_permyriad <= PERMYRIAD);
			assert_true(s.reason.swap_permyriad <= PERMYRIAD);
		}
	}
}

static void words(void **state)
{
	static const struct {
		const char *name;
		bool warns, acts;
	} rows[RIVAL_COUNT] = {
		[RIVAL_EARLYOOM] = { "earlyoom", false, true },
		[RIVAL_EARLYOOM_1_7] = { "earlyoom 1.7", false, true },
		[RIVAL_LOW_MEMORY_MONITOR] = { "low-memory-monitor", true, false },
		[RIVAL_SYSTEMD_OOMD] = { "systemd-oomd", false, true },
		[RIVAL_POLL] = { "poll20", true, false },
	};

	(void)state;
	for (int r = 0; r < RIVAL_COUNT; r++) {
		assert_string_equal(rival_name((enum rival)r), rows[r].name);
		assert_true(strlen(rival_rule((enum rival)r)) > 20);
		assert_true(rival_has((enum rival)r, RIVAL_CALM));
		assert_int_equal(rival_has((enum rival)r, RIVAL_WARNS), rows[r].warns);
		assert_int_equal(rival_has((enum rival)r, RIVAL_ACTS), rows[r].acts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(looks), cmocka_unit_test(ages), cmocka_unit_test(grids),
		cmocka_unit_test(late_samples), cmocka_unit_test(old_anon),
		cmocka_unit_test(pressure), cmocka_unit_test(missing), cmocka_unit_test(swap_grid),
		cmocka_unit_test(unusable),
		cmocka_unit_test(noise), cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
