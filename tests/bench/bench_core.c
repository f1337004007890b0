/* SPDX-License-Identifier: MIT */
/* What one step of the pure core costs: a sample in, no stage change, by number of clients. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/units.h"
#include "core.h"

#define STEPS	200000u
#define BLOCK	100u

static struct core core;

static struct core_policy policy_of(uint32_t clients)
{
	return (struct core_policy){
		.estimate = { 5000, 1024 * MIB },
		.stage = { { 0, 1000, 600, 300 }, { 0, 256 * MIB, 128 * MIB, 64 * MIB },
			   3 * US_PER_S, 3 * US_PER_S },
		.session = { clients, clients, { US_PER_S, US_PER_S, US_PER_S, US_PER_S }, 60 * US_PER_S },
		.plan = { 700 * US_PER_MS, 5 * US_PER_MS },
		.escalate = { true, false, US_PER_S / 2, US_PER_S, US_PER_S / 5 },
		.idle_interval_us = 2 * US_PER_S, .near_interval_us = 2 * US_PER_MS,
	};
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void run(uint32_t clients)
{
	struct core_policy policy = policy_of(clients);
	uint32_t effects = core_effects_needed(clients);
	struct core_memory m = {
		calloc(clients, sizeof(struct session)), calloc(effects, sizeof(struct core_effect)),
		effects, calloc(4096, sizeof(struct event)), 4096,
	};
	struct session_offer offer = { .name = "bench", .domains = 1, .order_group = 50 };
	double *us = calloc(STEPS / BLOCK, sizeof(*us));
	struct session *s;
	struct core_effect e;

	core_init(&core, &policy, &m, 0, 1);
	for (uint32_t i = 0; i < clients; i++)
		core_join(&core, &offer, 1, &s);
	for (uint32_t i = 0; i < STEPS / BLOCK; i++) {
		uint64_t start = clock_now_us();

		for (uint32_t k = 0; k < BLOCK; k++) {
			uint64_t n = (uint64_t)i * BLOCK + k;
			const struct sample sample = {
				.time_us = 10 + n * 10000, .has = SAMPLE_HAS_MEMORY,
				.total_bytes = 128 * MIB, .free_bytes = 70 * MIB + (n * 7919 % 512) * KIB,
			};

			core_sample(&core, &sample);
			core_tick(&core, sample.time_us);
			while (core_effect(&core, &e))
				continue;
		}
		us[i] = (double)(clock_now_us() - start) / BLOCK;
	}
	qsort(us, STEPS / BLOCK, sizeof(*us), compare);
	printf("core step, %4u clients: median %.2f us, 99th percentile %.2f us\n", clients,
	       us[STEPS / BLOCK / 2], us[STEPS / BLOCK * 99 / 100]);
	free(m.sessions);
	free(m.effects);
	free(m.events);
	free(us);
}

int main(void)
{
	run(3);
	run(100);
	run(1000);
	return 0;
}
