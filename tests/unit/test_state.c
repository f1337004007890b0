/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "keep/state.h"

static char folder[] = "/tmp/failsoft-state-XXXXXX";
static char path[64];
static struct state state_;

static int make(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/failsoft-state-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/state", folder);
	assert_int_equal(state_open(&state_, folder, 4), 0);
	return 0;
}

static int clean(void **state)
{
	char command[128];

	(void)state;
	state_close(&state_);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static void fill(void)
{
	const struct state_shield shield = { .pid = 42, .start_ticks = 7, .original_adj = 100 };
	struct state_episode episode = { .number = 1001, .stage = 2, .began_us = 5, .domain = "system" };

	state_shield_set(&state_, 3, &shield);
	state_episode_set(&state_, 0, &episode);
}

/* As after SIGKILL: the file stays as it was stored. */
static void reopen(uint32_t shields)
{
	state_close(&state_);
	assert_int_equal(state_open(&state_, folder, shields), 0);
}

static void survives_its_writer(void **state)
{
	(void)state;
	fill();
	reopen(4);
	assert_int_equal(state_.past_shields[3].pid, 42);
	assert_int_equal(state_.past_shields[3].original_adj, 100);
	assert_int_equal(state_.past_episodes[0].number, 1001);
	assert_string_equal(state_.past_episodes[0].domain, "system");
	reopen(4); /* this broker ended before it had dealt with it: the next one must */
	assert_int_equal(state_.past_shields[3].pid, 42);
	assert_int_equal(state_.past_episodes[0].number, 1001);
	state_shields_forget(&state_);
	state_episode_clear(&state_, 0);
	reopen(4);
	assert_int_equal(state_.past_shields[3].pid, 0);
	assert_int_equal(state_.past_episodes[0].number, 0);
}

static void cleared_slots_are_gone(void **state)
{
	(void)state;
	fill();
	state_shield_clear(&state_, 3);
	state_episode_clear(&state_, 0);
	reopen(4);
	assert_int_equal(state_.past_shields[3].pid, 0);
	assert_int_equal(state_.past_episodes[0].number, 0);
}

static void other_sizes(void **state)
{
	(void)state;
	fill();
	reopen(2); /* fewer clients now: a shield of one beyond is not forgotten */
	assert_int_equal(state_.past_shields_count, 4);
	assert_int_equal(state_.past_shields[3].pid, 42);
	assert_int_equal(state_.past_episodes[0].number, 1001);
	fill(); /* slot 3 is beyond: ignored */
	reopen(100);
	assert_int_equal(state_.past_episodes[0].number, 1001);
}

/* Every byte of the file, damaged or cut: nothing wrong is ever believed. */
static void damage(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	for (long at = 0; at < st.st_size; at += at < 64 ? 1 : 13) {
		FILE *file;
		int byte;

		fill();
		state_close(&state_);
		file = fopen(path, "r+");
		fseek(file, at, SEEK_SET);
		byte = fgetc(file);
		fseek(file, at, SEEK_SET);
		fputc(byte ^ 0x10, file);
		fclose(file);
		if (at % 5 == 0)
			assert_int_equal(truncate(path, at), 0);
		assert_int_equal(state_open(&state_, folder, 4), 0);
		assert_true(state_.past_shields[3].pid == 0 || state_.past_shields[3].pid == 42);
		assert_true(state_.past_episodes[0].number == 0 || state_.past_episodes[0].number == 1001);
		for (int i = 0; i < 3; i++)
			assert_int_equal(state_.past_shields[i].pid, 0);
	}
}

static void write_ledger(struct ledger *l)
{
	const struct ledger_freeze freeze = { .is_v2 = 1, .inode = 99, .path = "/demo/apps" };

	ledger_stop_set(l, LEDGER_STOPS_MAX - 1, 4711, 815);
	ledger_stop_set(l, LEDGER_STOPS_MAX, 4712, 815); /* beyond: ignored */
	ledger_freeze_set(l, 31, &freeze);
}

/* A brake that was killed left this; it stays until somebody has let go. */
static void the_ledger_survives(void **state)
{
	const struct ledger_freeze *freeze;
	struct ledger *l;

	(void)state;
	assert_null(ledger_stop_get(state_ledger(&state_), 0));
	write_ledger(state_ledger(&state_));
	for (uint32_t shields = 1; shields < 200; shields += 99) {
		reopen(shields);
		l = state_ledger(&state_);
		assert_int_equal(ledger_stop_get(l, LEDGER_STOPS_MAX - 1)->pid, 4711);
		assert_int_equal(ledger_stop_get(l, LEDGER_STOPS_MAX - 1)->start_ticks, 815);
		freeze = ledger_freeze_get(l, 31);
		assert_string_equal(freeze->path, "/demo/apps");
		assert_true(freeze->is_v2 == 1 && freeze->inode == 99);
	}
	ledger_stop_clear(l, LEDGER_STOPS_MAX - 1);
	ledger_freeze_clear(l, 31);
	reopen(4);
	for (uint32_t i = 0; i <= LEDGER_STOPS_MAX; i++)
		assert_null(ledger_stop_get(state_ledger(&state_), i));
	for (uint32_t i = 0; i <= LEDGER_FREEZES_MAX; i++)
		assert_null(ledger_freeze_get(state_ledger(&state_), i));
}

/* Any byte wrong, or not yet written: void. */
static void a_torn_slot_is_void(void **state)
{
	static struct ledger good, torn;

	(void)state;
	write_ledger(&good);
	for (size_t i = 0; i < sizeof(struct ledger_stop); i++) {
		torn = good;
		((char *)&torn.stops[LEDGER_STOPS_MAX - 1])[i] ^= 4;
		assert_null(ledger_stop_get(&torn, LEDGER_STOPS_MAX - 1));
	}
	for (size_t i = 0; i < sizeof(struct ledger_freeze); i++) {
		torn = good;
		((char *)&torn.freezes[31])[i] ^= 4;
		assert_null(ledger_freeze_get(&torn, 31));
	}
	for (size_t i = 0; i < sizeof(struct ledger_stop) - 1; i++) {
		memset(&torn, 0, sizeof(torn));
		memcpy(&torn.stops[LEDGER_STOPS_MAX - 1], &good.stops[LEDGER_STOPS_MAX - 1], i);
		assert_true(!ledger_stop_get(&torn, LEDGER_STOPS_MAX - 1) || i >= 10);
		if (ledger_stop_get(&torn, LEDGER_STOPS_MAX - 1)) /* what is missing are zeroes */
			assert_int_equal(ledger_stop_get(&torn, LEDGER_STOPS_MAX - 1)->start_ticks, 815);
	}
}

static void numbers_are_never_used_twice(void **state)
{
	uint64_t first = state_reserve_episodes(folder), second = state_reserve_episodes(folder);

	(void)state;
	assert_true(second >= first + 1000);
	assert_true(state_reserve_episodes("/proc/no/such/place") > 1000000); /* the clock stands in */
}

/* An orderly end leaves the true number; nothing else may lower what was reserved. */
static void an_orderly_end_keeps_the_number(void **state)
{
	uint64_t first = state_reserve_episodes(folder);

	(void)state;
	state_keep_episodes(folder, first + 3);
	assert_int_equal(state_reserve_episodes(folder), first + 3);
	state_keep_episodes(folder, first + 2);
	assert_int_equal(state_reserve_episodes(folder), first + 1003); /* not of the newest block */
	state_keep_episodes(folder, UINT64_MAX);
	assert_int_equal(state_reserve_episodes(folder), first + 2003);
	state_keep_episodes("/proc/no/such/place", 7);
}

/* A broker that begins now would use the numbers after this one. */
static uint64_t kept_number(void)
{
	unsigned long long number = 0;
	char name[64];
	FILE *f;

	snprintf(name, sizeof(name), "%s/episode", folder);
	f = fopen(name, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llu", &number), 1);
	fclose(f);
	return number;
}

/* A run with more episodes than a block, ended at any of them; half a block is always left. */
static void a_long_run_uses_none_twice(void **state)
{
	uint64_t first = state_reserve_episodes(folder);
	struct state_numbers n;

	(void)state;
	state_numbers_init(&n, folder, first);
	for (uint64_t used = first + 1; used <= first + 2500; used++) {
		state_numbers_step(&n, used);
		state_numbers_step(&n, 0);
		assert_true(kept_number() > used + 500);
	}
	assert_int_equal(kept_number(), first + 3500);
}

/* Only every so often is it tried again, and what could be kept before stands. */
static void numbers_that_cannot_be_kept(void **state)
{
	struct state_numbers n, none;

	(void)state;
	state_numbers_init(&n, "/proc/no/such/place", 1000);
	state_numbers_step(&n, 1499);
	assert_int_equal(n.more_at, 1500);
	state_numbers_step(&n, 1500);
	assert_int_equal(n.more_at, 1550);
	state_numbers_init(&none, NULL, 1000);
	state_numbers_step(&none, 5000);
}

/* Two brokers with one file would undo each other's shields. */
static void only_one_broker(void **state)
{
	struct state other;

	(void)state;
	fill();
	assert_int_equal(state_open(&other, folder, 4), -EBUSY);
	reopen(4);
	assert_int_equal(state_.past_shields[3].pid, 42);
}

static void a_folder_that_cannot_be(void **state)
{
	struct state other;

	(void)state;
	assert_true(state_open(&other, "/proc/no/such/place", 4) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(survives_its_writer, make, clean),
		cmocka_unit_test_setup_teardown(cleared_slots_are_gone, make, clean),
		cmocka_unit_test_setup_teardown(other_sizes, make, clean),
		cmocka_unit_test_setup_teardown(damage, make, clean),
		cmocka_unit_test_setup_teardown(the_ledger_survives, make, clean),
		cmocka_unit_test(a_torn_slot_is_void),
		cmocka_unit_test_setup_teardown(numbers_are_never_used_twice, make, clean),
		cmocka_unit_test_setup_teardown(an_orderly_end_keeps_the_number, make, clean),
		cmocka_unit_test_setup_teardown(a_long_run_uses_none_twice, make, clean),
		cmocka_unit_test(numbers_that_cannot_be_kept),
		cmocka_unit_test_setup_teardown(only_one_broker, make, clean),
		cmocka_unit_test_setup_teardown(a_folder_that_cannot_be, make, clean),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
