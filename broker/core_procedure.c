/* SPDX-License-Identifier: MIT */
/* The rung of the ladder on which a program runs for the victim. The core decides when; who runs it
 * and how is the shell's. */
#include "base/text.h"
#include "core_parts.h"
#include "core_tape.h"

static void note(struct core *c, uint32_t domain, struct event e, uint64_t now_us)
{
	const struct victim *v = &c->domain[domain].escalate.victim;

	e.domain = (uint16_t)domain;
	e.a = (uint64_t)v->pid;
	e.client = v->client;
	text_copy_tail(e.name, sizeof(e.name), v->procedure_name);
	core_add_event(c, &e, now_us);
}

void core_start_procedure(struct core *c, uint32_t domain, uint64_t now_us)
{
	const struct escalate *e = &c->domain[domain].escalate;
	bool is_dry = e->is_dry;

	if (!is_dry)
		core_push(c, EFFECT_PROCEDURE, domain);
	note(c, domain, (struct event){ .kind = EVENT_PROCEDURE, .b = e->victim.procedure,
		.c = e->deadline_us, .d = is_dry }, now_us);
	c->domain[domain].escalate.procedure_ended = is_dry;
}

static void note_end(struct core *c, uint32_t domain, const struct core_procedure_end *end,
		     uint64_t now_us)
{
	note(c, domain, (struct event){ .kind = EVENT_PROCEDURE_ENDED, .b = end->outcome,
		.c = end->code, .d = now_us - c->domain[domain].escalate.procedure_began_us,
		.e = end->output_bytes }, now_us);
}

/* Past its deadline, or the victim went, or everything is over or switched off. */
void core_cut_procedure(struct core *c, uint32_t domain, uint64_t now_us)
{
	struct escalate *e = &c->domain[domain].escalate;
	bool is_late = now_us >= time_add_us(e->procedure_began_us, e->victim.procedure_us);
	const struct core_procedure_end end = {
		.procedure = e->victim.procedure, .outcome = is_late ? PROCEDURE_LATE : PROCEDURE_CUT,
	};

	if (!e->procedure_ended)
		note_end(c, domain, &end, now_us);
	e->procedure_ended = true;
}

void core_procedure_done(struct core *c, uint32_t domain, const struct core_procedure_end *end,
			 uint64_t now_us)
{
	struct escalate *e = &c->domain[domain].escalate;
	const struct core_call call = {
		.now_us = now_us, .domain = domain, .procedure = end->procedure,
		.outcome = end->outcome, .code = end->code, .output_bytes = end->output_bytes,
	};

	core_tape_call(c, CORE_TAPE_PROCEDURE_DONE, &call);
	if (core_last_ran(c, domain, end, now_us) || e->rung != RUNG_PROCEDURE || e->procedure_ended ||
	    e->victim.procedure != end->procedure)
		return;
	note_end(c, domain, end, now_us);
	e->procedure_ended = true;
	core_advance(c, domain, now_us);
}

void core_set_procedure_time(struct core *c, uint64_t longest_us)
{
	const struct core_call call = { .procedure_us = longest_us };

	if (c->policy.plan.procedure_us == longest_us)
		return;
	core_tape_call(c, CORE_TAPE_PROCEDURE_TIME, &call);
	c->policy.plan.procedure_us = longest_us;
}
