/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/units.h"
#include "sense/sense.h"
#include "tree.h"

#define START_US (1000 * US_PER_S)

static struct sense *open_tree(const struct tree *t)
{
	const struct sense_options o = {.root = t->root,
					.psi_some_us = 150000,
					.psi_full_us = 70000,
					.psi_window_us = US_PER_S,
					.max_domains = 4,
					.page_bytes = 4096,
					.cpus = 2};
	struct sense *s = NULL;

	assert_int_equal(sense_open(&o, &s), 0);
	return s;
}

static struct sample read_at(struct sense *s, uint32_t domain, uint64_t now_us)
{
	struct sample sample;

	assert_int_equal(sense_read(s, domain, now_us, &sample), 0);
	assert_int_equal(sample.time_us, now_us);
	assert_int_equal(sample.domain, domain);
	return sample;
}

static void system_sample(void **state)
{
	struct tree t;
	struct sense *s;
	struct sample p;

	tree_open(&t, "root-v2");
	s = open_tree(&t);
	p = read_at(s, 0, START_US);
	assert_int_equal(p.has, SAMPLE_HAS_MEMORY | SAMPLE_HAS_RESERVE | SAMPLE_HAS_SWAP |
			 SAMPLE_HAS_VMSTAT | SAMPLE_HAS_LOAD | SAMPLE_HAS_POOLS);
	assert_int_equal(p.anon_bytes, 1520 * KIB);
	assert_int_equal(p.unseen_bytes, (106948 - 71612 - 2864 - 1520 - 9580) * KIB);
	assert_int_equal(p.total_bytes, 106948 * KIB);
	assert_int_equal(p.free_bytes, 71612 * KIB);
	assert_int_equal(p.file_bytes, 80 * KIB);
	assert_int_equal(p.available_bytes, 76416 * KIB);
	assert_int_equal(p.swap_free_bytes, 48476 * KIB);
	/* DMA min 61 + protection 87, DMA32 min 332; Movable has no pages to hold back. */
	assert_int_equal(p.reserve_bytes, (61 + 87 + 332) * 4096);
	assert_int_equal(p.direct_reclaims, 2 + 40 + 4400 + 50);
	assert_int_equal(p.oom_kills, 28);
	assert_int_equal(p.load_permyriad, 3750);
	assert_int_equal(p.distress, 0);
	sense_close(s);
	tree_close(&t);
	(void)state;
}

/* A big machine: its DMA zone is all protection and must not look like headroom. */
static void recorded_machine(void **state)
{
	struct tree t;
	struct sense *s;
	struct sample p;

	tree_open(&t, "root-v1");
	s = open_tree(&t);
	p = read_at(s, 0, START_US);
	assert_true(p.has & SAMPLE_HAS_CPU_PRESSURE);
	assert_false(p.has & SAMPLE_HAS_SWAP);
	assert_true(p.reserve_bytes >= 3840u * 4096);
	assert_true(p.reserve_bytes < p.total_bytes / 64);
	sense_close(s);
	tree_close(&t);
	(void)state;
}

/* Each source changes on disk; which sample sees it? */
static void how_often_what_is_read(void **state)
{
	const char *zone = "Node 0, zone DMA\n  pages free 9\n min 7\n low 8\n high 9\n managed 9\n"
			   " protection: (0)\n";
	struct tree t;
	struct sense *s;
	uint64_t now_us = START_US;

	tree_open(&t, "root-v2");
	s = open_tree(&t);
	read_at(s, 0, now_us);
	tree_write(&t, "proc/zoneinfo", zone);
	tree_write(&t, "proc/vmstat", "allocstall_a 9000\noom_kill 28\n");
	tree_write(&t, "proc/loadavg", "4.00 0 0 1/1 1\n");
	for (int call = 1; call < 8; call++) {
		struct sample p = read_at(s, 0, now_us + (uint64_t)call * 10 * US_PER_MS);

		assert_int_equal(p.reserve_bytes, 480 * 4096);
		assert_int_equal(p.direct_reclaims, 4492);
	}
	assert_int_equal(read_at(s, 0, now_us + 99 * US_PER_MS).reserve_bytes, 7 * 4096);
	assert_int_equal(read_at(s, 0, now_us + 100 * US_PER_MS).direct_reclaims, 9000);
	assert_int_equal(read_at(s, 0, now_us + 1999 * US_PER_MS).load_permyriad, 3750);
	assert_int_equal(read_at(s, 0, now_us + 2000 * US_PER_MS).load_permyriad, 20000);

	/* Near the cliff everything that moves is read every time. */
	tree_write(&t, "proc/meminfo", "MemTotal: 106948 kB\nMemFree: 9000 kB\nActive(file): 1 kB\n"
				       "Inactive(file): 1 kB\n");
	for (unsigned i = 0; i < 20; i++) {
		char vmstat[64];
		struct sample p;

		snprintf(vmstat, sizeof(vmstat), "allocstall_a %u\n", 9001 + i);
		tree_write(&t, "proc/vmstat", vmstat);
		p = read_at(s, 0, now_us + 2001 * US_PER_MS + i);
		assert_int_equal(p.direct_reclaims, 9001 + i);
		assert_false(p.has & SAMPLE_HAS_SWAP);
	}
	sense_close(s);
	tree_close(&t);
	(void)state;
}

/* Row: what is taken away, the source that is then absent, the bit that is then missing. */
static void missing_sources(void **state)
{
	static const struct {
		const char *path, *source;
		uint32_t bit;
	} rows[] = {
		{ "proc/zoneinfo", "zoneinfo", SAMPLE_HAS_RESERVE },
		{ "proc/vmstat", "vmstat", SAMPLE_HAS_VMSTAT },
		{ "proc/loadavg", "loadavg", SAMPLE_HAS_LOAD },
		{ "proc/pressure/cpu", "cpu-pressure", SAMPLE_HAS_CPU_PRESSURE },
		{ "proc/mounts", "cgroup", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sense_source source[SENSE_SOURCES_MAX];
		struct tree t;
		struct sense *s;
		uint32_t count, found = 0;

		tree_open(&t, "root-v1");
		s = open_tree(&t);
		assert_int_equal(read_at(s, 0, START_US).has & rows[i].bit, rows[i].bit);
		sense_close(s);
		tree_remove(&t, rows[i].path);
		s = open_tree(&t);
		assert_int_equal(read_at(s, 0, START_US).has & rows[i].bit, 0);
		count = sense_sources(s, source);
		for (uint32_t k = 0; k < count; k++) {
			assert_true(strlen(source[k].gives) && strlen(source[k].remedy));
			if (strcmp(source[k].name, rows[i].source) != 0)
				continue;
			found++;
			assert_false(source[k].is_present);
			assert_non_null(source[k].note);
		}
		assert_int_equal(found, 1);
		sense_close(s);
		tree_close(&t);
	}
	(void)state;
}

static void broken_files(void **state)
{
	static const char *const garbage[] = {"", "\n", "MemTotal", "\xff\xfe",
					      "allocstall_x -1\n"};
	const struct sense_options nowhere = { .root = "/does/not/exist" };
	struct sense *s = NULL;
	struct sample before;
	struct tree t;

	assert_int_equal(sense_open(&nowhere, &s), -ENOENT);
	assert_null(s);
	tree_open(&t, "root-v1");
	s = open_tree(&t);
	before = read_at(s, 0, START_US);
	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		struct sample p = { .free_bytes = 77 };

		tree_write(&t, "proc/zoneinfo", garbage[i]);
		tree_write(&t, "proc/vmstat", garbage[i]);
		tree_write(&t, "proc/loadavg", garbage[i]);
		for (unsigned k = 1; k < 10; k++)
			p = read_at(s, 0, START_US + (i + 1) * 100 * US_PER_S + k);
		assert_int_equal(p.has, SAMPLE_HAS_MEMORY | SAMPLE_HAS_POOLS | SAMPLE_HAS_CPU_PRESSURE |
				 SAMPLE_HAS_PRESSURE);
		assert_int_equal(p.free_bytes, before.free_bytes);
	}
	tree_write(&t, "proc/meminfo", "MemTotal: 1 kB\n");
	before.free_bytes = 77;
	assert_int_equal(sense_read(s, 0, START_US, &before), -ENODATA);
	assert_int_equal(before.free_bytes, 77);
	assert_int_equal(sense_read(s, 1, START_US, &before), -EINVAL);
	assert_int_equal(sense_read(s, 99, START_US, &before), -EINVAL);
	sense_close(s);
	tree_close(&t);
	(void)state;
}

/* What the callbacks were told. */
struct heard {
	uint32_t ooms, domain, distress_calls;
	int32_t pid;
	char name[16];
};

static void on_oom(void *userdata, uint32_t domain, int32_t pid, const char *name)
{
	struct heard *h = userdata;

	h->ooms++;
	h->domain = domain;
	h->pid = pid;
	snprintf(h->name, sizeof(h->name), "%s", name);
}

static void on_distress(void *userdata, uint32_t domain, uint32_t bits)
{
	struct heard *h = userdata;

	h->distress_calls++;
	(void)domain;
	(void)bits;
}

static void log_record(int fd, sd_event *event, const char *record)
{
	assert_int_equal(write(fd, record, strlen(record)), strlen(record));
	while (sd_event_run(event, 0) > 0)
		;
}

/* /dev/kmsg is a pipe here. A kill in a cgroup is the distress of that domain alone. */
static void kernel_kills(void **state)
{
	struct heard h = { 0 };
	const struct sense_handler handler = { &h, on_distress, on_oom };
	sd_event *event = NULL;
	struct tree t;
	struct sense *s;
	char path[128];
	int fd;

	tree_open(&t, "root-v2");
	tree_run("mkdir '%s/dev' && mkfifo '%s/dev/kmsg'", t.root, t.root);
	snprintf(path, sizeof(path), "%s/dev/kmsg", t.root);
	s = open_tree(&t);
	fd = open(path, O_WRONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(sense_domain_add(s, 2, "/demo/apps"), 0);
	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(sense_attach(s, event, &handler), 0);
	read_at(s, 0, START_US);

	log_record(fd, event, "6,1,100,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),"
		   "oom_memcg=/demo/apps,task_memcg=/demo/apps/logger,task=x,pid=5,uid=0\n");
	assert_int_equal(h.ooms, 0);
	log_record(fd, event,
		   "3,2,200,-;Memory cgroup out of memory: Killed process 5 (leak) total\n");
	assert_int_equal(h.ooms, 1);
	assert_int_equal(h.domain, 2);
	assert_int_equal(h.pid, 5);
	assert_string_equal(h.name, "leak");
	assert_int_equal(read_at(s, 2, START_US + 1).distress, DISTRESS_OOM);
	assert_int_equal(read_at(s, 2, START_US + 2).distress, 0);
	/* vmstat counts it, too; the machine had enough. */
	tree_write(&t, "proc/vmstat", "allocstall_a 1\noom_kill 29\n");
	assert_int_equal(read_at(s, 0, START_US + US_PER_S).oom_kills, 28);
	assert_int_equal(read_at(s, 0, START_US + 2 * US_PER_S).oom_kills, 28);
	assert_int_equal(read_at(s, 0, START_US + 3 * US_PER_S).distress, 0);

	/* Long after the announcement: nobody knows whose limit it was. */
	log_record(fd, event,
		   "3,3,9000000,-;Memory cgroup out of memory: Killed process 6 (y) t\n");
	assert_int_equal(h.ooms, 1);
	/* The machine itself. */
	log_record(fd, event, "3,4,9000001,-;Out of memory: Killed process 7 (hog) total-vm:1kB\n");
	assert_int_equal(h.ooms, 2);
	assert_int_equal(h.domain, 0);
	/* Before the loop's turn, by who wants to know now. */
	assert_true(dprintf(fd, "3,5,9000002,-;Out of memory: Killed process 8 (liar) total-vm:1kB\n") > 0);
	sense_hear(s);
	assert_int_equal(h.ooms, 3);
	assert_int_equal(h.pid, 8);
	sense_hear(s);
	assert_int_equal(h.ooms, 3);
	tree_write(&t, "proc/vmstat", "allocstall_a 1\noom_kill 32\n");
	assert_int_equal(read_at(s, 0, START_US + 4 * US_PER_S).oom_kills, 30);
	assert_int_equal(h.distress_calls, 0);
	close(fd);
	sense_close(s);
	sd_event_unref(event);
	tree_close(&t);
	(void)state;
}

/* The real kernel under this test. */
static void this_machine(void **state)
{
	const struct sense_options o = { .psi_some_us = 150000, .psi_full_us = 70000,
		.psi_window_us = US_PER_S, .max_domains = 1 };
	struct heard h = { 0 };
	const struct sense_handler handler = { &h, on_distress, on_oom };
	sd_event *event = NULL;
	struct sense *s = NULL;
	struct sample p;

	assert_int_equal(sense_open(&o, &s), 0);
	p = read_at(s, 0, START_US);
	assert_true(p.has & SAMPLE_HAS_MEMORY);
	assert_true(p.free_bytes > 0 && p.free_bytes < p.total_bytes);
	assert_true(p.reserve_bytes < p.total_bytes / 4);
	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(sense_attach(s, event, &handler), 0);
	assert_int_equal(sense_attach(s, event, &handler), -EBUSY);
	for (int i = 0; i < 5; i++)
		assert_true(sd_event_run(event, 1000) >= 0);
	sense_close(s);
	sd_event_unref(event);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(system_sample),
		cmocka_unit_test(recorded_machine),
		cmocka_unit_test(how_often_what_is_read),
		cmocka_unit_test(missing_sources),
		cmocka_unit_test(broken_files),
		cmocka_unit_test(kernel_kills),
		cmocka_unit_test(this_machine),
	};

	return cmocka_run_group_tests_name("sense", tests, NULL, NULL);
}
