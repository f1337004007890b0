/* SPDX-License-Identifier: MIT */
#include "judge/rival.h"

#include <assert.h>
#include <signal.h>
#include <string.h>

#include "base/units.h"

/* These are other people's constants: halved or doubled, they would no longer be their rules. */

/* earlyoom(1) of 1.8 and later: -m 10,5 -s 10,5 of MemAvailable + AnonPages ("user mem total");
 * 1.7 and before, which is what Debian 12 has, took MemTotal, and so do we where AnonPages was not
 * read. It matters: in recorded leaks on 128 MiB the kernel killed at 7.1 MiB available, which is
 * 8 % of MemTotal and 12 % of the other, so that only the older one acted. */
#define EARLYOOM_TERM_PERCENT	10u
#define EARLYOOM_KILL_PERCENT	5u
/* Its sleep, main.c of 1.8: headroom at 6000 MiB/s, plus swap's at 800 MiB/s, 100 ms to 1 s. */
#define EARLYOOM_KIB_PER_MS	6000u
#define EARLYOOM_SWAP_KIB_PER_MS 800u
#define EARLYOOM_LEAST_MS	100u
#define EARLYOOM_MOST_MS	1000u
/* AnonPages is read with every 8th sample (sense.c): seen so often unchanged, it is. */
#define ANON_IS_SAME		8u

/* oomd.conf(5), systemd 252 to 261: DefaultMemoryPressureLimit=60%,
 * DefaultMemoryPressureDurationSec=30s, SwapUsedLimit=90% of memory and of swap. oomd-manager.h:
 * looks every 1 s, at swap every 150 ms, and spares where nothing was reclaimed in 30 s. */
#define OOMD_LIMIT_PERMYRIAD	6000u
#define OOMD_DURATION_US	(30 * US_PER_S)
#define OOMD_RECLAIM_US		(30 * US_PER_S)
#define OOMD_PERIOD_US		US_PER_S
#define OOMD_SWAP_PERIOD_US	(150 * US_PER_MS)
#define OOMD_LEFT_PERCENT	10u

/* low-memory-monitor 2.1, as it is packaged: the three stalls in 1 s (later sources have 100 ms of
 * "full"), and what it then sends. Its use of the kernel's killer is off since 2.1 (NEWS), and its
 * check for half of the memory being free divides integers and so never holds it back. */
#define LMM_WINDOW_US		US_PER_S
#define LMM_LOW_US		(70 * US_PER_MS)
#define LMM_MEDIUM_US		(100 * US_PER_MS)
#define LMM_CRITICAL_US		(70 * US_PER_MS)
#define LMM_LOW			50u
#define LMM_MEDIUM		100u
#define LMM_CRITICAL		255u

/* Measured in the crash lab, on 128 MiB without swap: the simple rule that lost least. */
#define POLL_PERIOD_US		(250 * US_PER_MS)
#define POLL_PERCENT		20u

/* No machine has 1 EiB: a figure from there is not believed, and no product below goes round. */
#define BYTES_MAX		(UINT64_C(1) << 60)

static const struct {
	const char *name, *rule;
	bool warns, acts;
	const char *process;
} rivals[RIVAL_COUNT] = {
	[RIVAL_EARLYOOM] = {
		"earlyoom", "SIGTERM when at most 10 % of what programs can have is available and "
		"at most 10 % of swap is free, SIGKILL at 5 % and 5 %; looks once to ten times "
		"a second", false, true, "earlyoom" },
	[RIVAL_EARLYOOM_1_7] = {
		"earlyoom 1.7", "the same, but 10 % and 5 % of MemTotal", false, true },
	[RIVAL_LOW_MEMORY_MONITOR] = {
		"low-memory-monitor", "warns when memory stalls some task for 70 ms in 1 s (50), "
		"for 100 ms (100), or all tasks for 70 ms (255)", true, false, "low-memory-moni" },
	[RIVAL_SYSTEMD_OOMD] = {
		"systemd-oomd", "SIGKILL when memory stalled all tasks above 60 % (avg10) for 30 s "
		"while it was reclaimed, or when less than 10 % of both memory and swap is left",
		false, true, "systemd-oomd" },
	[RIVAL_POLL] = {
		"poll20", "flushes when MemAvailable, seen 4 times a second, is below 20 %",
		true, false },
};

const char *rival_name(enum rival r)
{
	return rivals[r].name;
}

const char *rival_process(enum rival r)
{
	return rivals[r].process;
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

/* Exact: the kernel's figures are whole KiB. Of nothing, nothing is left. */
static bool is_at_most(uint64_t part_bytes, uint64_t whole_bytes, uint32_t percent)
{
	return part_bytes / KIB * 100 <= whole_bytes / KIB * percent;
}

static bool is_below(uint64_t part_bytes, uint64_t whole_bytes, uint32_t percent)
{
	return part_bytes / KIB * 100 < whole_bytes / KIB * percent;
}

static uint32_t permyriad_of(uint64_t part_bytes, uint64_t whole_bytes)
{
	if (whole_bytes < KIB || part_bytes >= whole_bytes)
		return whole_bytes < KIB ? 0 : (uint32_t)PERMYRIAD;
	return (uint32_t)(part_bytes / KIB * PERMYRIAD / (whole_bytes / KIB));
}

/* false: the daemon sleeps. */
static bool is_due(const struct rival_state *s, uint64_t look_us, uint64_t now_us)
{
	return !s->is_started || now_us >= look_us;
}

/* The daemon's own grid: how late our sample came must not add up. */
static uint64_t next_look(const struct rival_state *s, uint64_t look_us, uint64_t period_us)
{
	uint64_t now_us = s->newest_us;

	if (!s->is_started)
		return now_us + period_us;
	return look_us + ((now_us - look_us) / period_us + 1) * period_us;
}

/* ---- earlyoom ---- */

/* AnonPages is older than MemAvailable in most samples. Their sum moves slowly, so it is taken when
 * AnonPages is new; a new MemAvailable beside an old AnonPages would look like more room. */
static uint64_t user_total(struct rival_state *s, const struct sample *p)
{
	if (!(p->has & SAMPLE_HAS_POOLS) || p->anon_bytes >= BYTES_MAX)
		return p->total_bytes;
	if (s->user_total_bytes && p->anon_bytes == s->anon_bytes &&
	    ++s->same_anon_count < ANON_IS_SAME)
		return s->user_total_bytes;
	s->anon_bytes = p->anon_bytes;
	s->same_anon_count = 0;
	s->user_total_bytes = p->available_bytes + p->anon_bytes;
	return s->user_total_bytes;
}

static uint64_t headroom_kib(uint64_t part_bytes, uint64_t whole_bytes)
{
	uint64_t limit_kib = whole_bytes / KIB * EARLYOOM_TERM_PERCENT / 100;

	return part_bytes / KIB > limit_kib ? part_bytes / KIB - limit_kib : 0;
}

static enum rival_word earlyoom_of(struct rival_state *s, const struct sample *p, uint64_t whole)
{
	uint64_t sleep_ms;

	if (!is_due(s, s->look_us, p->time_us))
		return s->word;
	sleep_ms = headroom_kib(p->available_bytes, whole) / EARLYOOM_KIB_PER_MS +
		   headroom_kib(p->swap_free_bytes, p->swap_total_bytes) /
			   EARLYOOM_SWAP_KIB_PER_MS;
	sleep_ms = MIN_OF(MAX_OF(sleep_ms, EARLYOOM_LEAST_MS), EARLYOOM_MOST_MS);
	s->look_us = next_look(s, s->look_us, sleep_ms * US_PER_MS);
	s->reason = (struct rival_reason){
		.memory_permyriad = permyriad_of(p->available_bytes, whole),
		.swap_permyriad = permyriad_of(p->swap_free_bytes, p->swap_total_bytes),
	};
	if (whole < KIB || !is_at_most(p->available_bytes, whole, EARLYOOM_TERM_PERCENT) ||
	    !is_at_most(p->swap_free_bytes, p->swap_total_bytes, EARLYOOM_TERM_PERCENT))
		return RIVAL_CALM;
	s->reason.signal = is_at_most(p->available_bytes, whole, EARLYOOM_KILL_PERCENT) &&
			   is_at_most(p->swap_free_bytes, p->swap_total_bytes,
				      EARLYOOM_KILL_PERCENT) ? SIGKILL : SIGTERM;
	return RIVAL_ACTS;
}

static enum rival_word step_earlyoom(struct rival_state *s, const struct sample *p)
{
	return earlyoom_of(s, p, user_total(s, p));
}

static enum rival_word step_earlyoom_1_7(struct rival_state *s, const struct sample *p)
{
	return earlyoom_of(s, p, p->total_bytes);
}

/* ---- low-memory-monitor ---- */

static uint64_t in_window(uint64_t grown_us, uint64_t over_us)
{
	/* a gap in the samples is more than a window: its average, not its sum */
	if (over_us > LMM_WINDOW_US)
		grown_us = MIN_OF(grown_us, over_us) * US_PER_MS / (over_us / US_PER_MS);
	return MIN_OF(grown_us, LMM_WINDOW_US);
}

static uint32_t lmm_level(uint64_t some_us, uint64_t full_us)
{
	if (full_us >= LMM_CRITICAL_US)
		return LMM_CRITICAL;
	return some_us >= LMM_MEDIUM_US ? LMM_MEDIUM : some_us >= LMM_LOW_US ? LMM_LOW : 0;
}

/* The totals are read once a second (sense.c), so in our samples they are stairs. A step after a
 * window without one is all there was since the last reading, and the window before it is over:
 * otherwise two steps would be counted into one second. The last reading was at the last step, or
 * it moved nothing and is a second old. */
static void lmm_step_up(struct rival_state *s, uint64_t now_us)
{
	uint64_t since_us = now_us - s->grown_us;

	if (since_us >= LMM_WINDOW_US)
		s->first = s->newest;
	if (since_us >= LMM_WINDOW_US && since_us < 2 * LMM_WINDOW_US)
		s->first.at_us = s->grown_us;
	s->grown_us = now_us;
}

static uint32_t lmm_by_totals(struct rival_state *s, const struct sample *p)
{
	struct rival_stall now = { p->time_us, p->memory_some_us, p->memory_full_us };
	bool is_new = !s->newest.at_us || now.some_us < s->newest.some_us ||
		      now.full_us < s->newest.full_us;
	uint64_t some_us, over_us;
	uint32_t level;

	if (is_new) {
		s->first = s->newest = now;
		s->grown_us = now.at_us;
	}
	if (now.some_us != s->newest.some_us || now.full_us != s->newest.full_us)
		lmm_step_up(s, now.at_us);
	over_us = now.at_us - s->first.at_us;
	some_us = in_window(now.some_us - s->first.some_us, over_us);
	level = lmm_level(some_us, in_window(now.full_us - s->first.full_us, over_us));
	s->reason.pressure_permyriad = (uint32_t)(some_us * PERMYRIAD / LMM_WINDOW_US);
	if (over_us >= LMM_WINDOW_US)
		s->first = now;
	s->newest = now;
	return level;
}

static uint32_t lmm_by_triggers(const struct sample *p)
{
	if (p->rival_triggers & RIVAL_TRIGGER_CRITICAL)
		return LMM_CRITICAL;
	if (p->rival_triggers & RIVAL_TRIGGER_MEDIUM)
		return LMM_MEDIUM;
	return p->rival_triggers & RIVAL_TRIGGER_LOW ? LMM_LOW : 0;
}

/* A trigger fires once a window at most, so a word holds as long, or it would flicker. */
static enum rival_word step_lmm(struct rival_state *s, const struct sample *p)
{
	uint32_t level = p->has & SAMPLE_HAS_PRESSURE ? lmm_by_totals(s, p) : 0;

	if (p->has & SAMPLE_HAS_RIVALS)
		level = lmm_by_triggers(p);
	if (p->time_us >= s->silent_us)
		s->reason.level = 0;
	if (level && level >= s->reason.level) {
		s->reason.level = level;
		s->silent_us = p->time_us + LMM_WINDOW_US;
	}
	return s->reason.level ? RIVAL_WARNS : RIVAL_CALM;
}

/* ---- systemd-oomd: as if one enrolled cgroup held the whole machine ---- */

/* It asks for scanned pages of any kind; direct reclaim is the part of them that we count. Where
 * that is not read, pressure is believed. */
static bool oomd_sees_reclaim(struct rival_state *s, const struct sample *p)
{
	if (!(p->has & SAMPLE_HAS_VMSTAT))
		return true;
	if (p->direct_reclaims != s->reclaims)
		s->reclaimed_us = p->time_us;
	s->reclaims = p->direct_reclaims;
	return s->reclaimed_us && p->time_us - s->reclaimed_us <= OOMD_RECLAIM_US;
}

static void oomd_look(struct rival_state *s, const struct sample *p)
{
	bool has_reclaim = oomd_sees_reclaim(s, p);
	bool is_high = p->memory_full_permyriad > OOMD_LIMIT_PERMYRIAD;

	if (is_high && !s->is_high)
		s->high_since_us = p->time_us;
	s->is_high = is_high;
	s->reason.pressure_permyriad = p->memory_full_permyriad;
	s->reason.high_us = is_high ? p->time_us - s->high_since_us : 0;
	s->is_pressed = is_high && has_reclaim && s->reason.high_us >= OOMD_DURATION_US;
}

static void oomd_look_at_swap(struct rival_state *s, const struct sample *p)
{
	s->reason.memory_permyriad = permyriad_of(p->available_bytes, p->total_bytes);
	s->reason.swap_permyriad = permyriad_of(p->swap_free_bytes, p->swap_total_bytes);
	s->is_swap_low = is_below(p->available_bytes, p->total_bytes, OOMD_LEFT_PERCENT) &&
			 is_below(p->swap_free_bytes, p->swap_total_bytes, OOMD_LEFT_PERCENT);
}

static enum rival_word step_oomd(struct rival_state *s, const struct sample *p)
{
	if ((p->has & SAMPLE_HAS_PRESSURE) && is_due(s, s->look_us, p->time_us)) {
		s->look_us = next_look(s, s->look_us, OOMD_PERIOD_US);
		oomd_look(s, p);
	}
	if (is_due(s, s->swap_look_us, p->time_us)) {
		s->swap_look_us = next_look(s, s->swap_look_us, OOMD_SWAP_PERIOD_US);
		oomd_look_at_swap(s, p);
	}
	s->reason.signal = s->is_pressed || s->is_swap_low ? SIGKILL : 0;
	return s->reason.signal ? RIVAL_ACTS : RIVAL_CALM;
}

/* ---- the application's own poll ---- */

static enum rival_word step_poll(struct rival_state *s, const struct sample *p)
{
	if (!is_due(s, s->look_us, p->time_us))
		return s->word;
	s->look_us = next_look(s, s->look_us, POLL_PERIOD_US);
	s->reason.memory_permyriad = permyriad_of(p->available_bytes, p->total_bytes);
	return is_below(p->available_bytes, p->total_bytes, POLL_PERCENT) ? RIVAL_WARNS :
									    RIVAL_CALM;
}

static bool is_usable(const struct sample *p)
{
	return p->domain == 0 && (p->has & SAMPLE_HAS_MEMORY) && p->total_bytes >= KIB &&
	       p->total_bytes < BYTES_MAX && p->available_bytes <= p->total_bytes &&
	       p->swap_total_bytes < BYTES_MAX && p->swap_free_bytes <= p->swap_total_bytes;
}

enum rival_word rival_step(struct rival_state *s, enum rival r, const struct sample *sample)
{
	static enum rival_word (*const steps[RIVAL_COUNT])(struct rival_state *s,
							   const struct sample *p) = {
		[RIVAL_EARLYOOM] = step_earlyoom, [RIVAL_EARLYOOM_1_7] = step_earlyoom_1_7,
		[RIVAL_LOW_MEMORY_MONITOR] = step_lmm, [RIVAL_SYSTEMD_OOMD] = step_oomd,
		[RIVAL_POLL] = step_poll,
	};

	assert(r < RIVAL_COUNT);
	if (!is_usable(sample))
		return s->word;
	if (sample->time_us < s->newest_us)
		rival_init(s);
	s->newest_us = sample->time_us;
	s->word = steps[r](s, sample);
	s->is_started = true;
	return s->word;
}
