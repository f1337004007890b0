/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/units.h"
#include "sense/sense.h"
#include "tree.h"

static struct sense *open_root(const char *root)
{
	const struct sense_options o = { .root = root, .psi_some_us = 150000, .psi_full_us = 70000,
		.psi_window_us = US_PER_S, .max_domains = 4, .page_bytes = 4096, .cpus = 2 };
	struct sense *s = NULL;

	assert_int_equal(sense_open(&o, &s), 0);
	return s;
}

static struct sample read_domain(struct sense *s, uint32_t domain)
{
	struct sample p;

	assert_int_equal(sense_read(s, domain, 7, &p), 0);
	return p;
}

/* Whose limits does a process live under? */
static void paths_of_processes(void **state)
{
	static const struct {
		const char *tree;
		int32_t pid;
		const char *membership;		/* NULL: as recorded */
		int expect;
		uint32_t count;
		const char *name[2];
	} rows[] = {
		{ "root-v2", 201, NULL, 0, 2, { "/demo/apps/logger", "/demo/apps" } },
		{ "root-v2", 200, NULL, 0, 1, { "/demo/apps" } },
		{ "root-v2", 1, NULL, 0, 0, { NULL } },
		{ "root-v2", 4242, NULL, -ESRCH, 0, { NULL } },
		{ "root-v2", 1, "0::/demo\n", 0, 0, { NULL } },
		{ "root-v2", 1, "0::/demo/apps/gone (deleted)\n", 0, 1, { "/demo/apps" } },
		{ "root-v2", 1, "0::/../demo/apps\n", 0, 0, { NULL } },
		{ "root-v2", 1, "0::/demo/odd-name\n", 0, 1, { "/demo/odd-name" } },
		{ "root-v2", 1, "4:memory:/demo/apps\n0::/\n", 0, 0, { NULL } },
		{ "root-v2", 1, "garbage\n", -EINVAL, 0, { NULL } },
		{ "root-v1", 300, NULL, 0, 1, { "/demo/apps" } },
		{ "root-v1", 300, "0::/demo/apps\n", 0, 0, { NULL } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cgroup_paths paths = { .count = 0 };
		struct tree t;
		struct sense *s;
		char file[64];
		int r;

		tree_open(&t, rows[i].tree);
		snprintf(file, sizeof(file), "proc/%d/cgroup", rows[i].pid);
		if (rows[i].membership)
			tree_write(&t, file, rows[i].membership);
		s = open_root(t.root);
		r = sense_cgroup_paths(s, rows[i].pid, &paths);
		if (r != rows[i].expect || paths.count != rows[i].count)
			fail_msg("row %zu: returned %d, %u paths", i, r, paths.count);
		for (uint32_t k = 0; k < paths.count; k++)
			assert_string_equal(paths.name[k], rows[i].name[k]);
		sense_close(s);
		tree_close(&t);
	}
	(void)state;
}

static void v2_sample(void **state)
{
	struct tree t;
	struct sense *s;
	struct sample p;

	tree_open(&t, "root-v2");
	s = open_root(t.root);
	assert_int_equal(sense_domain_add(s, 1, "/demo/apps"), 0);
	assert_int_equal(sense_domain_add(s, 2, "/demo/apps/logger"), 0);
	assert_int_equal(sense_domain_add(s, 3, "/demo/odd-name"), 0);
	p = read_domain(s, 1);
	assert_int_equal(p.domain, 1);
	assert_int_equal(p.has, SAMPLE_HAS_MEMORY | SAMPLE_HAS_RESERVE | SAMPLE_HAS_SWAP |
			 SAMPLE_HAS_VMSTAT | SAMPLE_HAS_POOLS);
	assert_int_equal(p.total_bytes, 32 * MIB);
	assert_int_equal(p.free_bytes, 8 * MIB);
	assert_int_equal(p.file_bytes, 3 * MIB);
	assert_int_equal(p.reserve_bytes, 0);
	assert_int_equal(p.swap_total_bytes, 49148 * KIB);
	assert_int_equal(p.swap_free_bytes, 48476 * KIB);
	p = read_domain(s, 2);
	assert_int_equal(p.total_bytes, 12 * MIB); /* memory.high is lower than memory.max */
	assert_int_equal(p.free_bytes, 4 * MIB);
	assert_int_equal(p.swap_total_bytes, 8 * MIB);
	assert_int_equal(p.swap_free_bytes, 7 * MIB);
	p = read_domain(s, 3);
	assert_int_equal(p.free_bytes, 0); /* above its limit */

	/* A limit that changes, also to none: then the machine is the limit. */
	tree_write(&t, "sys/fs/cgroup/demo/apps/memory.max", "67108864\n");
	assert_int_equal(read_domain(s, 1).total_bytes, 64 * MIB);
	tree_write(&t, "sys/fs/cgroup/demo/apps/memory.max", "max\n");
	assert_int_equal(read_domain(s, 1).total_bytes, 106948 * KIB);
	sense_close(s);
	tree_close(&t);
	(void)state;
}

/* Steps of one cgroup: its counters, and the distress that they are. */
static void v2_counters(void **state)
{
	static const struct {
		const char *local, *all;
		uint32_t distress;
		uint64_t oom_kills;
	} steps[] = {
		{"high 1\nmax 1\noom 0\noom_kill 0\n", "high 9\nmax 9\noom 9\noom_kill 9\n",
		 DISTRESS_CGROUP_HIGH | DISTRESS_CGROUP_MAX, 0},
		{"high 1\nmax 1\noom 0\noom_kill 0\n", "high 99\nmax 99\noom 99\noom_kill 99\n", 0,
		 0},
		{"high 1\nmax 2\noom 1\noom_kill 0\n", "", DISTRESS_CGROUP_MAX | DISTRESS_OOM, 1},
		/* A victim of somebody else's OOM that lives here. */
		{"high 1\nmax 2\noom 1\noom_kill 1\n", "", 0, 1},
	};
	struct tree t;
	struct sense *s;

	tree_open(&t, "root-v2");
	s = open_root(t.root);
	assert_int_equal(sense_domain_add(s, 1, "/demo/apps"), 0);
	assert_int_equal(read_domain(s, 1).distress, 0);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct sample p;

		tree_write(&t, "sys/fs/cgroup/demo/apps/memory.events.local", steps[i].local);
		tree_write(&t, "sys/fs/cgroup/demo/apps/memory.events", steps[i].all);
		p = read_domain(s, 1);
		assert_int_equal(p.distress, steps[i].distress);
		assert_int_equal(p.oom_kills, steps[i].oom_kills);
	}
	/* Before Linux 5.2 there is no local file. */
	assert_int_equal(sense_domain_add(s, 2, "/demo/apps/logger"), 0);
	tree_write(&t, "sys/fs/cgroup/demo/apps/logger/memory.events",
		   "high 0\nmax 3\noom 1\noom_kill 1\n");
	assert_int_equal(read_domain(s, 2).distress, DISTRESS_CGROUP_MAX | DISTRESS_OOM);
	sense_close(s);
	tree_close(&t);
	(void)state;
}

/* What no process shows, of a limited cgroup: who fills it with pipes, sockets or a tmpfs is found by it. */
static void pools(void **state)
{
	static const char stat[] = "anon 10485760\nfile 4194304\nkernel_stack 65536\npagetables 65536\n"
				   "shmem 3145728\ninactive_file 524288\nactive_file 524288\n"
				   "slab_reclaimable 1048576\nslab_unreclaimable 393216\n";
	struct tree t;
	struct sense *s;
	struct sample p;

	tree_open(&t, "root-v2");
	s = open_root(t.root);
	assert_int_equal(sense_domain_add(s, 1, "/demo/apps"), 0);
	tree_write(&t, "sys/fs/cgroup/demo/apps/memory.stat", stat);
	p = read_domain(s, 1);
	assert_true(p.has & SAMPLE_HAS_POOLS);
	assert_int_equal(p.anon_bytes, 10 * MIB);
	assert_int_equal(p.shmem_bytes, 3 * MIB);
	assert_int_equal(p.kernel_bytes, 512 * KIB);
	assert_int_equal(p.unseen_bytes, (24 - 10 - 4 - 1) * MIB - 512 * KIB);
	tree_write(&t, "sys/fs/cgroup/demo/apps/memory.current", "1048576\n"); /* the rest came since */
	assert_int_equal(read_domain(s, 1).unseen_bytes, 0);
	tree_write(&t, "sys/fs/cgroup/demo/apps/memory.stat", "inactive_file 0\nactive_file 0\n");
	assert_false(read_domain(s, 1).has & SAMPLE_HAS_POOLS);
	sense_close(s);
	tree_close(&t);
	(void)state;
}

static void v1_sample(void **state)
{
	struct sense_source source[SENSE_SOURCES_MAX];
	bool is_v1 = false;
	struct tree t;
	struct sense *s;
	struct sample p;
	uint32_t count;

	tree_open(&t, "root-v1");
	s = open_root(t.root);
	count = sense_sources(s, source);
	for (uint32_t i = 0; i < count; i++)
		is_v1 |= strcmp(source[i].name, "cgroup") == 0 && source[i].is_present &&
			 strcmp(source[i].note, "v1") == 0;
	assert_true(is_v1); /* although a cgroup2 without memory is mounted, too */
	assert_int_equal(sense_domain_add(s, 1, "/demo/apps"), 0);
	p = read_domain(s, 1);
	assert_int_equal(p.total_bytes, 256 * MIB);
	assert_int_equal(p.free_bytes, 268435456 - 161390592);
	assert_int_equal(p.has, SAMPLE_HAS_MEMORY | SAMPLE_HAS_RESERVE | SAMPLE_HAS_VMSTAT |
			 SAMPLE_HAS_POOLS);
	assert_true(p.anon_bytes > 0 && p.unseen_bytes < 161390592);
	assert_true(p.file_bytes > 0);
	tree_write(&t, "sys/fs/cgroup/memory/demo/apps/memory.failcnt", "3\n");
	assert_int_equal(read_domain(s, 1).distress, DISTRESS_CGROUP_MAX);
	tree_write(&t, "sys/fs/cgroup/memory/demo/apps/memory.oom_control",
		   "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
	assert_int_equal(read_domain(s, 1).distress, DISTRESS_OOM);
	assert_int_equal(read_domain(s, 1).distress, 0);
	/* A recorded tree is never written to. */
	tree_run("test ! -s '%s/%s'", t.root,
		 "sys/fs/cgroup/memory/demo/apps/cgroup.event_control");
	sense_close(s);
	tree_close(&t);
	(void)state;
}

static void bad_domains(void **state)
{
	static const struct {
		uint32_t domain;
		const char *name;
		int expect;
	} rows[] = {
		{ 0, "/demo/apps", -EINVAL },
		{ 4, "/demo/apps", -EINVAL },
		{ 1, "demo/apps", -EINVAL },
		{ 1, "/", -EINVAL },
		{ 1, "", -EINVAL },
		{ 1, "//demo", -EINVAL },
		{ 1, "/demo/../../proc", -EINVAL },
		{ 1, "/demo/..", -EINVAL },
		{ 1, "/nothing", -ENOENT },
		{ 1, "/demo/apps/cgroup.procs", -ENOTDIR },
		{ 2, "/demo/apps", -EEXIST },
	};
	char longer[PARSE_PATH_MAX + 8];
	struct tree t;
	struct sense *s;

	tree_open(&t, "root-v2");
	s = open_root(t.root);
	assert_int_equal(sense_domain_add(s, 2, "/demo/apps"), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (sense_domain_add(s, rows[i].domain, rows[i].name) != rows[i].expect)
			fail_msg("row %zu, %s", i, rows[i].name);
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(sense_domain_add(s, 1, longer), -EINVAL);
	assert_int_equal(sense_domain_directory(s, 1), -1);
	assert_int_equal(sense_domain_directory(s, 0), -1);
	assert_true(sense_domain_directory(s, 2) >= 0);
	sense_domain_remove(s, 2);
	sense_domain_remove(s, 2);
	assert_int_equal(sense_domain_directory(s, 2), -1);
	assert_int_equal(sense_domain_add(s, 2, "/demo/apps"), 0);
	sense_close(s);

	tree_remove(&t, "proc/mounts");
	s = open_root(t.root);
	assert_int_equal(sense_domain_add(s, 1, "/demo/apps"), -ENODEV);
	sense_close(s);
	tree_close(&t);
	(void)state;
}

static void broken_files(void **state)
{
	static const char *const files[] = { "memory.max", "memory.high", "memory.current",
		"memory.stat", "memory.events.local", "memory.swap.max", "memory.swap.current" };
	static const char *const garbage[] = { "", "x\n", "-1\n", "18446744073709551616\n",
		"active_file x\n", "high x\n" };

	for (size_t f = 0; f < ARRAY_LEN(files); f++)
		for (size_t g = 0; g < ARRAY_LEN(garbage); g++) {
			struct sample p = { .free_bytes = 77 };
			struct tree t;
			struct sense *s;
			char path[128];
			int r;

			tree_open(&t, "root-v2");
			s = open_root(t.root);
			assert_int_equal(sense_domain_add(s, 1, "/demo/apps"), 0);
			snprintf(path, sizeof(path), "sys/fs/cgroup/demo/apps/%s", files[f]);
			tree_write(&t, path, garbage[g]);
			r = sense_read(s, 1, 7, &p);
			assert_true(r == -EINVAL || r == -ENODATA);
			assert_int_equal(p.free_bytes, 77);
			sense_close(s);
			tree_close(&t);
		}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_processes),
		cmocka_unit_test(v2_sample),
		cmocka_unit_test(v2_counters),
		cmocka_unit_test(pools), cmocka_unit_test(v1_sample),
		cmocka_unit_test(bad_domains),
		cmocka_unit_test(broken_files),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
