/* SPDX-License-Identifier: MIT */
/*
 * Example: a safety controller with a 20 ms loop. It has nothing to save; what it must reach in
 * time is the safe state of its outputs. Driven by a thread of the library, so that a late loop
 * does not delay an answer.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <failsoft/client.h>

#include "options.h"

#define PERIOD_NS	20000000L

enum outputs { OUTPUTS_NORMAL, OUTPUTS_REDUCED, OUTPUTS_SAFE };

static const char *const words[] = { "normal", "reduced", "safe" };
static atomic_int outputs = OUTPUTS_NORMAL;
static atomic_bool is_ending;
static int state_fd = -1;

static enum failsoft_result enter(enum outputs now)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "%s\n", words[now]);

	atomic_store(&outputs, now);
	if (state_fd >= 0 && (write(state_fd, line, (size_t)n) != n || fdatasync(state_fd) < 0))
		return FAILSOFT_RESULT_PARTIAL; /* the outputs are set, the record is not */
	return FAILSOFT_RESULT_DONE;
}

static enum failsoft_result on_flush(const struct failsoft_order *order, void *userdata)
{
	(void)order, (void)userdata;
	return FAILSOFT_RESULT_DONE; /* nothing of ours is in RAM only */
}

static enum failsoft_result on_degrade(const struct failsoft_order *order, void *userdata)
{
	(void)order, (void)userdata;
	return enter(OUTPUTS_REDUCED);
}

static enum failsoft_result on_shutdown(const struct failsoft_order *order, void *userdata)
{
	(void)userdata;
	/* a rehearsal ends nothing */
	if ((order->flags & FAILSOFT_ORDER_FINAL) &&
	    !(order->flags & (FAILSOFT_ORDER_DRILL | FAILSOFT_ORDER_DRY_RUN)))
		atomic_store(&is_ending, true);
	return enter(OUTPUTS_SAFE);
}

static enum failsoft_result on_resume(const struct failsoft_order *order, void *userdata)
{
	(void)order, (void)userdata;
	return enter(OUTPUTS_NORMAL);
}

static void on_term(int signal)
{
	(void)signal;
	atomic_store(&is_ending, true);
}

static double since_ms(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) * 1e3 + (double)(now.tv_nsec - then->tv_nsec) / 1e6;
}

static void control(double seconds)
{
	struct timespec due, start;
	double latest_ms = 0;

	clock_gettime(CLOCK_MONOTONIC, &due);
	start = due;
	while (!atomic_load(&is_ending) && (seconds == 0 || since_ms(&start) < seconds * 1e3)) {
		due.tv_nsec += PERIOD_NS;
		if (due.tv_nsec >= 1000000000L) {
			due.tv_nsec -= 1000000000L;
			due.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		if (since_ms(&due) > latest_ms)
			latest_ms = since_ms(&due);
	}
	printf("longest lateness of the 20 ms loop: %.2f ms\n", latest_ms);
}

int main(int argc, char **argv)
{
	struct failsoft_options o = {
		.name = "controller", .order_group = 20, .flush = on_flush, .degrade = on_degrade,
		.shutdown = on_shutdown, .resume = on_resume, .flush_us = 50000, .degrade_us = 50000,
		.shutdown_us = 100000, .resume_us = 100000,
	};
	const char *state = NULL;
	struct failsoft *f;
	double seconds = 0;
	const struct example_option options[] = {
		{ "state-file", "a line per change of the outputs", &state, NULL, NULL },
		{ "seconds", "end after so long", NULL, &seconds, NULL },
		{ "name", "name of this client", &o.name, NULL, NULL },
		{ "bus", "D-Bus address", &o.bus_address, NULL, NULL },
		{ NULL, NULL, NULL, NULL, NULL },
	};
	int r;

	options_read(options, "example: a safety controller", argc, argv);
	signal(SIGTERM, on_term);
	if (state)
		state_fd = open(state, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (state && state_fd < 0) {
		perror(state);
		return 2;
	}
	r = failsoft_new(&o, &f);
	if (r >= 0 && failsoft_prepare(f, NULL, 0, 0, NULL) < 0)
		fprintf(stderr, "controller: memory is not locked, the loop may be late\n");
	if (r >= 0)
		r = failsoft_start_thread(f);
	if (r < 0) {
		fprintf(stderr, "controller: %s\n", strerror(-r));
		return 2;
	}
	control(seconds);
	failsoft_free(f);
	return 0;
}
