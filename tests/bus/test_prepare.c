/* SPDX-License-Identifier: MIT */
/* libfailsoft: failsoft_prepare(), by what /proc says is locked; and that an order allocates nothing. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "client_world.h"

#define BUFFER_BYTES	(1u << 20)
#define RESERVE_BYTES	(256u << 10)

/* Everything that is locked, KiB. */
static unsigned long locked_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long kib = 0;
	char line[256];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %lu", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

/* Is the mapping that holds `at` locked as a whole? */
static bool is_locked(const void *at)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long from, to, kib;
	bool inside = false, is = false;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = (unsigned long)at >= from && (unsigned long)at < to;
		else if (inside && sscanf(line, "Locked: %lu kB", &kib) == 1)
			is = kib > 0;
	}
	fclose(f);
	return is;
}

static bool may_lock(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool may = p != MAP_FAILED && mlock(p, bytes) == 0;

	if (p != MAP_FAILED)
		munmap(p, bytes);
	return may;
}

/* AddressSanitizer replaces mlock() by nothing. */
static void skip_where_locking_is_not(void)
{
#ifdef __SANITIZE_ADDRESS__
	print_message("# SKIP AddressSanitizer locks nothing\n");
	skip();
#endif
}

static struct failsoft *new_client(void)
{
	struct failsoft *f = NULL;

	assert_int_equal(failsoft_new(&(struct failsoft_options){ .name = "a" }, &f), 0);
	return f;
}

static const char constant[] = "a constant that a handler may use";

static void everything_is_locked(void **state)
{
	void *buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct failsoft *f;
	char *reserve = NULL;

	skip_where_locking_is_not();
	if (!may_lock(12u << 20)) {
		print_message("# SKIP may not lock 12 MiB (RLIMIT_MEMLOCK)\n");
		skip();
	}
	f = new_client();
	assert_int_equal(failsoft_prepare(f, buffer, BUFFER_BYTES, RESERVE_BYTES, (void **)&reserve), 0);
	assert_non_null(reserve);
	for (size_t i = 0; i < RESERVE_BYTES; i++)
		assert_int_equal(reserve[i], 0);
	assert_true(is_locked(buffer));
	assert_true(is_locked(reserve));
	assert_true(is_locked((const void *)(uintptr_t)everything_is_locked)); /* our code */
	assert_true(is_locked((const void *)(uintptr_t)failsoft_answer));      /* the library's */
	assert_true(is_locked((const void *)(uintptr_t)snprintf));	       /* libc's */
	assert_true(is_locked(constant));
	print_message("# %lu KiB are locked\n", locked_kib());
	failsoft_free(f);
	munmap(buffer, BUFFER_BYTES);
	(void)state;
}

/* ---- the library's thread ---- */

static unsigned long callback_stack; /* where a callback's frame lay */

static enum failsoft_result note_stack(const struct failsoft_order *order, void *userdata)
{
	struct world *w = userdata;

	(void)order;
	callback_stack = (unsigned long)__builtin_frame_address(0);
	w->called = 1;
	return FAILSOFT_RESULT_DONE;
}

static void until_a_thread_is_called(struct world *w)
{
	struct failsoft *client = w->client;

	for (int i = 0; i < 3000 && !(w->broker.lifeline >= 0 && failsoft_is_connected(client)); i++) {
		fake_pump(&w->broker);
		usleep(1000);
	}
	callback_stack = 0;
	w->called = 0;
	fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
	w->client = NULL; /* world_turn must not drive it */
	assert_true(world_until(w, is_called, SOON_US));
	w->client = client;
}

/* Prepared before or after it starts: what the callback has below it is locked, as long as it runs. */
static void the_thread_s_stack_is_locked(void **state)
{
	static const struct {
		const char *name;
		bool before, after;
		size_t stack_bytes;	/* of new threads; 0: as it is */
	} rows[] = {
		{ "not prepared", false, false, 0 },
		{ "before", true, false, 0 },
		{ "after", false, true, 0 },
		{ "after, small stacks", false, true, 64u << 10 },
	};
	pthread_attr_t usual, row;
	struct world *w = *state;
	struct failsoft_options options = world_options(w);

	skip_where_locking_is_not();
	if (!may_lock(12u << 20)) {
		print_message("# SKIP may not lock 12 MiB (RLIMIT_MEMLOCK)\n");
		skip();
	}
	options.flush = note_stack;
	assert_int_equal(pthread_getattr_default_np(&usual), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_to_be = rows[i].before || rows[i].after;

		row = usual;
		if (rows[i].stack_bytes)
			assert_int_equal(pthread_attr_setstacksize(&row, rows[i].stack_bytes), 0);
		assert_int_equal(pthread_setattr_default_np(&row), 0);
		world_renew(w, &options);
		if (rows[i].before)
			assert_int_equal(failsoft_prepare(w->client, NULL, 0, 0, NULL), 0);
		assert_int_equal(failsoft_start_thread(w->client), 0);
		if (rows[i].after)
			assert_int_equal(failsoft_prepare(w->client, NULL, 0, 0, NULL), 0);
		until_a_thread_is_called(w);
		for (unsigned long below = 0; below < 60u << 10; below += 4096)
			if (is_locked((void *)(callback_stack - below)) != is_to_be)
				fail_msg("%s: %lu below", rows[i].name, below);
		w->client = failsoft_free(w->client);
		assert_false(is_locked((void *)callback_stack)); /* whose it will be */
	}
	assert_int_equal(pthread_setattr_default_np(&usual), 0);
	pthread_attr_destroy(&usual);
}

static void wrong_arguments(void **state)
{
	struct failsoft *f = new_client();

	assert_int_equal(failsoft_prepare(f, NULL, 1, 0, NULL), -EINVAL);
	assert_int_equal(failsoft_prepare(f, NULL, 0, (16u << 20) + 1, NULL), -EINVAL);
	failsoft_free(f);
	(void)state;
}

/* As a user who may lock `limit` bytes: what is not allowed leaves nothing locked. */
static int as_user(size_t limit)
{
	const struct rlimit memlock = { limit, limit };
	void *buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char present[BUFFER_BYTES / 4096];
	char *reserve = NULL;
	struct failsoft *f;
	int r;

	if (setrlimit(RLIMIT_MEMLOCK, &memlock) < 0 || (getuid() == 0 && setuid(65534) < 0))
		return 77;
	f = new_client();
	if (failsoft_start_thread(f) < 0)
		return 5;
	r = failsoft_prepare(f, buffer, BUFFER_BYTES, RESERVE_BYTES, (void **)&reserve);
	if (r != -EPERM && r != -ENOMEM)
		return 1;
	if (locked_kib() != 0)
		return 2;
	if (!reserve)
		return 3;
	memset(reserve, 1, RESERVE_BYTES);
	if (mincore(buffer, BUFFER_BYTES, present) < 0 || !(present[0] & 1) || !(present[200] & 1))
		return 4;
	failsoft_free(f);
	return 0;
}

static void not_allowed(void **state)
{
	static const size_t limits[] = { 0, 65536, 512 << 10, 2 << 20 };
	static const char *const why[] = { "", "it was not refused", "something stayed locked",
					   "no reserve", "the buffer was not touched", "no thread" };

	skip_where_locking_is_not();
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		pid_t child = fork();
		int status, code;

		assert_true(child >= 0);
		if (child == 0)
			_exit(as_user(limits[i]));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		code = WEXITSTATUS(status);
		if (code == 77)
			skip();
		if (code)
			fail_msg("limit %zu: %s", limits[i], why[code < 6 ? code : 0]);
	}
	(void)state;
}

/* ---- allocation ---- */

#ifndef __SANITIZE_ADDRESS__
/* In the place of libc's for libfailsoft and libsystemd, too; hidden they would count nothing. */
#define OURS __attribute__((visibility("default")))

static volatile unsigned allocations;
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
OURS void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}
OURS void *calloc(size_t count, size_t size)
{
	allocations++;
	return __libc_calloc(count, size);
}
OURS void *realloc(void *old, size_t size)
{
	allocations++;
	return __libc_realloc(old, size);
}

static unsigned allocations_before, allocations_in_step;

static enum failsoft_result noted(const struct failsoft_order *order, void *userdata)
{
	const struct failsoft_answer answer = {
		.sequence = order->sequence, .result = FAILSOFT_RESULT_DONE,
	};
	struct world *w = userdata;

	w->called++;
	if (failsoft_report(w->client, 1, 2) < 0 || failsoft_answer(w->client, &answer) < 0)
		w->called = 1000;
	allocations_in_step = allocations - allocations_before;
	return FAILSOFT_RESULT_LATER;
}

static void an_order_allocates_nothing(void **state)
{
	struct world *w = *state;
	struct failsoft_options options = world_options(w);

	options.flush = noted;
	world_renew(w, &options);
	assert_true(world_until(w, is_connected, SOON_US));
	(void)world_until(w, never, NEVER_LONG_US); /* what the bus has to say is said */
	allocations_before = allocations;
	free(strdup(failsoft_fd(w->client) >= 0 ? "counted" : ""));
	assert_int_equal(allocations - allocations_before, 1); /* libc's own calls are seen as well */
	for (unsigned i = 1; i <= 20; i++) {
		fake_ask(&w->broker, FAILSOFT_STEP_FLUSH);
		allocations_before = allocations;
		assert_true(failsoft_dispatch(w->client) >= 0);
		assert_int_equal(w->called, i);
		assert_int_equal(allocations_in_step, 0);
	}
}
#else
static void an_order_allocates_nothing(void **state)
{
	(void)state;
	skip(); /* the sanitizer's own allocator is in the place of ours */
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(everything_is_locked),
		cmocka_unit_test(not_allowed),
		cmocka_unit_test_setup_teardown(the_thread_s_stack_is_locked, world_open, world_close),
		cmocka_unit_test_setup_teardown(an_order_allocates_nothing, world_open, world_close),
	};

	return cmocka_run_group_tests_name("prepare", tests, NULL, NULL);
}
