/* SPDX-License-Identifier: MIT */
/* The census and growth together on the real /proc, with children that grow. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/units.h"
#include "judge/growth.h"
#include "sense/census.h"

#define TOP	8

/* Grows by 8000 KiB/s, 80 KiB every 10 ms by the clock. */
static void grow(void)
{
	const size_t step = 80 * KIB, size = 48 * MIB;
	uint64_t start_us = clock_now_us();
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "grows");
	for (size_t used = 0; memory != MAP_FAILED && used + step <= size;) {
		size_t due = (size_t)((clock_now_us() - start_us) / 10000) * step;

		for (; used < due && used + step <= size; used += step)
			memset(memory + used, 1, step);
		usleep(2000);
	}
	_exit(0);
}

/* The real machine and what grows on it. */
struct live {
	struct growth_entry entries[16384];
	struct growth_node nodes[16384];
	struct growth table;
	struct census *census;
	struct grower top[TOP];
	uint32_t rounds;
};

/* Not inherited: a child would count for what it shares with us. */
static struct live *live_open(void)
{
	struct live *l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(l != MAP_FAILED && madvise(l, sizeof(*l), MADV_DONTFORK) == 0);
	assert_int_equal(growth_init(&l->table, l->entries, l->nodes, ARRAY_LEN(l->entries)), 0);
	assert_int_equal(census_open(NULL, 8192, &l->census), 0);
	return l;
}

static void live_close(struct live *l)
{
	census_close(l->census);
	assert_int_equal(munmap(l, sizeof(*l)), 0);
}

static void live_watch(struct live *l, uint64_t for_us)
{
	uint64_t end_us = clock_now_us() + for_us;

	while (clock_now_us() < end_us) {
		struct census_slice s;

		assert_int_equal(census_step(l->census, clock_now_us(), CENSUS_SLICE_MAX, &s), 0);
		for (uint32_t i = 0; i < s.count; i++)
			growth_see(&l->table, &s.reading[i]);
		if (!s.is_round_end)
			continue;
		growth_sweep(&l->table, s.round_us);
		l->rounds++;
		usleep(20000);
	}
}

/* Is the child a grower of this kind? Other tests may grow faster beside it, and then it can be a
 * part of their tree: that is no failure. */
static bool live_names(struct live *l, int32_t pid, enum grower_kind kind, uint64_t bytes_per_s)
{
	uint32_t count = growth_top(&l->table, clock_now_us(), l->top, TOP);
	uint64_t others = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct grower *g = &l->top[i];

		print_message("# %s, %u processes: %llu KiB/s, last %llu KiB/s\n", g->name,
			      g->processes, (unsigned long long)g->bytes_per_s / 1024,
			      (unsigned long long)g->recent_bytes_per_s / 1024);
		if (g->pid == pid)
			return g->kind == kind;
		others += g->bytes_per_s;
	}
	return others > bytes_per_s;
}

static void end(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void wait_for_name(pid_t child, const char *name)
{
	char path[40], text[32] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)child);
	for (int i = 0; i < 10000 && strcmp(text, name) != 0; i++) {
		FILE *f = fopen(path, "re");

		assert_non_null(f);
		if (!fgets(text, sizeof(text), f))
			text[0] = 0;
		fclose(f);
		usleep(1000);
	}
	usleep(50000);
}

static bool has_its_rate(const struct live *l, pid_t child)
{
	uint32_t at = growth_find(&l->table, child);
	double rate = at == GROWTH_NOWHERE ? 0 : (double)l->entries[at].level.rate.slow_bytes_per_s;

	return rate >= 5600 * KIB && rate <= 10400 * KIB;
}

/* The child that grows is on top, and its rate is what it is. */
static void one_that_grows(void **state)
{
	struct live *live;
	pid_t child = fork();
	uint32_t at;

	assert_true(child >= 0);
	if (!child)
		grow();
	wait_for_name(child, "grows\n"); /* older than the table: its rate begins with the second reading */
	live = live_open();
	live_watch(live, 3 * US_PER_S);
	for (int i = 0; i < 4 && !has_its_rate(live, child); i++)
		live_watch(live, 500 * US_PER_MS); /* one that had to wait for a CPU catches up */
	at = growth_find(&live->table, child);
	assert_true(at != GROWTH_NOWHERE);
	assert_string_equal(live->entries[at].name, "grows");
	assert_in_range(live->entries[at].level.rate.slow_bytes_per_s, 5600 * KIB, 10400 * KIB);
	assert_true(live->rounds > 10);
	assert_true(live_names(live, child, GROWER_PROCESS, 8000 * KIB));
	end(child);
	live_close(live);
	(void)state;
}

/* Takes a little and stays until its parent ends. */
static void sit(void)
{
	char *memory = mmap(NULL, 200 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (memory != MAP_FAILED)
		memset(memory, 1, 200 * KIB);
	for (;;)
		pause();
}

/* 50 children, every 8 ms another, each with one child of its own; 200 KiB each. */
static void fork_tree(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 50; i++) {
		usleep(8000);
		if (fork() == 0) {
			(void)fork();
			sit();
		}
	}
	for (;;)
		pause();
}

/* None of them grows much, all together are one grower. */
static void a_tree_that_grows(void **state)
{
	bool is_named = false;
	struct live *live;
	pid_t child;

	live = live_open();
	live_watch(live, 100 * US_PER_MS);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		fork_tree();
	live_watch(live, US_PER_S);
	for (int i = 0; i < 10 && !is_named; i++) { /* on a busy machine forks take longer */
		is_named = live_names(live, child, GROWER_TREE, 10 * MIB);
		live_watch(live, is_named ? 0 : 300 * US_PER_MS);
	}
	assert_true(is_named);
	end(child);
	live_close(live);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_grows),
		cmocka_unit_test(a_tree_that_grows),
	};

	return cmocka_run_group_tests_name("census_live", tests, NULL, NULL);
}
