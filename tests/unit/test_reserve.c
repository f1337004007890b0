/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "envelope.h"
#include "reserve.h"

#define ALARMS		1000
#define HEAP_BYTES	((size_t)1 << 20)

/* A sanitizer's malloc is not glibc's: what is measured here would be its own. */
void __asan_init(void) __attribute__((weak));

static bool has_other_malloc(void)
{
	if (__asan_init)
		print_message("# skipped: this malloc is the sanitizer's\n");
	return __asan_init != NULL;
}

/* ---- measured ---- */

struct footprint {
	unsigned long size_pages;
	long faults;
};

static struct footprint footprint_now(void)
{
	struct footprint f = { 0 };
	struct rusage usage;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &f.size_pages), 1);
	fclose(file);
	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	f.faults = usage.ru_minflt + usage.ru_majflt;
	return f;
}

static int make_alarm(uint64_t sequence)
{
	static char out[TOPIC_PAYLOAD_MAX];
	static struct tally_episode e = {
		.number = 7, .highest = FAILSOFT_STAGE_SHUTDOWN, .total_bytes = 1 << 30};
	struct envelope v = { "fleet", "device", "1.0", "0123456789abcdef0123456789abcdef", 1, 1 };
	const struct envelope_moment m = { sequence, 1, 1700000000, true };
	char text[FEED_TEXT_MAX];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(e.domain, 'd', sizeof(e.domain) - 1);
	return envelope_alarm(&v, &m, TOPIC_ALARM_SHUTDOWN, true, &e, 5, text, out);
}

/* Whatever of what makes alarms can be in many pieces at once is so: some are kept in between. */
static struct footprint used_by_alarms(void)
{
	void *kept[64] = { 0 };
	struct footprint before = footprint_now(), after;

	before = footprint_now(); /* the first look at /proc costs its own */
	for (uint64_t i = 1; i <= ALARMS; i++) {
		if (make_alarm(i) <= 0)
			return (struct footprint){ 9999, 9999 };
		free(kept[i % 64]);
		kept[i % 64] = malloc(100 + i % 2000);
		memset(kept[i % 64], 1, 100 + i % 2000);
	}
	for (size_t i = 0; i < 64; i++)
		free(kept[i]);
	after = footprint_now();
	return (struct footprint){ after.size_pages - before.size_pages, after.faults - before.faults };
}

/* In a child, so that each test has a malloc that nobody changed yet. */
static int in_a_child(int (*run)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		_exit(run());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int reserved_run(void)
{
	struct reserve r;
	struct footprint f;

	if (reserve_memory(HEAP_BYTES, &r) < 0)
		return 1;
	if (make_alarm(1) <= 0)
		return 2;
	f = used_by_alarms();
	print_message("# after reserve: %d alarms: %ld pages more, %ld faults; %s\n", ALARMS,
		      (long)f.size_pages, f.faults, r.text);
	return f.size_pages == 0 && f.faults == 0 ? 0 : 3;
}

static void alarms_ask_the_kernel_for_nothing(void **state)
{
	(void)state;
	if (has_other_malloc())
		skip();
	assert_int_equal(in_a_child(reserved_run), 0);
}

/* A compiler sees through memset() and free(). */
static void use_and_free(size_t bytes)
{
	volatile char *block = malloc(bytes);

	for (size_t i = 0; block && i < bytes; i += 512)
		block[i] = 1;
	free((void *)block);
}

/* The same question, asked of a malloc that is as it comes: it must be able to say no. */
static int bare_run(void)
{
	struct footprint before = footprint_now(), after;

	use_and_free(HEAP_BYTES / 2);
	after = footprint_now();
	return after.faults - before.faults > 50 ? 0 : 1;
}

static int large_block_run(void)
{
	struct footprint before, after;
	struct reserve r;

	if (reserve_memory(HEAP_BYTES, &r) < 0)
		return 1;
	before = footprint_now();
	before = footprint_now();
	for (int i = 0; i < 10; i++)
		use_and_free(HEAP_BYTES / 2);
	after = footprint_now();
	return after.size_pages == before.size_pages && after.faults == before.faults ? 0 : 2;
}

static void a_large_block_comes_from_it(void **state)
{
	(void)state;
	if (has_other_malloc())
		skip();
	assert_int_equal(in_a_child(bare_run), 0);
	assert_int_equal(in_a_child(large_block_run), 0);
}

/* ---- what is locked is said ---- */

static unsigned long locked_kib(void)
{
	unsigned long kib = 0;
	char line[256];
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmLck: %lu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

/* Locks as somebody without privileges whose limit is this. */
static bool limit_to(rlim_t bytes)
{
	const struct rlimit limit = { bytes, bytes };

	return setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && (geteuid() != 0 || setuid(65534) == 0);
}

static int nothing_run(void)
{
	struct reserve r;

	if (!limit_to(0) || reserve_memory(HEAP_BYTES, &r) < 0)
		return 1;
	print_message("# %s\n", r.text);
	return !r.is_all_locked && !r.is_heap_locked && locked_kib() == 0 &&
			       strstr(r.text, "nothing is locked") && strstr(r.text, "LimitMEMLOCK")
		       ? 0
		       : 2;
}

static int heap_run(void)
{
	struct reserve r;

	if (!limit_to(HEAP_BYTES + 8192) || reserve_memory(HEAP_BYTES, &r) < 0)
		return 1;
	print_message("# %s\n", r.text);
	return !r.is_all_locked && r.is_heap_locked && locked_kib() >= HEAP_BYTES / 1024 &&
			       strstr(r.text, "only the heap") && strstr(r.text, "1032 KiB") ? 0 : 2;
}

static int all_run(void)
{
	struct reserve r;

	if (reserve_memory(HEAP_BYTES, &r) < 0)
		return 1;
	print_message("# %s; locked: %lu KiB\n", r.text, locked_kib());
	return r.is_all_locked && r.is_heap_locked && locked_kib() > 2 * HEAP_BYTES / 1024 ? 0 : 2;
}

static void what_is_locked_is_said(void **state)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

	(void)state;
	if (has_other_malloc())
		skip();
	assert_int_equal(in_a_child(nothing_run), 0);
	assert_int_equal(in_a_child(heap_run), 0);
	if (setrlimit(RLIMIT_MEMLOCK, &none) < 0)
		print_message("# not asked: locking all, which needs root or no RLIMIT_MEMLOCK\n");
	else
		assert_int_equal(in_a_child(all_run), 0);
}

static int no_room_run(void)
{
	const struct rlimit limit = { 64 << 20, 64 << 20 };
	struct reserve r = { .heap_bytes = 4711 };

	if (setrlimit(RLIMIT_AS, &limit) < 0)
		return 1;
	return reserve_memory((size_t)512 << 20, &r) == -ENOMEM && r.heap_bytes == 4711 ? 0 : 2;
}

static void refused(void **state)
{
	struct reserve r = { .heap_bytes = 4711 };

	(void)state;
	assert_int_equal(reserve_memory(0, &r), -EINVAL);
	assert_int_equal(reserve_memory(1000, &r), -EINVAL);
	assert_int_equal(reserve_memory((size_t)2 << 30, &r), -EINVAL);
	assert_int_equal(r.heap_bytes, 4711);
	if (!has_other_malloc())
		assert_int_equal(in_a_child(no_room_run), 0);
}

/* ---- no more than that ---- */

static int no_more_run(void)
{
	const rlim_t low = 4096;
	struct rlimit limit = {0};
	struct reserve r;

	if (reserve_memory(HEAP_BYTES, &r) < 0 || reserve_no_more((size_t)8 << 20) < 0)
		return 1;
	use_and_free((size_t)6 << 20);
	free(malloc((size_t)6 << 20));
	if (malloc((size_t)16 << 20) || getrlimit(RLIMIT_DATA, &limit) < 0)
		return 2;
	limit.rlim_cur = low; /* somebody else's stands */
	if (setrlimit(RLIMIT_DATA, &limit) < 0 || reserve_no_more((size_t)8 << 20) < 0)
		return 3;
	return getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur == low ? 0 : 4;
}

static void what_is_too_much_is_refused(void **state)
{
	(void)state;
	if (has_other_malloc())
		skip();
	assert_int_equal(in_a_child(no_more_run), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alarms_ask_the_kernel_for_nothing),
		cmocka_unit_test(a_large_block_comes_from_it),
		cmocka_unit_test(what_is_locked_is_said),
		cmocka_unit_test(refused),
		cmocka_unit_test(what_is_too_much_is_refused),
	};

	return cmocka_run_group_tests_name("reserve", tests, NULL, NULL);
}
