/* SPDX-License-Identifier: MIT */
/* Drills: who may rehearse, whom, and when not. What follows is on record, nothing else is kept. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service.h"
#include "service_caller.h"

#define NAMES_MAX	64u

struct names {
	const char *name[NAMES_MAX];
	uint32_t count;			/* 0: everybody */
};

static bool is_meant(const struct names *n, const struct session *s)
{
	for (uint32_t i = 0; i < n->count; i++)
		if (!strcmp(n->name[i], s->offer.name))
			return true;
	return n->count == 0;
}

static enum stage_word stage_of(const char *word)
{
	for (int stage = STAGE_WARNING; stage < STAGE_COUNT; stage++)
		if (!strcmp(word, stage_name(stage)))
			return (enum stage_word)stage;
	return STAGE_NORMAL;
}

/* What is borrowed of the message is needed no longer than the call. */
static int read_call(sd_bus_message *m, enum stage_word *ret_stage, struct names *ret, sd_bus_error *error)
{
	const char *word, *name;
	int r = sd_bus_message_rewind(m, true);

	*ret = (struct names){ 0 };
	if (r >= 0)
		r = sd_bus_message_read(m, "s", &word);
	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "s");
	if (r < 0)
		return r;
	*ret_stage = stage_of(word);
	if (*ret_stage == STAGE_NORMAL)
		return service_error(error, "InvalidArgument",
				     "\"%s\" is no stage to rehearse: give warning, imminent or shutdown",
				     word);
	while ((r = sd_bus_message_read_basic(m, 's', &name)) > 0) {
		if (ret->count == NAMES_MAX)
			return service_error(error, "InvalidArgument", "at most %u names", NAMES_MAX);
		ret->name[ret->count++] = name;
	}
	return r;
}

static bool is_there(struct session_table *t, const char *name)
{
	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s))
		if (!strcmp(s->offer.name, name))
			return true;
	return false;
}

static int refuse(struct broker *b, const struct names *n, sd_bus_error *error)
{
	struct session_table *t = &b->core.sessions;

	if (core_stage(&b->core) != STAGE_NORMAL)
		return service_error(error, "InCrisis",
				     "memory is short (stage %s): this is no time for a drill",
				     stage_name(core_stage(&b->core)));
	for (uint32_t i = 0; i < n->count; i++)
		if (!is_there(t, n->name[i]))
			return service_error(error, "InvalidArgument",
					     "no client is registered as \"%.47s\"; see ListClients",
					     n->name[i]);
	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s))
		if (is_meant(n, s) && s->request.sequence)
			return service_error(error, "Busy", "%s still has a request open; try again when "
					     "it has answered or missed it", s->offer.name);
	return 0;
}

/* Told first, so that the record has it before the requests. */
static uint32_t begin(struct broker *b, enum stage_word stage, const struct names *n)
{
	struct event e = { .kind = EVENT_DRILL, .a = stage };
	struct session_table *t = &b->core.sessions;

	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s))
		e.b += is_meant(n, s);
	core_note(&b->core, &e, clock_now_us());
	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s))
		if (is_meant(n, s))
			(void)core_drill(&b->core, s->id, stage, clock_now_us()); /* see refuse() */
	return (uint32_t)e.b;
}

static int go_on_drill(struct service_call *p, const struct service_caller *caller, sd_bus_error *error)
{
	enum stage_word stage;
	struct names names;
	uint32_t asked;
	int r;

	if (!service_is_privileged(caller))
		return service_error(error, "NotAllowed",
				     "Drill is for root and for members of the group failsoft");
	r = read_call(p->call, &stage, &names, error);
	if (r >= 0)
		r = refuse(p->broker, &names, error);
	if (r < 0)
		return r;
	asked = begin(p->broker, stage, &names);
	r = sd_bus_reply_method_return(p->call, "u", asked);
	broker_drain(p->broker);
	broker_step(p->broker);
	return r;
}

int service_drill(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct service_call *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->broker = userdata;
	p->go_on = go_on_drill;
	return service_ask_caller(p, m, error);
}
