/* SPDX-License-Identifier: MIT */
/* Clients: what they register with, how they answer, and what nobody should do but will. */
#include <stdio.h>

#include "base/units.h"
#include "sim.h"

static uint64_t budget(struct dice *d)
{
	uint64_t most_ms = UINT64_C(2000) >> dice_below(d, 6);

	return dice_percent(d, 30) ? 0 : dice_between(d, 1, most_ms) * US_PER_MS;
}

static uint32_t some_domains(struct sim *s)
{
	uint32_t used = 0, wish = (uint32_t)dice_between(&s->dice, 1, (1u << SIM_DOMAINS) - 1);

	for (uint32_t i = 0; i < SIM_DOMAINS; i++)
		if (core_domain_find(&s->core, world_domain_names[i]) < CORE_DOMAINS_MAX)
			used |= 1u << core_domain_find(&s->core, world_domain_names[i]);
	return wish & used ? wish & used : 1u << CORE_DOMAIN_SYSTEM;
}

void actor_join(struct sim *s, uint32_t actor)
{
	struct dice *d = &s->dice;
	struct actor *a = &s->world.actor[actor];
	struct call c = { .kind = CALL_JOIN, .offer = &a->offer };

	if (a->id)
		return;
	a->offer = (struct session_offer){ .pid = (int32_t)(1000 + actor) };
	a->offer.uid = (uint32_t)dice_below(d, 3);
	a->offer.order_group = (uint32_t)dice_below(d, 4);
	if (dice_percent(d, 20))
		a->offer.order_group = (uint32_t)dice_below(d, 100);
	a->offer.domains = some_domains(s);
	a->offer.may_be_ended = dice_percent(d, 80);
	(void)snprintf(a->offer.name, sizeof(a->offer.name), "c%u", (unsigned)actor); /* fits */
	for (int step = 0; step < STEP_COUNT; step++)
		a->offer.budget_us[step] = budget(d);
	a->habit = dice_below(d, HABIT_COUNT);
	a->is_fickle = dice_percent(d, 30);
	call_core(s, &c);
	if (c.was_accepted)
		a->id = a->past_id = c.client;
}

void actor_leave(struct sim *s, uint32_t actor)
{
	struct actor *a = &s->world.actor[actor];
	struct call c = { .kind = CALL_LEAVE, .client = a->id };

	if (!a->id)
		return;
	a->id = 0;
	call_core(s, &c);
}

static void answer_later(struct sim *s, uint32_t actor, uint64_t at_us, struct core_answer answer)
{
	world_later(s, (struct action){
		.kind = ACTION_ANSWER, .at_us = at_us, .actor = actor, .answer = answer });
}

/* Somewhere in the time that it was given. */
static uint64_t within(struct dice *d, const struct session_request *r)
{
	uint64_t span = r->deadline_us > r->issued_us ? r->deadline_us - r->issued_us : 1;

	return r->issued_us + dice_spread(d, span - 1);
}

static void busy_later(struct sim *s, uint32_t actor, const struct session_request *r,
		       struct core_answer answer, unsigned times)
{
	uint64_t span = r->deadline_us - r->issued_us;

	answer.result = RESULT_BUSY;
	for (unsigned i = 0; i < times; i++) {
		answer.more_time_us =
			dice_percent(&s->dice, 40) ? 0 : dice_below(&s->dice, 3 * span + 1);
		answer_later(s, actor, r->issued_us + dice_below(&s->dice, span + 1), answer);
	}
}

static void follow_habit(struct sim *s, uint32_t i, const struct session_request *r,
			 struct core_answer answer)
{
	struct dice *d = &s->dice;
	struct actor *a = &s->world.actor[i];
	uint64_t soon_us = within(d, r);

	switch (a->habit) {
	case HABIT_PROMPT: break;
	case HABIT_LATE: soon_us = r->deadline_us + dice_spread(d, 2 * US_PER_S); break;
	case HABIT_AT_DEADLINE: soon_us = r->deadline_us - dice_below(d, 2); break;
	case HABIT_BUSY_ONCE:
		busy_later(s, i, r, answer, 1);
		soon_us = r->deadline_us + dice_below(d, r->deadline_us - r->issued_us + 1);
		break;
	case HABIT_BUSY_ALWAYS: busy_later(s, i, r, answer, 4); return;
	case HABIT_PARTIAL: answer.result = RESULT_PARTIAL; break;
	case HABIT_REFUSE: answer.result = RESULT_REFUSED; break;
	case HABIT_SILENT: return;
	case HABIT_REJOIN:
		world_later(s, (struct action){.kind = ACTION_JOIN,
					       .at_us = soon_us + dice_spread(d, US_PER_S),
					       .actor = i});
		/* fall through */
	case HABIT_VANISH:
		world_later(s, (struct action){.kind = ACTION_LEAVE, .at_us = soon_us, .actor = i});
		return;
	case HABIT_OLD: answer.sequence = a->past_sequence[dice_below(d, 4)]; break;
	case HABIT_TWICE: answer_later(s, i, soon_us + dice_spread(d, US_PER_S), answer); break;
	case HABIT_INVENT:
		answer.sequence = dice_percent(d, 50) ? dice_u64(d) : answer.sequence + 1;
		break;
	case HABIT_COUNT: return;
	}
	answer_later(s, i, soon_us, answer);
}

static uint32_t actor_of(const struct world *w, uint64_t client)
{
	uint32_t i = 0;

	while (i < SIM_CLIENTS && w->actor[i].id != client)
		i++;
	return i;
}

void world_order(struct sim *s, const struct core_effect *e)
{
	uint32_t i = actor_of(&s->world, e->client);
	struct actor *a = &s->world.actor[i];
	struct core_answer answer = {
		.client = e->client, .sequence = e->request.sequence, .result = RESULT_DONE,
		.freed_bytes = 4096,
	};

	if (i == SIM_CLIENTS || s->world.is_over)
		return; /* it is registering at this very moment: it will hear of it and stay silent
			 */
	if (a->is_fickle)
		a->habit = dice_below(&s->dice, HABIT_COUNT);
	follow_habit(s, i, &e->request, answer);
	a->past_sequence[e->request.sequence % 4] = e->request.sequence;
}

void actor_act(struct sim *s, const struct action *action)
{
	struct actor *a = &s->world.actor[action->actor];
	struct call c = { .kind = CALL_ANSWER, .answer = action->answer };

	switch (action->kind) {
	case ACTION_JOIN: actor_join(s, action->actor); break;
	case ACTION_LEAVE: actor_leave(s, action->actor); break;
	case ACTION_ANSWER:
		if (a->id == action->answer.client)
			call_core(s, &c);
		break;
	case ACTION_DIE: culprit_die(s, action->domain); break;
	case ACTION_PROCEDURE: /* world.c */
	case ACTION_REBOOT:
	case ACTION_STAYS:
	case ACTION_NONE: break;
	}
}

/* Ids of clients that are gone, answers out of the blue, reports at any time. */
void actor_nonsense(struct sim *s)
{
	struct dice *d = &s->dice;
	struct actor *a = &s->world.actor[dice_below(d, SIM_CLIENTS)];
	uint64_t stale = a->id ? a->id + (UINT64_C(1) << 32) : a->past_id;
	struct call c = { .kind = CALL_REPORT, .client = a->id };

	if (dice_percent(d, 50)) {
		call_core(s, &c);
		return;
	}
	c.kind = CALL_ANSWER;
	c.client = dice_percent(d, 70) ? stale : dice_u64(d);
	c.answer = (struct core_answer){
		.client = c.client, .sequence = dice_below(d, s->core.last_sequence + 2),
		.result = dice_percent(d, 50) ? RESULT_DONE : RESULT_BUSY,
	};
	call_core(s, &c);
	c.kind = dice_percent(d, 50) ? CALL_LEAVE : CALL_REPORT;
	call_core(s, &c);
}
