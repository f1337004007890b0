/* SPDX-License-Identifier: MIT */
/*
 * Example: a data logger. It collects records in RAM and writes them every few seconds, because
 * the card wears out. Asked to flush it writes at once and stays careful; asked to degrade it writes
 * every record through; told that it will be ended it closes its file and exits.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <failsoft/client.h>

#include "logfile.h"
#include "options.h"

#define TICK_NS		5000000		/* records are produced in batches of 5 ms */
#define CAREFUL_US	50000		/* after a flush: RAM holds at most this much */
#define LEAK_CHUNK	(64u << 10)

enum mode { MODE_NORMAL, MODE_CAREFUL, MODE_THROUGH };

struct logger {
	struct logfile log;
	struct failsoft *failsoft;
	enum mode mode;
	bool is_ending;
	double rate, interval_s, leak, leak_after_s;
	uint64_t start_us, written_us, reported_us, leaked, before;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void report(struct logger *l)
{
	if (l->failsoft)
		(void)failsoft_report(l->failsoft, logfile_exposed_bytes(&l->log), 0); /* repeated soon */
	l->reported_us = now_us();
}

/* ---- what failsoft asks ---- */

static enum failsoft_result save(struct logger *l, enum mode mode)
{
	l->mode = mode > l->mode ? mode : l->mode;
	if (!logfile_write(&l->log, true))
		return FAILSOFT_RESULT_PARTIAL;
	l->written_us = now_us();
	report(l);
	return FAILSOFT_RESULT_DONE;
}

static enum failsoft_result on_flush(const struct failsoft_order *order, void *userdata)
{
	(void)order;
	return save(userdata, MODE_CAREFUL);
}

static enum failsoft_result on_degrade(const struct failsoft_order *order, void *userdata)
{
	(void)order;
	return save(userdata, MODE_THROUGH);
}

static enum failsoft_result on_shutdown(const struct failsoft_order *order, void *userdata)
{
	struct logger *l = userdata;

	/* a rehearsal ends nothing */
	l->is_ending = (order->flags & FAILSOFT_ORDER_FINAL) &&
		       !(order->flags & (FAILSOFT_ORDER_DRILL | FAILSOFT_ORDER_DRY_RUN));
	return save(l, MODE_THROUGH);
}

static enum failsoft_result on_resume(const struct failsoft_order *order, void *userdata)
{
	struct logger *l = userdata;

	(void)order;
	l->mode = MODE_NORMAL;
	return FAILSOFT_RESULT_DONE;
}

/* ---- the work ---- */

/* All that are due by the clock: a late tick produces more, not fewer. */
static void produce(struct logger *l)
{
	uint64_t now = now_us();
	uint64_t due = (uint64_t)((double)(now - l->start_us) / 1e6 * l->rate);

	while (l->log.produced - l->before < due)
		logfile_add(&l->log, now);
}

static void write_when_due(struct logger *l)
{
	static const uint64_t pauses_us[] = { [MODE_CAREFUL] = CAREFUL_US, [MODE_THROUGH] = 0 };
	uint64_t pause_us = l->mode == MODE_NORMAL ? (uint64_t)(l->interval_s * 1e6)
						   : pauses_us[l->mode];

	if (now_us() - l->written_us < pause_us)
		return;
	(void)logfile_write(&l->log, true); /* tried again at the next tick */
	l->written_us = now_us();
}

static void report_when_due(struct logger *l)
{
	if (now_us() - l->reported_us >= 250000)
		report(l);
}

/* The bug of this example. */
static void leak(struct logger *l)
{
	double since_s = (double)(now_us() - l->start_us) / 1e6 - l->leak_after_s;
	uint64_t due = l->leak < 0 ? l->leaked + 64 * LEAK_CHUNK
				   : (uint64_t)(since_s * l->leak * (1 << 20));

	if (l->leak == 0 || since_s < 0)
		return;
	while (l->leaked + LEAK_CHUNK <= due) {
		void *p = mmap(NULL, LEAK_CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return;
		memset(p, 0x5a, LEAK_CHUNK);
		l->leaked += LEAK_CHUNK;
	}
}

static void tick(struct logger *l)
{
	produce(l);
	write_when_due(l);
	report_when_due(l);
	leak(l);
}

static int open_timer(void)
{
	const struct itimerspec every = { { 0, TICK_NS }, { 0, TICK_NS } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &every, NULL) < 0) {
		perror("timer");
		exit(2);
	}
	return fd;
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

static void run(struct logger *l, double seconds)
{
	struct pollfd fds[] = {
		{ .fd = l->failsoft ? failsoft_fd(l->failsoft) : -1, .events = POLLIN },
		{ .fd = open_signals(), .events = POLLIN },
		{ .fd = open_timer(), .events = POLLIN },
	};
	uint64_t times;

	l->start_us = l->written_us = now_us();
	l->before = l->log.produced; /* by earlier runs */
	while (!l->is_ending && (seconds == 0 || (double)(now_us() - l->start_us) < seconds * 1e6)) {
		if (l->failsoft)
			failsoft_dispatch(l->failsoft);
		if (l->is_ending || (poll(fds, 3, l->leak < 0 ? 0 : -1) < 0 && errno != EINTR))
			break;
		if (fds[1].revents)
			break;
		if (l->leak < 0 || read(fds[2].fd, &times, sizeof(times)) > 0)
			tick(l);
	}
	/* ended in good order: nothing stays behind */
	if (!logfile_write(&l->log, true))
		perror("the last records");
}

static void join(struct logger *l, const char *name, const char *bus, double group)
{
	const struct failsoft_options options = {
		.name = name, .bus_address = bus, .order_group = (uint32_t)group, .userdata = l,
		.flush = on_flush, .degrade = on_degrade, .shutdown = on_shutdown, .resume = on_resume,
		.flush_us = 500000, .degrade_us = 300000, .shutdown_us = 500000, .resume_us = 500000,
	};
	int r = failsoft_new(&options, &l->failsoft);

	if (r < 0) {
		fprintf(stderr, "failsoft: %s; is --name of letters, is --group 0 to 99?\n", strerror(-r));
		exit(2);
	}
	r = failsoft_prepare(l->failsoft, l->log.buffer, l->log.room * sizeof(struct record), 65536, NULL);
	if (r < 0)
		fprintf(stderr, "failsoft: memory is not locked: %s\n", strerror(-r));
}

int main(int argc, char **argv)
{
	struct logger l = { .rate = 1000, .interval_s = 10 };
	const char *file = NULL, *status = NULL, *bus = NULL, *name = "logger";
	double seconds = 0, group = 50;
	bool alone = false;
	const struct example_option options[] = {
		{ "file", "the log (required)", &file, NULL, NULL },
		{ "status-file", "counters that outlive the program", &status, NULL, NULL },
		{ "rate", "records per second", NULL, &l.rate, NULL },
		{ "flush-interval", "seconds between writes", NULL, &l.interval_s, NULL },
		{ "leak", "MiB/s that are never freed, or max", NULL, &l.leak, NULL },
		{ "leak-after", "seconds before the leak begins", NULL, &l.leak_after_s, NULL },
		{ "seconds", "end in good order after so long", NULL, &seconds, NULL },
		{ "name", "name of this client", &name, NULL, NULL },
		{ "group", "order group, 0 to 99", NULL, &group, NULL },
		{ "bus", "D-Bus address", &bus, NULL, NULL },
		{ "no-failsoft", "run unprotected", NULL, NULL, &alone },
		{ NULL, NULL, NULL, NULL, NULL },
	};

	options_read(options, "example: a data logger", argc, argv);
	if (!file || l.rate <= 0) {
		fprintf(stderr, "%s: give --file=PATH and a --rate above 0; see --help\n", argv[0]);
		return 2;
	}
	logfile_open(&l.log, file, status, (size_t)(l.rate * (l.interval_s + 1)) + 64);
	if (!alone)
		join(&l, name, bus, group);
	run(&l, seconds);
	failsoft_free(l.failsoft);
	free(l.log.buffer);
	return 0;
}
