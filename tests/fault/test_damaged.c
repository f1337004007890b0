/* SPDX-License-Identifier: MIT */
/* The files that a broker leaves to the next one: damaged, cut, overgrown, in the wrong place. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "keep/state.h"

#define SHIELDS 8u
#define ROOM	(64u * 1024u)

struct folder {
	char path[64], state[80], episode[80];
};

static void folder_open(struct folder *f)
{
	strcpy(f->path, "/tmp/failsoft-state-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->state, sizeof(f->state), "%s/state", f->path);
	snprintf(f->episode, sizeof(f->episode), "%s/episode", f->path);
}

static void folder_close(const struct folder *f)
{
	(void)unlink(f->state);	  /* not every test makes it */
	(void)unlink(f->episode); /* same */
	assert_int_equal(rmdir(f->path), 0);
}

static size_t read_whole(const char *path, char *buffer)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(buffer, 1, ROOM, f);
	assert_true(n < ROOM);
	fclose(f);
	return n;
}

static void write_whole(const char *path, const char *content, size_t bytes)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(content, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

static struct state_shield shield(int i)
{
	return (struct state_shield){ .pid = 1000 + i, .start_ticks = 77000 + (uint64_t)i,
				      .original_adj = i * 100 - 300 };
}

static struct state_episode episode(int i)
{
	struct state_episode e = { .stage = 1 + (uint32_t)i % 3, .number = 4000 + (uint64_t)i,
				   .began_us = 99 + (uint64_t)i };

	snprintf(e.domain, sizeof(e.domain), "/system.slice/logger%d.service", i);
	return e;
}

static bool is_shield(const struct state_shield *have, const struct state_shield *want)
{
	return have->pid == want->pid && have->start_ticks == want->start_ticks &&
	       have->original_adj == want->original_adj;
}

static bool is_episode(const struct state_episode *have, const struct state_episode *want)
{
	return have->number == want->number && have->stage == want->stage &&
	       have->began_us == want->began_us && !strcmp(have->domain, want->domain);
}

/* A broker with every second slot in use, ended without a word. */
static void leave(const struct folder *f, uint32_t shields)
{
	struct state s;

	assert_int_equal(state_open(&s, f->path, shields), 0);
	for (uint32_t i = 0; i < shields; i += 2) {
		const struct state_shield kept = shield((int)i);

		state_shield_set(&s, i, &kept);
	}
	for (uint32_t i = 0; i < STATE_EPISODES_MAX; i += 2) {
		const struct state_episode kept = episode((int)i);

		state_episode_set(&s, i, &kept);
	}
	state_close(&s);
}

/* How many slots came back; one that is not what was left, slot for slot, ends the test. */
static unsigned came_back(const struct state *s)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < s->shields_max; i++) {
		const struct state_shield want = shield((int)i);

		if (!s->past_shields[i].pid)
			continue;
		assert_true(i % 2 == 0 && is_shield(&s->past_shields[i], &want));
		count++;
	}
	for (uint32_t i = 0; i < STATE_EPISODES_MAX; i++) {
		const struct state_episode want = episode((int)i);

		if (!s->past_episodes[i].number)
			continue;
		assert_true(i % 2 == 0 && is_episode(&s->past_episodes[i], &want));
		count++;
	}
	return count;
}

static unsigned open_and_count(const struct folder *f, uint32_t shields)
{
	struct state s;
	unsigned count;

	assert_int_equal(state_open(&s, f->path, shields), 0);
	count = came_back(&s);
	state_close(&s);
	return count;
}

/* One wrong byte costs a slot, or all when it is in the header; it never makes a false one. */
static void any_byte_wrong(void **state)
{
	static char good[ROOM], bad[ROOM];
	const unsigned all = SHIELDS / 2 + STATE_EPISODES_MAX / 2;
	struct folder f;
	unsigned void_files = 0, whole_files = 0;
	size_t bytes;

	folder_open(&f);
	leave(&f, SHIELDS);
	bytes = read_whole(f.state, good);
	for (size_t i = 0; i < bytes; i += i < 256 ? 1 : 7) {
		unsigned count;

		(void)unlink(f.state);
		memcpy(bad, good, bytes);
		bad[i] ^= 0x10;
		write_whole(f.state, bad, bytes);
		count = open_and_count(&f, SHIELDS);
		if (count != 0 && count < all - 1)
			fail_msg("byte %zu: %u of %u came back", i, count, all);
		void_files += count == 0;
		whole_files += count == all;
	}
	assert_in_range(void_files, 8 + 36, 64); /* magic, boot id and size at least */
	assert_true(whole_files > 0); /* where nothing was kept */
	folder_close(&f);
	(void)state;
}

static void any_length(void **state)
{
	static char good[ROOM];
	struct folder f;
	size_t bytes;

	folder_open(&f);
	leave(&f, SHIELDS);
	bytes = read_whole(f.state, good);
	for (size_t length = 0; length < bytes; length += 7) {
		write_whole(f.state, good, length);
		(void)open_and_count(&f, SHIELDS); /* anything or nothing, but nothing false */
	}
	for (size_t i = 0; i < bytes; i++)
		good[i] = (char)(i * 37 + 11);
	write_whole(f.state, good, bytes);
	assert_int_equal(open_and_count(&f, SHIELDS), 0);
	folder_close(&f);
	(void)state;
}

/* A file that grew beyond all reason is not filled: that would eat the memory we are to guard. */
static void a_huge_file(void **state)
{
	const off_t huge = (off_t)(256 * MIB);
	struct folder f;
	struct stat st;

	folder_open(&f);
	leave(&f, SHIELDS);
	assert_int_equal(truncate(f.state, huge), 0);
	assert_int_equal(open_and_count(&f, SHIELDS), SHIELDS / 2 + STATE_EPISODES_MAX / 2);
	assert_int_equal(stat(f.state, &st), 0);
	assert_true((uint64_t)st.st_blocks * 512 < MIB);
	folder_close(&f);
	(void)state;
}

static void places_that_cannot_be(void **state)
{
	char inside[128];
	struct folder f;
	struct state s;

	folder_open(&f);
	write_whole(f.episode, "7\n", 2);
	snprintf(inside, sizeof(inside), "%s/below", f.episode);
	assert_int_equal(state_open(&s, inside, SHIELDS), -ENOTDIR);
	state_shield_set(&s, 0, &(struct state_shield){ .pid = 1 }); /* no file: nothing happens */
	state_episode_clear(&s, 0);
	state_close(&s);

	/* a link is not followed, or root would overwrite what somebody else points at */
	assert_int_equal(symlink(f.episode, f.state), 0);
	assert_int_equal(state_open(&s, f.path, SHIELDS), -ELOOP);
	assert_int_equal(read_whole(f.episode, inside), 2);
	folder_close(&f);

	/* folders that are missing are made; slots that are not there are ignored */
	folder_open(&f);
	assert_int_equal(rmdir(f.path), 0);
	assert_int_equal(state_open(&s, f.path, SHIELDS), 0);
	state_shield_set(&s, SHIELDS, &(struct state_shield){ .pid = 1 });
	state_shield_clear(&s, UINT32_MAX);
	state_episode_set(&s, STATE_EPISODES_MAX, &(struct state_episode){ .number = 1 });
	state_episode_clear(&s, UINT32_MAX);
	state_close(&s);
	assert_int_equal(open_and_count(&f, SHIELDS), 0);
	folder_close(&f);
	(void)state;
}

/* Whatever stands in the file: the numbers of this run have not been used before. */
static void episode_numbers(void **state)
{
	static const struct {
		const char *name, *content;
		bool is_clock;		/* expect the seconds of the clock instead of `expect` */
		uint64_t expect;
	} rows[] = {
		{ "no file", NULL, false, 0 },
		{ "as it is written", "3000\n", false, 3000 },
		{ "without a newline", "3000", false, 3000 },
		{ "empty", "", true, 0 },
		{ "no number", "episodes\n", true, 0 },
		{ "negative", "-1000\n", true, 0 },
		{ "the largest", "18446744073709551615\n", true, 0 },
		{ "larger than any", "99999999999999999999\n", true, 0 },
		{ "a long text", "0000000000000000000000000000000000003000\n", true, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const uint64_t clock_s = (uint64_t)time(NULL);
		uint64_t first, second;
		struct folder f;

		folder_open(&f);
		if (rows[i].content)
			write_whole(f.episode, rows[i].content, strlen(rows[i].content));
		first = state_reserve_episodes(f.path);
		second = state_reserve_episodes(f.path);
		folder_close(&f);
		if (rows[i].is_clock ? first < clock_s || first > clock_s + 60 : first != rows[i].expect)
			fail_msg("%s: begins at %" PRIu64, rows[i].name, first);
		if (second < first + 1000)
			fail_msg("%s: %" PRIu64 " after %" PRIu64, rows[i].name, second, first);
	}
	(void)state;
}

static void episode_numbers_without_a_place(void **state)
{
	const uint64_t clock_s = (uint64_t)time(NULL);
	char inside[128];
	struct folder f;

	folder_open(&f);
	write_whole(f.state, "x", 1);
	snprintf(inside, sizeof(inside), "%s/below", f.state);
	assert_in_range(state_reserve_episodes(inside), clock_s, clock_s + 60);
	folder_close(&f);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_byte_wrong),
		cmocka_unit_test(any_length),
		cmocka_unit_test(a_huge_file),
		cmocka_unit_test(places_that_cannot_be),
		cmocka_unit_test(episode_numbers),
		cmocka_unit_test(episode_numbers_without_a_place),
	};

	return cmocka_run_group_tests_name("damaged", tests, NULL, NULL);
}
