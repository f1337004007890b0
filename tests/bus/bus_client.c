/* SPDX-License-Identifier: MIT */
/*
 * A client of libfailsoft for the tests: prints what happens to it, one line each, and answers as
 * told. usage: bus-client BUS NAME GROUP MODE ANSWER
 *   MODE:   poll | thread
 *   ANSWER: done | partial | refused | busy (then done after 750 ms) | silent | late (after 1 s)
 *           | exit (in the middle of the step)
 * Budgets are 500 ms each: one that must be met is met on a busy machine, too.
 */
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <failsoft/client.h>

static struct failsoft *client;
static const char *answer;
static atomic_ullong owed;
static _Atomic uint64_t owed_at_us;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static enum failsoft_result on_step(const struct failsoft_order *order, void *userdata)
{
	static const char *const steps[] = { "resume", "flush", "degrade", "shutdown" };

	(void)userdata;
	printf("step %s %s%s%s%s\n", steps[order->step], order->domain,
	       order->flags & FAILSOFT_ORDER_FINAL ? " final" : "",
	       order->flags & FAILSOFT_ORDER_DRILL ? " drill" : "",
	       order->flags & FAILSOFT_ORDER_DRY_RUN ? " dry-run" : "");
	if (order->step == FAILSOFT_STEP_RESUME || !strcmp(answer, "done"))
		return FAILSOFT_RESULT_DONE;
	if (!strcmp(answer, "partial"))
		return FAILSOFT_RESULT_PARTIAL;
	if (!strcmp(answer, "refused"))
		return FAILSOFT_RESULT_REFUSED;
	if (!strcmp(answer, "exit"))
		_exit(0);
	if (strcmp(answer, "silent")) {
		atomic_store(&owed, order->sequence);
		atomic_store(&owed_at_us, now_us() + (!strcmp(answer, "busy") ? 750000 : 1000000));
	}
	return !strcmp(answer, "busy") ? FAILSOFT_RESULT_BUSY : FAILSOFT_RESULT_LATER;
}

static void pay(void)
{
	struct failsoft_answer a = { .result = FAILSOFT_RESULT_DONE, .sequence = atomic_load(&owed) };

	if (!a.sequence || now_us() < atomic_load(&owed_at_us))
		return;
	atomic_store(&owed, 0);
	printf("answer %d\n", failsoft_answer(client, &a));
}

int main(int argc, char **argv)
{
	struct failsoft_options o = {
		.flush = on_step, .degrade = on_step, .shutdown = on_step, .resume = on_step,
		.flush_us = 500000, .degrade_us = 500000, .shutdown_us = 500000, .resume_us = 500000,
	};
	bool was = false;

	if (argc != 6)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	o.bus_address = argv[1];
	o.name = argv[2];
	o.order_group = (uint32_t)atoi(argv[3]);
	answer = argv[5];
	if (failsoft_new(&o, &client) < 0)
		return 2;
	(void)failsoft_report(client, 12345, 678); /* remembered until there is a broker */
	if (!strcmp(argv[4], "thread") && failsoft_start_thread(client) < 0)
		return 2;
	for (;;) {
		struct pollfd p = { .fd = failsoft_fd(client), .events = POLLIN };

		if (!strcmp(argv[4], "poll")) {
			failsoft_dispatch(client);
			poll(&p, 1, 20);
		} else {
			usleep(20000);
		}
		pay();
		if (failsoft_is_connected(client) != was) {
			was = !was;
			printf(was ? "connected\n" : "disconnected\n");
		}
	}
}
