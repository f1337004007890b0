/* SPDX-License-Identifier: MIT */
#include "outlook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/*
 * Near the cliff so many processes are read every so often: 0.3 ms in 20 ms on a fast machine, 1 ms
 * on a slow one; 2000 processes take 1.3 s a round. Half: growers show later; double: 5 % of a slow
 * CPU more, at real-time priority, when others need it to flush.
 */
#define SLICE_PROCESSES	32u
#define SLICE_US	(20 * US_PER_MS)

/* Growth is measured from when headroom began to fall: at rest nothing is scanned. Falls that follow
 * each other sooner are one; half: a sawtooth costs a survey (1-2 ms) every 5 s. */
#define BASELINE_US	(10 * US_PER_S)
/* In between, at the beginning of a fall: who has come meanwhile did not cause it. Half: twice the cost;
 * double: what was started 4 s before a leak is ended with it. */
#define NEWCOMERS_US	(2 * US_PER_S)
/* Delays are asked for so often, of at most so many, and not when a kernel allocation may stall us. */
#define DELAYS_US	(250 * US_PER_MS)
#define DELAYS_ASKED	16u

/* Headroom of so many times the floor of warning is far from the cliff. */
#define FAR_FLOORS	2u

int outlook_open(struct broker *b)
{
	struct outlook *o = &b->outlook;
	const char *root = b->options.root;
	int r;

	o->entries = calloc(OUTLOOK_PLACES, sizeof(*o->entries));
	o->nodes = calloc(OUTLOOK_PLACES, sizeof(*o->nodes));
	o->readings = calloc(BROKER_PROCESSES_MAX, sizeof(*o->readings));
	if (!o->entries || !o->nodes || !o->readings)
		return -ENOMEM;
	r = growth_init(&o->growth, o->entries, o->nodes, OUTLOOK_PLACES);
	if (r >= 0)
		r = census_open(root, OUTLOOK_PLACES, &o->census);
	for (int i = 0; i < RIVAL_COUNT; i++)
		rival_init(&o->rivals[i]);
	/* a recorded machine has no netlink, and the events of this one are not its own */
	if (root && strcmp(root, "/") != 0)
		return r;
	(void)procwatch_open(&o->procwatch, PROCWATCH_QUEUE_BYTES); /* absent: its source says why */
	(void)delays_open(&o->delays, b->root_fd, DELAYS_QUEUE_BYTES); /* the same */
	o->has_netlink = true;
	return r;
}

void outlook_close(struct broker *b)
{
	struct outlook *o = &b->outlook;

	o->event = sd_event_source_disable_unref(o->event);
	if (o->has_netlink) {
		procwatch_close(&o->procwatch);
		delays_close(&o->delays);
	}
	o->census = census_close(o->census);
	free(o->entries);
	free(o->nodes);
	free(o->readings);
}

/* ---- near the cliff ---- */

static bool is_near(const struct broker *b, const struct core_domain *d)
{
	const struct estimate *e = &d->estimate;
	uint64_t floor = stage_floor_bytes(&b->core.policy.stage, STAGE_WARNING, e->total_bytes);

	return d->used && e->total_bytes && (d->stage.now != STAGE_NORMAL || e->tte_us != NEVER_US ||
					     e->headroom_bytes / FAR_FLOORS < floor);
}

/* The domain whose growers matter most; CORE_DOMAINS_MAX: all are far from the cliff. */
static uint32_t find_focus(const struct broker *b)
{
	uint32_t worst = core_worst_domain(&b->core);
	enum stage_word highest = core_stage(&b->core);

	if (b->core.domain[worst].stage.now == highest && is_near(b, &b->core.domain[worst]))
		return worst;
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (b->core.domain[d].used && b->core.domain[d].stage.now == highest &&
		    is_near(b, &b->core.domain[d]))
			return d;
	return CORE_DOMAINS_MAX;
}

static void change_focus(struct broker *b, uint32_t focus)
{
	struct outlook *o = &b->outlook;

	if (focus == o->focus)
		return;
	if (focus == CORE_DOMAINS_MAX || o->focus == CORE_DOMAINS_MAX)
		outlook_listen(b, focus != CORE_DOMAINS_MAX);
	o->focus = focus;
	if (focus == CORE_DOMAINS_MAX)
		return;
	census_within(o->census, sense_domain_directory(b->sense, focus));
	if (focus != o->table_of)
		growth_clear(&o->growth);
	o->table_of = focus;
}

void outlook_pools(struct broker *b, const struct sample *s)
{
	struct outlook *o = &b->outlook;
	uint64_t unseen = s->unseen_bytes > s->zram_used_bytes ? s->unseen_bytes - s->zram_used_bytes : 0;

	if (s->domain != o->focus || !(s->has & SAMPLE_HAS_POOLS))
		return;
	growth_pool(&o->growth, GROWTH_POOL_SHMEM, s->shmem_bytes, s->time_us);
	growth_pool(&o->growth, GROWTH_POOL_KERNEL, s->kernel_bytes, s->time_us);
	growth_pool(&o->growth, GROWTH_POOL_UNSEEN, unseen, s->time_us);
}

static bool is_client(struct broker *b, int32_t pid)
{
	struct session_table *t = &b->core.sessions;

	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s))
		if (s->offer.pid == pid)
			return true;
	for (unsigned i = 0; i < ARRAY_LEN(b->protect_pids); i++)
		if (pid == b->protect_pids[i])
			return true;
	return pid == 1 || pid == getpid();
}

static void take_slice(struct broker *b, uint64_t now_us)
{
	struct outlook *o = &b->outlook;
	struct grower top[CORE_GROWERS_MAX];
	struct census_slice slice;
	uint32_t count;

	if (census_step(o->census, now_us, SLICE_PROCESSES, &slice) < 0)
		return;
	for (uint32_t i = 0; i < slice.count; i++) {
		struct growth_reading reading = slice.reading[i];

		reading.is_apart = is_client(b, reading.pid);
		growth_see(&o->growth, &reading);
	}
	if (!slice.is_round_end)
		return;
	growth_sweep(&o->growth, slice.round_us);
	count = growth_top(&o->growth, now_us, top, CORE_GROWERS_MAX);
	core_growers(&b->core, o->focus, top, count, now_us);
	broker_drain(b);
}

void outlook_step(struct broker *b, uint64_t now_us)
{
	struct outlook *o = &b->outlook;

	change_focus(b, find_focus(b));
	outlook_settle_ends(b, now_us);
	if (o->focus == CORE_DOMAINS_MAX || now_us < o->slice_us)
		return;
	o->slice_us = now_us + SLICE_US;
	growth_calm(&o->growth, b->core.domain[o->focus].stage.now == STAGE_NORMAL);
	take_slice(b, now_us);
}

uint64_t outlook_due_us(const struct broker *b)
{
	const struct outlook *o = &b->outlook;

	return MIN_OF(o->focus == CORE_DOMAINS_MAX ? NEVER_US : o->slice_us, outlook_ends_due_us(b));
}

/* A domain whose headroom has begun to fall, but not yet by enough for a forecast. */
static bool is_beginning(const struct broker *b)
{
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++) {
		const struct estimate *e = &b->core.domain[d].estimate;

		if (b->core.domain[d].used && e->falling_us && e->tte_us == NEVER_US)
			return true;
	}
	return false;
}

static void take_baseline(struct broker *b, bool newcomers_only)
{
	int r = newcomers_only ? survey_baseline_extend(b->survey) : survey_baseline_reset(b->survey);

	if (!newcomers_only)
		growth_mark(&b->outlook.growth);
	if (r < 0)
		log_warning("the processes' growth cannot be measured: no victim by growth");
}

void outlook_baseline(struct broker *b, uint64_t now_us)
{
	bool is_void = b->core.is_baseline_void;
	bool is_fresh = !is_void && b->baseline_us && now_us - b->baseline_us < BASELINE_US;

	b->core.is_baseline_void = false;
	if (!is_void && b->baseline_us && core_stage(&b->core) != STAGE_NORMAL) {
		b->newcomers_us = 0; /* who is there at the all-clear is not the next one's cause */
		return;
	}
	if (!is_void && b->baseline_us && !is_beginning(b) && b->newcomers_us)
		return;
	if (is_fresh && b->newcomers_us && now_us - b->newcomers_us < NEWCOMERS_US)
		return;
	if (!is_fresh)
		b->baseline_us = now_us;
	take_baseline(b, is_fresh);
	b->newcomers_us = now_us;
}

/* ---- how long others wait ---- */

struct waits {
	uint64_t memory_us, cpu_us, run_us;
};

/* What this process waited for since the last answer about it; the first answer is the base. */
static struct waits waits_since(struct outlook *o, const struct parse_netlink_delays *d)
{
	struct outlook_waiter *w = &o->waiters[(uint32_t)d->pid % OUTLOOK_WAITERS];
	const struct waits now = {
		d->swapin_delay_us + d->reclaim_delay_us + d->thrashing_delay_us, d->cpu_delay_us,
		d->cpu_run_us,
	};
	struct waits since = { 0 };

	if (w->pid == d->pid && now.memory_us >= w->memory_us && now.cpu_us >= w->cpu_us &&
	    now.run_us >= w->run_us)
		since = (struct waits){ now.memory_us - w->memory_us, now.cpu_us - w->cpu_us,
					now.run_us - w->run_us };
	*w = (struct outlook_waiter){ d->pid, now.memory_us, now.cpu_us, now.run_us };
	return since;
}

static uint32_t share(uint64_t part, uint64_t whole)
{
	return whole ? (uint32_t)MIN_OF(part * PERMYRIAD / whole, PERMYRIAD) : 0;
}

static void ask_delays(struct broker *b)
{
	struct outlook *o = &b->outlook;
	const struct core_domain *d = &b->core.domain[MIN_OF(o->focus, CORE_DOMAINS_MAX - 1u)];
	struct session_table *t = &b->core.sessions;
	uint32_t asked = 0;

	for (struct session *s = session_next(t, NULL); s && asked < DELAYS_ASKED;
	     s = session_next(t, s))
		asked += delays_ask(&o->delays, s->offer.pid) == 0;
	for (uint32_t i = 0; i < d->growers_count && asked < DELAYS_ASKED; i++)
		if (d->growers[i].pid > 0)
			asked += delays_ask(&o->delays, d->growers[i].pid) == 0;
}

/* The worst of all counts: a client that waits is late, whoever else does not wait. */
static void take_delays(struct broker *b, uint64_t now_us)
{
	struct outlook *o = &b->outlook;
	uint64_t period_us = now_us - o->delays_us;
	struct parse_netlink_delays d;
	int r;

	o->delays_us = now_us;
	o->delay_reclaim_permyriad = o->delay_cpu_permyriad = 0;
	ask_delays(b);
	while ((r = delays_next(&o->delays, &d)) != -EAGAIN && r != -ENOTCONN) {
		struct waits w = { 0 };

		if (r == 0)
			w = waits_since(o, &d);
		o->delay_reclaim_permyriad =
			MAX_OF(o->delay_reclaim_permyriad, share(w.memory_us, period_us));
		o->delay_cpu_permyriad =
			MAX_OF(o->delay_cpu_permyriad, share(w.cpu_us, w.cpu_us + w.run_us));
	}
}

void outlook_sample(struct broker *b, struct sample *s)
{
	struct outlook *o = &b->outlook;

	o->swap_total_bytes = s->swap_total_bytes;
	census_swap(o->census, s->swap_total_bytes);
	for (int r = 0; r < RIVAL_COUNT; r++)
		(void)rival_step(&o->rivals[r], (enum rival)r, s);
	if (o->focus == CORE_DOMAINS_MAX) {
		o->delays_us = s->time_us;
		return;
	}
	if (!o->has_netlink || o->delays.source.error)
		return;
	if (s->time_us >= o->delays_us + DELAYS_US && core_stage(&b->core) < STAGE_SHUTDOWN)
		take_delays(b, s->time_us);
	s->has |= SAMPLE_HAS_DELAYS;
	s->delay_reclaim_permyriad = o->delay_reclaim_permyriad;
	s->delay_cpu_permyriad = o->delay_cpu_permyriad;
}

/* ---- for status ---- */

uint32_t outlook_sources(const struct broker *b, struct sense_source *ret)
{
	const struct source *const all[] = { &b->outlook.procwatch.source, &b->outlook.delays.source };
	uint32_t count = 0;

	for (; b->outlook.has_netlink && count < ARRAY_LEN(all); count++)
		ret[count] = (struct sense_source){
			.name = all[count]->ops->name,
			.is_present = all[count]->error == 0,
			.gives = all[count]->ops->gives,
			.remedy = all[count]->ops->remedy,
			.note = all[count]->error ? strerrordesc_np(-all[count]->error) : all[count]->note,
		};
	return count;
}
