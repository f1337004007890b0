/* SPDX-License-Identifier: MIT */
/*
 * Backtest: what each rule would have said about one recording, and when, before the kernel's own
 * kill. Edge (reads files); what decides is the core and judge/rival.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../ctl/ctl.h"
#include "core.h"
#include "judge/rival.h"

#define BACKTEST_SPEEDS	5u	/* classes of how fast it falls, see forecast.c */

/* How good the forecasts were: those more than 200 ms before the kill. */
struct forecast_score {
	uint64_t stated_us, inside_us;	/* so long one was stated; with the truth in its interval */
	uint64_t early_us, late_us;	/* the truth came before, after the interval */
	double log_error;		/* |ln(estimate / truth)|, times the time it was stated */
};

/* What our own rules said under one configuration; 0: never. */
struct backtest_own {
	uint64_t entered_us[STAGE_COUNT];
	uint64_t needed_us;		/* lead that was needed when warning was entered */
	uint64_t scored_us;		/* time of the newest forecast */
	struct forecast_score score[BACKTEST_SPEEDS];
};

struct backtest {
	char name[128];
	bool is_readable, is_damaged;
	bool is_unknown;		/* no kill so far, but its end is missing: it may be in there */
	uint64_t first_us, mark_us, end_us; /* mark 0: none */
	uint64_t kill_us;		/* of the kernel for lack of memory; 0: none */
	uint32_t kill_domain;
	uint32_t configs_count;
	struct backtest_own own[CONFIGS_MAX];
	uint64_t rival_us[RIVAL_COUNT][2]; /* when it first warned, acted; 0: never */
};

/* policies: configs_count of them. -1 after a sentence: it cannot be read at all. */
int backtest_run(const char *path, const struct core_policy *policies, uint32_t policies_count,
		 struct backtest *ret);

/* backtest_table.c */
void backtest_print(const struct ctl *c, const struct backtest *all, uint32_t count);
void backtest_print_json(const struct ctl *c, const struct backtest *all, uint32_t count);

/* forecast.c: one estimate, which stood since the one before, held against what came. */
void forecast_add(struct backtest_own *own, const struct estimate *e, uint64_t kill_us);
const char *forecast_speed_name(unsigned speed);
