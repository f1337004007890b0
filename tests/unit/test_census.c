/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/units.h"
#include "sense/census.h"
#include "tree.h"

#define MAX	64
#define SECOND	UINT64_C(2000000)	/* rounds are this far apart: the real clock goes on in each */
#define PAGE	((uint64_t)sysconf(_SC_PAGESIZE))

struct seen {
	uint32_t count, steps;
	struct growth_reading reading[MAX];
};

/* A whole round, in slices of this many. */
static struct seen round_of(struct census *c, uint64_t now_us, uint32_t slice)
{
	struct census_slice s = { 0 };
	struct seen seen = { 0 };

	while (!s.is_round_end) {
		assert_int_equal(census_step(c, now_us + seen.steps, slice, &s), 0);
		assert_int_equal(s.round_us, now_us);
		assert_true(s.count <= slice && seen.count + s.count <= MAX);
		memcpy(seen.reading + seen.count, s.reading, s.count * sizeof(*s.reading));
		seen.count += s.count;
		assert_true(++seen.steps < 1000);
	}
	return seen;
}

static const struct growth_reading *find(const struct seen *seen, int32_t pid)
{
	for (uint32_t i = 0; i < seen->count; i++)
		if (seen->reading[i].pid == pid)
			return &seen->reading[i];
	return NULL;
}

static void write_statm(const struct tree *t, int32_t pid, uint64_t resident, uint64_t shared)
{
	char path[64], content[128];

	snprintf(path, sizeof(path), "proc/%d/statm", pid);
	snprintf(content, sizeof(content), "%llu %llu %llu 1 0 1 0\n",
		 (unsigned long long)(resident ? 2 * resident : 0), (unsigned long long)resident,
		 (unsigned long long)shared);
	tree_write(t, path, content);
}

static void write_stat(const struct tree *t, int32_t pid, const char *name, uint64_t start_ticks)
{
	char path[64], content[256];

	snprintf(path, sizeof(path), "proc/%d/stat", pid);
	snprintf(content, sizeof(content),
		 "%d (%s) S 1 1 1 0 -1 4194304 101 0 0 0 0 0 0 0 20 0 1 0 %llu 1 1\n", pid, name,
		 (unsigned long long)start_ticks);
	tree_write(t, path, content);
}

static void open_tree(struct tree *t, struct census **ret)
{
	tree_open(t, "root-v2");
	write_statm(t, 1, 400, 100);
	write_statm(t, 2, 0, 0);
	write_statm(t, 200, 900, 200);
	write_statm(t, 201, 2048, 0);
	write_statm(t, 202, 250, 251);
	write_statm(t, 203, 0, 0);
	write_statm(t, 204, 3000, 1000);
	assert_int_equal(census_open(t->root, 16, ret), 0);
}

/* Every size of slice sees the same; kernel threads and zombies are none. */
static void whole_machine(void **state)
{
	static const struct growth_reading expect[] = {
		{ .pid = 1, .parent = 0, .name = "init", .start_ticks = 5, .bytes = 300 },
		{ .pid = 200, .parent = 1, .name = "monitor", .start_ticks = 50000, .bytes = 700 },
		{ .pid = 201, .parent = 200, .name = "a) (b S 1", .start_ticks = 60000, .bytes = 2048 },
		{ .pid = 202, .parent = 201, .name = "new?line", .start_ticks = 98000, .bytes = 0 },
		{ .pid = 204, .parent = 1, .name = "dbus-daemon", .start_ticks = 900, .bytes = 2000 },
	};

	for (uint32_t slice = 1; slice <= 9; slice++) {
		struct census *c = NULL;
		struct tree t;

		open_tree(&t, &c);
		for (uint64_t round = 1; round < 40; round++) {
			struct seen seen = round_of(c, round * SECOND, slice);

			assert_int_equal(seen.count, ARRAY_LEN(expect));
			for (size_t i = 0; i < ARRAY_LEN(expect); i++) {
				const struct growth_reading *r = find(&seen, expect[i].pid);

				assert_non_null(r);
				assert_string_equal(r->name, expect[i].name);
				assert_int_equal(r->parent, expect[i].parent);
				assert_int_equal(r->uid, getuid());
				assert_int_equal(r->start_ticks, expect[i].start_ticks);
				assert_int_equal(r->bytes, expect[i].bytes * PAGE);
				assert_true(r->time_us >= round * SECOND);
				assert_true(r->time_us < (round + 1) * SECOND);
				assert_false(r->is_apart);
			}
		}
		census_close(c);
		tree_close(&t);
	}
	(void)state;
}

/* uptime of the tree is 1000 s; on our clock 202 started 20 s ago. */
static void births(void **state)
{
	struct census *c = NULL;
	struct seen seen;
	struct tree t;

	open_tree(&t, &c);
	seen = round_of(c, 5000 * US_PER_S, 8);
	assert_true(find(&seen, 202)->started_us / US_PER_S == 4980 ||
		    find(&seen, 202)->started_us / US_PER_S == 4979);
	assert_true(find(&seen, 200)->started_us / US_PER_S <= 4500);
	census_close(c);
	assert_int_equal(census_open(t.root, 16, &c), 0);
	seen = round_of(c, 100 * US_PER_S, 8); /* before our clock began */
	assert_int_equal(find(&seen, 1)->started_us, 0);
	assert_true(find(&seen, 202)->started_us > 0);
	census_close(c);
	tree_remove(&t, "proc/uptime");
	assert_int_equal(census_open(t.root, 16, &c), 0);
	seen = round_of(c, 5000 * US_PER_S, 8);
	assert_int_equal(find(&seen, 202)->started_us, 0);
	census_close(c);
	tree_close(&t);
	(void)state;
}

/* Row: what becomes of pid 201, and in how many rounds its new name must be there. */
static void names_follow(void **state)
{
	static const struct {
		const char *name;
		uint64_t pages, start_ticks;
		bool is_told;
		uint64_t rounds;
	} rows[] = {
		{ "exec, then grown", 9000, 60000, false, 1 },
		{ "exec, then small", 100, 60000, false, 1 },
		{ "exec, same size", 2048, 60000, false, 16 },
		{ "exec, told by an event", 2048, 60000, true, 1 },
		{ "another one of the same pid", 2048, 99000, false, 16 },
		{ "another one, told by an event", 2048, 99000, true, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct growth_reading *r = NULL;
		struct census *c = NULL;
		uint64_t round = 0;
		struct seen seen;
		struct tree t;

		open_tree(&t, &c);
		for (; round < 3; round++)
			seen = round_of(c, (1000 + round) * SECOND, 8);
		write_stat(&t, 201, "hog", rows[i].start_ticks);
		write_statm(&t, 201, rows[i].pages, 0);
		if (rows[i].is_told)
			census_forget(c, 201);
		for (uint64_t last = round + rows[i].rounds; round < last; round++) {
			seen = round_of(c, (1000 + round) * SECOND, 8);
			r = find(&seen, 201);
			assert_non_null(r);
			assert_int_equal(r->bytes, rows[i].pages * PAGE);
		}
		if (strcmp(r->name, "hog") || r->start_ticks != rows[i].start_ticks)
			fail_msg("%s: %s, %llu", rows[i].name, r->name,
				 (unsigned long long)r->start_ticks);
		census_close(c);
		tree_close(&t);
	}
	(void)state;
}

static void what_ends_and_begins(void **state)
{
	struct census *c = NULL;
	struct seen seen;
	struct tree t;

	open_tree(&t, &c);
	seen = round_of(c, SECOND, 8);
	tree_remove(&t, "proc/201/statm");
	tree_write(&t, "proc/202/statm", "no figures\n");
	/* A zombie's pid becomes a program's: within eight rounds, or at once when it is told. */
	write_statm(&t, 203, 50, 0);
	write_statm(&t, 2, 60, 0);
	census_forget(c, 2);
	seen = round_of(c, 2 * SECOND, 8);
	assert_null(find(&seen, 201));
	assert_null(find(&seen, 202));
	assert_non_null(find(&seen, 2));
	for (uint64_t i = 3; i < 11; i++)
		seen = round_of(c, i * SECOND, 8);
	assert_non_null(find(&seen, 203));
	assert_int_equal(find(&seen, 203)->bytes, 50 * PAGE);
	write_statm(&t, 201, 7, 0);
	tree_write(&t, "proc/201/stat", "201 (cut");
	seen = round_of(c, 11 * SECOND, 8);
	assert_null(find(&seen, 201));
	write_stat(&t, 201, "again", 777);
	seen = round_of(c, 12 * SECOND, 8);
	assert_string_equal(find(&seen, 201)->name, "again");
	census_close(c);
	tree_close(&t);
	(void)state;
}

static void write_status(const struct tree *t, uint64_t anon_kib, uint64_t swap_kib)
{
	char content[256];

	snprintf(content, sizeof(content),
		 "Name:\tx\nPPid:\t1\nUid:\t0\t0\nVmRSS:\t1 kB\nRssAnon:\t%llu kB\nVmSwap:\t%llu kB\n",
		 (unsigned long long)anon_kib, (unsigned long long)swap_kib);
	tree_write(t, "proc/201/status", content);
}

/* What is swapped out between two looks at status neither falls nor rises. */
static void swap(void **state)
{
	const uint64_t page_kib = PAGE / KIB;
	struct census *c = NULL;
	uint64_t now_us = 100 * US_PER_S;
	struct seen seen;
	struct tree t;

	open_tree(&t, &c);
	write_status(&t, 2048 * page_kib, 40);
	seen = round_of(c, now_us, 8);
	assert_int_equal(find(&seen, 201)->bytes, 2048 * PAGE); /* nobody said that there is swap */
	census_swap(c, true);
	seen = round_of(c, now_us += 100 * US_PER_MS, 8);
	assert_int_equal(find(&seen, 201)->bytes, 2048 * PAGE + 40 * KIB);
	write_statm(&t, 201, 1024, 0);
	write_status(&t, 1024 * page_kib, 1024 * page_kib + 44);
	seen = round_of(c, now_us += 100 * US_PER_MS, 8);
	assert_int_equal(find(&seen, 201)->bytes, 2048 * PAGE + 40 * KIB);
	seen = round_of(c, now_us += US_PER_S, 8);
	assert_int_equal(find(&seen, 201)->bytes, 2048 * PAGE + 44 * KIB);
	write_statm(&t, 201, 3000, 0);
	seen = round_of(c, now_us += 100 * US_PER_MS, 8);
	assert_int_equal(find(&seen, 201)->bytes, 4024 * PAGE + 44 * KIB);
	census_swap(c, false);
	seen = round_of(c, now_us += 100 * US_PER_MS, 8);
	assert_int_equal(find(&seen, 201)->bytes, 3000 * PAGE);
	census_close(c);
	tree_close(&t);
	(void)state;
}

/* A cgroup, the machine in the middle of its round, and a cgroup that is gone. */
static void one_cgroup(void **state)
{
	struct census_slice s;
	struct census *c = NULL;
	struct seen seen;
	char path[128];
	struct tree t;
	int fd;

	open_tree(&t, &c);
	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/demo/apps", t.root);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	census_within(c, fd);
	for (uint32_t slice = 1; slice < 5; slice++) {
		seen = round_of(c, slice * SECOND, slice);
		assert_int_equal(seen.count, 3); /* its own, and those of the cgroup below */
		assert_non_null(find(&seen, 200));
		assert_non_null(find(&seen, 201));
		assert_non_null(find(&seen, 202));
	}
	assert_int_equal(census_step(c, 12 * SECOND, 1, &s), 0);
	census_within(c, -1);
	seen = round_of(c, 13 * SECOND, 3);
	assert_int_equal(seen.count, 5);
	census_within(c, fd);
	tree_remove(&t, "sys/fs/cgroup/demo/apps");
	assert_int_equal(census_step(c, 14 * SECOND, 1, &s), -ENODEV);
	assert_int_equal(census_step(c, 14 * SECOND, 1, &s), -ENODEV);
	close(fd);
	census_close(c);
	tree_close(&t);
	(void)state;
}

/* More processes than can be remembered: dearer, but nothing else is different. */
static void small_memory(void **state)
{
	for (uint32_t max = 0; max < 3; max++) {
		struct census *c = NULL;
		struct tree t;

		open_tree(&t, &c);
		census_close(c);
		for (int pid = 300; pid < 340; pid++) {
			char path[128];

			snprintf(path, sizeof(path), "%s/proc/%d", t.root, pid);
			tree_run("mkdir '%s'%s", path, "");
			write_stat(&t, pid, "many", (uint64_t)pid);
			write_statm(&t, pid, (uint64_t)pid, 0);
		}
		assert_int_equal(census_open(t.root, max, &c), 0);
		for (uint64_t round = 1; round < 5; round++) {
			struct seen seen = round_of(c, round * SECOND, 7);

			assert_int_equal(seen.count, 45);
			for (int pid = 300; pid < 340; pid++)
				assert_int_equal(find(&seen, pid)->bytes, (uint64_t)pid * PAGE);
		}
		census_close(c);
		tree_close(&t);
	}
	(void)state;
}

static void bad_input(void **state)
{
	struct census *c = NULL;
	struct census_slice s = { .count = 77 };
	struct tree t;

	assert_int_equal(census_open("/does/not/exist", 64, &c), -ENOENT);
	assert_int_equal(census_open("/dev", 64, &c), -ENOENT);
	assert_null(c);
	assert_null(census_close(NULL));
	open_tree(&t, &c);
	assert_int_equal(census_step(c, SECOND, 0, &s), -EINVAL);
	assert_int_equal(census_step(c, SECOND, CENSUS_SLICE_MAX + 1, &s), -EINVAL);
	assert_int_equal(s.count, 77);
	census_forget(c, 4711);
	census_forget(c, -1);
	census_close(c);
	tree_close(&t);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_machine),
		cmocka_unit_test(births),
		cmocka_unit_test(names_follow),
		cmocka_unit_test(what_ends_and_begins),
		cmocka_unit_test(swap),
		cmocka_unit_test(one_cgroup),
		cmocka_unit_test(small_memory),
		cmocka_unit_test(bad_input),
	};

	return cmocka_run_group_tests_name("census", tests, NULL, NULL);
}
