/* SPDX-License-Identifier: MIT */
/* Whom the kernel would end, and which rivals run here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "judge/badness.h"
#include "outlook.h"

#define CHOICE_US	(2 * US_PER_S)

static int by_age(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	if (x->start_ticks != y->start_ticks)
		return x->start_ticks < y->start_ticks ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void find_rivals(struct outlook *o, const struct process *p)
{
	for (int r = 0; r < RIVAL_COUNT; r++)
		if (rival_process((enum rival)r) && !strcmp(p->name, rival_process((enum rival)r)))
			o->choice.rivals |= 1u << r;
}

static void choose(struct broker *b, uint32_t count)
{
	const struct estimate *e = &b->core.domain[CORE_DOMAIN_SYSTEM].estimate;
	struct outlook *o = &b->outlook;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t total = (e->total_bytes + o->swap_total_bytes) / page;
	uint32_t chosen;

	o->choice = (struct outlook_choice){ .pid = 0 };
	qsort(b->processes, count, sizeof(*b->processes), by_age);
	for (uint32_t i = 0; i < count; i++) {
		const struct process *p = &b->processes[i];

		o->readings[i] = (struct badness_reading){
			.pid = p->pid, .oom_score_adj = p->oom_score_adj, .is_kernel = !p->resident_bytes,
			.rss_pages = p->resident_bytes / page, .swap_pages = p->swap_bytes / page,
			.page_table_pages = p->page_table_bytes / page,
		};
		find_rivals(o, p);
	}
	chosen = badness_choose(o->readings, count, total);
	if (chosen >= count)
		return;
	o->choice.pid = b->processes[chosen].pid;
	o->choice.score = badness_score(badness_points(&o->readings[chosen], total), total);
	memcpy(o->choice.name, b->processes[chosen].name, sizeof(o->choice.name));
}

/* Near the cliff a full survey is for the victim alone: what was last known is told. */
const struct outlook_choice *outlook_choose(struct broker *b, uint64_t now_us)
{
	const struct survey_request request = { .cgroup_fd = -1 };
	struct outlook *o = &b->outlook;
	uint32_t count = 0;
	int r;

	if (o->choice_us && (now_us < o->choice_us + CHOICE_US || core_stage(&b->core) >= STAGE_IMMINENT))
		return &o->choice;
	r = survey_take(b->survey, &request, b->processes, BROKER_PROCESSES_MAX, &count);
	b->processes_count = count;
	b->surveyed = (struct bystander_survey){ CORE_DOMAIN_SYSTEM, r < 0 ? 0 : clock_now_us() };
	if (r == 0 || r == -ENOBUFS)
		choose(b, count);
	o->choice_us = now_us;
	return &o->choice;
}
