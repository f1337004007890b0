/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "base/units.h"
#include "core_parts.h"
#include "core_tape.h"

uint32_t core_domain_find(const struct core *c, const char *name)
{
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (c->domain[d].used && !strcmp(c->domain[d].name, name))
			return d;
	return CORE_DOMAINS_MAX;
}

uint32_t core_domain_add(struct core *c, const char *name, bool is_configured, uint64_t now_us)
{
	struct core_call call = { .now_us = now_us, .is_configured = is_configured };
	struct event e = { .kind = EVENT_DOMAIN_ADDED };
	uint32_t at = core_domain_find(c, name);

	if (strlen(name) < CORE_DOMAIN_NAME_MAX) {
		strcpy(call.name, name);
		core_tape_call(c, CORE_TAPE_DOMAIN_ADD, &call);
	}
	if (at < CORE_DOMAINS_MAX) {
		c->domain[at].is_configured |= is_configured;
		return at;
	}
	if (strlen(name) >= CORE_DOMAIN_NAME_MAX)
		return CORE_DOMAINS_MAX;
	for (at = 0; at < CORE_DOMAINS_MAX && c->domain[at].used; at++)
		continue;
	if (at == CORE_DOMAINS_MAX)
		return at;
	c->domain[at] = (struct core_domain){
		.used = true, .is_configured = is_configured, .sample_due_us = now_us,
	};
	strcpy(c->domain[at].name, name);
	estimate_init(&c->domain[at].estimator);
	c->domain[at].estimate = c->domain[at].estimator.last;
	c->domain[at].estimate.domain = at;
	stage_init(&c->domain[at].stage, now_us);
	escalate_init(&c->domain[at].escalate);
	hold_init(&c->domain[at].hold);
	last_init(&c->domain[at].last);
	e.domain = (uint16_t)at;
	core_add_event(c, &e, now_us);
	return at;
}

void core_domain_remove(struct core *c, uint32_t domain, uint64_t now_us)
{
	struct core_domain *d = &c->domain[domain];
	const struct core_call call = { .now_us = now_us, .domain = domain };
	struct event e = { .kind = EVENT_DOMAIN_REMOVED, .domain = (uint16_t)domain };

	core_tape_call(c, CORE_TAPE_DOMAIN_REMOVE, &call);
	assert(domain != CORE_DOMAIN_SYSTEM && domain < CORE_DOMAINS_MAX);
	if (!d->used)
		return;
	if (d->stage.now != STAGE_NORMAL) {
		struct stage_change change = {
			.time_us = now_us, .domain = domain, .from = d->stage.now,
			.to = STAGE_NORMAL, .why = STAGE_WHY_CLEARED, .estimate = d->estimate,
		};

		stage_init(&d->stage, now_us);
		core_take_change(c, &change);
	}
	core_add_event(c, &e, now_us);
	for (struct session *s = session_next(&c->sessions, NULL); s; s = session_next(&c->sessions, s)) {
		s->offer.domains &= ~(1u << domain);
		s->final_domains &= ~(1u << domain);
	}
	d->used = false;
}

enum stage_word core_stage(const struct core *c)
{
	enum stage_word highest = STAGE_NORMAL;

	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (c->domain[d].used)
			highest = MAX_OF(highest, c->domain[d].stage.now);
	return highest;
}

/* The higher stage first, which is what is told beside it; then least time, then least share of headroom. */
static bool is_worse(const struct core_domain *x, const struct core_domain *y)
{
	const struct estimate *a = &x->estimate, *b = &y->estimate;

	if (x->stage.now != y->stage.now)
		return x->stage.now > y->stage.now;
	if (a->tte_low_us != b->tte_low_us)
		return a->tte_low_us < b->tte_low_us;
	return (double)a->headroom_bytes * (double)b->total_bytes <
	       (double)b->headroom_bytes * (double)a->total_bytes;
}

uint32_t core_worst_domain(const struct core *c)
{
	uint32_t worst = CORE_DOMAIN_SYSTEM;

	for (uint32_t d = 1; d < CORE_DOMAINS_MAX; d++)
		if (c->domain[d].used && c->domain[d].estimate.total_bytes &&
		    is_worse(&c->domain[d], &c->domain[worst]))
			worst = d;
	return worst;
}
