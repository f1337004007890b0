/* SPDX-License-Identifier: MIT */
/* What the kernel of this machine calls, in a real cgroup; skips where none may be made. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/units.h"
#include "sense/sense.h"

#define LIMIT_BYTES (64 * MIB)

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

/* What the kernel of this machine called. */
struct heard {
	uint32_t calls[4], bits[4], ooms;
};

static void on_distress(void *userdata, uint32_t domain, uint32_t bits)
{
	struct heard *h = userdata;

	h->calls[domain]++;
	h->bits[domain] |= bits;
}

static void on_oom(void *userdata, uint32_t domain, int32_t pid, const char *name)
{
	struct heard *h = userdata;

	h->ooms++;
	assert_int_equal(domain, 1);
	assert_true(pid > 0 && *name);
}

/* A real cgroup with a limit; NULL: this machine or this user has none. */
static const char *make_cgroup(char *directory, size_t size, uint64_t limit_bytes)
{
	static const struct {
		const char *root, *file;
	} places[] = {
		{ "/sys/fs/cgroup/memory", "memory.limit_in_bytes" },
		{ "/sys/fs/cgroup", "memory.max" },
	};

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		char path[256];
		FILE *f;

		snprintf(directory, size, "%s/failsoft-test-%d", places[i].root, (int)getpid());
		if (mkdir(directory, 0755) < 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, places[i].file);
		f = fopen(path, "r+");
		if (f && fprintf(f, "%llu", (unsigned long long)limit_bytes) > 0 && fclose(f) == 0)
			return strrchr(directory, '/');
		rmdir(directory);
	}
	return NULL;
}

/* Moves itself into the cgroup, touches some memory and waits to be killed. */
static pid_t start_eater(const char *directory, size_t bytes)
{
	pid_t pid = fork();
	char path[256];
	char *memory;
	FILE *f;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	f = fopen(path, "w");
	if (!f || fprintf(f, "0") < 0 || fclose(f) != 0)
		_exit(1);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		_exit(1);
	memset(memory, 1, bytes);
	for (;;)
		pause();
}

static void run_until(sd_event *event, const uint32_t *calls, uint64_t wait_us)
{
	uint64_t end_us = clock_now_us() + wait_us;

	while (!*calls && clock_now_us() < end_us)
		assert_true(sd_event_run(event, 50 * US_PER_MS) >= 0);
}

struct stage {
	char directory[128];
	const char *name;
	struct heard heard;
	struct sense_handler handler;
	sd_event *event;
	struct sense *sense;
};

static void stage_open(struct stage *g)
{
	*g = (struct stage){.handler = {&g->heard, on_distress, on_oom}};
	g->name = make_cgroup(g->directory, sizeof(g->directory), LIMIT_BYTES);
	if (!g->name) {
		print_message("skipped: needs the right to make a memory cgroup\n");
		skip();
	}
	g->sense = open_root(NULL);
	assert_int_equal(sd_event_new(&g->event), 0);
	assert_int_equal(sense_attach(g->sense, g->event, &g->handler), 0);
	assert_int_equal(sense_domain_add(g->sense, 1, g->name), 0);
}

static void remove_cgroup(const struct stage *g)
{
	int tries = 0;

	while (rmdir(g->directory) < 0 && errno == EBUSY && tries++ < 200)
		usleep(10000); /* the dead are still charged for a moment */
	assert_int_equal(access(g->directory, F_OK), -1);
}

static void stage_close(struct stage *g)
{
	sense_close(g->sense);
	sd_event_unref(g->event);
}

/* 52 MiB of 64 are above the mark at 75 %: v1 calls at once, v2 has no such mark. */
static void usage_marks(void **state)
{
	struct cgroup_paths paths;
	struct sample p;
	struct stage g;
	pid_t pid;

	stage_open(&g);
	p = read_domain(g.sense, 1);
	assert_int_equal(p.total_bytes, LIMIT_BYTES);
	assert_true(p.free_bytes > 60 * MIB);
	pid = start_eater(g.directory, 52 * MIB);
	if (strstr(g.directory, "/memory/")) {
		run_until(g.event, &g.heard.calls[1], 10 * US_PER_S);
		assert_true(g.heard.calls[1] > 0);
	}
	for (int tries = 0; read_domain(g.sense, 1).free_bytes >= 13 * MIB && tries < 500; tries++)
		usleep(10000);
	assert_true(read_domain(g.sense, 1).free_bytes < 13 * MIB);
	assert_int_equal(sense_cgroup_paths(g.sense, pid, &paths), 0);
	assert_true(paths.count >= 1);
	assert_string_equal(paths.name[0], g.name);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	remove_cgroup(&g);
	stage_close(&g);
	(void)state;
}

/* The kernel kills for the limit: told, by counter or by log, and never the system's distress. */
static void limit_kills(void **state)
{
	uint64_t end_us = clock_now_us() + 10 * US_PER_S;
	struct sample before, after, p = {.distress = 0};
	struct stage g;
	pid_t pid;

	stage_open(&g);
	assert_int_equal(sense_read(g.sense, 0, clock_now_us(), &before), 0);
	pid = start_eater(g.directory, 200 * MIB);
	while (!(p.distress & DISTRESS_OOM) && clock_now_us() < end_us) {
		assert_true(sd_event_run(g.event, 20 * US_PER_MS) >= 0);
		p = read_domain(g.sense, 1);
	}
	assert_true(p.distress & DISTRESS_OOM);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(sd_event_run(g.event, 20 * US_PER_MS) >= 0);
	assert_int_equal(sense_read(g.sense, 0, clock_now_us() + US_PER_S, &after), 0);
	if (g.heard.ooms) /* the log can be read here: it tells the two apart */
		assert_int_equal(after.oom_kills, before.oom_kills);
	remove_cgroup(&g);
	stage_close(&g);
	(void)state;
}

/* A cgroup that goes away: said by the kernel, and the loop does not spin on what is left of it. */
static void vanished(void **state)
{
	struct sample p;
	struct stage g;
	int r;

	stage_open(&g);
	remove_cgroup(&g);
	run_until(g.event, &g.heard.calls[1], 10 * US_PER_S);
	for (int i = 0; i < 20; i++)
		assert_true(sd_event_run(g.event, 10 * US_PER_MS) >= 0);
	assert_true(g.heard.calls[1] >= 1 && g.heard.calls[1] < 10);
	r = sense_read(g.sense, 1, 7, &p);
	assert_true(r == -ENODEV || r == -ENOENT);
	sense_domain_remove(g.sense, 1);
	assert_int_equal(sense_read(g.sense, 1, 7, &p), -EINVAL);
	stage_close(&g);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usage_marks),
		cmocka_unit_test(limit_kills),
		cmocka_unit_test(vanished),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
