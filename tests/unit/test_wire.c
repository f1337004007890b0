/* SPDX-License-Identifier: MIT */
/*
 * The files of the tripwire's cgroup: on a recorded tree, and, with the right to make a cgroup of the
 * hierarchy that has the memory controller, in the kernel's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "act/wire.h"
#include "base/file.h"
#include "base/units.h"
#include "tree.h"

#define APPS	"sys/fs/cgroup/demo/apps/"

struct scene {
	struct tree tree;
	struct ledger ledger;
	struct worker worker;
	struct wire wire;
	int root_fd;
};

static struct scene scene;		/* large */

static void no_others(void *userdata, const struct worker_result *result)
{
	(void)userdata, (void)result;
	fail();
}

static void open_at(struct scene *s, const char *root)
{
	struct wire_setup setup = { .ledger = &s->ledger, .worker = &s->worker, .others = no_others };

	s->root_fd = setup.root_fd = open(root, O_PATH | O_DIRECTORY);
	assert_true(s->root_fd >= 0);
	assert_int_equal(worker_start(&s->worker), 0);
	wire_init(&s->wire, &setup);
}

static struct scene *begin(void)
{
	memset(&scene, 0, sizeof(scene));
	tree_open(&scene.tree, "root-v2");
	open_at(&scene, scene.tree.root);
	return &scene;
}

static void end(struct scene *s)
{
	wire_close(&s->wire);
	worker_stop(&s->worker);
	close(s->root_fd);
	if (s->tree.root[0])
		tree_close(&s->tree);
}

/* The first line. */
static void expect_file(const struct scene *s, const char *path, const char *text)
{
	char have[64];

	assert_true(file_read_at(s->root_fd, path, have, sizeof(have)) > 0);
	have[strcspn(have, "\n")] = 0;
	assert_string_equal(have, text);
}

static void let_it_write(struct scene *s)
{
	struct worker_result result;

	while (s->wire.is_busy) {
		assert_true(worker_wait(&s->worker, 5000));
		while (worker_result(&s->worker, &result))
			wire_done(&s->wire, &result);
	}
}

static const struct open_row {
	const char *name, *path;
	bool may_make;
	int expect;
} opens[] = {
	{ "it is there", "/demo/apps", false, 0 },
	{ "no such cgroup", "/demo/none", false, -ENOENT },
	{ "nor its parent", "/none/here", true, -ENOENT },
	{ "the root", "/", false, -EINVAL },
	{ "no path", "demo/apps", false, -EINVAL },
	{ "it climbs", "/demo/../apps", true, -EINVAL },
};

static void what_can_be_opened(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(opens); i++) {
		struct scene *s = begin();

		print_message("# %s\n", opens[i].name);
		assert_int_equal(wire_open(&s->wire, opens[i].path, opens[i].may_make), opens[i].expect);
		assert_int_equal(wire_is_open(&s->wire), opens[i].expect == 0);
		assert_null(ledger_limit_get(&s->ledger)); /* nothing was written yet */
		end(s);
	}
}

static void no_memory_cgroups(void **state)
{
	struct scene *s = begin();

	(void)state;
	tree_write(&s->tree, "proc/mounts", "proc /proc proc rw 0 0\n");
	assert_int_equal(wire_open(&s->wire, "/demo/apps", true), -ENODEV);
	end(s);
}

static void what_it_reads(void **state)
{
	struct tripwire_reading r = { 0 };
	struct scene *s = begin();

	(void)state;
	tree_write(&s->tree, APPS "memory.events.local", "low 0\nhigh 7\nmax 0\noom 0\noom_kill 0\n");
	assert_int_equal(wire_open(&s->wire, "/demo/apps", false), 0);
	assert_int_equal(wire_read(&s->wire, &r), 0);
	assert_int_equal(r.usage_bytes, 25165824);
	assert_int_equal(r.before_bytes, TRIPWIRE_NONE);
	assert_int_equal(r.trips, 7);
	assert_true(r.file_bytes > 0 && r.file_bytes < r.usage_bytes);
	end(s);
}

static void what_stood_there_stands_again(void **state)
{
	struct scene *s = begin();

	(void)state;
	tree_write(&s->tree, APPS "memory.high", "50331648\n");
	assert_int_equal(wire_open(&s->wire, "/demo/apps", false), 0);
	wire_set(&s->wire, 40 * MIB);
	assert_int_equal(ledger_limit_get(&s->ledger)->before, 50331648); /* before it is written */
	let_it_write(s);
	expect_file(s, APPS "memory.high", "41943040");
	wire_set(&s->wire, 41 * MIB);
	wire_close(&s->wire); /* waits for that */
	expect_file(s, APPS "memory.high", "50331648");
	assert_null(ledger_limit_get(&s->ledger));
	end(s);
}

/* Nobody waits for the worker, and what stood there before is not forgotten for it. */
static void it_is_left(void **state)
{
	const char *const then[] = { "/demo/apps", "/demo" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(then); i++) {
		struct scene *s = begin();

		tree_write(&s->tree, APPS "memory.high", "50331648\n");
		assert_int_equal(wire_open(&s->wire, "/demo/apps", false), 0);
		wire_set(&s->wire, 40 * MIB);
		assert_true(wire_is_busy(&s->wire));
		wire_leave(&s->wire);
		assert_false(wire_is_open(&s->wire));
		assert_int_equal(wire_open(&s->wire, then[i], false), -EBUSY);
		let_it_write(s);
		expect_file(s, APPS "memory.high", "41943040");
		assert_int_equal(wire_open(&s->wire, then[i], false), 0);
		wire_close(&s->wire);
		expect_file(s, APPS "memory.high", "50331648");
		assert_null(ledger_limit_get(&s->ledger));
		end(s);
	}
}

/* Only the newest of what is wanted while the worker is busy. */
static void many_at_once(void **state)
{
	struct scene *s = begin();

	(void)state;
	assert_int_equal(wire_open(&s->wire, "/demo/apps", false), 0);
	for (uint64_t i = 0; i < 300; i++)
		wire_set(&s->wire, (100 - i % 50) * MIB);
	let_it_write(s);
	expect_file(s, APPS "memory.high", "53477376");
	end(s);
}

static void somebody_else_writes(void **state)
{
	struct tripwire_reading r;
	struct scene *s = begin();

	(void)state;
	assert_int_equal(wire_open(&s->wire, "/demo/apps", false), 0);
	wire_set(&s->wire, 40 * MIB);
	let_it_write(s);
	tree_write(&s->tree, APPS "memory.high", "31457280\n");
	assert_int_equal(wire_read(&s->wire, &r), 0);
	assert_int_equal(r.before_bytes, 30 * MIB);
	wire_set(&s->wire, 25 * MIB);
	let_it_write(s);
	wire_close(&s->wire);
	expect_file(s, APPS "memory.high", "31457280");
	end(s);
}

static void a_broker_that_was_killed(void **state)
{
	struct ledger left;
	struct scene *s = begin();

	(void)state;
	assert_int_equal(wire_open(&s->wire, "/demo/apps", false), 0);
	wire_set(&s->wire, 40 * MIB);
	let_it_write(s);
	left = s->ledger;
	assert_int_equal(wire_past(s->root_fd, &left, NULL), 1);
	expect_file(s, APPS "memory.high", "max");
	assert_int_equal(wire_past(s->root_fd, &left, NULL), 0); /* once is enough */
	left = s->ledger;
	left.limit.before ^= 1; /* torn: not what was written down */
	assert_int_equal(wire_past(s->root_fd, &left, NULL), 0);
	left = s->ledger;
	tree_remove(&s->tree, "sys/fs/cgroup/demo/apps");
	assert_int_equal(wire_past(s->root_fd, &left, NULL), 0);
	assert_null(ledger_limit_get(&left));
	end(s);
}

/* Another cgroup of that name is not ours. */
static void another_of_that_name(void **state)
{
	struct ledger left;
	struct scene *s = begin();

	(void)state;
	assert_int_equal(wire_open(&s->wire, "/demo/apps", false), 0);
	wire_set(&s->wire, 40 * MIB);
	let_it_write(s);
	left = s->ledger;
	tree_run("cd '%s/sys/fs/cgroup/demo' && cp -R apps new && mv apps %s && mv new apps",
		 s->tree.root, "old");
	assert_int_equal(wire_past(s->root_fd, &left, NULL), 0);
	expect_file(s, APPS "memory.high", "41943040");
	end(s);
}

static void it_vanishes(void **state)
{
	struct tripwire_reading r;
	struct scene *s = begin();

	(void)state;
	assert_int_equal(wire_open(&s->wire, "/demo/apps", false), 0);
	wire_close(&s->wire);
	wire_close(&s->wire);
	wire_set(&s->wire, MIB); /* nothing is open, nothing happens */
	assert_int_equal(wire_open(&s->wire, "/demo/apps", false), 0);
	tree_write(&s->tree, APPS "memory.current", "");
	assert_true(wire_read(&s->wire, &r) < 0);
	end(s);
}

/* ---- cgroup v1, in the kernel ---- */

static const char *const v1 = "sys/fs/cgroup/memory/failsoft-wire";

static bool put(const struct scene *s, const char *file, const char *text)
{
	char path[128];
	_cleanup_close_ int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", v1, file);
	fd = openat(s->root_fd, path, O_WRONLY);
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static void programs_wait(void **state)
{
	struct scene *s = &scene;
	bool is_stuck = true;
	struct ledger left;

	(void)state;
	memset(s, 0, sizeof(*s));
	open_at(s, "/");
	(void)unlinkat(s->root_fd, v1, AT_REMOVEDIR); /* of a run that was killed */
	if (mkdirat(s->root_fd, v1, 0755) < 0) {
		print_message("# no right to make a cgroup of v1 here\n");
		end(s);
		skip();
	}
	if (wire_open(&s->wire, "/failsoft-wire", false) == -ERANGE) {
		assert_true(put(s, "memory.limit_in_bytes", "8388608"));
		assert_int_equal(wire_open(&s->wire, "/failsoft-wire", false), 0);
		assert_int_equal(wire_is_stuck(&s->wire, &is_stuck), 0);
		assert_false(is_stuck);
		wire_set(&s->wire, 1);
		let_it_write(s);
		expect_file(s, "sys/fs/cgroup/memory/failsoft-wire/memory.oom_control", "oom_kill_disable 1");
		left = s->ledger;
		assert_int_equal(wire_past(s->root_fd, &left, NULL), 1);
		expect_file(s, "sys/fs/cgroup/memory/failsoft-wire/memory.oom_control", "oom_kill_disable 0");
	}
	wire_close(&s->wire);
	assert_int_equal(unlinkat(s->root_fd, v1, AT_REMOVEDIR), 0);
	end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_be_opened), cmocka_unit_test(no_memory_cgroups),
		cmocka_unit_test(what_it_reads), cmocka_unit_test(what_stood_there_stands_again),
		cmocka_unit_test(it_is_left), cmocka_unit_test(many_at_once),
		cmocka_unit_test(somebody_else_writes),
		cmocka_unit_test(a_broker_that_was_killed), cmocka_unit_test(another_of_that_name),
		cmocka_unit_test(it_vanishes), cmocka_unit_test(programs_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
