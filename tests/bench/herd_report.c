/* SPDX-License-Identifier: MIT */
#include "herd.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>

/* Beyond its size the newest overwrite others at random places: still a fair sample. */
void herd_series_add(struct herd_series *s, uint64_t us)
{
	const uint32_t value = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;

	s->seen++;
	if (s->count < HERD_SERIES_MAX)
		s->us[s->count++] = value;
	else
		s->us[herd_random() % HERD_SERIES_MAX] = value;
}

static int compare(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print_series(const char *name, struct herd_series *s)
{
	qsort(s->us, s->count, sizeof(s->us[0]), compare);
	printf(",\"%s\":{\"count\":%u", name, s->seen);
	if (s->count)
		printf(",\"median_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f", s->us[s->count / 2] / 1e3,
		       s->us[s->count * 99ull / 100] / 1e3, s->us[s->count - 1] / 1e3);
	printf("}");
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void herd_report(struct herd *h, const char *phase)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("{\"phase\":\"%s\",\"after_s\":%.3f,\"devices\":%u,\"up\":%u,\"alarms\":%" PRIu64
	       ",\"unacknowledged\":%" PRIu64 ",\"attempts\":%" PRIu64 ",\"failed\":%" PRIu64
	       ",\"lost\":%" PRIu64 ",\"published\":%" PRIu64 ",\"resent\":%" PRIu64
	       ",\"resumed\":%" PRIu64 ",\"cpu_s\":%.3f",
	       phase, (double)(herd_now_us() - h->started_us) / 1e6, h->options.devices, h->up, h->alarms,
	       h->unacknowledged, h->attempts, h->failed, h->lost, h->published, h->resent,
	       h->resumed, seconds(usage.ru_utime) + seconds(usage.ru_stime));
	print_series("connect", &h->connect);
	print_series("acknowledge", &h->acknowledge);
	printf("}\n");
	fflush(stdout);
}
