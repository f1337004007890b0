/* SPDX-License-Identifier: MIT */
/*
 * failsoft-logger - a data logger that keeps its records in memory and writes them now and then, as
 * loggers on flash memory do. Example of a client that has data to lose, with an own poll loop.
 *
 * What each step means here:
 *	flush     write everything, then every 50 ms: little is at risk from now on
 *	degrade   write everything, then through: a record waits for one tick at most
 *	shutdown  write everything. If it is the one to be ended: close, answer, exit
 *	resume    back to the long interval
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <failsoft/client.h>

#include "clock.h"
#include "leak.h"
#include "logbuffer.h"
#include "option.h"

#define TICK_US		(10 * 1000u)	/* half: more wakeups; double: more at risk when written through */
#define SHORT_US	(50 * 1000u)	/* interval after a flush */
#define REPORT_US	(250 * 1000u)	/* the exposure is reported so often at least, when it changes */
#define REPORT_SHARE	10u		/* and when it changed by a tenth of the buffer */
#define ROOM_SHARE	4u		/* the buffer has a quarter more room than an interval fills */
#define BUFFER_MIN	(64u << 10)
#define BUFFER_MAX	(256u << 20)

struct logger {
	struct logbuffer buffer;
	struct failsoft *failsoft;	/* NULL with --no-failsoft */
	uint64_t rate, made;		/* records/s; since start_us */
	uint64_t start_us, end_us;
	uint64_t interval_us, long_us;	/* of writing: now, and in normal times */
	uint64_t write_due_us, report_due_us;
	size_t reported_bytes;
	bool stop;
	int status;			/* of the program */
};

static struct {
	const char *file, *status_file, *bus, *name;
	uint64_t rate, batch_bytes, interval_us, leak, leak_after_us, seconds_us, group, budget_us;
	bool no_failsoft;
} given = {
	.name = "logger", .rate = 1000, .interval_us = 10 * US_PER_S, .group = 50,
};

static const struct option_row rows[] = {
	{ "file", "PATH", OPTION_TEXT, &given.file, 0, 0, "the log, appended to (required)" },
	{ "status-file", "PATH", OPTION_TEXT, &given.status_file, 0, 0,
	  "tells what was produced and what is durable, also after a SIGKILL" },
	{ "rate", "N", OPTION_NUMBER, &given.rate, 1, 100000, "records per second (default 1000)" },
	{ "flush-interval", "SECONDS", OPTION_SECONDS, &given.interval_us, 0.01, 3600,
	  "how long records stay in memory (default 10)" },
	{ "batch-bytes", "N", OPTION_NUMBER, &given.batch_bytes, 4096, BUFFER_MAX,
	  "size of the buffer (default: what the interval needs)" },
	{ "leak", "MIB_PER_S", OPTION_RATE, &given.leak, 0.001, 1e6, "a mistake: lose memory so fast, or max" },
	{ "leak-after", "SECONDS", OPTION_SECONDS, &given.leak_after_us, 0, 1e6, "begin to leak after this time" },
	{ "no-failsoft", NULL, OPTION_FLAG, &given.no_failsoft, 0, 0, "be no client" },
	{ "bus", "ADDRESS", OPTION_TEXT, &given.bus, 0, 0, "D-Bus address (default: the system bus)" },
	{ "name", "NAME", OPTION_TEXT, &given.name, 0, 0, "name as a client (default logger)" },
	{ "order-group", "N", OPTION_NUMBER, &given.group, 0, 99, "lower is asked earlier (default 50)" },
	{ "budget", "SECONDS", OPTION_SECONDS, &given.budget_us, 0.001, 60,
	  "time needed for each step (default: the broker's default)" },
	{ "seconds", "N", OPTION_SECONDS, &given.seconds_us, 0.01, 1e6, "end after this time" },
};

static const struct option_program program = {
	"failsoft-logger", "Logs records of 64 bytes, in memory first, and is asked to save them in time.",
	rows, sizeof(rows) / sizeof(rows[0]),
};

/* ---- work ---- */

static void fail(struct logger *l, int r)
{
	fprintf(stderr, "failsoft-logger: the log cannot be written: %s\n", strerror(-r));
	l->status = 1;
	l->stop = true;
}

/* The records that are due, each with the time at which it was due. */
static void produce(struct logger *l, uint64_t now_us)
{
	double due = (double)(now_us - l->start_us) * (double)l->rate / (double)US_PER_S;

	while ((double)(l->made + 1) <= due && !l->stop) {
		int r = logbuffer_add(&l->buffer, l->start_us + (l->made + 1) * US_PER_S / l->rate);

		if (r < 0)
			fail(l, r);
		else
			l->made++;
	}
}

static void report(struct logger *l)
{
	size_t bytes = logbuffer_bytes(&l->buffer);

	if (l->failsoft && bytes != l->reported_bytes)
		(void)failsoft_report(l->failsoft, bytes, 0); /* remembered while there is no broker */
	l->reported_bytes = bytes;
	l->report_due_us = clock_now_us() + REPORT_US;
}

static void report_if_due(struct logger *l, uint64_t now_us)
{
	size_t bytes = logbuffer_bytes(&l->buffer);
	size_t change = bytes > l->reported_bytes ? bytes - l->reported_bytes : l->reported_bytes - bytes;

	if (now_us >= l->report_due_us || change * REPORT_SHARE >= l->buffer.max * sizeof(struct log_record))
		report(l);
}

static int save(struct logger *l)
{
	int r = logbuffer_flush(&l->buffer);

	l->write_due_us = clock_now_us() + l->interval_us;
	return r;
}

static void tick(struct logger *l)
{
	uint64_t now_us = clock_now_us();
	int r = 0;

	produce(l, now_us);
	if (now_us >= l->write_due_us)
		r = save(l);
	if (r < 0)
		fprintf(stderr, "failsoft-logger: not written, trying again: %s\n", strerror(-r));
	report_if_due(l, now_us);
	if (now_us >= l->end_us)
		l->stop = true;
}

/* ---- steps ---- */

/* Everything that is due until now becomes durable; `interval_us` is how often from now on. */
static enum failsoft_result save_and_go_on(struct logger *l, uint64_t interval_us)
{
	int r;

	produce(l, clock_now_us());
	l->interval_us = interval_us;
	r = save(l);
	report(l);
	return r < 0 ? FAILSOFT_RESULT_PARTIAL : FAILSOFT_RESULT_DONE;
}

static enum failsoft_result on_flush(const struct failsoft_order *order, void *userdata)
{
	(void)order;
	return save_and_go_on(userdata, SHORT_US);
}

static enum failsoft_result on_degrade(const struct failsoft_order *order, void *userdata)
{
	(void)order;
	return save_and_go_on(userdata, 0);
}

static enum failsoft_result on_shutdown(const struct failsoft_order *order, void *userdata)
{
	struct logger *l = userdata;
	enum failsoft_result result = save_and_go_on(l, 0);

	if (!(order->flags & FAILSOFT_ORDER_FINAL) ||
	    (order->flags & (FAILSOFT_ORDER_DRILL | FAILSOFT_ORDER_DRY_RUN)))
		return result;
	/* the answer leaves after this function returns, and before the program does */
	l->stop = true;
	if (result == FAILSOFT_RESULT_DONE)
		logbuffer_close(&l->buffer);
	return result;
}

static enum failsoft_result on_resume(const struct failsoft_order *order, void *userdata)
{
	struct logger *l = userdata;

	(void)order;
	l->interval_us = l->long_us;
	l->write_due_us = clock_now_us() + l->interval_us;
	return FAILSOFT_RESULT_DONE;
}

static int join(struct logger *l)
{
	const struct failsoft_options options = {
		.name = given.name, .bus_address = given.bus, .order_group = (uint32_t)given.group,
		.flush = on_flush, .degrade = on_degrade, .shutdown = on_shutdown, .resume = on_resume,
		.flush_us = given.budget_us, .degrade_us = given.budget_us,
		.shutdown_us = given.budget_us, .resume_us = given.budget_us, .userdata = l,
	};
	struct logbuffer *b = &l->buffer;
	int r = failsoft_new(&options, &l->failsoft);

	if (r < 0) {
		fprintf(stderr, "failsoft-logger: cannot be a client: %s (is --name good?)\n", strerror(-r));
		return r;
	}
	r = failsoft_prepare(l->failsoft, b->records, b->max * sizeof(b->records[0]), 0, NULL);
	if (r < 0)
		fprintf(stderr, "failsoft-logger: memory is not locked, steps may be slow: %s\n",
			strerror(-r));
	return 0;
}

/* ---- the program ---- */

static void *leak(void *userdata)
{
	struct leak l = { .bytes_per_s = given.leak, .limit_bytes = UINT64_MAX, .file_fd = -1 };

	(void)userdata;
	clock_sleep_until(clock_now_us() + given.leak_after_us);
	(void)leak_run(&l); /* when there is no more to get it has done its harm */
	return NULL;
}

static int start_leak(void)
{
	pthread_t thread;

	return given.leak ? -pthread_create(&thread, NULL, leak, NULL) : 0;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_ticks(void)
{
	const struct itimerspec every = { { 0, TICK_US * 1000 }, { 0, TICK_US * 1000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		(void)timerfd_settime(fd, 0, &every, NULL); /* cannot fail with these values */
	return fd;
}

static void run(struct logger *l, int ticks, int signals)
{
	enum { TICKS, SIGNALS, FAILSOFT };
	struct pollfd fds[] = {
		[TICKS] = { .fd = ticks, .events = POLLIN },
		[SIGNALS] = { .fd = signals, .events = POLLIN },
		[FAILSOFT] = { .fd = l->failsoft ? failsoft_fd(l->failsoft) : -1, .events = POLLIN },
	};
	uint64_t times;

	if (l->failsoft)
		(void)failsoft_dispatch(l->failsoft); /* how many orders came does not matter */
	while (!l->stop && (poll(fds, 3, -1) >= 0 || errno == EINTR)) {
		if (fds[FAILSOFT].revents)
			(void)failsoft_dispatch(l->failsoft); /* same */
		if (fds[SIGNALS].revents)
			l->stop = true;
		if (fds[TICKS].revents && read(ticks, &times, sizeof(times)) > 0 && !l->stop)
			tick(l);
	}
}

static size_t buffer_bytes(void)
{
	double bytes = (double)given.rate * (double)given.interval_us / (double)US_PER_S * 64.0;

	if (given.batch_bytes)
		return given.batch_bytes;
	bytes += bytes / ROOM_SHARE;
	return bytes < BUFFER_MIN ? BUFFER_MIN : bytes > BUFFER_MAX ? BUFFER_MAX : (size_t)bytes;
}

static int finish(struct logger *l)
{
	int r = l->buffer.fd >= 0 ? logbuffer_flush(&l->buffer) : 0;

	if (r < 0)
		fail(l, r);
	printf("failsoft-logger: produced %" PRIu64 ", durable %" PRIu64 "\n", l->buffer.status->produced,
	       l->buffer.status->durable);
	logbuffer_close(&l->buffer);
	l->failsoft = failsoft_free(l->failsoft);
	return l->status;
}

int main(int argc, char **argv)
{
	struct logger l = { .end_us = UINT64_MAX };
	int signals, ticks;

	option_parse(&program, argc, argv);
	if (!given.file)
		option_fail(&program, "--file is missing");
	l.rate = given.rate;
	l.interval_us = l.long_us = given.interval_us;
	signals = open_signals();
	ticks = open_ticks();
	if (signals < 0 || ticks < 0) {
		fprintf(stderr, "failsoft-logger: no descriptors for timer and signals: %m\n");
		return 1;
	}
	if (logbuffer_open(&l.buffer, given.file, given.status_file, buffer_bytes()) < 0)
		return 1;
	if (!given.no_failsoft && join(&l) < 0)
		return 1;
	if (start_leak() < 0) {
		fprintf(stderr, "failsoft-logger: no thread for the leak\n");
		return 1;
	}
	l.start_us = clock_now_us();
	l.write_due_us = l.start_us + l.interval_us;
	if (given.seconds_us)
		l.end_us = l.start_us + given.seconds_us;
	run(&l, ticks, signals);
	return finish(&l);
}
