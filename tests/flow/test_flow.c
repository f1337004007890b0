/* SPDX-License-Identifier: MIT */
/*
 * Recorded traces of machines that ran out of memory, and of harmless ones, through the whole pure
 * core with a fake clock. The event logs are golden files; stages and leads have bounds of their
 * own, so that a golden file that was updated without thinking does not pass.
 *
 * test-flow --update rewrites the golden files, test-flow --table prints the leads as Markdown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core.h"
#include "sense/trace.h"

#define CLIENTS		8u
#define EVENTS		4096u
#define TEXT_MAX	(2u << 20)
#define ANSWER_US	(5 * US_PER_MS)

/* What must be true of each trace: leads before the kernel's kill in ms, or the highest stage. */
struct row {
	const char *name;
	uint64_t total_mib;
	bool is_harmless;
	uint64_t least_warning_ms, least_imminent_ms, least_shutdown_ms;
};

static const struct row rows[] = {
	{ "slow1_1", 128, false, 10000, 5000, 3000 },
	{ "slow5_1", 128, false, 5000, 2500, 2000 },
	{ "slow5_2", 128, false, 5000, 2500, 2000 },
	{ "cached_slow10_1", 192, false, 5000, 3000, 2000 },
	{ "cached_slow10_2", 192, false, 5000, 3000, 2000 },
	{ "thrash_slow10_1", 192, false, 4000, 3000, 2000 },
	{ "thrash_slow10_2", 192, false, 4000, 3000, 2000 },
	{ "zram_slow10_1", 128, false, 5000, 4000, 3000 },
	{ "zram_slow10_2", 128, false, 5000, 4000, 3000 },
	{ "fast100_1", 128, false, 400, 80, 40 },
	{ "fast100_2", 128, false, 400, 80, 40 },
	{ "cached_fast100_1", 192, false, 400, 80, 40 },
	{ "cached_fast100_2", 192, false, 400, 80, 40 },
	{ "thrash_fast100_1", 192, false, 400, 80, 40 },
	{ "thrash_fast100_2", 192, false, 400, 80, 40 },
	{ "zram_fast100_1", 128, false, 400, 80, 40 },
	{ "zram_fast100_2", 128, false, 400, 80, 40 },
	{ "zram_max_1", 128, false, 100, 30, 10 },
	{ "zram_max_2", 128, false, 100, 30, 10 },
	/* full speed: 65 MiB in 70 ms; a stage before the kill is all that can be had */
	{ "max2ms_1", 128, false, 20, 6, 2 },
	{ "max2ms_2", 128, false, 20, 6, 2 },
	{ "max_1", 128, false, 0, 0, 0 },
	{ "max_2", 128, false, 0, 0, 0 },
	{ "bait_burst_1", 128, true, 0, 0, 0 },
	{ "bait_burst_2", 128, true, 0, 0, 0 },
	{ "bait_burst100_1", 128, true, 0, 0, 0 },
	{ "bait_burst100_2", 128, true, 0, 0, 0 },
	{ "bait_cachestorm_1", 128, true, 0, 0, 0 },
	{ "bait_cachestorm_2", 128, true, 0, 0, 0 },
	{ "zram_bait_burst_1", 128, true, 0, 0, 0 },
	{ "zram_bait_burst_2", 128, true, 0, 0, 0 },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

struct result {
	uint64_t entered_us[STAGE_COUNT];	/* 0: never */
	uint64_t kill_us;			/* 0: the kernel killed nobody */
	uint64_t samples, rows;
	char log[1u << 16];
	size_t log_used;
};

static bool is_running;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

static void refuse(void)
{
	if (is_running)
		abort(); /* the core allocated after core_init() */
}

void *__wrap_malloc(size_t size)
{
	refuse();
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	refuse();
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	refuse();
	return __real_realloc(p, size);
}

/* ---- a run ---- */

static struct core core;
static struct session sessions[CLIENTS];
static struct core_effect effects[8 * CLIENTS + 4 * CORE_DOMAINS_MAX];
static struct event events[EVENTS];
static char text[TEXT_MAX];

/* The defaults of failsoft.json. */
static const struct core_policy policy = {
	.estimate = { 5000, 1024 * MIB },
	.stage = { { 0, 1000, 600, 300 }, { 0, 256 * MIB, 128 * MIB, 64 * MIB },
		   3 * US_PER_S, 3 * US_PER_S },
	.session = { CLIENTS, CLIENTS, { US_PER_S, US_PER_S, US_PER_S / 2, US_PER_S },
		     60 * US_PER_S },
	.plan = { 700 * US_PER_MS, 20 * US_PER_MS },
	.escalate = { true, false, US_PER_S / 2, US_PER_S, US_PER_S / 5 },
	.shield = true,
	.idle_interval_us = 2 * US_PER_S,
	.near_interval_us = 2 * US_PER_MS,
};

static void join(const char *name, int32_t pid, uint32_t group)
{
	struct session_offer offer = {
		.pid = pid, .order_group = group, .domains = 1, .may_be_ended = true,
	};
	struct session *s;

	strcpy(offer.name, name);
	core_join(&core, &offer, 1, &s);
}

/* Clients answer 5 ms after they are asked; the leaker is found but never goes. */
struct answers {
	struct core_answer answer[CLIENTS * 4];
	uint64_t due_us[CLIENTS * 4];
	unsigned count;
};

static void drain(struct answers *a, uint64_t now_us)
{
	static const struct victim hog = {
		.kind = VICTIM_PROCESS, .pid = 4711, .name = "hog", .pids_count = 1,
		.growth_bytes = 40 * MIB, .all_growth_bytes = 40 * MIB,
	};
	struct core_effect e;

	while (core_effect(&core, &e)) {
		if (e.kind == EFFECT_SURVEY)
			core_survey(&core, e.domain, &hog, now_us);
		if (e.kind != EFFECT_ORDER)
			continue;
		a->due_us[a->count] = now_us + ANSWER_US;
		a->answer[a->count++] = (struct core_answer){
			.client = e.client, .sequence = e.request.sequence, .result = RESULT_DONE };
	}
}

static void answer_due(struct answers *a, uint64_t now_us)
{
	for (unsigned i = 0; i < a->count;) {
		struct core_answer answer = a->answer[i];

		if (a->due_us[i] > now_us) {
			i++;
			continue;
		}
		a->count--;
		a->answer[i] = a->answer[a->count];
		a->due_us[i] = a->due_us[a->count];
		core_answer(&core, &answer, now_us);
		drain(a, now_us);
	}
}

static void note_stages(struct result *r)
{
	const struct stage *s = &core.domain[0].stage;

	for (int stage = STAGE_WARNING; stage <= (int)s->now; stage++)
		if (!r->entered_us[stage])
			r->entered_us[stage] = s->since_us;
}

static void log_events(struct result *r)
{
	uint64_t number = 0, lost = 0;
	const struct event *e;
	char sentence[400];

	while ((e = record_next(&core.record, &number, &lost))) {
		event_sentence(e, sentence, sizeof(sentence));
		r->log_used += (size_t)snprintf(r->log + r->log_used, sizeof(r->log) - r->log_used,
						"%9.3f %s\n", ((double)e->time_us - TRACE_ZERO_US) / US_PER_S,
						sentence);
		assert_true(r->log_used < sizeof(r->log));
	}
}

static void play(struct trace *t, struct result *r)
{
	struct answers answers = { .count = 0 };
	uint64_t kills = UINT64_MAX;
	struct sample s;

	while (trace_next(t, &s) == 0) {
		r->rows++;
		if (kills != UINT64_MAX && s.oom_kills > kills)
			r->kill_us = s.time_us;
		kills = s.oom_kills;
		if (r->kill_us)
			break; /* what comes after is the kernel's story */
		answer_due(&answers, s.time_us);
		core_tick(&core, s.time_us);
		drain(&answers, s.time_us);
		if (!core_wants_sample(&core, 0, s.time_us))
			continue;
		r->samples++;
		core_sample(&core, &s);
		drain(&answers, s.time_us);
		note_stages(r);
	}
}

static size_t unpack(const struct row *row)
{
	const char *source = getenv("FAILSOFT_SOURCE");
	char command[512];
	size_t size;
	FILE *pipe;

	snprintf(command, sizeof(command), "gzip -dc '%s/tests/data/traces/%s.csv.gz'",
		 source ? source : ".", row->name);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	size = fread(text, 1, sizeof(text), pipe);
	assert_int_equal(pclose(pipe), 0);
	return size;
}

static void run(const struct row *row, struct result *r)
{
	const struct core_memory memory = {
		sessions, effects, sizeof(effects) / sizeof(effects[0]), events, EVENTS,
	};
	struct trace trace;
	size_t size = unpack(row);

	memset(r, 0, sizeof(*r));
	memset(sessions, 0, sizeof(sessions));
	assert_int_equal(trace_open(&trace, text, size, row->total_mib * MIB), 0);
	core_init(&core, &policy, &memory, 0, 1);
	join("logger", 100, 50);
	join("controller", 101, 20);
	is_running = true;
	play(&trace, r);
	is_running = false;
	log_events(r);
}

/* ---- judging ---- */

static void golden_path(const struct row *row, char *path, size_t size)
{
	const char *source = getenv("FAILSOFT_SOURCE");

	snprintf(path, size, "%s/tests/data/golden/%s.log", source ? source : ".", row->name);
}

static void compare_golden(const struct row *row, const struct result *r)
{
	static char golden[sizeof(r->log)];
	char path[512];
	FILE *file;
	size_t size;

	golden_path(row, path, sizeof(path));
	file = fopen(path, "r");
	if (!file)
		fail_msg("%s is missing: test-flow --update makes it", path);
	size = fread(golden, 1, sizeof(golden) - 1, file);
	fclose(file);
	golden[size] = 0;
	if (strcmp(golden, r->log))
		fail_msg("the events differ from %s; look with test-flow --update and git diff", path);
}

static uint64_t lead_ms(const struct result *r, enum stage_word stage)
{
	return r->entered_us[stage] ? (r->kill_us - r->entered_us[stage]) / US_PER_MS : 0;
}

static void test_trace(void **state)
{
	const struct row *row = *state;
	static struct result r;

	run(row, &r);
	if (row->is_harmless) {
		assert_int_equal(r.kill_us, 0);
		assert_int_equal(r.entered_us[STAGE_IMMINENT], 0);
	} else {
		assert_int_not_equal(r.kill_us, 0);
		assert_int_not_equal(r.entered_us[STAGE_IMMINENT], 0);
		assert_true(lead_ms(&r, STAGE_WARNING) >= row->least_warning_ms);
		assert_true(lead_ms(&r, STAGE_IMMINENT) >= row->least_imminent_ms);
		assert_true(lead_ms(&r, STAGE_SHUTDOWN) >= row->least_shutdown_ms);
	}
	compare_golden(row, &r);
}

static int update(void)
{
	static struct result r;
	char path[512];

	for (unsigned i = 0; i < ROWS; i++) {
		FILE *file;

		run(&rows[i], &r);
		golden_path(&rows[i], path, sizeof(path));
		file = fopen(path, "w");
		if (!file || fputs(r.log, file) < 0 || fclose(file)) {
			perror(path);
			return 1;
		}
	}
	return 0;
}

static void print_lead(const struct result *r, enum stage_word stage)
{
	if (!r->entered_us[stage])
		printf(" - |");
	else if (!r->kill_us)
		printf(" yes |");
	else
		printf(" %.2f s |", (double)(r->kill_us - r->entered_us[stage]) / US_PER_S);
}

static int table(void)
{
	static struct result r;

	puts("| trace | warning | imminent | shutdown | samples taken |\n|---|---|---|---|---|");
	for (unsigned i = 0; i < ROWS; i++) {
		run(&rows[i], &r);
		printf("| %s |", rows[i].name);
		for (int stage = STAGE_WARNING; stage < STAGE_COUNT; stage++)
			print_lead(&r, stage);
		printf(" %llu of %llu |\n", (unsigned long long)r.samples, (unsigned long long)r.rows);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[ROWS];

	if (argc == 2 && !strcmp(argv[1], "--update"))
		return update();
	if (argc == 2 && !strcmp(argv[1], "--table"))
		return table();
	for (unsigned i = 0; i < ROWS; i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = test_trace,
						.initial_state = (void *)&rows[i] };
	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
