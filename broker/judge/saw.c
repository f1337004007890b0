/* SPDX-License-Identifier: MIT */
#include "judge/saw.h"

#include "base/units.h"

/* A turn counts from here on. Source: machines at rest move by less than 0.2 MiB; half: single small
 * programs make teeth; double: a collector of 2 MiB makes none. */
#define TOOTH_BYTES	(1 * MIB)
/* ... and from this share of the fall, or of the tooth before. Half: what reclaim gives back makes a tooth;
 * double: one that sinks fast has none. */
#define TOOTH_SHARE	2u
/* Two teeth are chance. */
#define TEETH_LEAST	3u
/* Without a new trough for so many periods it has ended. Half: an irregular saw is none; double: a leak that
 * follows it is given too much time at the late end. */
#define PERIODS		3u
#define HORIZON_S	600.0

/* Each counts as much as all before it: one that is deeper by chance does not decide alone. */
static void add_tooth(struct saw *s)
{
	double sunk = (double)s->dip_bytes - (double)s->low_bytes;
	double rate;

	if (s->teeth && s->low_us > s->dip_us) {
		s->period_us = s->low_us - s->dip_us;
		rate = sunk * US_PER_S / (double)s->period_us;
		s->rate_bytes_per_s = s->teeth > 1 ? (s->rate_bytes_per_s + rate) / 2 : rate;
	}
	s->height_bytes = s->high_bytes - s->low_bytes;
	s->dip_bytes = s->low_bytes;
	s->dip_us = s->low_us;
	s->teeth = MIN_OF(s->teeth + 1, TEETH_LEAST);
}

static void begin_fall(struct saw *s, uint64_t now_us, uint64_t now_bytes)
{
	s->is_rising = false;
	s->low_bytes = now_bytes;
	s->low_us = now_us;
}

void saw_step(struct saw *s, uint64_t now_us, uint64_t now_bytes)
{
	if (s->teeth > 1 && now_us - s->dip_us > PERIODS * s->period_us)
		s->teeth = 0;
	if (s->is_rising || !s->low_us) {
		s->high_bytes = MAX_OF(s->high_bytes, now_bytes);
		if (!s->low_us || s->high_bytes - now_bytes >= MAX_OF(TOOTH_BYTES, s->height_bytes / 4))
			begin_fall(s, now_us, now_bytes);
		return;
	}
	if (now_bytes <= s->low_bytes) {
		begin_fall(s, now_us, now_bytes);
		return;
	}
	if (s->high_bytes < s->low_bytes || now_bytes > s->high_bytes)
		s->high_bytes = now_bytes; /* no fall at all so far */
	if (now_bytes - s->low_bytes < MAX_OF(TOOTH_BYTES, (s->high_bytes - s->low_bytes) / TOOTH_SHARE))
		return;
	add_tooth(s);
	s->is_rising = true;
	s->high_bytes = now_bytes;
}

uint64_t saw_left_us(const struct saw *s, uint64_t now_us, uint64_t now_bytes)
{
	uint64_t fallen = s->high_bytes - MIN_OF(now_bytes, s->high_bytes);
	double us;

	if (s->teeth < TEETH_LEAST || s->rate_bytes_per_s <= 0 || fallen > s->height_bytes / 4 * 5)
		return 0;
	us = (double)s->dip_bytes / s->rate_bytes_per_s * US_PER_S - (double)(now_us - s->dip_us);
	return us <= 0 || us > HORIZON_S * US_PER_S ? 0 : (uint64_t)us;
}
