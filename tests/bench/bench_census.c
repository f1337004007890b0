/* SPDX-License-Identifier: MIT */
/* What a round of the census costs beside a survey, and what it costs to name the growers, by number
 * of processes: this machine's own and children that only wait. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "judge/growth.h"
#include "sense/census.h"
#include "sense/survey.h"

#define PLACES	8192u
#define ROUNDS	15u
#define TOP	8u

static struct growth_entry entries[PLACES];
static struct growth_node nodes[PLACES];
static struct growth table;
static struct process processes[PLACES];

struct cost {
	double first, later, swap;	/* a round of the census, us; median of ROUNDS but the first */
	double survey, see, top;
	uint32_t read, surveyed;	/* processes */
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *us)
{
	qsort(us, ROUNDS, sizeof(*us), compare);
	return us[ROUNDS / 2];
}

/* One round; *ret_see is the part of growth_see(). */
static double round_us(struct census *c, double *ret_see, uint32_t *ret_read)
{
	struct census_slice s = { 0 };
	double us = 0;

	*ret_see = *ret_read = 0;
	while (!s.is_round_end) {
		uint64_t start = clock_now_us(), end;

		if (census_step(c, start, CENSUS_SLICE_MAX, &s) < 0)
			exit(1);
		end = clock_now_us();
		us += (double)(end - start);
		for (uint32_t i = 0; i < s.count; i++)
			growth_see(&table, &s.reading[i]);
		*ret_see += (double)(clock_now_us() - end);
		*ret_read += s.count;
	}
	growth_sweep(&table, s.round_us);
	return us;
}

/* Every process grows: the dearest case. */
static double top_us(uint32_t count)
{
	struct grower top[TOP];
	double us[ROUNDS];

	for (uint32_t i = 0; i < PLACES; i++)
		if (entries[i].pid)
			entries[i].level.rate.slow_bytes_per_s = 1000 + (int64_t)i % 100;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t start = clock_now_us();

		if (!growth_top(&table, start, top, TOP) && count)
			exit(1);
		us[i] = (double)(clock_now_us() - start);
	}
	return median(us);
}

static struct cost measure(struct census *c, struct survey *s)
{
	const struct survey_request whole = { .cgroup_fd = -1 };
	double later[ROUNDS], swap[ROUNDS], survey[ROUNDS], see[ROUNDS];
	struct cost cost = { 0 };

	cost.first = round_us(c, &see[0], &cost.read);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t start = clock_now_us();
		double unused;

		if (survey_take(s, &whole, processes, PLACES, &cost.surveyed) < 0)
			exit(1);
		survey[i] = (double)(clock_now_us() - start);
		later[i] = round_us(c, &see[i], &cost.read);
		/* Turned off and on, so that status is due for each. */
		census_swap(c, true);
		swap[i] = round_us(c, &unused, &cost.read);
		census_swap(c, false);
	}
	cost.later = median(later);
	cost.swap = median(swap);
	cost.survey = median(survey);
	cost.see = median(see);
	cost.top = top_us(cost.read);
	return cost;
}

static void run(uint32_t children)
{
	pid_t *child = calloc(children + 1, sizeof(*child));
	struct census *c = NULL;
	struct survey *s = NULL;
	struct cost cost;
	uint32_t forked = 0;

	for (; child && forked < children; forked++) {
		child[forked] = fork();
		if (child[forked] < 0)
			break;
		if (!child[forked]) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	if (growth_init(&table, entries, nodes, PLACES) < 0 || census_open(NULL, PLACES, &c) < 0 ||
	    survey_open(NULL, PLACES, &s) < 0)
		exit(1);
	cost = measure(c, s);
	printf("%u processes of %u: census %.2f ms a round (%.1f us each), the first %.2f ms, with swap"
	       " %.2f ms; survey %.2f ms (%.1f us each), %.1f times as much\n",
	       cost.read, cost.surveyed, cost.later / 1000, cost.later / cost.read,
	       cost.first / 1000, cost.swap / 1000, cost.survey / 1000,
	       cost.survey / cost.surveyed, cost.survey / cost.later);
	printf("%u processes: growth_see %.2f us each; growth_top, all of them growing: %.0f us,"
	       " 1/%.0f of a survey\n",
	       cost.read, cost.see / cost.read, cost.top, cost.survey / cost.top);
	for (uint32_t i = 0; i < forked; i++)
		(void)kill(child[i], SIGKILL);
	for (uint32_t i = 0; i < forked; i++)
		(void)waitpid(child[i], NULL, 0);
	survey_close(s);
	census_close(c);
	free(child);
}

/* The numbers of children, for a machine that has not the memory for 2000. */
int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run((uint32_t)strtoul(argv[i], NULL, 10));
	if (argc == 1) {
		run(100);
		run(2000);
	}
	return 0;
}
