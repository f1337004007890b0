/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "msync_count.h"
#include "spool_rig.h"

static void stores_and_tells_in_order(void **state)
{
	struct spool *s = rig_open(RIG_SLOTS);
	uint64_t event = rig_put(s, TOPIC_EVENT, false), alarm = rig_put(s, TOPIC_ALARM, true);
	uint64_t report = rig_put(s, TOPIC_REPORT, true);

	(void)state;
	assert_int_equal(spool_next(s, SPOOL_HEARTBEAT, 0)->sequence, event);
	assert_int_equal(spool_next(s, SPOOL_ALARM, 0)->sequence, alarm);
	assert_int_equal(spool_next(s, SPOOL_ALARM, alarm)->sequence, report);
	assert_null(spool_next(s, SPOOL_ALARM, report));
	assert_int_equal(spool_alarm(s, (enum topic_alarm)(alarm % TOPIC_ALARM_COUNT))->sequence, alarm);
	assert_true(spool_alarm(s, (enum topic_alarm)(alarm % TOPIC_ALARM_COUNT))->is_raised);
	assert_null(spool_alarm(s, (enum topic_alarm)((alarm + 1) % TOPIC_ALARM_COUNT)));
	assert_int_equal(spool_sync(s, event), 0);
	assert_int_equal(spool_sync(s, 4711), -ENOENT);
	spool_acknowledge(s, event, 10);
	spool_acknowledge(s, alarm, 10);
	spool_acknowledge(s, 4711, 10);
	assert_int_equal(spool_count(s).waiting, 1);
	assert_int_equal(spool_count(s).sent, 1); /* the event is gone */
	s = rig_kill(s);
	s = rig_open(RIG_SLOTS);
	assert_int_equal(rig_waiting(s), 1);
	assert_int_equal(spool_next(s, SPOOL_HEARTBEAT, 0)->sequence, report);
	assert_int_equal(spool_count(s).sent, 1);
	assert_int_equal(spool_count(s).damaged, 0);
	s = spool_close(s);
}

/* What it costs to wait for the disk: one page for an alarm, and one in a thousand numbers. */
static void one_wait_for_an_alarm_none_for_the_rest(void **state)
{
	struct spool *s = rig_open(RIG_SLOTS);

	(void)state;
	syncs = 0;
	for (uint32_t i = 0; i < 10 * SPOOL_SEQUENCE_BLOCK; i++)
		spool_acknowledge(s, rig_put(s, TOPIC_HEARTBEAT, false), 1);
	assert_in_range(syncs, 9, 10);
	syncs = 0;
	for (uint32_t i = 0; i < 10 * SPOOL_SESSION_BLOCK; i++)
		(void)spool_next_session(s);
	assert_in_range(syncs, 9, 10);
	syncs = 0;
	rig_put(s, TOPIC_ALARM, true);
	assert_in_range(syncs, 1, 1);
	s = spool_close(s);
}

/* The alarm is there to be sent, and the numbers go on. */
static void a_disk_that_takes_nothing(void **state)
{
	struct spool *s = rig_open(RIG_SLOTS);
	struct spool_record r = rig_record(spool_next_sequence(s), TOPIC_ALARM);
	uint64_t last = 0;

	(void)state;
	sync_error = EIO;
	assert_int_equal(spool_put(s, &r, true), -EIO);
	assert_int_equal(spool_sync(s, r.sequence), -EIO);
	assert_int_equal(rig_waiting(s), 1);
	for (uint32_t i = 0; i < 3 * SPOOL_SEQUENCE_BLOCK; i++) {
		uint64_t next = spool_next_sequence(s);

		assert_true(next > last);
		last = next;
	}
	sync_error = 0;
	syncs = 0;
	assert_true(spool_next_sequence(s) > last); /* asked again, and now it takes them */
	assert_int_equal(syncs, 1);
	s = rig_kill(s);
	s = rig_open(RIG_SLOTS);
	assert_true(spool_next_sequence(s) > last);
	assert_int_equal(rig_waiting(s), 1);
	s = spool_close(s);
	sync_error = EIO;
	assert_int_equal(spool_open(&s, rig_path, RIG_SLOTS), -EIO);
	sync_error = 0;
}

static const struct bad_row {
	const char *name;
	struct spool_record record;
	int expect;
} bad_rows[] = {
	{ "no sequence", { .type = TOPIC_EVENT }, -EINVAL },
	{ "beyond all sequences", { .sequence = UINT64_MAX, .type = TOPIC_EVENT }, -EINVAL },
	{ "no type", { .sequence = 1, .type = TOPIC_TYPE_COUNT }, -EINVAL },
	{ "no alarm kind", { .sequence = 1, .type = TOPIC_ALARM, .alarm = TOPIC_ALARM_COUNT }, -EINVAL },
	{ "too long", { .sequence = 1, .type = TOPIC_EVENT, .length = TOPIC_PAYLOAD_MAX + 1 }, -EMSGSIZE },
	{ "an event's alarm kind is nobody's", { .sequence = 1, .type = TOPIC_EVENT, .alarm = 99 }, 0 },
	{ "empty", { .sequence = 2, .type = TOPIC_EVENT }, 0 },
};

static void bad_records(void **state)
{
	struct spool *s = rig_open(RIG_SLOTS);

	(void)state;
	for (size_t i = 0; i < sizeof(bad_rows) / sizeof(bad_rows[0]); i++) {
		print_message("# %s\n", bad_rows[i].name);
		assert_int_equal(spool_put(s, &bad_rows[i].record, false), bad_rows[i].expect);
	}
	assert_int_equal(spool_count(s).waiting, 2);
	s = rig_kill(s);
	s = rig_open(RIG_SLOTS);
	assert_int_equal(spool_count(s).waiting, 2);
	s = spool_close(s);
}

/* Heartbeats before events before alarms; each loss is counted, also over an end. */
static void what_gives_way(void **state)
{
	struct spool *s = rig_open(RIG_SLOTS);
	struct spool_record more;
	struct spool_counts c;

	(void)state;
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		rig_put(s, i % 2 ? TOPIC_HEARTBEAT : TOPIC_EVENT, false);
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		rig_put(s, TOPIC_ALARM, false);
	c = spool_count(s);
	assert_int_equal(c.evicted[SPOOL_HEARTBEAT], RIG_SLOTS / 2);
	assert_int_equal(c.evicted[SPOOL_EVENT], RIG_SLOTS / 2);
	assert_int_equal(c.evicted[SPOOL_ALARM], 0);
	more = rig_record(spool_next_sequence(s), TOPIC_EVENT);
	assert_int_equal(spool_put(s, &more, false), -ENOBUFS);
	assert_null(spool_next(s, SPOOL_HEARTBEAT, more.sequence - 1));
	rig_put(s, TOPIC_ALARM, true);
	s = rig_kill(s);
	s = rig_open(RIG_SLOTS);
	c = spool_count(s);
	assert_int_equal(c.evicted[SPOOL_EVENT], RIG_SLOTS / 2 + 1);
	assert_int_equal(c.evicted[SPOOL_ALARM], 1);
	assert_int_equal(rig_waiting(s), RIG_SLOTS);
	s = spool_close(s);
}

/* Ten alarms are sent, and the server is gone: what comes meanwhile does not take their place. */
static void what_may_be_forgotten_stays(void **state)
{
	struct spool *s = rig_open(RIG_SLOTS);

	(void)state;
	spool_meet(s, 1000, 1800);
	for (int i = 0; i < 10; i++)
		spool_acknowledge(s, rig_put(s, TOPIC_REPORT, true), 1000);
	for (uint32_t i = 0; i < 3 * RIG_SLOTS; i++)
		rig_put(s, TOPIC_EVENT, false);
	assert_int_equal(spool_count(s).sent, 10);
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		rig_put(s, TOPIC_ALARM, false);
	assert_int_equal(spool_count(s).evicted[SPOOL_ALARM], 10);
	s = spool_close(s);
}

static void what_a_server_may_have_forgotten_waits_again(void **state)
{
	struct spool *s = rig_open(RIG_SLOTS);
	uint64_t old = rig_put(s, TOPIC_ALARM, true), young = rig_put(s, TOPIC_ALARM, true);

	(void)state;
	spool_acknowledge(s, old, 1000);
	spool_acknowledge(s, young, 2500);
	s = rig_kill(s);
	s = rig_open(RIG_SLOTS);
	assert_int_equal(spool_resend(s, 3000, 1800), 1);
	assert_int_equal(spool_next(s, SPOOL_ALARM, 0)->sequence, young);
	spool_acknowledge(s, young, 3001);
	assert_int_equal(spool_resend(s, 9000, 1800), 0);
	assert_int_equal(spool_resend(s, 20, 1800),
			 2); /* another boot: nobody knows for how long it was off */
	assert_int_equal(rig_waiting(s), 2);
	s = spool_close(s);
}

/* After an orderly end without a gap, after any other one beyond all that was used. */
static void numbers_are_never_used_twice(void **state)
{
	uint64_t sequence = 0, session = 0;
	uint32_t instance = 0;

	(void)state;
	for (int i = 0; i < 8; i++) {
		struct spool *s = rig_open(i % 3 ? RIG_SLOTS : 2 * RIG_SLOTS);
		uint64_t next = spool_next_sequence(s), next_session = spool_next_session(s);

		assert_true(next > sequence && next_session > session);
		if (i % 2 == 1)
			assert_true(next == sequence + 1 && next_session == session + 1);
		assert_true(i == 0 || spool_instance(s) == instance);
		instance = spool_instance(s);
		for (int n = 0; n < 1500 * (i % 2); n++)
			next = spool_next_sequence(s);
		sequence = next;
		session = next_session;
		s = i % 2 == 0 ? spool_close(s) : rig_kill(s);
	}
}

static void another_capacity(void **state)
{
	struct spool *s = rig_open(4 * RIG_SLOTS);
	uint64_t first_alarm, sent;
	struct spool_counts c;

	(void)state;
	sent = rig_put(s, TOPIC_ALARM, false);
	spool_acknowledge(s, sent, 5);
	first_alarm = rig_put(s, TOPIC_ALARM, false);
	for (int i = 0; i < 20; i++)
		rig_put(s, TOPIC_EVENT, false);
	for (int i = 0; i < 20; i++)
		rig_put(s, TOPIC_HEARTBEAT, false);
	for (int i = 0; i < 9; i++)
		rig_put(s, TOPIC_ALARM, false);
	s = spool_close(s);
	s = rig_open(8 * RIG_SLOTS); /* all */
	assert_int_equal(rig_waiting(s), 50);
	assert_int_equal(spool_count(s).sent, 1);
	assert_int_equal(spool_count(s).slots, 8 * RIG_SLOTS);
	s = rig_kill(s);
	s = rig_open(RIG_SLOTS); /* ten alarms, and six events */
	c = spool_count(s);
	assert_int_equal(rig_waiting(s), 16);
	assert_int_equal(c.evicted[SPOOL_HEARTBEAT], 20);
	assert_int_equal(c.evicted[SPOOL_EVENT], 14);
	assert_int_equal(c.evicted[SPOOL_ALARM], 0);
	assert_int_equal(spool_next(s, SPOOL_ALARM, 0)->sequence, first_alarm);
	s = spool_close(s);
}

static int try_in_a_child(void)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct spool *s = NULL;

		_exit(spool_open(&s, rig_path, 2 * RIG_SLOTS) == -EBUSY ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void one_process(void **state)
{
	struct spool *s = rig_open(RIG_SLOTS), *other = NULL;

	(void)state;
	assert_int_equal(try_in_a_child(), 0);
	assert_int_equal(spool_open(&other, rig_path, RIG_SLOTS), -EBUSY);
	assert_null(other);
	s = rig_kill(s);
	s = rig_open(2 * RIG_SLOTS); /* a new file: the lock is not the old one's */
	assert_int_equal(try_in_a_child(), 0);
	s = spool_close(s);
	assert_int_equal(try_in_a_child(), 1);
}

static const struct refuse_row {
	const char *name, *path;
	uint32_t slots;
	int expect;
} refuse_rows[] = {
	{ "too few slots", NULL, SPOOL_SLOTS_MIN - 1, -EINVAL },
	{ "too many slots", NULL, SPOOL_SLOTS_MAX + 1, -EINVAL },
	{ "no folder", "/proc/no/such/place", RIG_SLOTS, -ENOENT },
};

static void refused(void **state)
{
	struct spool *s = NULL;
	char path[8192];

	(void)state;
	for (size_t i = 0; i < sizeof(refuse_rows) / sizeof(refuse_rows[0]); i++) {
		const struct refuse_row *row = &refuse_rows[i];

		print_message("# %s\n", row->name);
		assert_int_equal(spool_open(&s, row->path ?: rig_path, row->slots), row->expect);
		assert_null(s);
	}
	assert_int_equal(mkdir(rig_path, 0700), 0);
	assert_int_equal(spool_open(&s, rig_path, RIG_SLOTS), -EISDIR);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(spool_open(&s, path, RIG_SLOTS), -ENAMETOOLONG);
	assert_null(spool_close(NULL));
}

/* ---- no room on the disk ---- */

static bool mount_small(const char *size)
{
	return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", rig_folder, "tmpfs", 0, size) == 0;
}

static void fill_up(void)
{
	static const char zeroes[4096];
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "%s/rest", rig_folder);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, zeroes, sizeof(zeroes)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

/* The device's way: the old size; and without any, memory, whose numbers are none of the file's. */
static int without_room(uint32_t slots)
{
	struct spool_opening how;
	struct spool *s = NULL;
	uint64_t in_file, in_memory, again;

	if (spool_open_anyway(&s, rig_path, slots, &how) < 0 || !how.is_old_size ||
	    how.error != -ENOSPC || rig_waiting(s) != RIG_SLOTS)
		return 6;
	in_file = spool_next_sequence(s);
	s = spool_close(s);
	if (unlink(rig_path) < 0)
		return 7;
	fill_up();
	if (spool_open_anyway(&s, rig_path, slots, &how) < 0 || !how.is_in_memory ||
	    how.error != -ENOSPC || spool_count(s).slots != slots || access(rig_path, F_OK) == 0)
		return 8;
	in_memory = spool_next_sequence(s);
	rig_put(s, TOPIC_ALARM, true);
	if (rig_waiting(s) != 1)
		return 9;
	s = spool_close(s);
	if (spool_open_anyway(&s, rig_path, slots, &how) < 0)
		return 10;
	again = spool_next_sequence(s);
	s = spool_close(s);
	return in_memory > in_file && again > in_memory ? 0 : 11;
}

static int on_a_full_disk(void)
{
	struct spool *s = NULL;

	if (!mount_small("size=96k"))
		return 77;
	if (spool_open(&s, rig_path, 4 * RIG_SLOTS) != -ENOSPC || access(rig_path, F_OK) == 0)
		return 1;
	s = rig_open(RIG_SLOTS);
	rig_put(s, TOPIC_ALARM, true);
	s = spool_close(s);
	if (spool_open(&s, rig_path, 3 * RIG_SLOTS) != -ENOSPC)
		return 2;
	s = rig_open(RIG_SLOTS); /* as it was; and from here on it needs no room */
	if (rig_waiting(s) != 1)
		return 3;
	fill_up();
	for (int i = 0; i < 100; i++)
		rig_put(s, TOPIC_ALARM, true);
	if (rig_waiting(s) != RIG_SLOTS)
		return 5;
	s = spool_close(s);
	return without_room(3 * RIG_SLOTS);
}

/* In a child: the mount must not stay. */
static void a_full_disk(void **state)
{
	pid_t pid = fork();
	int status = 0;

	(void)state;
	if (pid == 0) {
		setenv("CMOCKA_TEST_ABORT", "1",
		       1); /* a child that fails must not go on as a second parent */
		_exit(on_a_full_disk());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("# skipped: a small tmpfs needs root and mount namespaces\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- killed while it writes ---- */

#define UNSENT	4u /* alarms that were not acknowledged yet */

static _Noreturn void write_for_ever(int fd)
{
	struct spool *s = NULL;

	setenv("CMOCKA_TEST_ABORT", "1", 1);
	if (spool_open(&s, rig_path, RIG_SLOTS) < 0)
		_exit(1);
	while (spool_next(s, SPOOL_HEARTBEAT, 0)) /* of the one before */
		spool_acknowledge(s, spool_next(s, SPOOL_HEARTBEAT, 0)->sequence, 1);
	for (;;) {
		const uint64_t event = rig_put(s, TOPIC_EVENT, false), alarm = rig_put(s, TOPIC_ALARM, false);

		spool_acknowledge(s, event, 1);
		while (spool_count(s).waiting > UNSENT)
			spool_acknowledge(s, spool_next(s, SPOOL_ALARM, 0)->sequence, 1);
		if (write(fd, &alarm, sizeof(alarm)) != sizeof(alarm))
			_exit(1);
	}
}

static uint64_t last_said(int fd)
{
	uint64_t number, last = 0;

	while (read(fd, &number, sizeof(number)) == (ssize_t)sizeof(number))
		last = number;
	return last;
}

/* SIGKILL at some point: every alarm that was stored is there, no number twice. */
static void killed_at_any_point(void **state)
{
	uint64_t last = 0, said;

	(void)state;
	for (int i = 0; i < 25; i++) {
		int ends[2], status;
		struct spool *s;
		pid_t pid;

		assert_int_equal(pipe(ends), 0);
		pid = fork();
		if (pid == 0)
			write_for_ever(ends[1]);
		close(ends[1]);
		rig_let_run(i % 5 ? ends[0] : -1, 3000 + 700 * (unsigned)i);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		said = last_said(ends[0]);
		last = said ?: last;
		close(ends[0]);
		s = rig_open(RIG_SLOTS);
		assert_true(spool_next_sequence(s) > last);
		assert_true(rig_waiting(s) <= UNSENT + 2);
		if (said) {
			assert_non_null(spool_next(s, SPOOL_ALARM, said - 1));
			assert_int_equal(spool_next(s, SPOOL_ALARM, said - 1)->sequence, said);
		}
		s = rig_kill(s);
	}
	assert_true(last > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(stores_and_tells_in_order, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(one_wait_for_an_alarm_none_for_the_rest, rig_make,
						rig_clean),
		cmocka_unit_test_setup_teardown(a_disk_that_takes_nothing, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(bad_records, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(what_gives_way, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(what_may_be_forgotten_stays, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(what_a_server_may_have_forgotten_waits_again,
						rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(numbers_are_never_used_twice, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(another_capacity, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(one_process, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(refused, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(a_full_disk, rig_make, rig_clean),
		cmocka_unit_test_setup_teardown(killed_at_any_point, rig_make, rig_clean),
	};

	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
