/* SPDX-License-Identifier: MIT */
#include "ask/session.h"

#include <stddef.h>
#include <string.h>

/*
 * How a measured step time becomes a need. Source: a flush of 2.5 MB took 0.2-0.4 s early and
 * 0.7-5.5 s at the edge of memory, so the slowest answer so far is multiplied by 8 (half: one
 * flush in five at the edge is asked too late; double: as good as the grant). A client that has
 * never been slow still keeps a quarter of its grant, one with growing exposure may need up to four
 * times its grant.
 */
#define NEED_FACTOR		8u
#define NEED_LEAST_SHARE	4u
#define NEED_MOST_TIMES		4u

static const char *const step_names[] = {
	[STEP_RESUME] = "resume",
	[STEP_FLUSH] = "flush",
	[STEP_DEGRADE] = "degrade",
	[STEP_SHUTDOWN] = "shutdown",
};
_Static_assert(ARRAY_LEN(step_names) == STEP_COUNT, "a name for every step");

static const char *const result_names[] = {
	[RESULT_NONE] = "none",
	[RESULT_DONE] = "done",
	[RESULT_PARTIAL] = "partial",
	[RESULT_BUSY] = "busy",
	[RESULT_REFUSED] = "refused",
	[RESULT_MISSED] = "missed",
	[RESULT_VANISHED] = "vanished",
	[RESULT_SUPERSEDED] = "superseded",
	[RESULT_LATE] = "late",
};
_Static_assert(ARRAY_LEN(result_names) == RESULT_COUNT, "a name for every result");

const char *session_step_name(enum session_step step)
{
	return step_names[step];
}

const char *session_result_name(enum session_result result)
{
	return result_names[result];
}

void session_init(struct session_table *t, struct session *slots, uint32_t max)
{
	*t = (struct session_table){ .slots = slots, .max = max };
}

static uint64_t grant_us(const struct session_policy *p, const struct session_offer *offer,
			 enum session_step step)
{
	uint64_t wish = offer->budget_us[step] ? offer->budget_us[step] : p->default_budget_us[step];

	return MIN_OF(wish, p->max_budget_us);
}

enum session_outcome session_add(struct session_table *t, const struct session_policy *p,
				 const struct session_offer *offer, struct session **ret)
{
	uint32_t of_user = 0;
	struct session *s = NULL;

	if (t->count >= t->max || t->count >= p->max_clients)
		return SESSION_E_FULL;
	for (struct session *i = session_next(t, NULL); i; i = session_next(t, i))
		of_user += i->offer.uid == offer->uid;
	if (of_user >= p->max_per_uid)
		return SESSION_E_USER_FULL;
	for (uint32_t i = 0; i < t->max && !s; i++)
		if (!t->slots[i].id)
			s = &t->slots[i];
	*s = (struct session){ .generation = s->generation + 1, .offer = *offer };
	s->id = (uint64_t)s->generation << 32 | (uint64_t)(s - t->slots + 1);
	for (int step = 0; step < STEP_COUNT; step++)
		s->offer.budget_us[step] = grant_us(p, offer, step);
	t->count++;
	t->top = MAX_OF(t->top, (uint32_t)(s - t->slots) + 1);
	*ret = s;
	return SESSION_OK;
}

void session_restore(struct session_table *t, uint32_t slot, const struct session *s)
{
	t->count += (s->id != 0) - (t->slots[slot].id != 0);
	t->slots[slot] = *s;
	if (s->id)
		t->top = MAX_OF(t->top, slot + 1);
}

void session_remove(struct session_table *t, struct session *s)
{
	*s = (struct session){ .generation = s->generation };
	t->count--;
	while (t->top && !t->slots[t->top - 1].id)
		t->top--;
}

struct session *session_get(struct session_table *t, uint64_t id)
{
	uint64_t slot = (id & UINT32_MAX) - 1;

	if (!id || slot >= t->max || t->slots[slot].id != id)
		return NULL;
	return &t->slots[slot];
}

struct session *session_next(struct session_table *t, const struct session *after)
{
	for (uint32_t i = after ? (uint32_t)(after - t->slots) + 1 : 0; i < t->top; i++)
		if (t->slots[i].id)
			return &t->slots[i];
	return NULL;
}

bool session_owes(const struct session *s, uint32_t domain)
{
	return s->request.sequence && s->request.step != STEP_RESUME &&
	       (s->request.domain == domain || (s->offer.domains & (1u << domain)));
}

uint64_t session_need_us(const struct session *s, enum session_step step)
{
	uint64_t granted = s->offer.budget_us[step], worst = s->worst_us[step];
	uint64_t need = worst * NEED_FACTOR;

	if (!worst)
		return granted;
	if (s->worst_exposure_bytes[step] && s->exposure_bytes > s->worst_exposure_bytes[step])
		need = (uint64_t)((double)need * (double)s->exposure_bytes /
				  (double)s->worst_exposure_bytes[step]);
	/* Asking to flush early costs little: its grant is never shortened. */
	if (step == STEP_FLUSH || step == STEP_RESUME)
		need = MAX_OF(need, granted);
	need = MAX_OF(need, granted / NEED_LEAST_SHARE);
	return MIN_OF(need, granted * NEED_MOST_TIMES);
}
