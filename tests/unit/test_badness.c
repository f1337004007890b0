/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "judge/badness.h"

#define TOTAL	UINT64_C(32768)		/* 128 MiB in pages of 4 KiB */

/* Points by hand from the rule of mm/oom_kill.c: total / 1000 is 32 pages per unit of adj. */
static void points(void **state)
{
	static const struct {
		const char *name;
		struct badness_reading given;
		int64_t expect;
		uint32_t expect_score;
	} rows[] = {
		{ "rss alone", { 10, 0, false, 1000, 0, 0 }, 1000, 686 },
		{ "all three", { 10, 0, false, 1000, 200, 30 }, 1230, 691 },
		{ "nothing but may be chosen", { 10, 0, false, 0, 0, 0 }, 0, 666 },
		{ "volunteer", { 10, 1000, false, 0, 0, 0 }, 32000, 1317 },
		{ "shielded", { 10, -999, false, 1000, 0, 0 }, -30968, 36 },
		{ "never", { 10, -1000, false, 30000, 0, 0 }, BADNESS_NEVER, 0 },
		{ "init", { 1, 1000, false, 30000, 0, 0 }, BADNESS_NEVER, 0 },
		{ "kernel thread", { 2, 0, true, 0, 0, 0 }, BADNESS_NEVER, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t p = badness_points(&rows[i].given, TOTAL);

		SAY(&rows[i]);
		assert_int_equal(p, rows[i].expect);
		assert_int_equal(badness_score(p, TOTAL), rows[i].expect_score);
	}
	assert_int_equal(badness_score(5, 0), 0);
}

/* Row: up to four processes, and which the kernel takes; 4 is nobody. */
static void choice(void **state)
{
	static const struct {
		const char *name;
		struct badness_reading given[4];
		uint32_t count, expect;
	} rows[] = {
		{ "nobody there", { { 0 } }, 0, 0 },
		{ "the largest",
		  { { 5, 0, false, 10, 0, 0 }, { 6, 0, false, 30, 0, 0 }, { 7, 0, false, 20, 0, 0 } },
		  3, 1 },
		{ "of equals the last that is walked",
		  { { 5, 0, false, 30, 0, 0 }, { 6, 0, false, 10, 20, 0 }, { 7, 0, false, 9, 0, 0 } },
		  3, 1 },
		{ "locked memory attracts it",
		  { { 5, 0, false, 2500, 0, 9 }, { 6, 0, false, 2000, 0, 8 },
		    { 7, 0, false, 2000, 0, 8 } },
		  3, 0 },
		{ "the shielded logger is spared",
		  { { 5, -999, false, 9000, 0, 0 }, { 6, 0, false, 50, 0, 0 } }, 2, 1 },
		{ "only shielded ones are left",
		  { { 1, 0, false, 9000, 0, 0 }, { 5, -999, false, 10, 0, 0 },
		    { 6, -1000, false, 9000, 0, 0 } },
		  3, 1 },
		{ "nobody: a panic",
		  { { 1, 0, false, 1, 0, 0 }, { 2, 0, true, 0, 0, 0 }, { 6, -1000, false, 9, 0, 0 } },
		  3, 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		SAY(&rows[i]);
		assert_int_equal(badness_choose(rows[i].given, rows[i].count, TOTAL),
				 rows[i].expect);
	}
}

static uint64_t figure_of(const char *path, const char *key)
{
	unsigned long long value = 0;
	char line[256];
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			(void)sscanf(line + strlen(key), "%llu", &value);
	if (f)
		fclose(f);
	return value;
}

/* false: it has ended. */
static bool read_figure(int32_t pid, const char *file, int *ret)
{
	char path[64];
	bool is_read;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "r");
	if (!f)
		return false;
	is_read = fscanf(f, "%d", ret) == 1;
	fclose(f);
	return is_read;
}

static bool read_real(int32_t pid, struct badness_reading *ret, int *ret_score)
{
	const uint64_t page_kib = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	*ret = (struct badness_reading){
		.pid = pid, .is_kernel = !figure_of(path, "VmRSS:"),
		.rss_pages = figure_of(path, "VmRSS:") / page_kib,
		.swap_pages = figure_of(path, "VmSwap:") / page_kib,
		.page_table_pages = figure_of(path, "VmPTE:") / page_kib,
	};
	return read_figure(pid, "oom_score_adj", &ret->oom_score_adj) &&
	       read_figure(pid, "oom_score", ret_score);
}

/* What the kernel itself says of the processes of this machine, and of this one with 400 MiB more or
 * with a twentieth of the machine, whichever is less. */
/* 2 % of what is not the same for all, and 2 for one that changes while it is read. */
static int most_apart(int score)
{
	return 2 + abs(score - 666) / 50;
}

/* One that ends, or grows fast, while it is read is read again. false: it has ended, or is the kernel's. */
static bool read_settled(int32_t pid, uint64_t total, int *ret_ours, int *ret_score)
{
	struct badness_reading r;

	for (int attempt = 0; attempt < 5; attempt++) {
		if (!read_real(pid, &r, ret_score) || r.is_kernel)
			return false;
		*ret_ours = (int)badness_score(badness_points(&r, total), total);
		if (abs(*ret_ours - *ret_score) <= most_apart(*ret_score))
			break;
		usleep(20000);
	}
	return true;
}

static void this_machine(void **state)
{
	uint64_t total = (figure_of("/proc/meminfo", "MemTotal:") +
			  figure_of("/proc/meminfo", "SwapTotal:")) * KIB /
			 (uint64_t)sysconf(_SC_PAGESIZE);
	size_t size = MIN_OF(400 * MIB, total / 20 * (uint64_t)sysconf(_SC_PAGESIZE));
	char *memory = malloc(size);
	uint32_t compared = 0;
	int own = 0;
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	(void)state;
	if (!proc || !total || !memory || access("/proc/self/oom_score", R_OK) < 0)
		skip();
	memset(memory, 1, size);
	__asm__ volatile("" : : "r"(memory) : "memory");
	while ((entry = readdir(proc))) {
		int score = 0, ours = 0;
		int32_t pid = atoi(entry->d_name);

		if (pid <= 1 || !read_settled(pid, total, &ours, &score))
			continue;
		if (abs(ours - score) > most_apart(score))
			fail_msg("pid %d: %d, the kernel says %d", pid, ours, score);
		own = pid == getpid() ? ours : own;
		compared++;
	}
	closedir(proc);
	free(memory);
	print_message("# %u processes compared, this one scores %d\n", compared, own);
	assert_true(compared >= 1);
	assert_true(own > 666);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points),
		cmocka_unit_test(choice),
		cmocka_unit_test(this_machine),
	};

	return cmocka_run_group_tests_name("badness", tests, NULL, NULL);
}
