/* SPDX-License-Identifier: MIT */
/*
 * A broker that is killed while it stops processes and lets them go, at any system call and at any
 * time between: `failsoftd --release` leaves no process stopped and no cgroup frozen. Without a
 * right to make a cgroup the freeze is left out.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../unit/hog.h"
#include "act/brake.h"
#include "base/file.h"
#include "keep/state.h"

#define HOGS		4u
#define RANDOM_KILLS	300u
#define STOPS_MAX	5000u	/* of one round under PTRACE_SYSCALL: 100 seen */

struct scene {
	char folder[64], box[160];	/* box "": no cgroup */
	struct hogs hogs;
	struct victim victim;
	volatile uint64_t *rounds;	/* of the broker, shared */
};

static struct brake brake;		/* large */
static struct worker worker;

/* ---- the broker ---- */

static void take_results(void)
{
	struct worker_result result;

	while (worker_result(&worker, &result))
		brake_done(&brake, &result);
}

static void stop_and_release(const struct scene *s)
{
	if (brake_stop(&brake, 0, &s->victim) != HOGS)
		_exit(3);
	take_results();
	brake_release(&brake, 0);
	take_results();
}

static void be_broker(struct scene *s, bool is_traced)
{
	static struct state state;
	struct brake_setup setup = { .root_fd = open("/", O_PATH | O_DIRECTORY), .worker = &worker };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (state_open(&state, s->folder, 1) < 0 || worker_start(&worker) < 0)
		_exit(1);
	setup.ledger = state_ledger(&state);
	brake_init(&brake, &setup);
	if (is_traced) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(2);
		raise(SIGSTOP);
		stop_and_release(s);
		brake_fini(&brake);
		_exit(0);
	}
	for (;;) {
		stop_and_release(s);
		(*s->rounds)++;
	}
}

static pid_t start_broker(struct scene *s, bool is_traced)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		be_broker(s, is_traced);
	return pid;
}

/* ---- the scene ---- */

static void write_text(const char *folder, const char *file, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Half of the hogs would not do: the cgroup must be the victim's alone. */
static void make_box(struct scene *s)
{
	FILE *mounts = fopen("/proc/mounts", "re");
	char line[512], at[128], text[16];
	bool found = false;

	while (mounts && !found && fgets(line, sizeof(line), mounts))
		found = strstr(line, " cgroup2 rw") && sscanf(line, "%*s %127s", at) == 1;
	if (mounts)
		fclose(mounts);
	snprintf(s->box, sizeof(s->box), "%s/failsoft-fault-%d", at, (int)getpid());
	if (!found || mkdir(s->box, 0755) < 0) {
		s->box[0] = 0;
		print_message("# no cgroup v2 to freeze, or no right to make one\n");
		return;
	}
	for (unsigned i = 0; i < HOGS; i++) {
		snprintf(text, sizeof(text), "%d\n", (int)s->hogs.pid[i]);
		write_text(s->box, "cgroup.procs", text);
	}
}

static void scene_open(struct scene *s, bool with_box)
{
	memset(s, 0, sizeof(*s));
	strcpy(s->folder, "/tmp/failsoft-released-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	hogs_start(&s->hogs, HOGS);
	s->rounds = s->hogs.counter + HOGS_MAX;
	s->victim = hogs_victim(&s->hogs, 0, HOGS);
	if (with_box)
		make_box(s);
}

static void scene_close(struct scene *s)
{
	char state[80];

	hogs_end(&s->hogs);
	for (int i = 0; s->box[0] && i < 1000 && rmdir(s->box) < 0; i++)
		usleep(1000);
	snprintf(state, sizeof(state), "%s/state", s->folder);
	(void)unlink(state); /* not every test makes it */
	assert_int_equal(rmdir(s->folder), 0);
}

/* Runs failsoftd --release; its exit status. */
static int release(const struct scene *s, const char *root)
{
	const char *build = getenv("FAILSOFT_BUILD");
	char command[512];
	int status;

	assert_non_null(build); /* set by tests/meson.build */
	snprintf(command, sizeof(command), "'%s/failsoftd' --release --state-dir='%s' --root='%s' %s",
		 build, s->folder, root, "> /dev/null 2>&1");
	status = system(command);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool is_any_stopped(const struct scene *s)
{
	char path[256], room[64] = "0\n";
	bool any = false;

	for (unsigned i = 0; i < HOGS; i++)
		any |= hog_stat(s->hogs.pid[i]).state == 'T';
	snprintf(path, sizeof(path), "%s/cgroup.freeze", s->box);
	if (s->box[0])
		assert_true(file_read_at(AT_FDCWD, path, room, sizeof(room)) > 0);
	return any || strcmp(room, "0\n") != 0;
}

/* Returns whether something had been left stopped. */
static bool end_and_release(const struct scene *s, pid_t broker)
{
	bool was_stopped;

	kill(broker, SIGKILL);
	assert_int_equal(waitpid(broker, NULL, 0), broker);
	usleep(200); /* a signal that was sent takes effect */
	was_stopped = is_any_stopped(s);
	assert_int_equal(release(s, "/"), 0);
	for (unsigned i = 0; i < HOGS; i++)
		assert_true(hog_runs(&s->hogs, i));
	assert_false(is_any_stopped(s));
	return was_stopped;
}

/* ---- the tests ---- */

static void killed_at_any_time(void **state)
{
	const bool with_box = *state != NULL;
	unsigned left = 0;
	struct scene s;

	scene_open(&s, with_box);
	srandom(815);
	for (unsigned i = 0; i < RANDOM_KILLS; i++) {
		pid_t broker = start_broker(&s, false);
		uint64_t before = *s.rounds;

		while (*s.rounds == before)
			assert_int_equal(waitpid(broker, NULL, WNOHANG), 0);
		usleep((useconds_t)random() % 700);
		left += end_and_release(&s, broker);
	}
	print_message("# of %u kills %u left something stopped\n", RANDOM_KILLS, left);
	assert_true(left > RANDOM_KILLS / 20); /* else nothing was tried */
	scene_close(&s);
}

/* Lets it go on to the n-th stop. false: it has ended before. */
static bool run_to(pid_t broker, unsigned stops)
{
	int status;

	for (unsigned i = 0; i < stops; i++) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, broker, NULL, NULL), 0);
		assert_int_equal(waitpid(broker, &status, 0), broker);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
	}
	return true;
}

static void killed_at_every_system_call(void **state)
{
	const bool with_box = *state != NULL;
	unsigned left = 0, stops = 0;
	struct scene s;

	scene_open(&s, with_box);
	for (;; stops++) {
		pid_t broker = start_broker(&s, true);
		int status;

		assert_true(stops < STOPS_MAX);
		assert_int_equal(waitpid(broker, &status, 0), broker);
		if (!WIFSTOPPED(status)) {
			print_message("# skipped: needs the right to trace its own child\n");
			break;
		}
		if (!run_to(broker, stops))
			break;
		left += end_and_release(&s, broker);
	}
	print_message("# of %u kills %u left something stopped\n", stops, left);
	assert_true(!stops || left > HOGS);
	scene_close(&s);
}

static void what_it_answers(void **state)
{
	struct state running;
	struct scene s;

	scene_open(&s, false);
	assert_int_equal(release(&s, "/"), 0); /* no broker was ever here; it makes no file */
	assert_int_equal(rmdir(s.folder), 0);
	assert_int_equal(release(&s, "/"), 0);
	assert_int_equal(access(s.folder, F_OK), -1);
	assert_int_equal(state_open(&running, s.folder, 1), 0);
	assert_int_equal(release(&s, "/"), 1); /* a broker runs */
	state_close(&running);
	assert_int_equal(release(&s, "/no/such/place"), 1);
	assert_int_equal(release(&s, "/"), 0);
	scene_close(&s);
	(void)state;
}

int main(void)
{
	static int yes;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_answers),
		cmocka_unit_test(killed_at_every_system_call),
		{ "killed_at_every_system_call, frozen, too", killed_at_every_system_call, NULL, NULL,
		  &yes },
		cmocka_unit_test(killed_at_any_time),
		{ "killed_at_any_time, frozen, too", killed_at_any_time, NULL, NULL, &yes },
	};

	return cmocka_run_group_tests_name("released", tests, NULL, NULL);
}
