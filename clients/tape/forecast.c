/* SPDX-License-Identifier: MIT */
/* How forecasts are scored: by the speed of the fall, since fast and slow ones fail differently. */
#include <math.h>

#include "backtest.h"
#include "base/units.h"

/* Nearer to the kill nobody can act on a forecast any more. */
#define TOO_LATE_US	(200 * US_PER_MS)

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
	struct forecast_score *score = own->score;

	if (e->tte_us == NEVER_US || e->time_us + TOO_LATE_US >= kill_us)
		return;
	while (e->fall_bytes_per_s >= speeds[score - own->score].below_bytes_per_s)
		score++;
	score->count++;
	score->inside += truth_us >= e->tte_early_us && truth_us <= e->tte_late_us;
	score->early += truth_us < e->tte_early_us;
	score->late += truth_us > e->tte_late_us;
	score->log_error += fabs(log(((double)e->tte_us + 1) / ((double)truth_us + 1)));
}
