/* SPDX-License-Identifier: MIT */
/* How forecasts are scored: by the speed of the fall, since fast and slow ones fail differently. */
#include <math.h>

#include "backtest.h"
#include "base/units.h"

/* Nearer to the kill nobody can act on a forecast any more. */
#define TOO_LATE_US	(200 * US_PER_MS)
/* A forecast stands until the next sample; no longer than the recorder ever waits. */
#define LONGEST_US	(100 * US_PER_MS)

static const struct {
	const char *name;
	int64_t below_bytes_per_s;
} speeds[BACKTEST_SPEEDS] = {
	{ "below 3 MiB/s", 3 * (int64_t)MIB },
	{ "3-10 MiB/s", 10 * (int64_t)MIB },
	{ "10-30 MiB/s", 30 * (int64_t)MIB },
	{ "30-100 MiB/s", 100 * (int64_t)MIB },
	{ "above", INT64_MAX },
};

const char *forecast_speed_name(unsigned speed)
{
	return speeds[speed].name;
}

void forecast_add(struct backtest_own *own, const struct estimate *e, uint64_t kill_us)
{
	uint64_t truth_us = kill_us - e->time_us;
	uint64_t for_us = MIN_OF(e->time_us - MIN_OF(own->scored_us, e->time_us), LONGEST_US);
	struct forecast_score *score = own->score;

	own->scored_us = e->time_us;
	if (e->tte_us == NEVER_US || e->time_us + TOO_LATE_US >= kill_us)
		return;
	while (e->fall_bytes_per_s >= speeds[score - own->score].below_bytes_per_s)
		score++;
	score->stated_us += for_us;
	if (truth_us < e->tte_early_us)
		score->early_us += for_us;
	else if (truth_us > e->tte_late_us)
		score->late_us += for_us;
	else
		score->inside_us += for_us;
	score->log_error += (double)for_us * fabs(log(((double)e->tte_us + 1) / ((double)truth_us + 1)));
}
