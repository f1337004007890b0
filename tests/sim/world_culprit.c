/* SPDX-License-Identifier: MIT */
/* Who is chosen to be ended, and how it dies. */
#include <signal.h>
#include <string.h>

#include "base/units.h"
#include "sim.h"

#define GIB		(1024 * MIB)
#define KILL_TAKES_US	(40 * US_PER_MS)

/* A client, a stranger, somebody whose registration is over, or nobody at all. */
bool culprit_choose(struct sim *s, uint32_t domain, struct culprit *k, struct victim *ret)
{
	struct dice *d = &s->dice;
	uint32_t actor = (uint32_t)dice_below(d, SIM_CLIENTS);

	memset(ret, 0, sizeof(*ret));
	k->actor = SIM_CLIENTS;
	if (dice_percent(d, 10) || s->world.pool[domain].is_nobodys)
		return false;
	ret->kind = dice_between(d, VICTIM_PROCESS, VICTIM_NAMESAKES);
	ret->pid = (int32_t)(5000 + dice_below(d, 100));
	while (crash_is_dead(s, ret->pid))
		ret->pid++;
	ret->pids[0] = ret->pid;
	ret->pids_count = 1;
	strcpy(ret->name, "hog");
	if (dice_percent(d, 85))
		ret->growth_bytes = ret->all_growth_bytes = GIB;
	else
		ret->is_by_size = true;
	if (dice_percent(d, 50))
		ret->seen_us = s->now_us - MIN_OF(s->now_us, dice_spread(d, 200 * US_PER_MS));
	if (dice_percent(d, 40)) {
		ret->procedure = ++s->world.last_procedure;
		ret->procedure_us = dice_spread(d, 800 * US_PER_MS);
		strcpy(ret->procedure_name, "save");
	}
	if (dice_percent(d, 40))
		return true;
	if (s->world.actor[actor].id && dice_percent(d, 90)) {
		k->actor = actor;
		ret->client = s->world.actor[actor].id;
		ret->pid = ret->pids[0] = s->world.actor[actor].offer.pid;
	} else {
		ret->client = s->world.actor[actor].past_id; /* perhaps long gone */
	}
	return true;
}

uint64_t culprit_die_later(struct sim *s, uint32_t domain, uint64_t within_us)
{
	uint64_t at_us = s->now_us + dice_spread(&s->dice, within_us);

	world_later(s, (struct action){.kind = ACTION_DIE, .at_us = at_us,
				       .domain = domain,
				       .answer.sequence = s->world.culprit[domain].survey});
	return at_us;
}

void world_survey(struct sim *s, uint32_t domain)
{
	struct culprit *k = &s->world.culprit[domain];
	struct victim victim;
	struct call c = { .kind = CALL_SURVEY, .domain = domain };

	k->is_dead = false;
	k->survey++;
	k->mortality = dice_below(&s->dice, MORTALITY_COUNT);
	if (culprit_choose(s, domain, k, &victim))
		c.victim = &victim;
	if (k->mortality == DIES_BY_ITSELF)
		culprit_die_later(s, domain, 2 * US_PER_S);
	call_core(s, &c);
}

/* Now and then it is gone before it could be stopped. */
void world_stop(struct sim *s, uint32_t domain)
{
	struct call c = { .kind = CALL_STOPPED, .domain = domain, .count = !dice_percent(&s->dice, 5) };

	(void)pool_sample(s, domain); /* up to now it grew */
	s->world.culprit[domain].is_stopped = c.count > 0;
	call_core(s, &c);
}

void world_let_go(struct sim *s, uint32_t domain)
{
	(void)pool_sample(s, domain); /* up to now it stood still */
	s->world.culprit[domain].is_stopped = false;
}

void world_look(struct sim *s, uint32_t domain)
{
	struct culprit somebody;
	struct victim victim;
	struct call c = { .kind = CALL_SUSPECT, .domain = domain };

	if (culprit_choose(s, domain, &somebody, &victim))
		c.victim = &victim;
	call_core(s, &c);
}

void world_signal(struct sim *s, const struct core_effect *e)
{
	struct culprit *k = &s->world.culprit[e->domain];
	const struct victim *v = &s->core.domain[e->domain].escalate.victim;
	uint64_t dead_us;

	if (k->mortality != DIES_AT_TERM && (k->mortality != DIES_AT_KILL || e->signal != SIGKILL))
		return;
	dead_us = culprit_die_later(s, e->domain, e->signal == SIGKILL ? KILL_TAKES_US : US_PER_S);
	if (e->signal == SIGKILL && !v->client)
		crash_note_kill(s, v->pid, dead_us);
}

/* Some end at once, some in time, some after their deadline, some never. */
void world_procedure(struct sim *s, const struct core_effect *e)
{
	const struct victim *v = &s->core.domain[e->domain].escalate.victim;

	if (dice_percent(&s->dice, 85))
		world_later(s, (struct action){.kind = ACTION_PROCEDURE,
					       .at_us = s->now_us +
							dice_spread(&s->dice, 2 * v->procedure_us),
					       .domain = e->domain,
					       .procedure = v->procedure});
}

void culprit_procedure_ends(struct sim *s, const struct action *a)
{
	struct call c = { .kind = CALL_PROCEDURE, .domain = a->domain };

	if (!s->core.domain[a->domain].used)
		return;
	c.end.procedure = a->procedure;
	c.end.outcome = (enum procedure_outcome)dice_below(&s->dice, PROCEDURE_OUTCOME_COUNT);
	c.end.output_bytes = dice_spread(&s->dice, MIB);
	call_core(s, &c);
}

/* Its memory comes back, mostly; its connection breaks, if it had one. */
void culprit_die(struct sim *s, uint32_t domain)
{
	struct culprit *k = &s->world.culprit[domain];
	struct pool *p = &s->world.pool[domain];

	if (k->is_dead)
		return;
	k->is_dead = true;
	if (dice_percent(&s->dice, 80)) {
		p->headroom_bytes =
			(double)p->total_bytes * (double)dice_between(&s->dice, 4, 80) / 100;
		p->moved_us = s->now_us;
		pool_turn(s, domain);
	}
	if (k->actor < SIM_CLIENTS)
		actor_leave(s, k->actor);
}

/* As the daemon does after every step; what was not signalled for real is not waited for. */
void culprit_watch(struct sim *s)
{
	for (uint32_t d = 0; d < SIM_DOMAINS; d++) {
		struct call c = { .kind = CALL_GONE, .domain = d };

		if (s->core.domain[d].used &&
		    s->core.domain[d].escalate.victim.kind != VICTIM_NONE &&
		    !s->policy.escalate.dry_run && s->world.culprit[d].is_dead)
			call_core(s, &c);
	}
}
