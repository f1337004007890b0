/* SPDX-License-Identifier: MIT */
/* One schedule: how time goes on, what happens at random, how it ends. */
#include "world.h"

#include <string.h>

#include "base/units.h"
#include "replayed.h"
#include "sim.h"

#define ROUNDS_LEAST	10u
#define ROUNDS_MOST	110u
#define QUIET_ROUNDS	400u
#define QUIET_STRIDE_US	(400 * US_PER_MS)
#define EPISODE_BLOCK	1000u	/* as the state file reserves them */

const char *const world_domain_names[SIM_DOMAINS] = {"system", "/a.slice", "/b.slice", "/c.slice"};

/* ---- policy ---- */

static void random_stages(struct dice *d, struct stage_policy *p)
{
	uint64_t permyriad = dice_below(d, 1600);
	uint64_t most_bytes = dice_percent(d, 80) ? 512 * MIB : dice_below(d, 64) * MIB;

	for (int stage = STAGE_WARNING; stage < STAGE_COUNT; stage++) {
		p->floor_permyriad[stage] = (uint32_t)permyriad;
		p->floor_max_bytes[stage] = most_bytes;
		permyriad = permyriad * dice_between(d, 20, 100) / 100;
		most_bytes = most_bytes / 100 * dice_between(d, 20, 100);
	}
	p->confirm_us = dice_spread(d, 2 * US_PER_S);
	p->hold_us = dice_spread(d, 3 * US_PER_S);
}

/* One die per statement: the order inside an initializer is up to the compiler, a seed is not. */
static void random_sessions(struct dice *d, struct session_policy *p)
{
	p->max_clients = SIM_CLIENTS;
	if (dice_percent(d, 30))
		p->max_clients = (uint32_t)dice_between(d, 1, SIM_CLIENTS);
	p->max_per_uid = SIM_CLIENTS;
	if (dice_percent(d, 20))
		p->max_per_uid = (uint32_t)dice_between(d, 1, 4);
	p->max_budget_us = dice_between(d, 1, 1500) * US_PER_MS;
	for (int i = 0; i < STEP_COUNT; i++)
		p->default_budget_us[i] = dice_between(d, 1, 1000) * US_PER_MS;
}

static void random_ladder(struct dice *d, struct escalate_policy *p)
{
	p->enabled = dice_percent(d, 90);
	p->dry_run = dice_percent(d, 10);
	p->term_us = dice_spread(d, US_PER_S);
	p->kill_us = dice_between(d, 10, 1500) * US_PER_MS;
	p->settle_us = dice_spread(d, 500 * US_PER_MS);
	p->procedures = dice_percent(d, 80);
}

static void random_last(struct dice *d, struct core_policy *p)
{
	p->last.after_us = dice_spread(d, 2 * US_PER_S);
	p->last.sync_us = dice_spread(d, 3 * US_PER_S);
	p->last.reboots_most = (uint32_t)dice_below(d, 4);
	p->last.reboots_within_us = dice_percent(d, 80) ? NEVER_US : dice_spread(d, 1000 * US_PER_S);
	p->estimate.stall.permyriad = dice_percent(d, 70) ? (uint32_t)dice_between(d, 2000, PERMYRIAD) : 0;
	p->estimate.stall.window_us = dice_between(d, 500, 10000) * US_PER_MS;
}

static struct core_policy policy_random(struct dice *d)
{
	struct core_policy p = { 0 };

	p.estimate.swap_weight_permyriad = (uint32_t)dice_below(d, PERMYRIAD + 1);
	p.estimate.plausible_bytes_per_s = MIB << dice_below(d, 12);
	p.plan.terminate_us = dice_spread(d, 2 * US_PER_S);
	p.plan.latency_us = dice_between(d, 5, 50) * US_PER_MS;
	random_last(d, &p);
	p.shield = dice_percent(d, 85);
	p.brake = dice_percent(d, 85);
	p.idle_interval_us = dice_between(d, 100, 2000) * US_PER_MS;
	p.near_interval_us = dice_between(d, 1, 20) * US_PER_MS;
	random_stages(d, &p.stage);
	random_sessions(d, &p.session);
	random_ladder(d, &p.escalate);
	return p;
}

/* ---- what will happen ---- */

void world_later(struct sim *s, struct action a)
{
	for (uint32_t i = 0; i < WORLD_ACTIONS_MAX; i++)
		if (s->world.action[i].kind == ACTION_NONE) {
			s->world.action[i] = a;
			return;
		}
}

static struct action *next_action(struct sim *s)
{
	struct action *next = NULL;

	for (uint32_t i = 0; i < WORLD_ACTIONS_MAX; i++)
		if (s->world.action[i].kind != ACTION_NONE &&
		    (!next || s->world.action[i].at_us < next->at_us))
			next = &s->world.action[i];
	return next;
}

static void reboot(struct sim *s);

static void do_actions(struct sim *s)
{
	struct action *next;

	while ((next = next_action(s)) && next->at_us <= s->now_us) {
		struct action a = *next;

		next->kind = ACTION_NONE;
		if (a.kind == ACTION_DIE && a.answer.sequence != s->world.culprit[a.domain].survey)
			continue; /* of somebody chosen before */
		if (a.kind == ACTION_PROCEDURE)
			culprit_procedure_ends(s, &a);
		else if (a.kind == ACTION_STAYS)
			last_stays(s, a.domain);
		else if (a.kind == ACTION_REBOOT)
			reboot(s);
		else
			actor_act(s, &a);
		if (a.kind == ACTION_REBOOT)
			return;
	}
}

/* ---- the loop, as broker_step() ---- */

static void read_sample(struct sim *s, uint32_t domain)
{
	struct sample sample = pool_sample(s, domain);
	struct call c = { .kind = CALL_SAMPLE, .domain = domain, .sample = &sample };

	if (domain == CORE_DOMAIN_SYSTEM)
		fence_sample(s, &sample);
	call_core(s, &c);
}

static void step(struct sim *s)
{
	struct call tick = { .kind = CALL_TICK };

	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		if (core_wants_sample(&s->core, d, s->now_us))
			read_sample(s, d);
	call_core(s, &tick);
	fence_watch(s);
	culprit_watch(s);
	model_rest(s);
}

/* To the next thing that is due, mostly; sometimes it is not a moment later, or much. */
static uint64_t next_time_us(struct sim *s)
{
	struct dice *d = &s->dice;
	const struct action *next = next_action(s);
	uint64_t due_us = core_due_us(&s->core);

	if (dice_percent(d, 5))
		return s->now_us;
	if (dice_percent(d, 30))
		return s->now_us + dice_spread(d, 4 * US_PER_S);
	if (next && next->at_us < due_us)
		due_us = next->at_us;
	return due_us == NEVER_US || due_us < s->now_us ? s->now_us + US_PER_MS : due_us;
}

/* ---- domains, restart ---- */

static void add_domain(struct sim *s, uint32_t name)
{
	struct call c = { .kind = CALL_DOMAIN_ADD, .name = world_domain_names[name] };
	bool is_new = core_domain_find(&s->core, c.name) == CORE_DOMAINS_MAX;

	call_core(s, &c);
	if (c.domain >= SIM_DOMAINS)
		sim_fail(s, "domain %s is added as %u of %u", c.name, (unsigned)c.domain,
			 SIM_DOMAINS);
	if (is_new) {
		pool_init(s, c.domain);
		last_init_domain(s, c.domain);
	}
}

static void toggle_domain(struct sim *s)
{
	uint32_t name = (uint32_t)dice_between(&s->dice, 1, SIM_DOMAINS - 1);
	struct call c = {
		.kind = CALL_DOMAIN_REMOVE,
		.domain = core_domain_find(&s->core, world_domain_names[name]),
	};

	if (c.domain == CORE_DOMAINS_MAX)
		add_domain(s, name);
	else if (dice_percent(&s->dice, 60))
		call_core(s, &c);
}

static void take_over(struct sim *s, const struct model_domain *past)
{
	struct call c = { .kind = CALL_TAKE_OVER, .past = past->episode };

	if (!past->is_used || !past->episode.number)
		return;
	c.domain = core_domain_find(&s->core, past->name);
	if (c.domain < CORE_DOMAINS_MAX)
		call_core(s, &c);
}

static void start(struct sim *s)
{
	struct call c = { .kind = CALL_START };

	replayed_check(s);
	s->world.first_episode += EPISODE_BLOCK;
	model_init(s, s->world.first_episode);
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		s->world.culprit[d].is_stopped = false; /* before anything else, the daemon lets go */
	fence_undo(s);
	if (s->world.fence.high_bytes != s->world.fence.before_bytes)
		sim_fail(s, "a killed daemon has left its tripwire");
	call_core(s, &c);
	if (!s->world.pool[CORE_DOMAIN_SYSTEM].total_bytes)
		pool_init(s, CORE_DOMAIN_SYSTEM);
	last_init_domain(s, CORE_DOMAIN_SYSTEM);
	for (uint32_t name = 1; name < SIM_DOMAINS; name++)
		if (dice_percent(&s->dice, 50))
			add_domain(s, name);
}

/* Who dies, dies; nothing else of what was to come does. */
static void forget_actions(struct sim *s)
{
	for (unsigned i = 0; i < WORLD_ACTIONS_MAX; i++)
		if (s->world.action[i].kind != ACTION_DIE)
			s->world.action[i] = (struct action){ 0 };
}

/* Killed and started again: only the state file is left; clients come back, or not. */
void world_restart(struct sim *s)
{
	struct model_domain past[SIM_DOMAINS];

	memcpy(past, s->model.domain, sizeof(past));
	forget_actions(s);
	crash_is_over(s);
	s->model.ids_count = 0;
	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		s->world.actor[i].id = 0;
		if (dice_percent(&s->dice, 60))
			world_later(s, (struct action){.kind = ACTION_JOIN,
						       .at_us = s->now_us +
								dice_spread(&s->dice, US_PER_S),
						       .actor = i});
	}
	start(s);
	for (uint32_t d = 0; d < SIM_DOMAINS; d++)
		take_over(s, &past[d]);
}

/* The machine went, and came back with nothing but what is kept over that: all of it is forgotten. */
static void reboot(struct sim *s)
{
	memset(s->world.action, 0, sizeof(s->world.action));
	memset(s->world.actor, 0, sizeof(s->world.actor));
	memset(s->world.pool, 0, sizeof(s->world.pool));
	memset(s->world.killed, 0, sizeof(s->world.killed));
	s->model.ids_count = 0;
	s->world.reboots++;
	start(s);
	for (uint32_t i = 0; i < SIM_CLIENTS / 2; i++)
		actor_join(s, i);
}

/* ---- chance ---- */

static void reload(struct sim *s)
{
	struct core_policy p = policy_random(&s->dice);
	struct call c = { .kind = CALL_RELOAD };

	/* half of them are a switch or two, so that the rest stays comparable */
	if (dice_percent(&s->dice, 50)) {
		s->policy.escalate.enabled = p.escalate.enabled;
		s->policy.escalate.dry_run = p.escalate.dry_run;
		s->policy.shield = p.shield;
		s->policy.brake = p.brake;
	} else {
		s->policy = p;
	}
	call_core(s, &c);
}

/* Also of clients that are gone, or busy, and when it is no time for it. */
static void drill(struct sim *s)
{
	struct call c = { .kind = CALL_DRILL };

	c.client = s->world.actor[dice_below(&s->dice, SIM_CLIENTS)].id;
	c.stage = (enum stage_word)dice_below(&s->dice, STAGE_COUNT);
	call_core(s, &c);
}

static void chance(struct sim *s)
{
	struct dice *d = &s->dice;
	uint32_t domain = (uint32_t)dice_below(d, SIM_DOMAINS);
	struct call oom = { .kind = CALL_OOM, .domain = domain };
	struct call grow = { .kind = CALL_GROWERS, .domain = domain };
	uint64_t roll = dice_below(d, 1000);

	if (roll < 60)
		actor_join(s, (uint32_t)dice_below(d, SIM_CLIENTS));
	else if (roll < 75)
		actor_leave(s, (uint32_t)dice_below(d, SIM_CLIENTS));
	else if (roll < 120)
		actor_nonsense(s);
	else if (roll < 180)
		pool_turn(s, domain);
	else if (roll < 190)
		reload(s);
	else if (roll < 200)
		toggle_domain(s);
	else if (roll < 203)
		world_restart(s);
	else if (roll < 213 && s->core.domain[domain].used)
		call_core(s, &oom);
	else if (roll < 240 && roll >= 233)
		call_core(s, &grow);
	else if (roll >= 240 && roll < 260)
		culprit_guard(s);
	else if (roll >= 260 && roll < 320)
		drill(s);
	else if (roll < 233 && s->core.domain[domain].used)
		read_sample(s, domain);
}

static void begin(struct sim *s)
{
	uint32_t clients = (uint32_t)dice_below(&s->dice, SIM_CLIENTS + 1);

	s->now_us = dice_between(&s->dice, 1, 1000 * US_PER_S);
	s->policy = policy_random(&s->dice);
	s->world.first_episode = dice_below(&s->dice, 100000);
	fence_init(s);
	start(s);
	for (uint32_t i = 0; i < clients; i++)
		actor_join(s, i);
}

void world_run(struct sim *s)
{
	uint64_t rounds;

	begin(s);
	rounds = dice_between(&s->dice, ROUNDS_LEAST, ROUNDS_MOST);
	for (uint64_t i = 0; i < rounds; i++) {
		s->now_us = next_time_us(s);
		replayed_begin(s);
		chance(s);
		do_actions(s);
		step(s);
		crash_chance(s);
	}
	s->world.is_over = true;
	memset(s->world.action, 0, sizeof(s->world.action));
	for (unsigned i = 0; i < QUIET_ROUNDS && !model_is_quiet(&s->model); i++) {
		s->now_us += QUIET_STRIDE_US;
		step(s);
	}
	replayed_check(s);
	fence_undo(s);
	if (s->world.fence.high_bytes != s->world.fence.before_bytes)
		sim_fail(s, "the tripwire stands after the end");
	model_end(s);
}
