/* SPDX-License-Identifier: MIT */
#include "judge/rival.h"

#include <string.h>

#include "base/units.h"

/* earlyoom(1), 1.8 and later: -m 10,5 and -s 10,5 are the defaults; it sleeps as long as its
 * headroom lasts at 6000 MiB/s of memory and 800 MiB/s of swap, 100 ms to 1 s. */
#define EARLYOOM_TERM_PERCENT	10u
#define EARLYOOM_MEMORY_PER_S	(6000 * MIB)
#define EARLYOOM_SWAP_PER_S	(800 * MIB)
#define EARLYOOM_LEAST_US	(100 * US_PER_MS)
#define EARLYOOM_MOST_US	(US_PER_S)

/* oomd.conf(5) of systemd 252: DefaultMemoryPressureLimit=60%, DurationSec=30s, SwapUsedLimit=90%;
 * it looks at pressure every second and at swap every 150 ms. A pressure kill also wants reclaim
 * within the duration. */
#define OOMD_LIMIT_PERMYRIAD	6000u
#define OOMD_DURATION_US	(30 * US_PER_S)
#define OOMD_PERIOD_US		(US_PER_S)
#define OOMD_SWAP_PERIOD_US	(150 * US_PER_MS)
#define OOMD_SWAP_PERCENT	90u

/* low-memory-monitor 2.1: stall within 1 s at which it says "low", and "critical". */
#define LMM_LOW_US		(70 * US_PER_MS)
#define LMM_CRITICAL_US		(70 * US_PER_MS)
#define LMM_WINDOW_US		(US_PER_S)

/* The simple way that any application has: look four times a second, flush below a fifth. */
#define POLL_PERIOD_US		(250 * US_PER_MS)
#define POLL_PERCENT		20u

static const struct {
	const char *name, *rule;
	bool warns, acts;
} rivals[RIVAL_COUNT] = {
	[RIVAL_EARLYOOM] = { "earlyoom", "SIGTERM when MemAvailable and free swap are below 10 %",
			     false, true },
	[RIVAL_LOW_MEMORY_MONITOR] = { "low-memory-monitor", "warns on PSI some 70 ms in 1 s, critical "
				       "on full 70 ms", true, true },
	[RIVAL_SYSTEMD_OOMD] = { "systemd-oomd", "SIGKILL after 30 s of PSI full above 60 %, or memory "
				 "and swap above 90 % used", false, true },
	[RIVAL_POLL] = { "poll 4 Hz", "flushes when MemAvailable is below 20 %", true, false },
};

const char *rival_name(enum rival r)
{
	return rivals[r].name;
}

const char *rival_rule(enum rival r)
{
	return rivals[r].rule;
}

bool rival_has(enum rival r, enum rival_word word)
{
	return word == RIVAL_CALM || (word == RIVAL_WARNS ? rivals[r].warns : rivals[r].acts);
}

void rival_init(struct rival_state *s)
{
	memset(s, 0, sizeof(*s));
}

static uint64_t percent_of(uint64_t part, uint64_t whole)
{
	return whole ? (uint64_t)((double)part * 100 / (double)whole) : 0;
}

/* false: the daemon sleeps. */
static bool is_due(uint64_t *look_us, uint64_t now_us, uint64_t period_us)
{
	if (now_us < *look_us)
		return false;
	*look_us = now_us + period_us;
	return true;
}

/* Its percentage is of what programs can have: available and anonymous. */
static enum rival_word step_earlyoom(struct rival_state *s, const struct sample *p)
{
	uint64_t whole = p->available_bytes + p->anon_bytes, memory, swap, left_us = EARLYOOM_LEAST_US;

	if (!(p->has & SAMPLE_HAS_POOLS))
		whole = p->total_bytes;
	memory = percent_of(p->available_bytes, whole);
	swap = percent_of(p->swap_free_bytes, p->swap_total_bytes);
	if (!is_due(&s->look_us, p->time_us, 0))
		return s->word;
	if (memory > EARLYOOM_TERM_PERCENT)
		left_us += (memory - EARLYOOM_TERM_PERCENT) * (whole / 100) * US_PER_MS /
			   (EARLYOOM_MEMORY_PER_S / 1000);
	if (swap > EARLYOOM_TERM_PERCENT)
		left_us += (swap - EARLYOOM_TERM_PERCENT) * (p->swap_total_bytes / 100) * US_PER_MS /
			   (EARLYOOM_SWAP_PER_S / 1000);
	s->look_us = p->time_us + MIN_OF(left_us, EARLYOOM_MOST_US);
	return memory <= EARLYOOM_TERM_PERCENT && swap <= EARLYOOM_TERM_PERCENT ? RIVAL_ACTS : RIVAL_CALM;
}

/* Where its triggers were not armed: the totals, once a window. */
static enum rival_word lmm_by_totals(struct rival_state *s, const struct sample *p)
{
	uint64_t since_us = p->time_us - s->totals_us;
	enum rival_word word = s->word;

	if (!(p->has & SAMPLE_HAS_PRESSURE))
		return RIVAL_CALM;
	if (s->totals_us && since_us < LMM_WINDOW_US)
		return word;
	word = RIVAL_CALM;
	if (s->totals_us && p->memory_full_us - s->full_us >= LMM_CRITICAL_US * since_us / LMM_WINDOW_US)
		word = RIVAL_ACTS;
	else if (s->totals_us && p->memory_some_us - s->some_us >= LMM_LOW_US * since_us / LMM_WINDOW_US)
		word = RIVAL_WARNS;
	s->some_us = p->memory_some_us;
	s->full_us = p->memory_full_us;
	s->totals_us = p->time_us;
	return word;
}

static enum rival_word step_lmm(struct rival_state *s, const struct sample *p)
{
	if (!(p->has & SAMPLE_HAS_RIVALS))
		return lmm_by_totals(s, p);
	if (p->rival_triggers & RIVAL_TRIGGER_CRITICAL)
		return RIVAL_ACTS;
	return p->rival_triggers & (RIVAL_TRIGGER_LOW | RIVAL_TRIGGER_MEDIUM) ? RIVAL_WARNS : RIVAL_CALM;
}

static bool oomd_by_pressure(struct rival_state *s, const struct sample *p)
{
	bool is_high = (p->has & SAMPLE_HAS_PRESSURE) && p->memory_full_permyriad > OOMD_LIMIT_PERMYRIAD;

	if ((p->has & SAMPLE_HAS_VMSTAT) && p->direct_reclaims != s->reclaims) {
		s->reclaims = p->direct_reclaims;
		s->reclaimed_us = p->time_us;
	}
	if (!is_high)
		s->high_since_us = 0;
	else if (!s->high_since_us)
		s->high_since_us = p->time_us;
	return is_high && p->time_us - s->high_since_us >= OOMD_DURATION_US &&
	       p->time_us - s->reclaimed_us < OOMD_DURATION_US;
}

static enum rival_word step_oomd(struct rival_state *s, const struct sample *p)
{
	bool acts = s->word == RIVAL_ACTS;

	if (is_due(&s->look_us, p->time_us, OOMD_PERIOD_US))
		acts = oomd_by_pressure(s, p);
	if (p->swap_total_bytes && is_due(&s->swap_look_us, p->time_us, OOMD_SWAP_PERIOD_US))
		acts |= percent_of(p->total_bytes - p->available_bytes, p->total_bytes) > OOMD_SWAP_PERCENT &&
			percent_of(p->swap_total_bytes - p->swap_free_bytes, p->swap_total_bytes) >
				OOMD_SWAP_PERCENT;
	return acts ? RIVAL_ACTS : RIVAL_CALM;
}

static enum rival_word step_poll(struct rival_state *s, const struct sample *p)
{
	if (!is_due(&s->look_us, p->time_us, POLL_PERIOD_US))
		return s->word;
	return percent_of(p->available_bytes, p->total_bytes) < POLL_PERCENT ? RIVAL_WARNS : RIVAL_CALM;
}

enum rival_word rival_step(struct rival_state *s, enum rival r, const struct sample *sample)
{
	static enum rival_word (*const steps[RIVAL_COUNT])(struct rival_state *, const struct sample *) = {
		[RIVAL_EARLYOOM] = step_earlyoom, [RIVAL_LOW_MEMORY_MONITOR] = step_lmm,
		[RIVAL_SYSTEMD_OOMD] = step_oomd, [RIVAL_POLL] = step_poll,
	};

	if ((sample->has & SAMPLE_HAS_MEMORY) && sample->total_bytes && sample->domain == 0)
		s->word = steps[r](s, sample);
	return s->word;
}
