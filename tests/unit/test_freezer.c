/* SPDX-License-Identifier: MIT */
/* On a tree of plain files; test_brake.c freezes real cgroups where it can make some. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "act/freezer.h"
#include "base/file.h"
#include "base/units.h"
#include "tree.h"

#define MOUNTS	"none /v1\\040freezer cgroup rw,freezer 0 0\nnone /memory cgroup rw,memory 0 0\n" \
	"none /v2 cgroup2 rw 0 0\n"

struct scene {
	struct tree tree;
	struct freezer_trees trees;
	int root_fd;
};

static void scene_open(struct scene *s)
{
	strcpy(s->tree.root, "/tmp/failsoft-tree-XXXXXX");
	assert_non_null(mkdtemp(s->tree.root));
	tree_run("cd '%s' && mkdir -p proc/7 'v1 freezer/apps' 'v1 freezer/two/sub' memory v2/%s",
		 s->tree.root, "apps");
	tree_write(&s->tree, "proc/mounts", MOUNTS);
	tree_write(&s->tree, "v1 freezer/apps/freezer.state", "THAWED\n");
	tree_write(&s->tree, "v1 freezer/apps/cgroup.procs", "7\n8\n");
	tree_write(&s->tree, "v1 freezer/two/freezer.state", "THAWED\n");
	tree_write(&s->tree, "v1 freezer/two/cgroup.procs", "7\n");
	tree_write(&s->tree, "v1 freezer/freezer.state", "THAWED\n"); /* in truth there is none */
	tree_write(&s->tree, "v2/apps/cgroup.freeze", "0\n");
	tree_write(&s->tree, "v2/cgroup.freeze", "0\n");
	s->root_fd = open(s->tree.root, O_PATH | O_DIRECTORY);
	freezer_trees_open(&s->trees, s->root_fd);
	assert_true(s->trees.v1_fd >= 0 && s->trees.v2_fd >= 0);
}

static void scene_close(struct scene *s)
{
	freezer_trees_close(&s->trees);
	close(s->root_fd);
	tree_close(&s->tree);
}

static int find(struct scene *s, const char *cgroups, struct freezer *f)
{
	tree_write(&s->tree, "proc/7/cgroup", cgroups);
	return freezer_find(f, &s->trees, s->root_fd, 7);
}

static void expect_file(const struct scene *s, const char *path, const char *text)
{
	char room[32];

	assert_true(file_read_at(s->root_fd, path, room, sizeof(room)) >= 0);
	assert_string_equal(room, text);
}

/* As the worker writes. */
static void throw(const struct freezer *f, bool freeze)
{
	const char *word = freezer_word(f, freeze);

	assert_int_equal(pwrite(f->switch_fd, word, strlen(word), 0), (ssize_t)strlen(word));
}

/* 1: v1, 2: v2; else the failure. */
static void where_a_process_lives(void **state)
{
	static const struct {
		const char *name, *cgroups;
		int expect;
	} rows[] = {
		{ "v1", "4:freezer:/apps\n", 1 },
		{ "v2", "0::/apps\n", 2 },
		{ "v2 first", "4:freezer:/apps\n0::/apps\n", 2 },
		{ "v1, where v2 has it in the root", "4:cpu,freezer:/apps\n0::/\n", 1 },
		{ "the roots", "4:freezer:/\n0::/\n", -ENODEV },
		{ "another controller", "4:memory:/apps\n", -ENODEV },
		{ "gone", "4:freezer:/gone\n0::/gone\n", -ENODEV },
		{ "not below us", "4:freezer:/../apps\n0::/..\n", -ENODEV },
		{ "climbs", "4:freezer:/apps/..\n0::/two/../apps\n", -ENODEV },
		{ "without a switch", "0::/none\n", -ENODEV },
		{ "nothing", "", -ENODATA },
	};
	struct scene s;

	scene_open(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct freezer f = { .dir_fd = -1, .switch_fd = -1 };
		int r = find(&s, rows[i].cgroups, &f);

		r = r < 0 ? r : 1 + (int)f.place.is_v2;
		if (r != rows[i].expect)
			print_message("# %s: %d\n", rows[i].name, r);
		assert_int_equal(r, rows[i].expect);
		assert_true((f.switch_fd >= 0) == (r > 0));
		freezer_close(&f);
	}
	scene_close(&s);
	(void)state;
}

static void what_is_written(void **state)
{
	struct freezer f;
	struct scene s;

	scene_open(&s);
	assert_int_equal(find(&s, "4:freezer:/apps\n", &f), 0);
	throw(&f, true);
	expect_file(&s, "v1 freezer/apps/freezer.state", "FROZEN\n"); /* of the same length */
	throw(&f, false);
	expect_file(&s, "v1 freezer/apps/freezer.state", "THAWED\n");
	freezer_close(&f);
	assert_int_equal(find(&s, "0::/apps\n", &f), 0);
	throw(&f, true);
	expect_file(&s, "v2/apps/cgroup.freeze", "1\n");
	throw(&f, false);
	expect_file(&s, "v2/apps/cgroup.freeze", "0\n");
	freezer_close(&f);
	scene_close(&s);
	(void)state;
}

static void frozen_by_somebody_else(void **state)
{
	struct freezer f;
	struct scene s;

	scene_open(&s);
	tree_write(&s.tree, "v1 freezer/apps/freezer.state", "FREEZING\n");
	assert_int_equal(find(&s, "4:freezer:/apps\n", &f), -EBUSY);
	tree_write(&s.tree, "v2/apps/cgroup.freeze", "1\n");
	assert_int_equal(find(&s, "0::/apps\n", &f), -EBUSY);
	scene_close(&s);
	(void)state;
}

static bool is_seven_or_eight(void *userdata, int32_t pid)
{
	(*(int *)userdata)++;
	return pid == 7 || pid == 8;
}

static void who_is_in_it(void **state)
{
	static const struct {
		const char *procs;
		bool expect;
	} rows[] = {
		{ "7\n8\n", true },  { "7\n", true },	{ "", false },	{ "7\n9\n", false },
		{ "0\n7\n", false }, { "7\n8", true }, { "7x\n", false }, { "4294967303\n", false },
	};
	int asked = 0;
	const struct freezer_question q = { is_seven_or_eight, &asked };
	struct freezer f;
	struct scene s;

	scene_open(&s);
	assert_int_equal(find(&s, "4:freezer:/apps\n", &f), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		tree_write(&s.tree, "v1 freezer/apps/cgroup.procs", rows[i].procs);
		assert_int_equal(freezer_is_only(&f, &q), rows[i].expect);
	}
	assert_true(asked > 0);
	freezer_close(&f);
	assert_int_equal(find(&s, "4:freezer:/two\n", &f), 0); /* who is below is not looked at */
	assert_false(freezer_is_only(&f, &q));
	freezer_close(&f);
	scene_close(&s);
	(void)state;
}

/* What a ledger names is found again; another one of the same name is not. */
static void found_again(void **state)
{
	struct ledger_freeze place;
	struct freezer f;
	struct scene s;

	scene_open(&s);
	assert_int_equal(find(&s, "4:freezer:/apps\n", &f), 0);
	place = f.place;
	freezer_close(&f);
	assert_int_equal(freezer_open(&f, &s.trees, &place), 0);
	freezer_close(&f);
	place.inode++;
	assert_int_equal(freezer_open(&f, &s.trees, &place), -ESTALE);
	strcpy(place.path, "/gone");
	assert_int_equal(freezer_open(&f, &s.trees, &place), -ENOENT);
	strcpy(place.path, "/");
	assert_int_equal(freezer_open(&f, &s.trees, &place), -ENODEV);
	scene_close(&s);
	(void)state;
}

static void no_hierarchy_at_all(void **state)
{
	struct freezer f;
	struct scene s;

	scene_open(&s);
	freezer_trees_close(&s.trees);
	tree_remove(&s.tree, "proc/mounts");
	freezer_trees_open(&s.trees, s.root_fd);
	assert_true(s.trees.v1_fd == -1 && s.trees.v2_fd == -1);
	assert_int_equal(find(&s, "4:freezer:/apps\n0::/apps\n", &f), -ENODEV);
	scene_close(&s);
	(void)state;
}

/* Never where somebody else lives, nor the root, nor where the kernel has no such switch. */
static void which_cgroup_is_ended(void **state)
{
	static const struct {
		const char *name, *procs, *cgroups;
		bool has_switch;
		int expect;		/* 0: it is */
	} rows[] = {
		{ "only they", "7\n8\n", "0::/apps\n", true, 0 },
		{ "somebody else, too", "7\n9\n", "0::/apps\n", true, -EPERM },
		{ "somebody whom we cannot see", "7\n0\n", "0::/apps\n", true, -EPERM },
		{ "nobody any more", "", "0::/apps\n", true, -EPERM },
		{ "an older kernel", "7\n", "0::/apps\n", false, -ENODEV },
		{ "the root", "7\n", "0::/\n", true, -ENODEV },
		{ "v1", "7\n", "4:freezer:/apps\n", true, -ENODEV },
	};
	int asked = 0;
	const struct freezer_question question = { is_seven_or_eight, &asked };
	struct scene s;

	scene_open(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd;

		print_message("# %s\n", rows[i].name);
		tree_write(&s.tree, "v2/apps/cgroup.procs", rows[i].procs);
		tree_write(&s.tree, "proc/7/cgroup", rows[i].cgroups);
		tree_write(&s.tree, "v2/apps/cgroup.kill", "");
		if (!rows[i].has_switch)
			tree_remove(&s.tree, "v2/apps/cgroup.kill");
		fd = freezer_kill_switch(&s.trees, s.root_fd, 7, &question);
		assert_int_equal(fd < 0 ? fd : 0, rows[i].expect);
		if (fd >= 0)
			assert_int_equal(write(fd, "1", 1), 1);
		file_close(fd);
	}
	scene_close(&s);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_cgroup_is_ended),
		cmocka_unit_test(where_a_process_lives),
		cmocka_unit_test(what_is_written),
		cmocka_unit_test(frozen_by_somebody_else),
		cmocka_unit_test(who_is_in_it),
		cmocka_unit_test(found_again),
		cmocka_unit_test(no_hierarchy_at_all),
	};

	return cmocka_run_group_tests_name("freezer", tests, NULL, NULL);
}
