/* SPDX-License-Identifier: MIT */
/* On real cgroups, v2 and a v1 freezer, where this machine has them and lets us make one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "brake_scene.h"

/* A real one: its folder, and the root's. */
struct box {
	char path[192];
	const char *switch_name, *on, *off;
};

static const struct kind {
	const char *name, *type, *option, *switch_name, *on, *off;
} kinds[] = {
	{ "cgroup v2", " cgroup2 ", "rw", "cgroup.freeze", "1\n", "0\n" },
	{ "a v1 freezer", " cgroup ", "freezer", "freezer.state", "FROZEN\n", "THAWED\n" },
};

static void box_write(const struct box *box, const char *file, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", box->path, file);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static bool box_is(const struct box *box, const char *text)
{
	char path[256], room[32] = "";

	snprintf(path, sizeof(path), "%s/%s", box->path, box->switch_name);
	assert_true(file_read_at(AT_FDCWD, path, room, sizeof(room)) >= 0);
	return !strcmp(room, text);
}

/* Until a v1 freezer that says FREEZING has done it. */
static bool box_becomes(const struct box *box, const char *text)
{
	for (int i = 0; i < 5000; i++) {
		if (box_is(box, text))
			return true;
		usleep(1000);
	}
	return false;
}

static void box_put(const struct box *box, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d\n", (int)pid);
	box_write(box, "cgroup.procs", text);
}

/* false: this machine has none of the kind, or we may not make one. */
static bool box_open(struct box *box, const struct kind *kind)
{
	FILE *mounts = fopen("/proc/mounts", "re");
	char line[512], at[128], switch_path[256];
	bool found = false;

	*box = (struct box){ .switch_name = kind->switch_name, .on = kind->on, .off = kind->off };
	while (mounts && !found && fgets(line, sizeof(line), mounts))
		found = strstr(line, kind->type) && strstr(line, kind->option) &&
			sscanf(line, "%*s %127s", at) == 1;
	if (mounts)
		fclose(mounts);
	snprintf(box->path, sizeof(box->path), "%s/failsoft-test-%d", at, (int)getpid());
	snprintf(switch_path, sizeof(switch_path), "%s/%s", box->path, kind->switch_name);
	if (found && mkdir(box->path, 0755) == 0) {
		if (access(switch_path, W_OK) == 0)
			return true;
		rmdir(box->path);
	}
	print_message("# %s: none here, or no right to make one; see test_freezer\n", kind->name);
	return false;
}

/* After the hogs' end. */
static void box_close(const struct box *box)
{
	for (int i = 0; i < 1000 && rmdir(box->path) < 0; i++)
		usleep(1000);
	assert_int_equal(access(box->path, F_OK), -1);
}

static void each_kind(void (*run)(struct scene *s, const struct box *box))
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct scene *s;
		struct box box;

		if (!box_open(&box, &kinds[i]))
			continue;
		s = scene_open(3);
		for (unsigned h = 0; h < 2; h++)
			box_put(&box, s->hogs.pid[h]);
		run(s, &box);
		box_write(&box, box.switch_name, box.off); /* or a v1 freezer holds the dead */
		scene_close(s);
		box_close(&box);
	}
}

static void freeze_and_thaw(struct scene *s, const struct box *box)
{
	const struct victim v = hogs_victim(&s->hogs, 0, 2);
	unsigned before = open_descriptors();

	for (int round = 0; round < 3; round++) {
		assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 2);
		assert_int_equal(in_ledger(s), 1002);
		settle(s);
		assert_true(box_becomes(box, box->on));
		assert_true(hog_stands_still(&s->hogs, 0) && hog_stands_still(&s->hogs, 1));
		expect_running(s, 2, 1);
		brake_release(&s->brake, DOMAIN);
		assert_int_equal(in_ledger(s), 1000);
		settle(s);
		assert_int_equal(in_ledger(s), 0);
		assert_true(box_is(box, box->off));
		expect_running(s, 0, 3);
		assert_int_equal(open_descriptors(), before);
	}
}

/* Orders change before the worker is done with the one before. */
static void changes_of_mind(struct scene *s, const struct box *box)
{
	const struct victim v = hogs_victim(&s->hogs, 0, 2);

	for (int round = 0; round < 50; round++) {
		assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 2);
		brake_release(&s->brake, DOMAIN);
		if (round % 2)
			assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 2);
		if (round % 3)
			settle(s);
		brake_release(&s->brake, DOMAIN);
	}
	settle(s);
	assert_true(box_is(box, box->off));
	expect_running(s, 0, 3);
	assert_int_equal(in_ledger(s), 0);
}

/* What froze is on its way back when the next one is stopped, elsewhere: it goes on all the same. */
static void another_victim_while_it_thaws(struct scene *s, const struct box *box)
{
	const struct victim v = hogs_victim(&s->hogs, 0, 2), other = hogs_victim(&s->hogs, 2, 1);

	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 2);
	settle(s);
	assert_true(box_becomes(box, box->on));
	brake_release(&s->brake, DOMAIN);
	assert_int_equal(brake_stop(&s->brake, DOMAIN, &other), 1);
	settle(s);
	assert_true(box_becomes(box, box->off));
	assert_int_equal(in_ledger(s), 1);
	expect_running(s, 0, 2);
	expect_still(s, 2, 1);
	brake_release(&s->brake, DOMAIN);
	expect_running(s, 2, 1);
}

static void with_somebody_else(struct scene *s, const struct box *box)
{
	const struct victim one = hogs_victim(&s->hogs, 0, 1);

	assert_int_equal(brake_stop(&s->brake, DOMAIN, &one), 1);
	settle(s);
	assert_true(box_is(box, box->off));
	assert_int_equal(in_ledger(s), 1);
	expect_running(s, 1, 1);
	/* one that was forked meanwhile, the caller says */
	s->may_freeze = s->hogs.pid[1];
	assert_int_equal(brake_stop(&s->brake, DOMAIN, &one), 1);
	settle(s);
	assert_true(box_becomes(box, box->on));
	assert_true(hog_stands_still(&s->hogs, 1));
	brake_release(&s->brake, DOMAIN);
	settle(s);
	expect_running(s, 0, 2);
}

/* Whatever the caller says. */
static void with_ourselves(struct scene *s, const struct box *box)
{
	const struct victim v = hogs_victim(&s->hogs, 0, 2);
	struct box root = *box;

	box_put(box, getpid());
	s->may_freeze = getpid();
	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 2);
	settle(s);
	assert_true(box_is(box, box->off));
	*strrchr(root.path, '/') = 0;
	box_put(&root, getpid());
	brake_release(&s->brake, DOMAIN);
}

static void frozen_before(struct scene *s, const struct box *box)
{
	const struct victim v = hogs_victim(&s->hogs, 0, 2);

	box_write(box, box->switch_name, box->on);
	assert_true(box_becomes(box, box->on));
	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 2);
	assert_int_equal(in_ledger(s), 2);
	brake_release(&s->brake, DOMAIN);
	settle(s);
	assert_true(box_is(box, box->on));
}

/* The worker is stuck, and takes no more: nobody waits for it, and nothing is forgotten. */
static void no_room_to_thaw(struct scene *s, const struct box *box)
{
	const struct victim v = hogs_victim(&s->hogs, 0, 2);
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct worker_result result;

	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 2);
	settle(s);
	assert_true(box_becomes(box, box->on));
	while (worker_write(&s->worker, fd, "x", UINT32_MAX))
		continue;
	brake_release(&s->brake, DOMAIN);
	brake_settle(&s->brake);
	assert_true(box_is(box, box->on));
	assert_int_equal(in_ledger(s), 1000);
	while (worker_wait(&s->worker, 200))
		while (worker_result(&s->worker, &result))
			brake_done(&s->brake, &result);
	brake_settle(&s->brake);
	settle(s);
	assert_true(box_becomes(box, box->off));
	assert_int_equal(in_ledger(s), 0);
	expect_running(s, 0, 2);
	close(fd);
}

static void the_end_thaws(struct scene *s, const struct box *box)
{
	const struct victim v = hogs_victim(&s->hogs, 0, 2);

	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 2);
	brake_fini(&s->brake);
	assert_true(box_is(box, box->off));
	expect_running(s, 0, 2);
	assert_int_equal(in_ledger(s), 0);
}

/* SIGKILL ends what cgroup v2 has frozen; a v1 freezer must be thawed first. */
static void killed_while_frozen(struct scene *s, const struct box *box)
{
	const struct victim v = hogs_victim(&s->hogs, 0, 2);

	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 2);
	settle(s);
	assert_true(box_becomes(box, box->on));
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(kill(s->hogs.pid[i], SIGKILL), 0);
	if (!strcmp(box->on, "1\n"))
		assert_true(hog_becomes(s->hogs.pid[0], 'Z') && hog_becomes(s->hogs.pid[1], 'Z'));
	else
		assert_true(hog_stands_still(&s->hogs, 0) && hog_stat(s->hogs.pid[0]).state != 'Z');
	brake_release(&s->brake, DOMAIN);
	settle(s);
	assert_true(hog_becomes(s->hogs.pid[0], 'Z') && hog_becomes(s->hogs.pid[1], 'Z'));
	assert_int_equal(in_ledger(s), 0);
}

static void left_frozen(struct scene *s, const struct box *box)
{
	const struct victim v = hogs_victim(&s->hogs, 0, 2);
	struct brake_past past;

	assert_int_equal(brake_stop(&s->brake, DOMAIN, &v), 2);
	lose(s);
	assert_true(box_becomes(box, box->on));
	assert_int_equal(in_ledger(s), 1002);
	told = 0;
	past = brake_past(s->root_fd, state_ledger(&s->state), tell);
	assert_true(past.continued == 2 && past.thawed == 1 && past.failed == 0 && told == 3);
	assert_true(box_is(box, box->off));
	expect_running(s, 0, 3);
	assert_int_equal(in_ledger(s), 0);
}

static void cgroups(void **state)
{
	each_kind(*state);
}

#define CGROUP_TEST(f) { #f, cgroups, NULL, NULL, (void *)(f) }

int main(void)
{
	const struct CMUnitTest tests[] = {
		CGROUP_TEST(freeze_and_thaw),
		CGROUP_TEST(changes_of_mind),
		CGROUP_TEST(another_victim_while_it_thaws),
		CGROUP_TEST(with_somebody_else),
		CGROUP_TEST(with_ourselves),
		CGROUP_TEST(frozen_before),
		CGROUP_TEST(no_room_to_thaw),
		CGROUP_TEST(the_end_thaws),
		CGROUP_TEST(killed_while_frozen),
		CGROUP_TEST(left_frozen),
	};

	return cmocka_run_group_tests_name("brake_cgroup", tests, NULL, NULL);
}
