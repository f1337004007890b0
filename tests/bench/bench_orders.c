/* SPDX-License-Identifier: MIT */
/*
 * From the broker's decision to the client's handler: lifeline against D-Bus signal, in the same
 * run, for 1 to 1000 clients. The broker is the real one; the pressure is a proc/meminfo that this
 * program writes. Receivers of the two ways are two threads, so that neither waits for the other.
 *
 * usage: bench-orders BUS-ADDRESS MEMINFO CLIENTS ROUNDS [PAUSE]
 * PAUSE: seconds between registering and the first order, to make the machine thrash in.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <failsoft/order.h>

#include "base/clock.h"

#define NAME	"org.failsoft.Broker1"
#define PATH	"/org/failsoft/Broker1"
#define CLIENTS_MAX 1000
#define BUDGET_US 5000000u

struct receiver {
	sd_bus *bus;
	int lifeline;
};

static struct receiver receivers[CLIENTS_MAX];
static int clients, rounds;
static volatile int is_ending;

/* Per way: every latency, and per order wave the last one. */
struct series {
	double *us;
	int count, max;
	uint64_t wave_issued_us;
	int wave_count;
	double *last_us;
	int waves;
};
static struct series by_lifeline, by_bus;

static void take(struct series *s, uint64_t issued_us)
{
	double us = (double)(clock_now_us() - issued_us);

	if (s->count < s->max)
		s->us[s->count++] = us;
	s->wave_count++;
	if (s->wave_count == clients) {
		s->last_us[s->waves++] = us;
		s->wave_count = 0;
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const char *what, const struct series *s)
{
	if (!s->count || !s->waves) {
		printf("%-14s nothing arrived\n", what);
		return;
	}
	qsort(s->us, (size_t)s->count, sizeof(*s->us), compare);
	qsort(s->last_us, (size_t)s->waves, sizeof(*s->last_us), compare);
	printf("%-14s %4d clients  %4d of %4d arrived  median %8.1f us  p99 %8.1f us  max %8.1f us  "
	       "all told: median %8.1f us\n", what, clients, s->count, s->max, s->us[s->count / 2],
	       s->us[s->count * 99 / 100], s->us[s->count - 1], s->last_us[s->waves / 2]);
}

static void fail(const char *what, int r)
{
	fprintf(stderr, "bench-orders: %s: %s\n", what, strerror(-r));
	exit(1);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	uint64_t client, sequence, deadline_us;
	const char *domain, *step;

	(void)userdata, (void)error;
	if (sd_bus_message_is_signal(m, NAME, "StepRequested") <= 0)
		return 0;
	if (sd_bus_message_read(m, "ttsst", &client, &sequence, &domain, &step, &deadline_us) >= 0)
		take(&by_bus, deadline_us - BUDGET_US);
	return 1;
}

static void *read_bus(void *unused)
{
	int set = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[64];

	(void)unused;
	for (int i = 0; i < clients; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = (uint32_t)i };

		epoll_ctl(set, EPOLL_CTL_ADD, sd_bus_get_fd(receivers[i].bus), &e);
	}
	while (!is_ending) {
		int n = epoll_wait(set, events, 64, 100);

		for (int i = 0; i < n; i++)
			while (sd_bus_process(receivers[events[i].data.u32].bus, NULL) > 0)
				continue;
	}
	close(set);
	return NULL;
}

static void answer(int fd, const struct failsoft_order *order)
{
	const struct failsoft_answer a = {
		.magic = FAILSOFT_ANSWER_MAGIC, .version = FAILSOFT_WIRE_VERSION, .size = sizeof(a),
		.kind = FAILSOFT_ANSWER_STEP, .result = FAILSOFT_RESULT_DONE, .sequence = order->sequence,
	};

	if (send(fd, &a, sizeof(a), MSG_NOSIGNAL) < 0)
		fail("answer", -errno);
}

/* One wave: an order for every client. The answers go out when all have theirs. */
static void read_wave(int set)
{
	static struct failsoft_order orders[CLIENTS_MAX];
	struct epoll_event events[64];
	int got = 0;

	while (got < clients) {
		int n = epoll_wait(set, events, 64, 20000);

		if (n <= 0)
			fail("no order within 20 s", -ETIMEDOUT);
		for (int i = 0; i < n; i++) {
			uint32_t at = events[i].data.u32;

			if (recv(receivers[at].lifeline, &orders[at], sizeof(orders[at]), MSG_DONTWAIT) !=
			    (ssize_t)sizeof(orders[at]))
				fail("lifeline", -errno);
			take(&by_lifeline, orders[at].issued_us);
			got++;
		}
	}
	usleep(50000); /* the bus' signals are read before the answers make traffic */
	for (int i = 0; i < clients; i++)
		answer(receivers[i].lifeline, &orders[i]);
}

static void join(struct receiver *r, const char *address, int number)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	char name[32];
	uint64_t id;
	int fd, e;

	snprintf(name, sizeof(name), "bench-%d", number);
	e = sd_bus_new(&r->bus);
	if (e < 0 || (e = sd_bus_set_address(r->bus, address)) < 0 ||
	    (e = sd_bus_set_bus_client(r->bus, true)) < 0 || (e = sd_bus_negotiate_fds(r->bus, true)) < 0 ||
	    (e = sd_bus_start(r->bus)) < 0)
		fail("bus", e);
	e = sd_bus_call_method(r->bus, NAME, PATH, NAME, "Register", &error, &reply, "sa{sv}", name, 4,
			       "FlushUSec", "t", (uint64_t)BUDGET_US, "DegradeUSec", "t", (uint64_t)BUDGET_US,
			       "ShutdownUSec", "t", (uint64_t)BUDGET_US, "ResumeUSec", "t",
			       (uint64_t)BUDGET_US);
	if (e < 0) {
		fprintf(stderr, "bench-orders: %s\n", error.message);
		exit(1);
	}
	if ((e = sd_bus_message_read(reply, "t", &id)) < 0 || (e = sd_bus_message_skip(reply, "a{st}")) < 0 ||
	    (e = sd_bus_message_read(reply, "h", &fd)) < 0)
		fail("reply", e);
	r->lifeline = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	sd_bus_message_unref(reply);
	sd_bus_add_filter(r->bus, NULL, on_message, NULL);
}

/* The broker keeps the file open: written in place, always of the same length. */
static void set_free(const char *meminfo, unsigned long kib)
{
	char text[512];
	int fd = open(meminfo, O_WRONLY | O_CLOEXEC);
	int n = snprintf(text, sizeof(text),
			 "MemTotal:       %8lu kB\nMemFree:        %8lu kB\nMemAvailable:   %8lu kB\n"
			 "Active(file):          0 kB\nInactive(file):        0 kB\n"
			 "SwapTotal:             0 kB\nSwapFree:              0 kB\n",
			 1048576ul, kib, kib);

	if (fd < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		fail(meminfo, -errno);
	close(fd);
}

static void series_init(struct series *s)
{
	s->max = 2 * rounds * clients;
	s->us = calloc((size_t)s->max, sizeof(*s->us));
	s->last_us = calloc((size_t)(2 * rounds + 2), sizeof(*s->last_us));
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int set = epoll_create1(EPOLL_CLOEXEC);

	clients = argc > 4 ? atoi(argv[3]) : 0;
	rounds = argc > 4 ? atoi(argv[4]) : 0;
	if (argc < 5 || argc > 6 || clients < 1 || clients > CLIENTS_MAX || rounds < 1) {
		fprintf(stderr, "usage: bench-orders BUS-ADDRESS MEMINFO CLIENTS(1..1000) ROUNDS [PAUSE]\n");
		return 2;
	}
	(void)mlockall(MCL_CURRENT | MCL_FUTURE); /* as a client's handler would be */
	series_init(&by_lifeline);
	series_init(&by_bus);
	for (int i = 0; i < clients; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = (uint32_t)i };

		join(&receivers[i], argv[1], i);
		epoll_ctl(set, EPOLL_CTL_ADD, receivers[i].lifeline, &e);
	}
	pthread_create(&thread, NULL, read_bus, NULL);
	if (argc == 6)
		sleep((unsigned)atoi(argv[5]));
	for (int i = 0; i < rounds; i++) {
		set_free(argv[2], 95000); /* below the floor of warning, above that of imminent */
		read_wave(set);
		set_free(argv[2], 900000);
		read_wave(set);
	}
	usleep(300000);
	is_ending = 1;
	pthread_join(thread, NULL);
	print("lifeline", &by_lifeline);
	print("D-Bus signal", &by_bus);
	return 0;
}
