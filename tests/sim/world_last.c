/* SPDX-License-Identifier: MIT */
/* What comes of a domain's last policy: files that free memory or not, programs, a machine that goes
 * or does not. */
#include "base/units.h"
#include "sim.h"

#define GOES_WITHIN_US	(4 * US_PER_S)

void last_init_domain(struct sim *s, uint32_t domain)
{
	struct call c = {
		.kind = CALL_LAST, .domain = domain,
		.policy = (enum last_policy)dice_below(&s->dice, LAST_POLICY_COUNT),
		.count = s->world.reboots,
	};

	s->world.pool[domain].is_nobodys = dice_percent(&s->dice, 15);
	call_core(s, &c);
}

/* What they held comes back, now and then enough of it. */
void last_free(struct sim *s, uint32_t domain)
{
	struct pool *p = &s->world.pool[domain];

	(void)pool_sample(s, domain); /* up to now it fell */
	if (dice_percent(&s->dice, 20))
		p->headroom_bytes += (double)p->total_bytes * (double)dice_below(&s->dice, 60) / 100;
	if (p->headroom_bytes > (double)p->total_bytes)
		p->headroom_bytes = (double)p->total_bytes;
}

void last_run(struct sim *s, uint32_t domain)
{
	if (dice_percent(&s->dice, 80))
		world_later(s, (struct action){ .kind = ACTION_PROCEDURE, .domain = domain,
			.at_us = s->now_us + dice_spread(&s->dice, 2 * US_PER_S) });
}

/* It goes, it says that it cannot, or nothing is heard. */
void last_end(struct sim *s, uint32_t domain)
{
	uint64_t roll = dice_below(&s->dice, 100);

	if (roll < 80)
		world_later(s, (struct action){ .domain = domain,
			.kind = roll < 50 ? ACTION_REBOOT : ACTION_STAYS,
			.at_us = s->now_us + dice_spread(&s->dice, GOES_WITHIN_US) });
}

void last_stays(struct sim *s, uint32_t domain)
{
	struct call c = { .kind = CALL_END_FAILED, .domain = domain, .count = 1 };

	if (s->core.domain[domain].used)
		call_core(s, &c);
}
