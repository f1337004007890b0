/* SPDX-License-Identifier: MIT */
/*
 * How long the bus daemon takes for a question of its own, from a client that is locked into memory, so
 * that what is slow is the daemon. usage: bench-bus ADDRESS COUNT PERIOD_MS
 * Prints one line: answers, median, 99 %, longest, in microseconds; what takes 60 s is not an answer.
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <systemd/sd-bus.h>
#include <time.h>

#define COUNT_MAX	2000

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* What a registration asks, so that more than the hottest code is run through. */
static int ask(sd_bus *bus)
{
	static const char *const methods[] = { "ListNames", "GetId", "ListActivatableNames" };
	static unsigned next;

	return sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
				  "org.freedesktop.DBus", methods[next++ % 3], NULL, NULL, NULL);
}

static void sleep_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

int main(int argc, char **argv)
{
	static uint64_t took_us[COUNT_MAX];
	const struct sched_param fifo = { .sched_priority = 20 };
	int count = argc == 4 ? atoi(argv[2]) : 0, answers = 0;
	sd_bus *bus = NULL;

	if (count < 1 || count > COUNT_MAX || sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, argv[1]) < 0 ||
	    sd_bus_set_bus_client(bus, 1) < 0 || sd_bus_set_method_call_timeout(bus, 60000000) < 0 ||
	    sd_bus_start(bus) < 0 || ask(bus) < 0) {
		fputs("usage: bench-bus ADDRESS COUNT PERIOD_MS\n", stderr);
		return 2;
	}
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0 || sched_setscheduler(0, SCHED_FIFO, &fifo) < 0)
		perror("bench-bus: not locked");
	for (int i = 0; i < count; i++) {
		uint64_t start_us = now_us();

		if (ask(bus) >= 0)
			took_us[answers++] = now_us() - start_us;
		sleep_ms(atol(argv[3]));
	}
	qsort(took_us, (size_t)answers, sizeof(took_us[0]), by_size);
	printf("%d of %d answers, median %llu us, 99 %% %llu us, longest %llu us\n", answers, count,
	       (unsigned long long)took_us[answers / 2], (unsigned long long)took_us[answers * 99 / 100],
	       (unsigned long long)took_us[answers ? answers - 1 : 0]);
	return 0;
}
