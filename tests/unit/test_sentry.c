/* SPDX-License-Identifier: MIT */
/* The second thread with real processes, sockets and a loop that this test is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "brake_scene.h"

#include "act/sentry.h"
#include "ask/lifeline.h"
#include "base/clock.h"

#define AFTER_US	(100 * US_PER_MS)
#define BUDGET_US	US_PER_S	/* and so long what was stopped is to be seen */
#define LINES		4u

struct post {
	struct scene *scene;
	struct sentry sentry;
	struct guard_basis basis;
	char folder[64], meminfo[96];
	int theirs[LINES];
	_Atomic unsigned told;
};

static struct post post_; /* large */

static void count(void *userdata, const struct guard_report *r, enum guard_do what)
{
	struct post *p = userdata;

	(void)r, (void)what;
	p->told++;
}

static void set_left(const struct post *p, uint64_t left_bytes)
{
	FILE *f = fopen(p->meminfo, "r+");

	assert_non_null(f);
	fprintf(f, "MemTotal: %10u kB\nMemFree: %10u kB\nMemAvailable: %10u kB\nActive(file): 0 kB\n"
		"Inactive(file): 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n", 131072u,
		(unsigned)(left_bytes / KIB), (unsigned)(left_bytes / KIB));
	fclose(f);
}

/* Our own /proc, but for meminfo. */
static void open_root(struct post *p)
{
	char command[256];

	strcpy(p->folder, "/tmp/failsoft-sentry-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(command, sizeof(command), "mkdir '%s/proc' && touch '%s/proc/meminfo'", p->folder,
		 p->folder);
	assert_int_equal(system(command), 0);
	for (unsigned i = 0; i < p->scene->hogs.count; i++) {
		snprintf(command, sizeof(command), "ln -s /proc/%d '%s/proc/'",
			 (int)p->scene->hogs.pid[i], p->folder);
		assert_int_equal(system(command), 0);
	}
	snprintf(p->meminfo, sizeof(p->meminfo), "%s/proc/meminfo", p->folder);
	set_left(p, 64 * MIB);
}

static void add_line(struct post *p, uint32_t i)
{
	struct sentry_line line = { .client = 100 + i, .domains = 1, .budget_us = BUDGET_US };

	assert_int_equal(lifeline_open(&line.fd, &p->theirs[i]), 0);
	sentry_line_add(&p->sentry, i, &line);
}

static struct post *post_open(unsigned hogs)
{
	struct post *p = &post_;
	struct sentry_setup setup = { .lines = LINES, .domain = "system", .tell = count, .userdata = p };

	memset(p, 0, sizeof(*p));
	p->scene = scene_open(hogs);
	open_root(p);
	setup.root_fd = open(p->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	setup.ledger = state_ledger(&p->scene->state);
	assert_int_equal(sentry_start(&p->sentry, &setup), 0);
	p->basis = (struct guard_basis){
		.flags = GUARD_IS_ARMED | GUARD_MAY_STOP | GUARD_MAY_END, .after_us = AFTER_US,
		.headroom_bytes = 64 * MIB, .level_bytes = 64 * MIB, .sequence = 5000, .episode = 7,
		.floor_imminent_bytes = 8 * MIB, .floor_shutdown_bytes = 4 * MIB,
	};
	for (uint32_t i = 0; i < LINES; i++)
		p->theirs[i] = -1;
	return p;
}

static void post_close(struct post *p)
{
	char command[128];

	sentry_stop(&p->sentry);
	for (uint32_t i = 0; i < LINES; i++)
		if (p->theirs[i] >= 0)
			close(p->theirs[i]);
	close(p->sentry.setup.root_fd);
	scene_close(p->scene);
	snprintf(command, sizeof(command), "rm -r '%s'", p->folder);
	assert_int_equal(system(command), 0);
}

/* The loop turns, and says when it will again. */
static void turn(struct post *p, uint64_t due_in_us)
{
	p->basis.turn++;
	p->basis.beat_us = p->basis.sampled_us = clock_now_us();
	p->basis.due_us = due_in_us == NEVER_US ? NEVER_US : p->basis.beat_us + due_in_us;
	p->basis.ends = atomic_load(&p->sentry.ends);
	sentry_beat(&p->sentry, &p->basis);
}

static void aim(struct post *p, unsigned first, unsigned hogs)
{
	const struct victim v = hogs_victim(&p->scene->hogs, first, hogs);

	assert_true(sentry_aim(&p->sentry, &v));
}

static bool wait_told(const struct post *p, unsigned times)
{
	for (int i = 0; i < 5000 && p->told < times; i++)
		usleep(1000);
	return p->told >= times;
}

static struct guard_report take(struct post *p)
{
	struct guard_report r = { 0 };
	enum sentry_word word;

	while ((word = sentry_take(&p->sentry, &r)) == SENTRY_BUSY)
		usleep(1000);
	assert_int_equal(word, SENTRY_REPORT);
	return r;
}

/* Held by nothing at all: it just does not turn. */
static void stops_tells_ends(void **state)
{
	struct post *p = post_open(3);
	struct failsoft_order order;
	struct guard_report r;
	struct guard_told one;
	uint64_t from_us;
	uint32_t at = 0;

	(void)state;
	add_line(p, 0);
	add_line(p, 2);
	sentry_line_asked(&p->sentry, 2, STEP_SHUTDOWN); /* by the loop: not again */
	aim(p, 0, 2);
	turn(p, 0);
	from_us = p->basis.beat_us;
	set_left(p, 3 * MIB);
	assert_true(hog_becomes(p->scene->hogs.pid[0], 'T'));
	assert_in_range(clock_now_us() - from_us, AFTER_US, US_PER_S);
	assert_true(wait_told(p, 1));
	assert_int_equal(in_ledger(p->scene), 2);
	expect_still(p->scene, 0, 2);
	expect_running(p->scene, 2, 1);
	assert_true(hog_becomes(p->scene->hogs.pid[0], 'Z'));
	assert_true(hog_becomes(p->scene->hogs.pid[1], 'Z'));
	assert_true(clock_now_us() - from_us >= BUDGET_US); /* who was told had its time */
	expect_running(p->scene, 2, 1);
	assert_int_equal(recv(p->theirs[0], &order, sizeof(order), 0), sizeof(order));
	assert_int_equal(order.step, FAILSOFT_STEP_SHUTDOWN);
	assert_int_equal(order.sequence, 5000);
	assert_int_equal(order.deadline_us - order.issued_us, BUDGET_US);
	assert_int_equal(recv(p->theirs[2], &order, sizeof(order), MSG_DONTWAIT), -1);
	assert_true(wait_told(p, 3));
	r = take(p);
	assert_true(r.stopped == 2 && r.told == 1 && r.ended == 2 && !r.is_dry);
	assert_true(r.victim.pids_count == 2 && r.victim.pids[0] == p->scene->hogs.pid[0]);
	assert_true(sentry_told(&p->sentry, &at, &one) && one.client == 100 && one.sequence == 5000);
	assert_false(sentry_told(&p->sentry, &at, &one));
	sentry_taken(&p->sentry, &p->scene->brake);
	assert_int_equal(in_ledger(p->scene), 0);
	post_close(p);
}

static void a_loop_that_turns(void **state)
{
	struct post *p = post_open(1);
	uint64_t longest_us = 0;
	struct guard_report r;

	(void)state;
	aim(p, 0, 1);
	set_left(p, MIB);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t began_us = clock_now_us();

		turn(p, 10 * US_PER_MS);
		usleep(15000);
		longest_us = MAX_OF(longest_us, clock_now_us() - began_us);
	}
	turn(p, NEVER_US); /* and one that waits for something to come */
	usleep(3 * AFTER_US);
	if (longest_us > AFTER_US) { /* then it is right to act, or may be */
		print_message("# SKIP the machine itself stood still for %u ms\n",
			      (unsigned)(longest_us / US_PER_MS));
		post_close(p);
		skip();
	}
	assert_int_equal(sentry_take(&p->sentry, &r), SENTRY_NOTHING);
	expect_running(p->scene, 0, 1);
	post_close(p);
}

/* It rests in the kernel, without a timeout. */
static void sleeps_while_memory_is_plentiful(void **state)
{
	struct post *p = post_open(1);
	uint64_t number;

	(void)state;
	turn(p, 0);
	p->basis.flags &= ~(uint64_t)GUARD_IS_ARMED;
	turn(p, 0);
	for (int i = 0; i < 5000 && atomic_load(&p->sentry.wake_us) != NEVER_US; i++)
		usleep(1000);
	number = p->basis.turn;
	assert_int_equal(atomic_load(&p->sentry.wake_us), NEVER_US);
	while (p->basis.turn < number + 100)
		turn(p, 0);
	assert_int_equal(atomic_load(&p->sentry.wake_us), NEVER_US);
	post_close(p);
}

/* The hand: a loop that has signalled somebody since, or is about to. */
static void never_two_victims(void **state)
{
	struct post *p = post_open(2);
	struct guard_report r;

	(void)state;
	aim(p, 0, 1);
	turn(p, 0);
	assert_true(sentry_sign(&p->sentry)); /* ... and its turn hangs right after that */
	sentry_signed(&p->sentry);
	set_left(p, 512 * KIB);
	assert_true(hog_becomes(p->scene->hogs.pid[0], 'T'));
	usleep(2 * AFTER_US);
	assert_int_equal(hog_stat(p->scene->hogs.pid[0]).state, 'T'); /* not ended */
	assert_true(sentry_sign(&p->sentry)); /* nobody was: the loop may go on */
	sentry_signed(&p->sentry);
	r = take(p);
	assert_true(r.stopped == 1 && r.ended == 0);
	assert_false(sentry_sign(&p->sentry)); /* not while the report is taken */
	sentry_taken(&p->sentry, &p->scene->brake);
	assert_int_equal(kill(p->scene->hogs.pid[0], SIGCONT), 0);
	turn(p, 0);
	assert_true(hog_becomes(p->scene->hogs.pid[0], 'Z'));
	assert_true(wait_told(p, 5));
	assert_false(sentry_sign(&p->sentry)); /* one was ended: first that is to be known */
	r = take(p);
	assert_int_equal(r.ended, 1);
	sentry_taken(&p->sentry, &p->scene->brake);
	assert_true(sentry_sign(&p->sentry));
	sentry_signed(&p->sentry);
	post_close(p);
}

static void who_is_stopped_by_another(void **state)
{
	struct post *p = post_open(2);
	struct guard_report r;

	(void)state;
	p->basis.flags &= ~(uint64_t)GUARD_MAY_END;
	aim(p, 0, 2);
	assert_int_equal(kill(p->scene->hogs.pid[0], SIGSTOP), 0);
	assert_true(hog_becomes(p->scene->hogs.pid[0], 'T'));
	turn(p, 0);
	set_left(p, MIB);
	assert_true(hog_becomes(p->scene->hogs.pid[1], 'T'));
	assert_true(wait_told(p, 2));
	r = take(p);
	assert_true(r.stopped == 1 && r.victim.pids_count == 1 &&
		    r.victim.pids[0] == p->scene->hogs.pid[1]);
	/* the brake takes it over, and lets go of it alone */
	assert_int_equal(brake_adopt(&p->scene->brake, DOMAIN, &r.victim), 1);
	sentry_taken(&p->sentry, &p->scene->brake);
	assert_int_equal(in_ledger(p->scene), 1);
	expect_still(p->scene, 0, 2);
	brake_release(&p->scene->brake, DOMAIN);
	assert_int_equal(in_ledger(p->scene), 0);
	expect_running(p->scene, 1, 1);
	expect_still(p->scene, 0, 1);
	post_close(p);
}

/* Neither taken over nor let go by a new descriptor, it goes on all the same. */
static void without_descriptors(void **state)
{
	struct post *p = post_open(1);
	struct rlimit all, none;
	struct guard_report r;

	(void)state;
	p->basis.flags &= ~(uint64_t)GUARD_MAY_END;
	aim(p, 0, 1);
	turn(p, 0);
	set_left(p, MIB);
	assert_true(wait_told(p, 2));
	r = take(p);
	assert_int_equal(r.stopped, 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	none = (struct rlimit){ 0, all.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(brake_adopt(&p->scene->brake, DOMAIN, &r.victim), 0);
	sentry_taken(&p->sentry, &p->scene->brake);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	expect_running(p->scene, 0, 1);
	assert_int_equal(in_ledger(p->scene), 0);
	post_close(p);
}

static void in_a_dry_run(void **state)
{
	struct post *p = post_open(1);
	struct failsoft_order order;
	struct guard_report r;

	(void)state;
	add_line(p, 1);
	p->basis.flags |= GUARD_IS_DRY;
	aim(p, 0, 1);
	turn(p, 0);
	set_left(p, 512 * KIB);
	assert_true(wait_told(p, 3));
	r = take(p);
	assert_true(r.is_dry && r.stopped == 1 && r.ended == 1 && r.told == 1);
	sentry_taken(&p->sentry, &p->scene->brake);
	assert_int_equal(recv(p->theirs[1], &order, sizeof(order), 0), sizeof(order));
	assert_true(order.flags & FAILSOFT_ORDER_DRY_RUN);
	expect_running(p->scene, 0, 1);
	assert_int_equal(in_ledger(p->scene), 0);
	post_close(p);
}

/* What it stopped goes on, whoever ends, and when. */
static void the_end_lets_go(void **state)
{
	struct post *p = post_open(1);

	(void)state;
	p->basis.flags &= ~(uint64_t)GUARD_MAY_END;
	aim(p, 0, 1);
	turn(p, 0);
	set_left(p, MIB);
	assert_true(hog_becomes(p->scene->hogs.pid[0], 'T'));
	assert_true(wait_told(p, 2));
	sentry_stop(&p->sentry);
	expect_running(p->scene, 0, 1);
	assert_int_equal(in_ledger(p->scene), 0);
	post_close(p);
}

/* At stage shutdown the loop does not look for another one. */
static void whoever_becomes_a_client(void **state)
{
	struct post *p = post_open(2);
	struct sentry_line line = { .client = 100, .domains = 1, .pid = (int32_t)p->scene->hogs.pid[1] };

	(void)state;
	assert_int_equal(lifeline_open(&line.fd, &p->theirs[0]), 0);
	aim(p, 0, 2);
	sentry_line_add(&p->sentry, 0, &line);
	assert_true(p->sentry.is_aim_stale);
	turn(p, 0);
	set_left(p, 512 * KIB);
	assert_true(wait_told(p, 1));
	usleep(2 * AFTER_US);
	expect_running(p->scene, 0, 2);
	turn(p, NEVER_US);
	(void)take(p);
	sentry_taken(&p->sentry, &p->scene->brake);
	post_close(p);
}

static void clients_come_and_go(void **state)
{
	struct post *p = post_open(1);
	int fd;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		add_line(p, 3);
		fd = p->sentry.line[3].fd;
		assert_true(sentry_line_drop(&p->sentry, 3));
		assert_true(sentry_line_drop(&p->sentry, 3)); /* one that is not there */
		close(fd);
		close(p->theirs[3]);
	}
	p->theirs[3] = -1;
	assert_true(sentry_line_drop(&p->sentry, LINES)); /* beyond */
	post_close(p);
}

/* The aim may change at any moment of the other thread: nothing is closed under it. */
static void the_aim_changes(void **state)
{
	struct post *p = post_open(4);
	unsigned before, refused = 0;
	struct guard_report r;

	(void)state;
	p->basis.flags &= ~(uint64_t)GUARD_MAY_END;
	set_left(p, MIB);
	before = open_descriptors();
	for (unsigned i = 0; i < 900; i++) {
		const struct victim v = hogs_victim(&p->scene->hogs, i % 3, 2);

		refused += !sentry_aim(&p->sentry, &v);
		if (i % 300 == 0)
			turn(p, 0); /* and not again for three times what it waits for */
		usleep(1000);
	}
	turn(p, NEVER_US);
	while (sentry_take(&p->sentry, &r) == SENTRY_BUSY)
		usleep(1000);
	sentry_taken(&p->sentry, &p->scene->brake);
	for (int i = 0; i < 5000 && !sentry_aim(&p->sentry, NULL); i++)
		usleep(1000); /* the thread lets go of it soon */
	assert_true(sentry_aim(&p->sentry, NULL));
	assert_true(refused > 0);
	assert_int_equal(open_descriptors(), before);
	for (unsigned i = 0; i < 4; i++)
		kill(p->scene->hogs.pid[i], SIGCONT);
	post_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops_tells_ends),
		cmocka_unit_test(a_loop_that_turns),
		cmocka_unit_test(sleeps_while_memory_is_plentiful),
		cmocka_unit_test(never_two_victims),
		cmocka_unit_test(who_is_stopped_by_another),
		cmocka_unit_test(without_descriptors), cmocka_unit_test(in_a_dry_run),
		cmocka_unit_test(the_end_lets_go),
		cmocka_unit_test(whoever_becomes_a_client), cmocka_unit_test(clients_come_and_go),
		cmocka_unit_test(the_aim_changes),
	};

	return cmocka_run_group_tests_name("sentry", tests, NULL, NULL);
}
