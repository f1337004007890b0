/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../clients/examples/options.h"

#define SLICE_S		0.001	/* finer than any sampling: the broker's shortest is 2 ms */
#define CHUNK_PAGES	256u	/* at full speed, between looks at the clock: 1 ms of work */
#define ALL		1e12	/* more than any rate or size */

/* How many pages are wanted so many seconds after the beginning. */
typedef double (*profile_fn)(const struct load *l, double t_s);

double load_now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void load_sleep_until(double at_s)
{
	const struct timespec t = { (time_t)at_s, (long)((at_s - floor(at_s)) * 1e9) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		continue;
}

void load_fail(const char *what)
{
	fprintf(stderr, "failsoft-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- profiles ---- */

static double speed(double rate)
{
	return rate > 0 ? rate * MIB_PAGES : ALL;
}

static double limited(const struct load *l, double pages)
{
	return l->size > 0 ? fmin(pages, l->size * MIB_PAGES) : pages;
}

static double steady(const struct load *l, double t_s)
{
	return limited(l, speed(l->rate) * t_s);
}

/* The integral of a rate that doubles every so often. */
static double accelerate(const struct load *l, double t_s)
{
	return speed(l->rate) * l->every_s / M_LN2 * (exp2(t_s / l->every_s) - 1);
}

static double stairs(const struct load *l, double t_s)
{
	return limited(l, l->step * MIB_PAGES * (floor(t_s / l->every_s) + 1));
}

/* As a garbage collector works: fills, frees all but what lives, which may become more. */
static double saw(const struct load *l, double t_s)
{
	double since_s = t_s - floor(t_s / l->every_s) * l->every_s;

	return MIB_PAGES * (l->rise * (t_s - since_s) + l->step * since_s / l->every_s);
}

/* Up at the rate, hold, free, and a pause up to the next. */
static double burst(const struct load *l, double t_s)
{
	double up_s = l->rate > 0 ? l->size / l->rate : 0;
	double since_s = t_s - floor(t_s / (up_s + l->hold_s + l->every_s)) *
		(up_s + l->hold_s + l->every_s);

	return since_s > up_s + l->hold_s ? 0 : limited(l, speed(l->rate) * since_s + 1);
}

/* ---- the engine ---- */

struct progress {
	const struct load *load;
	const struct sink *sink;
	profile_fn profile;
	double start_s;
	uint64_t have, before;		/* before: what parents have taken */
};

/* Each process of the chain takes a little and leaves the rest to its child. */
static void hand_over(struct progress *p)
{
	pid_t child = fork();

	if (child < 0)
		return; /* no memory for it: try again with the next page */
	while (child > 0)
		pause();
	p->before += p->have;
	p->have = 0;
	p->sink->open(p->load);
}

static void grow(struct progress *p, uint64_t want)
{
	for (unsigned i = 0; p->before + p->have < want && i < CHUNK_PAGES; i++) {
		p->sink->take(p->have++);
		if (p->load->count)
			load_count(p->load, p->before + p->have);
		if (p->load->fork > 0 && (double)p->have >= p->load->fork * MIB_PAGES)
			hand_over(p);
	}
}

static void follow(struct progress *p)
{
	double end_s = p->load->seconds > 0 ? p->load->seconds : ALL;

	for (;;) {
		double t_s = load_now_s() - p->start_s;
		uint64_t want = (uint64_t)p->profile(p->load, t_s);

		if (t_s >= end_s)
			return;
		if (want < p->have && p->sink->release)
			p->sink->release(p->have = want);
		grow(p, want);
		if (p->before + p->have >= want)
			load_sleep_until(p->start_s + (floor(t_s / SLICE_S) + 1) * SLICE_S);
	}
}

static void run(const struct load *l, profile_fn profile)
{
	struct progress p = { l, sink_find(l->in), profile, 0, 0, 0 };
	struct load second = *l;

	p.start_s = load_now_s();
	if (l->readers > 0)
		load_readers(l);
	if (l->second > 0 && fork() == 0) {
		second.rate = l->second;
		p.load = &second;
		p.start_s += l->after_s;
		load_sleep_until(p.start_s);
	}
	p.sink->open(l);
	follow(&p);
}

/* ---- the table ---- */

static const struct kind {
	const char *name, *text;
	profile_fn profile;		/* or */
	void (*run)(const struct load *l);
} kinds[] = {
	{ "steady", "grows at --rate up to --size", steady, NULL },
	{ "accelerate", "grows at a --rate that doubles every --every", accelerate, NULL },
	{ "stairs", "grows by --step every --every", stairs, NULL },
	{ "saw", "up by --step in --every, frees all but a floor that rises by --rise", saw, NULL },
	{ "burst", "up to --size at --rate, holds for --hold, frees, waits for --every", burst, NULL },
	{ "storm", "writes --size to --file and through, reads it back, again and again", NULL,
	  load_storm },
	{ "copy", "copies --file, again and again", NULL, load_copy },
	{ "scan", "maps --file and reads it at --rate, again and again", NULL, load_scan },
	{ "compile", "--times processes at once that live shortly and take up to --size", NULL,
	  load_compile },
	{ "until-kill", "returns --hold after the kernel killed, at the latest after --seconds", NULL,
	  load_until_kill },
};

/* Whoever it meets, the kernel takes this program first. */
static void become_victim(const struct load *l)
{
	char text[16];
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	(void)snprintf(text, sizeof(text), "%d", (int)l->adj);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		load_fail("oom_score_adj");
	close(fd);
}

/* Tells a recorder that the harm begins now, not when the shell started us. */
static void mark(void)
{
	const char *pid = getenv("FAILSOFT_MARK");

	if (pid && atoi(pid) > 1)
		(void)kill(atoi(pid), SIGUSR1); /* without a recorder there is nobody to tell */
}

static int run_kind(const struct load *l, const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(name, kinds[i].name))
			continue;
		if (kinds[i].run != load_until_kill) {
			become_victim(l);
			mark();
		}
		if (kinds[i].run)
			kinds[i].run(l);
		else
			run(l, kinds[i].profile);
		return 0;
	}
	fprintf(stderr, "usage: failsoft-load KIND [--OPTION=VALUE]...; --help lists the options\n");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		fprintf(stderr, "  %-12s%s\n", kinds[i].name, kinds[i].text);
	return 2;
}

int main(int argc, char **argv)
{
	struct load l = { .every_s = 1, .hold_s = 0, .adj = 500, .times = 4, .in = "anon" };
	const struct example_option options[] = {
		{ "rate", "MiB/s; 0 is full speed, as max is", NULL, &l.rate, NULL },
		{ "rise", "MiB/s", NULL, &l.rise, NULL },
		{ "step", "MiB", NULL, &l.step, NULL },
		{ "size", "MiB; 0 is without end", NULL, &l.size, NULL },
		{ "every", "seconds", NULL, &l.every_s, NULL },
		{ "hold", "seconds", NULL, &l.hold_s, NULL },
		{ "seconds", "then it ends; 0 is never", NULL, &l.seconds, NULL },
		{ "second", "MiB/s: a child that grows, too", NULL, &l.second, NULL },
		{ "after", "seconds before it begins", NULL, &l.after_s, NULL },
		{ "fork", "MiB that each process of a chain takes", NULL, &l.fork, NULL },
		{ "in", "anon, populate, tmpfs, memfd, pipes or sockets", &l.in, NULL, NULL },
		{ "file", "of tmpfs, storm, copy, scan, readers", &l.file, NULL, NULL },
		{ "readers", "processes that read pages of --file at random", NULL, &l.readers, NULL },
		{ "times", "how many", NULL, &l.times, NULL },
		{ "adj", "its oom_score_adj", NULL, &l.adj, NULL },
		{ "count", "a file that shows what was taken, see load_io.c", &l.count, NULL, NULL },
		{ "mark", "MiB of free memory", NULL, &l.mark, NULL },
		{ "recorder", "pid that until-kill ends", NULL, &l.recorder, NULL },
		{ NULL, NULL, NULL, NULL, NULL },
	};

	options_read(options, "takes memory in many ways, for recordings", argc > 1 ? argc - 1 : argc,
		     argc > 1 ? argv + 1 : argv);
	return run_kind(&l, argc > 1 ? argv[1] : "");
}
