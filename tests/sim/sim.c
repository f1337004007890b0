/* SPDX-License-Identifier: MIT */
/*
 * sim: random schedules of the core, TAP out. Usage:
 *   sim [--count=N] [--first=SEED]     seeds SEED .. SEED + N - 1; FAILSOFT_SIM_COUNT stands in
 *   sim --seed=N [--verbose]           that schedule alone, with what happened last, or all of it
 */
#include "sim.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

#define COUNT_DEFAULT	100000u
#define COUNT_COVERS	5000u	/* a shorter run need not reach everything */
#define TWICE_COUNT	200u

struct options {
	uint64_t count, first, seed;
	bool is_single, is_verbose;
};

static struct sim sim;
static uint64_t reached[COVER_COUNT];

/* A failed assertion of the core is a failed schedule. */
static void on_abort(int signal)
{
	(void)signal;
	(void)snprintf(sim.failure, sizeof(sim.failure), "an assertion of the core does not hold");
	siglongjmp(sim.out, 1);
}

/* true: every invariant held. */
static bool run(uint64_t seed, bool is_told, bool is_loud)
{
	struct sim *s = &sim;

	memset(s, 0, offsetof(struct sim, core));
	s->seed = seed;
	s->dice.state = seed * UINT64_C(0x9e3779b97f4a7c15);
	s->story.is_told = is_told;
	s->story.is_loud = is_loud;
	s->story.count = 0;
	s->failure[0] = 0;
	if (sigsetjmp(s->out, 1))
		return false;
	world_run(s);
	return true;
}

static void report(uint64_t seed, bool is_loud)
{
	(void)run(seed, true, is_loud); /* the same again, told this time */
	if (!is_loud)
		story_print(&sim);
	printf("# seed %" PRIu64 ": %s\n# replay: sim --seed=%" PRIu64 " --verbose\n", seed,
	       sim.failure, seed);
}

static bool run_all(const struct options *o)
{
	for (uint64_t i = 0; i < o->count; i++) {
		if (!run(o->first + i, false, false)) {
			printf("not ok 1 - every invariant holds in %" PRIu64 " schedules\n",
			       o->count);
			report(o->first + i, false);
			return false;
		}
		for (int place = 0; place < COVER_COUNT; place++)
			reached[place] += sim.cover.is_reached[place];
	}
	printf("ok 1 - every invariant holds in %" PRIu64 " schedules\n", o->count);
	return true;
}

static bool check_cover(const struct options *o, bool has_run)
{
	bool is_full = true;

	if (!has_run) {
		printf("ok 2 - all is reached # SKIP the run was cut short\n");
		return true;
	}
	for (int place = 0; place < COVER_COUNT; place++) {
		printf("# %8" PRIu64 " schedules: %s\n", reached[place], cover_name(place));
		is_full = is_full && reached[place];
	}
	if (o->count < COUNT_COVERS) {
		printf("ok 2 - all is reached # SKIP fewer than %u schedules\n", COUNT_COVERS);
		return true;
	}
	printf("%s 2 - every stage, step, result and rung is reached\n", is_full ? "ok" : "not ok");
	return is_full;
}

/* The same seed, the same events and effects: what was recorded can be replayed. */
static bool check_twice(const struct options *o)
{
	for (uint64_t i = 0; i < TWICE_COUNT; i++) {
		uint64_t digest;

		(void)run(o->first + i, false, false); /* its outcome is test 1 */
		digest = sim.digest;
		(void)run(o->first + i, true, false); /* telling must change nothing */
		if (digest == sim.digest)
			continue;
		printf("not ok 3 - a schedule runs the same twice\n# seed %" PRIu64 "\n",
		       o->first + i);
		return false;
	}
	printf("ok 3 - a schedule runs the same twice\n");
	return true;
}

static int run_single(const struct options *o)
{
	bool is_ok = run(o->seed, true, o->is_verbose);

	printf("1..1\n%s 1 - every invariant holds with seed %" PRIu64 "\n",
	       is_ok ? "ok" : "not ok", o->seed);
	if (is_ok)
		return 0;
	if (!o->is_verbose)
		story_print(&sim);
	printf("# seed %" PRIu64 ": %s\n", o->seed, sim.failure);
	return 1;
}

static uint64_t number(const char *name, const char *text)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-') {
		fprintf(stderr, "sim: %s: \"%s\" is not a number from 0 to 2^64 - 1\n", name, text);
		exit(2);
	}
	return n;
}

static struct options read_options(int argc, char **argv)
{
	static const struct option table[] = {
		{"count", required_argument, NULL, 'c'},
		{"first", required_argument, NULL, 'f'},
		{"seed", required_argument, NULL, 's'},
		{"verbose", no_argument, NULL, 'v'},
		{0},
	};
	const char *count = getenv("FAILSOFT_SIM_COUNT");
	struct options o = { .count = COUNT_DEFAULT, .first = 1 };
	int c;

	if (count)
		o.count = number("FAILSOFT_SIM_COUNT", count);
	while ((c = getopt_long(argc, argv, "", table, NULL)) >= 0) {
		switch (c) {
		case 'c': o.count = number("--count", optarg); break;
		case 'f': o.first = number("--first", optarg); break;
		case 's': o.seed = number("--seed", optarg); o.is_single = true; break;
		case 'v': o.is_verbose = true; break;
		default: exit(2); /* getopt_long has said why */
		}
	}
	if (optind < argc || !o.count) {
		fprintf(stderr, "usage: sim [--count=N] [--first=SEED] | --seed=N [--verbose]\n");
		exit(2);
	}
	return o;
}

int main(int argc, char **argv)
{
	const struct options o = read_options(argc, argv);
	const struct sigaction abort_action = { .sa_handler = on_abort };
	bool is_ok;

	if (sigaction(SIGABRT, &abort_action, NULL) < 0) {
		perror("sim: SIGABRT");
		return 2;
	}
	if (o.is_single)
		return run_single(&o);
	printf("1..3\n");
	is_ok = run_all(&o);
	is_ok = check_cover(&o, is_ok) && is_ok;
	return check_twice(&o) && is_ok ? 0 : 1;
}
