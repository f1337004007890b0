/* SPDX-License-Identifier: MIT */
/* Memory of a domain: how its headroom moves, and what the kernel says about it. */
#include "base/units.h"
#include "sim.h"

void pool_init(struct sim *s, uint32_t domain)
{
	struct dice *d = &s->dice;
	struct pool *p = &s->world.pool[domain];
	uint64_t most_bytes;

	*p = (struct pool){ .moved_us = s->now_us };
	most_bytes = (4096 * MIB) >> dice_below(d, 10);
	p->total_bytes = dice_between(d, 8 * MIB, most_bytes + 8 * MIB);
	p->is_odd = dice_percent(d, 10);
	p->is_crying = dice_percent(d, 70);
	p->reserve_bytes = dice_percent(d, 50) ? p->total_bytes / 64 : 0;
	p->swap_bytes = dice_percent(d, 20) ? p->total_bytes / 4 : 0;
	p->headroom_bytes = (double)p->total_bytes * (double)dice_between(d, 20, 90) / 100;
	pool_turn(s, domain);
}

/* The way it goes from now on. Rates: from hours to a few milliseconds until it is empty. */
void pool_turn(struct sim *s, uint32_t domain)
{
	struct dice *d = &s->dice;
	struct pool *p = &s->world.pool[domain];
	double total = (double)p->total_bytes;

	p->leak = dice_percent(d, 25) ? LEAK_NONE : dice_below(d, LEAK_COUNT);
	p->rate_bytes_per_s = total / ((double)(UINT64_C(1) << dice_below(d, 14)) * 0.02);
	p->turn_bytes = total * (double)dice_below(d, 12) / 100;
}

static double moved(struct pool *p, double dt_s)
{
	double total = (double)p->total_bytes, h = p->headroom_bytes;

	switch (p->leak) {
	case LEAK_STEADY:
		return h - p->rate_bytes_per_s * dt_s;
	case LEAK_BURST:
		h -= p->rate_bytes_per_s * dt_s;
		if (h > p->turn_bytes)
			return h;
		p->leak = LEAK_NONE;
		return total / 2;
	case LEAK_SAWTOOTH:
		h -= p->rate_bytes_per_s * dt_s;
		return h > p->turn_bytes ? h : total * 3 / 4;
	case LEAK_PLATEAU:
		h -= p->rate_bytes_per_s * dt_s;
		return h > p->turn_bytes ? h : p->turn_bytes;
	case LEAK_NONE:
	case LEAK_COUNT:
		break;
	}
	return h;
}

static void move(struct sim *s, struct pool *p)
{
	if (!s->world.culprit[p - s->world.pool].is_stopped)
		p->headroom_bytes = moved(p, (double)(s->now_us - p->moved_us) / 1e6);
	if (p->headroom_bytes < 0)
		p->headroom_bytes = 0;
	if (s->world.is_over)
		p->headroom_bytes = (double)p->total_bytes * 0.95;
	p->moved_us = s->now_us;
}

static uint32_t distress(struct sim *s, struct pool *p)
{
	struct dice *d = &s->dice;
	bool is_low = p->headroom_bytes < (double)p->total_bytes * 0.12;
	uint32_t bits = 0;

	if (s->world.is_over)
		return 0;
	if (is_low && p->is_crying && dice_percent(d, 80))
		bits = (uint32_t)dice_between(d, 1, 127);
	if (bits)
		return dice_percent(d, 80) ? bits & ~(uint32_t)DISTRESS_OOM : bits;
	return dice_percent(d, 3) ? 1u << dice_below(d, 7) : 0;
}

static void add_counters(struct sim *s, struct pool *p, struct sample *a)
{
	struct dice *d = &s->dice;

	if (dice_percent(d, 20)) {
		a->has |= SAMPLE_HAS_VMSTAT;
		p->direct_reclaims += !s->world.is_over && a->distress && dice_percent(d, 30);
		p->oom_kills += !s->world.is_over && p->headroom_bytes <= 0 && dice_percent(d, 10);
		a->direct_reclaims = p->direct_reclaims;
		a->oom_kills = p->oom_kills;
	}
	if (dice_percent(d, 20)) {
		a->has |= SAMPLE_HAS_LOAD | SAMPLE_HAS_CPU_PRESSURE;
		a->load_permyriad = (uint32_t)dice_below(d, 6 * PERMYRIAD);
		a->cpu_some_permyriad = (uint32_t)dice_below(d, PERMYRIAD + 1);
	}
}

struct sample pool_sample(struct sim *s, uint32_t domain)
{
	struct pool *p = &s->world.pool[domain];
	struct sample a = { .time_us = s->now_us, .domain = domain };
	uint64_t headroom;

	move(s, p);
	headroom = (uint64_t)p->headroom_bytes;
	a.distress = distress(s, p);
	if (p->is_odd && !s->world.is_over && dice_percent(&s->dice, 10))
		return a; /* nothing could be read */
	a.has = SAMPLE_HAS_MEMORY | SAMPLE_HAS_RESERVE;
	a.total_bytes = p->total_bytes;
	a.reserve_bytes = p->reserve_bytes;
	a.file_bytes = headroom / 4;
	a.free_bytes =
		headroom - a.file_bytes + (headroom ? p->reserve_bytes : p->reserve_bytes / 2);
	if (p->swap_bytes) {
		a.has |= SAMPLE_HAS_SWAP;
		a.swap_total_bytes = p->swap_bytes;
		a.swap_free_bytes = MIN_OF(headroom, p->swap_bytes) / 2;
	}
	add_counters(s, p, &a);
	return a;
}
