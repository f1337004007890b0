/* SPDX-License-Identifier: MIT */
/*
 * Example: a viewer with a cache. It has nothing to save but memory to give: asked to flush or
 * degrade it frees its cache, and answers later, with what it freed; it fills it again after the
 * pressure.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <failsoft/client.h>

#include "options.h"

#define MIB (1u << 20)
#define CACHE_MAX_MIB	1048576

struct viewer {
	struct failsoft *failsoft;
	size_t wanted, held;		/* MiB */
	char **blocks;
	bool may_fill, is_ending;
	uint64_t owed;			/* sequence of the order that waits for its answer */
};

static void fill_one(struct viewer *v)
{
	char *block;

	if (!v->may_fill || v->held == v->wanted)
		return;
	block = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (block == MAP_FAILED)
		return;
	memset(block, 0x5a, MIB);
	v->blocks[v->held++] = block;
	(void)failsoft_report(v->failsoft, 0, v->held * MIB); /* repeated with the next block */
}

static size_t free_all(struct viewer *v)
{
	size_t freed = v->held;

	while (v->held)
		munmap(v->blocks[--v->held], MIB);
	return freed * MIB;
}

static enum failsoft_result on_pressure(const struct failsoft_order *order, void *userdata)
{
	struct viewer *v = userdata;

	v->may_fill = false;
	/* a rehearsal ends nothing */
	v->is_ending = (order->flags & FAILSOFT_ORDER_FINAL) &&
		       !(order->flags & (FAILSOFT_ORDER_DRILL | FAILSOFT_ORDER_DRY_RUN));
	v->owed = order->sequence;
	return FAILSOFT_RESULT_LATER;
}

static enum failsoft_result on_resume(const struct failsoft_order *order, void *userdata)
{
	(void)order;
	((struct viewer *)userdata)->may_fill = true;
	return FAILSOFT_RESULT_DONE;
}

static void answer_owed(struct viewer *v)
{
	const struct failsoft_answer answer = {
		.result = FAILSOFT_RESULT_DONE, .sequence = v->owed, .freed_bytes = free_all(v),
	};

	(void)failsoft_report(v->failsoft, 0, 0); /* what the answer leaves open is as reported last */
	if (failsoft_answer(v->failsoft, &answer) < 0)
		fprintf(stderr, "viewer: the answer came too late\n");
	v->owed = 0;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void run(struct viewer *v, double seconds)
{
	struct pollfd fds[] = {
		{ .fd = failsoft_fd(v->failsoft), .events = POLLIN },
		{ .fd = open_signals(), .events = POLLIN },
	};

	for (double left = seconds; !v->is_ending && !fds[1].revents && (seconds == 0 || left > 0);
	     left -= 0.1) {
		failsoft_dispatch(v->failsoft);
		if (v->owed)
			answer_owed(v);
		fill_one(v);
		(void)poll(fds, 2, 100); /* EINTR: looks again */
	}
}

int main(int argc, char **argv)
{
	struct viewer v = { .may_fill = true };
	struct failsoft_options o = {
		.name = "viewer", .order_group = 10, .userdata = &v, .flush = on_pressure,
		.degrade = on_pressure, .shutdown = on_pressure, .resume = on_resume,
		.flush_us = 200000, .degrade_us = 200000, .shutdown_us = 200000, .resume_us = 200000,
	};
	double cache = 8, seconds = 0;
	const struct example_option options[] = {
		{ "cache", "MiB to hold", NULL, &cache, NULL },
		{ "seconds", "end after so long", NULL, &seconds, NULL },
		{ "name", "name of this client", &o.name, NULL, NULL },
		{ "bus", "D-Bus address", &o.bus_address, NULL, NULL },
		{ NULL, NULL, NULL, NULL, NULL },
	};
	int r;

	options_read(options, "example: a viewer with a cache", argc, argv);
	if (cache > CACHE_MAX_MIB) {
		fprintf(stderr, "%s: --cache is at most %d MiB\n", argv[0], CACHE_MAX_MIB);
		return 2;
	}
	v.wanted = (size_t)cache;
	v.blocks = calloc(v.wanted + 1, sizeof(*v.blocks));
	r = v.blocks ? failsoft_new(&o, &v.failsoft) : -1;
	if (r < 0) {
		fprintf(stderr, "viewer: %s\n", strerror(-r));
		return 2;
	}
	run(&v, seconds);
	free_all(&v);
	failsoft_free(v.failsoft);
	free(v.blocks);
	return 0;
}
