/* SPDX-License-Identifier: MIT */
/*
 * Theory. The kernel hands out memory until free pages stand at the zones' min watermark and no
 * file page is left to drop. So the distance to the cliff is
 *
 *     headroom = MemFree + Active(file) + Inactive(file) - reserve + weight * SwapFree
 *
 * measured at 0.5-0.75 MiB in the last sample before the OOM kill at every leak rate, while
 * MemAvailable still showed 4.6-8.5 MiB (it counts half of a reclaimable slab that was not given back). In a
 * cgroup it is limit - usage + file pages of the cgroup, with the same rule for swap.
 *
 * Time to exhaustion is headroom divided by the rate of its fall. The rate comes from several
 * windows at once: the middle one gives the estimate, the steepest the pessimistic bound, because
 * an accelerating leak shows first in the short window and a staircase only in the long ones. The
 * bound also takes a margin off the headroom: the position of the cliff, not the slope, is the
 * larger error (watermark boost moves it by 2-5 MiB on a 128 MiB machine).
 *
 * Known liars. MemAvailable: shown, never judged. File pages that are in use count as headroom
 * although dropping them makes the machine crawl (thrash): PSI triggers stand in as distress. Swap
 * on zram eats the memory that it offers: it counts by `swap_weight` only. The cache of ZFS looks
 * used and can be dropped. CmaFree is part of MemFree and counts: programs, which are what grows,
 * may use it (mm/page_alloc.c, __rmqueue). Every PSI figure read in
 * a fast loop is too low (the kernel weights it by non-idle jiffies): only triggers are used.
 */
#include "judge/estimate.h"

#include <math.h>
#include <string.h>

#include "base/units.h"

/* Beyond this a fall is not worth a forecast: leads are seconds. Halved: slow leaks show later. */
#define HORIZON_S		600.0

/* See rates(). Source: recorded leaks of 1-10 MiB/s, where the 50 ms window reads up to 7 times too
 * much. Half: a full-speed leak is believed one sample later; double: slow leaks shut down early. */
#define TRUST			10u

/* See interval(). Halved (doubled): 8 of 10 would become 7 (9) of 10 with fast leaks. */
#define EARLY_PERCENT		95u
/* Between two steps of a staircase the short windows see nothing: flatter ones are left out. */
#define FLATTEST_SHARE		4
/* Troughs do not sink evenly. Source: saws for tuning; half of the surplus: the end of one in three comes
 * later still; double: the interval says less. */
#define SAW_LATE_PERCENT	110u
#define KERNEL_RECLAIMS_US	(450 * US_PER_MS)

/* How long a cry of the kernel counts. PSI triggers repeat at most once per window (0.5-2 s). */
#define DISTRESS_KEEP_US	(2 * US_PER_S)

/* A tenth of a client's time lost to reclaim, swap and thrashing is distress. Source: the usual PSI
 * threshold; half: a page cache that turns over counts; double: it crawls already. */
#define DELAYED_PERMYRIAD	1000u

/* Before so much is stored on zram, what it takes says nothing. Half: the first, well compressible
 * pages decide; double: the configured weight stands for longer. */
#define ZRAM_TELLS_BYTES	(8 * MIB)

/* The cliff may be nearer by this share of the domain's memory, at most so much: watermark boost
 * (2-5 MiB of 128 MiB measured, read late by up to one zoneinfo period); memcg charges in batches. */
#define MARGIN_SYSTEM_SHARE	64u
#define MARGIN_SYSTEM_MAX	(8 * MIB)
#define MARGIN_CGROUP_SHARE	256u

/* CPU load may stretch budgets at most so far; more would only say that nothing is certain. */
#define STRETCH_MAX_PERMYRIAD	(4 * PERMYRIAD)

void estimate_init(struct estimator *e)
{
	memset(e, 0, sizeof(*e));
	trend_init(&e->trend);
	fall_init(&e->fall);
	e->stretch_permyriad = PERMYRIAD;
	e->last.tte_us = e->last.tte_low_us = e->last.guaranteed_us = NEVER_US;
	e->last.tte_early_us = e->last.tte_late_us = NEVER_US;
	e->last.stretch_permyriad = PERMYRIAD;
}

const char *estimate_limit_name(enum estimate_limit limit)
{
	static const char *const names[ESTIMATE_LIMIT_COUNT] = {
		[ESTIMATE_LIMIT_MEMORY] = "memory", [ESTIMATE_LIMIT_SWAP] = "swap",
		[ESTIMATE_LIMIT_ZRAM] = "zram", [ESTIMATE_LIMIT_CGROUP] = "cgroup",
	};

	return names[limit];
}

/*
 * What a free byte of swap is worth. A page that goes to zram frees less than itself: what those
 * that are there already take tells how much less, for as long as programs stay what they are.
 */
static uint64_t swap_weight_permyriad(const struct estimate_policy *p, const struct sample *s)
{
	if (!(s->has & SAMPLE_HAS_ZRAM) || s->zram_stored_bytes < ZRAM_TELLS_BYTES)
		return p->swap_weight_permyriad;
	if (s->zram_used_bytes >= s->zram_stored_bytes)
		return 0;
	return PERMYRIAD - (uint64_t)((double)s->zram_used_bytes / (double)s->zram_stored_bytes *
				      PERMYRIAD);
}

/* A zram that may take no more memory is full, whatever swap says is free. */
static uint64_t swap_left_bytes(const struct sample *s)
{
	double factor = 1, fits;

	if (!(s->has & SAMPLE_HAS_ZRAM) || !s->zram_limit_bytes)
		return s->swap_free_bytes;
	if (s->zram_used_bytes >= s->zram_limit_bytes)
		return 0;
	if (s->zram_used_bytes && s->zram_stored_bytes >= ZRAM_TELLS_BYTES)
		factor = (double)s->zram_stored_bytes / (double)s->zram_used_bytes;
	fits = (double)(s->zram_limit_bytes - s->zram_used_bytes) * factor;
	return fits < (double)s->swap_free_bytes ? (uint64_t)fits : s->swap_free_bytes;
}

/*
 * By so much more may free swap be worth: a page on a disk frees all of itself, however slowly. What
 * zram takes is known once something is there.
 */
static uint64_t swap_doubt_bytes(const struct estimate_policy *p, const struct sample *s)
{
	bool is_known = (s->has & SAMPLE_HAS_ZRAM) && s->zram_stored_bytes >= ZRAM_TELLS_BYTES;

	if (!(s->has & SAMPLE_HAS_SWAP) || is_known)
		return 0;
	return swap_left_bytes(s) / PERMYRIAD * (PERMYRIAD - MIN_OF(p->swap_weight_permyriad, PERMYRIAD));
}

static enum estimate_limit limit_of(const struct estimate_policy *p, const struct sample *s)
{
	if (s->domain != 0)
		return ESTIMATE_LIMIT_CGROUP;
	if (!(s->has & SAMPLE_HAS_SWAP) || !swap_weight_permyriad(p, s))
		return ESTIMATE_LIMIT_MEMORY;
	return s->has & SAMPLE_HAS_ZRAM ? ESTIMATE_LIMIT_ZRAM : ESTIMATE_LIMIT_SWAP;
}

/* Without swap. */
static uint64_t memory_bytes(const struct sample *s)
{
	uint64_t have = s->free_bytes + s->file_bytes + s->arc_bytes;

	return have > s->reserve_bytes ? have - s->reserve_bytes : 0;
}

uint64_t estimate_headroom_bytes(const struct estimate_policy *p, const struct sample *s)
{
	uint64_t have = s->free_bytes + s->file_bytes + s->arc_bytes;

	if (s->has & SAMPLE_HAS_SWAP)
		have += swap_left_bytes(s) / PERMYRIAD * swap_weight_permyriad(p, s);
	return have > s->reserve_bytes ? have - s->reserve_bytes : 0;
}

static bool is_stalled(struct estimator *e, const struct stall_policy *p, const struct sample *s)
{
	const struct stall_reading r = {
		.now_us = s->time_us, .has_full = s->has & SAMPLE_HAS_PRESSURE,
		.full_us = s->memory_full_us, .late_us = e->late_us,
		.delay_permyriad = s->has & SAMPLE_HAS_DELAYS ? s->delay_reclaim_permyriad : 0,
	};

	stall_step(&e->stall, p, &r);
	e->late_us = 0;
	return stall_is(&e->stall, p);
}

void estimate_forget_stall(struct estimator *e, struct estimate *now)
{
	const struct stall newest = { .seen_us = e->stall.seen_us, .slot_us = e->stall.seen_us,
				      .full_us = e->stall.full_us };

	e->stall = newest;
	e->distress_us[9] = 0;
	now->distress &= ~(uint32_t)DISTRESS_STALL;
	e->last.distress &= ~(uint32_t)DISTRESS_STALL;
}
_Static_assert(DISTRESS_STALL == 1 << 9, "its place among the bits");

bool estimate_heard_kill(const struct estimator *e, uint64_t sample_us)
{
	return e->distress_us[5] == sample_us + 1;
}

bool estimate_heard_kill_since(const struct estimator *e, uint64_t since_us)
{
	return e->distress_us[5] > since_us;
}
_Static_assert(DISTRESS_OOM == 1 << 5, "its place among the bits");

/* Counters that moved are distress, too; remembers when each kind was last seen. */
static uint32_t distress_step(struct estimator *e, const struct estimate_policy *p,
			      const struct sample *s)
{
	uint32_t now = s->distress, kept = 0;

	if (is_stalled(e, &p->stall, s))
		now |= DISTRESS_STALL;

	if ((s->has & SAMPLE_HAS_DELAYS) && s->delay_reclaim_permyriad >= DELAYED_PERMYRIAD)
		now |= DISTRESS_TASK_DELAY;
	if (s->has & SAMPLE_HAS_VMSTAT) {
		if (e->have_counters && s->direct_reclaims > e->direct_reclaims)
			now |= DISTRESS_DIRECT_RECLAIM;
		if (e->have_counters && s->oom_kills > e->oom_kills)
			now |= DISTRESS_OOM;
		e->direct_reclaims = s->direct_reclaims;
		e->oom_kills = s->oom_kills;
		e->have_counters = true;
	}
	for (unsigned bit = 0; bit < ARRAY_LEN(e->distress_us); bit++) {
		if (now & (1u << bit))
			e->distress_us[bit] = s->time_us + 1;
		if (e->distress_us[bit] && s->time_us + 1 - e->distress_us[bit] < DISTRESS_KEEP_US)
			kept |= 1u << bit;
	}
	return kept;
}

/* Runnable tasks per CPU and PSI cpu agree on how much longer a step takes; the worse one counts. */
static void stretch_step(struct estimator *e, const struct sample *s)
{
	uint64_t load = PERMYRIAD, wait = PERMYRIAD;

	if (!(s->has & (SAMPLE_HAS_LOAD | SAMPLE_HAS_CPU_PRESSURE | SAMPLE_HAS_DELAYS)))
		return;
	if (s->has & SAMPLE_HAS_LOAD)
		load = MAX_OF(load, s->load_permyriad);
	if ((s->has & SAMPLE_HAS_CPU_PRESSURE) && s->cpu_some_permyriad < PERMYRIAD)
		wait = PERMYRIAD * PERMYRIAD / (PERMYRIAD - s->cpu_some_permyriad);
	else if (s->has & SAMPLE_HAS_CPU_PRESSURE)
		wait = STRETCH_MAX_PERMYRIAD;
	/* the clients' own waiting is the best witness of all, where the kernel counts it */
	if ((s->has & SAMPLE_HAS_DELAYS) && s->delay_cpu_permyriad < PERMYRIAD)
		wait = MAX_OF(wait, PERMYRIAD * PERMYRIAD / (PERMYRIAD - s->delay_cpu_permyriad));
	e->stretch_permyriad = (uint32_t)MIN_OF(MAX_OF(load, wait), STRETCH_MAX_PERMYRIAD);
}

/* What programs do not have as their own: it grows where nobody's size shows it. */
static uint64_t pools_bytes(const struct sample *s)
{
	return s->shmem_bytes + s->kernel_bytes + s->unseen_bytes;
}

static uint64_t time_left_us(uint64_t bytes, int64_t fall_bytes_per_s)
{
	double s;

	if (fall_bytes_per_s <= 0)
		return NEVER_US;
	s = (double)bytes / (double)fall_bytes_per_s;
	return s > HORIZON_S ? NEVER_US : (uint64_t)(s * US_PER_S);
}

static uint64_t margin_bytes(const struct sample *s)
{
	if (s->domain == 0)
		return MIN_OF(s->total_bytes / MARGIN_SYSTEM_SHARE, MARGIN_SYSTEM_MAX);
	return s->total_bytes / MARGIN_CGROUP_SHARE;
}

/*
 * A short window is noise about the far future: each is trusted only when it sees the end within
 * TRUST of its own time constants. The shortest trusted one gives the estimate, the steepest
 * trusted one the bound; the longest is always trusted.
 */
static void rates(const struct trend *t, struct estimate *ret)
{
	int w = TREND_WINDOW_COUNT - 1;

	ret->fall_bytes_per_s = ret->fall_high_bytes_per_s = trend_fall_bytes_per_s(t, w);
	while (--w >= 0) {
		int64_t rate = trend_fall_bytes_per_s(t, w);

		if (time_left_us(ret->headroom_bytes, rate) > TRUST * trend_tau_us(w))
			continue;
		ret->fall_bytes_per_s = rate;
		ret->fall_high_bytes_per_s = MAX_OF(ret->fall_high_bytes_per_s, rate);
	}
}

/*
 * How fast the rate itself grows, where it does so smoothly: each window sees the rate of its own
 * mean age. A step shows in the shortest window alone, noise in no order.
 */
static double acceleration(const struct trend *t, const struct estimate *e)
{
	const double apart_s = (double)(trend_tau_us(TREND_1S) - trend_tau_us(TREND_250MS)) / US_PER_S;
	double fast = (double)trend_fall_bytes_per_s(t, TREND_50MS);
	double middle = (double)trend_fall_bytes_per_s(t, TREND_250MS);
	double slow = (double)trend_fall_bytes_per_s(t, TREND_1S);

	if (e->falling_us < US_PER_S || slow <= 0 || middle <= slow || fast < middle || fast > 2 * middle)
		return 0;
	return (middle - slow) / apart_s;
}

/* Time to fall by so much, from this rate on, with that acceleration. */
static uint64_t time_accelerating_us(uint64_t bytes, double rate, double acceleration)
{
	double s;

	if (rate <= 0 || acceleration <= 0)
		return NEVER_US;
	s = 2 * (double)bytes / (rate + sqrt(rate * rate + 2 * acceleration * (double)bytes));
	return s > HORIZON_S ? NEVER_US : (uint64_t)(s * US_PER_S);
}

struct doubt {
	uint64_t saw_left_us;		/* or later still; 0: no saw */
	uint64_t margin_bytes;		/* the cliff may be nearer by so much */
	uint64_t swap_bytes;		/* or further */
	uint64_t accelerated_us;
};

/*
 * The 80 % interval: the steepest and the flattest window of the fall, with what the recordings that
 * were made for tuning showed beyond them (tests/vm/recordings.py; failsoftctl backtest measures it
 * on all): the cliff is a little nearer than it looks, and the kernel reclaims for a while before
 * it kills. What cannot be foreseen, a second leak that joins, lies outside of it.
 */
static void interval(const struct trend *t, const struct doubt *d, struct estimate *ret)
{
	uint64_t left = ret->headroom_bytes, early_us, late_us;
	int64_t steepest = ret->fall_bytes_per_s, flattest = ret->fall_bytes_per_s;

	for (int w = 0; w < TREND_WINDOW_COUNT; w++) {
		int64_t rate = trend_fall_bytes_per_s(t, w);

		steepest = MAX_OF(steepest, rate);
		if (rate > ret->fall_bytes_per_s / FLATTEST_SHARE)
			flattest = MIN_OF(flattest, rate);
	}
	early_us = time_left_us(left > d->margin_bytes / 2 ? left - d->margin_bytes / 2 : 0, steepest);
	early_us = MIN_OF(early_us, d->accelerated_us);
	ret->tte_early_us = MIN_OF(early_us / 100 * EARLY_PERCENT, ret->tte_us);
	ret->tte_late_us = MAX_OF(ret->tte_us, time_add_us(time_left_us(left + d->swap_bytes, flattest),
							   KERNEL_RECLAIMS_US));
	if (d->saw_left_us) {
		late_us = d->saw_left_us / 100 * SAW_LATE_PERCENT + KERNEL_RECLAIMS_US;
		ret->tte_late_us = MAX_OF(ret->tte_late_us, late_us);
	}
}

static void forecast(const struct estimator *e, const struct sample *s, const struct fall_view *v,
		     struct estimate *ret)
{
	uint64_t left = ret->headroom_bytes;
	struct doubt doubt = { saw_left_us(&e->saw, v->now_us, left), margin_bytes(s),
			       e->swap_doubt_bytes, NEVER_US };
	enum fall_size size = fall_size(&e->fall, v);

	rates(e->fall.since_us ? &e->fall.trend : &e->trend, ret);
	if (!e->fall.since_us)
		return;
	ret->falling_us = e->fall.low_us - e->fall.since_us;
	ret->fallen_bytes = fall_bytes(&e->fall, left);
	if (v->pools_bytes > e->fall.from_pools_bytes)
		ret->pools_grown_bytes = v->pools_bytes - e->fall.from_pools_bytes;
	ret->is_suspect = size == FALL_SUSPECT;
	if (size != FALL_REAL)
		return;
	ret->tte_us = time_left_us(left, ret->fall_bytes_per_s);
	left = left > doubt.margin_bytes ? left - doubt.margin_bytes : 0;
	doubt.accelerated_us = time_accelerating_us(
		left, (double)trend_fall_bytes_per_s(&e->fall.trend, TREND_250MS),
		acceleration(&e->fall.trend, ret));
	ret->tte_low_us = MIN_OF(ret->tte_us, time_left_us(left, ret->fall_high_bytes_per_s));
	ret->tte_low_us = MIN_OF(ret->tte_low_us, doubt.accelerated_us);
	interval(&e->fall.trend, &doubt, ret);
}

void estimate_step(struct estimator *e, const struct estimate_policy *p, const struct sample *s,
		   struct estimate *ret)
{
	struct estimate now = e->last;
	struct fall_view view;

	now.time_us = s->time_us;
	now.domain = s->domain;
	now.distress = distress_step(e, p, s);
	stretch_step(e, s);
	now.stretch_permyriad = e->stretch_permyriad;
	if (s->has & SAMPLE_HAS_POOLS) {
		e->shmem_bytes = s->shmem_bytes;
		e->kernel_bytes = s->kernel_bytes;
		e->unseen_bytes = s->unseen_bytes;
	}
	if (s->has & SAMPLE_HAS_MEMORY) {
		now.total_bytes = s->total_bytes;
		now.headroom_bytes = estimate_headroom_bytes(p, s);
		now.memory_bytes = memory_bytes(s);
		now.limit = limit_of(p, s);
		e->swap_doubt_bytes = swap_doubt_bytes(p, s);
		now.guaranteed_us = time_left_us(now.headroom_bytes, (int64_t)p->plausible_bytes_per_s);
		now.tte_us = now.tte_low_us = now.tte_early_us = now.tte_late_us = NEVER_US;
		now.falling_us = now.fallen_bytes = now.pools_grown_bytes = 0;
		now.is_suspect = false;
		trend_add(&e->trend, s->time_us, now.headroom_bytes);
		view = (struct fall_view){
			s->time_us, e->last.time_us, now.headroom_bytes, e->last.headroom_bytes,
			pools_bytes(s), trend_fall_bytes_per_s(&e->trend, TREND_250MS),
			e->is_ours || (now.distress & DISTRESS_OOM),
		};
		fall_step(&e->fall, &view);
		saw_step(&e->saw, s->time_us, now.headroom_bytes);
		forecast(e, s, &view, &now);
	}
	e->last = now;
	*ret = now;
}
