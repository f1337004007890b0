/* SPDX-License-Identifier: MIT */
/* Two threads that end the machine, with a machine of ours: nothing here calls reboot(2). */
#include "act/ending.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/units.h"

static _Atomic unsigned synced, gone, off;
static _Atomic uint64_t gone_us;
static _Atomic int answer;
static _Atomic uint64_t sync_takes_us;

static void test_sync(void)
{
	if (sync_takes_us)
		usleep((useconds_t)sync_takes_us);
	synced++;
}

static int test_go(bool is_poweroff)
{
	gone_us = clock_now_us();
	off += is_poweroff;
	gone++;
	return answer;
}

static char note[ENDING_NOTE_BYTES];

static int open_note(char *path)
{
	strcpy(path, "/tmp/failsoft-ending-XXXXXX");
	return mkstemp(path);
}

static void begin(struct ending *e, const struct ending_setup *more)
{
	struct ending_setup setup = *more;

	setup.go = test_go;
	setup.sync = test_sync;
	synced = gone = off = 0;
	answer = -EPERM;
	sync_takes_us = 0;
	memset(note, 'n', sizeof(note));
	assert_int_equal(ending_start(e, &setup), 0);
}

static int wait_failed(struct ending *e)
{
	struct pollfd p = { .fd = e->done_fd, .events = POLLIN };

	return poll(&p, 1, 10000) == 1 ? ending_failed(e) : 0;
}

/* Synced and written down first; what failed is told, and may be tried again. */
static void it_goes_in_order(void **state)
{
	char path[64], text[ENDING_NOTE_BYTES];
	int fd = open_note(path);
	struct ending e;

	(void)state;
	begin(&e, &(struct ending_setup){ .note_fd = fd, .sync_us = 5 * US_PER_S });
	assert_int_equal(ending_failed(&e), 0);
	for (unsigned i = 1; i <= 2; i++) {
		assert_true(ending_order(&e, i == 2, note));
		assert_int_equal(wait_failed(&e), EPERM);
		assert_int_equal(gone, i);
		assert_int_equal(synced, i);
		assert_int_equal(off, i - 1);
	}
	assert_int_equal(pread(fd, text, sizeof(text), 0), sizeof(text));
	assert_memory_equal(text, note, sizeof(text));
	ending_stop(&e);
	close(fd);
	assert_int_equal(unlink(path), 0);
}

/* A file system that hangs does not keep it. */
static void a_sync_that_hangs_is_left_behind(void **state)
{
	uint64_t began_us = clock_now_us();
	struct ending e;

	(void)state;
	begin(&e, &(struct ending_setup){ .note_fd = -1, .sync_us = 100 * US_PER_MS });
	sync_takes_us = 3 * US_PER_S;
	assert_true(ending_order(&e, false, note));
	assert_int_equal(wait_failed(&e), EPERM);
	assert_int_equal(synced, 0);
	assert_true(gone_us - began_us >= 100 * US_PER_MS && gone_us - began_us < 2 * US_PER_S);
	ending_stop(&e); /* waits for that sync */
	assert_int_equal(synced, 1);
}

/* What has begun is not ordered twice, nor stopped half way. */
static void ordered_once(void **state)
{
	static struct ending e; /* its threads outlive this */

	(void)state;
	begin(&e, &(struct ending_setup){ .note_fd = -1, .sync_us = US_PER_S });
	answer = 0; /* as if it went */
	assert_true(ending_order(&e, false, note));
	assert_false(ending_order(&e, false, note));
	while (!gone)
		usleep(1000);
	assert_int_equal(ending_failed(&e), 0);
	ending_stop(&e);
	assert_true(e.go_thread.stack != NULL);
}

/* Armed with its time before anything else, and let go with the magic word when it was for nothing. */
static void the_watchdog_is_armed(void **state)
{
	char path[64], text[8] = "";
	int fd = open_note(path);
	struct ending_setup setup = { .note_fd = -1, .sync_us = US_PER_S };
	struct ending e;

	(void)state;
	strcpy(setup.watchdog, path);
	begin(&e, &setup);
	assert_true(ending_order(&e, false, note));
	assert_int_equal(wait_failed(&e), EPERM);
	ending_stop(&e);
	assert_int_equal(read(fd, text, sizeof(text)), 2);
	assert_string_equal(text, "\nV");
	close(fd);
	assert_int_equal(unlink(path), 0);
	strcpy(setup.watchdog, "/nonexistent/watchdog"); /* without it, it goes all the same */
	begin(&e, &setup);
	assert_true(ending_order(&e, false, note));
	assert_int_equal(wait_failed(&e), EPERM);
	ending_stop(&e);
}

static void one_that_was_not_started(void **state)
{
	struct ending e = { .sync_fd = -1, .synced_fd = -1, .go_fd = -1, .done_fd = -1 };

	(void)state;
	assert_false(ending_order(&e, false, note));
	assert_int_equal(ending_failed(&e), 0);
	ending_stop(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_goes_in_order), cmocka_unit_test(a_sync_that_hangs_is_left_behind),
		cmocka_unit_test(the_watchdog_is_armed), cmocka_unit_test(one_that_was_not_started),
		cmocka_unit_test(ordered_once),
	};

	return cmocka_run_group_tests_name("ending", tests, NULL, NULL);
}
