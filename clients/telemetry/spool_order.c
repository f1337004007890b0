/* SPDX-License-Identifier: MIT */
#include "spool_order.h"

enum spool_priority spool_priority(enum topic_type type)
{
	switch (type) {
	case TOPIC_ALARM:
	case TOPIC_REPORT:
		return SPOOL_ALARM;
	case TOPIC_EVENT:
		return SPOOL_EVENT;
	case TOPIC_STATE:
	case TOPIC_HEARTBEAT:
	case TOPIC_TYPE_COUNT:
		break;
	}
	return SPOOL_HEARTBEAT;
}

uint32_t spool_order_alarm(const struct spool_order *o, enum topic_alarm alarm)
{
	uint32_t found = SPOOL_ORDER_NONE;

	for (uint32_t i = 0; i < o->count; i++) {
		const struct spool_entry *e = &o->entry[i];

		if (e->phase != SPOOL_FREE && e->alarm == (uint32_t)alarm &&
		    (found == SPOOL_ORDER_NONE || e->sequence > o->entry[found].sequence))
			found = i;
	}
	return found;
}

/* How willingly a slot is given: less is sooner. */
enum reluctance { FREE, SENT, HEARTBEAT, EVENT, DOUBTFUL, ALARM };

static enum reluctance reluctance(const struct spool_order *o, const struct spool_entry *e)
{
	static const enum reluctance waiting[SPOOL_PRIORITY_COUNT] = {
		[SPOOL_HEARTBEAT] = HEARTBEAT, [SPOOL_EVENT] = EVENT, [SPOOL_ALARM] = ALARM};

	switch ((enum spool_phase)e->phase) {
	case SPOOL_FREE:
		return FREE;
	case SPOOL_SENT:
		return spool_order_may_be_needed(o, e) ? DOUBTFUL : SENT;
	case SPOOL_WAITING:
		break;
	}
	return waiting[e->priority];
}

/* There are more slots than alarm kinds (SPOOL_SLOTS_MIN), so what stays never fills them all. */
static bool is_last_alarm(uint32_t i, const uint32_t last[TOPIC_ALARM_COUNT])
{
	for (uint32_t kind = 0; kind < TOPIC_ALARM_COUNT; kind++)
		if (last[kind] == i)
			return true;
	return false;
}

uint32_t spool_order_place(const struct spool_order *o, enum spool_priority priority)
{
	/* events: a device whose alarms fill it all, one after the other, still tells what happens */
	static const enum reluctance most[SPOOL_PRIORITY_COUNT] = {
		[SPOOL_HEARTBEAT] = HEARTBEAT, [SPOOL_EVENT] = DOUBTFUL, [SPOOL_ALARM] = ALARM};
	uint32_t last[TOPIC_ALARM_COUNT], best = SPOOL_ORDER_NONE;
	enum reluctance least = ALARM;

	for (uint32_t kind = 0; kind < TOPIC_ALARM_COUNT; kind++)
		last[kind] = spool_order_alarm(o, (enum topic_alarm)kind);
	for (uint32_t i = 0; i < o->count; i++) {
		const struct spool_entry *e = &o->entry[i];
		const enum reluctance r = reluctance(o, e);

		if (r > most[priority] || is_last_alarm(i, last))
			continue;
		if (best != SPOOL_ORDER_NONE &&
		    (r > least || (r == least && e->sequence >= o->entry[best].sequence)))
			continue;
		best = i;
		least = r;
	}
	return best;
}

uint32_t spool_order_next(const struct spool_order *o, const struct spool_order_wish *wish)
{
	uint32_t found = SPOOL_ORDER_NONE;

	for (uint32_t i = 0; i < o->count; i++) {
		const struct spool_entry *e = &o->entry[i];

		if (e->phase != (uint32_t)wish->phase || e->priority < (uint32_t)wish->lowest ||
		    e->priority > (uint32_t)wish->highest || e->sequence <= wish->after)
			continue;
		if (found == SPOOL_ORDER_NONE || e->sequence < o->entry[found].sequence)
			found = i;
	}
	return found;
}

uint32_t spool_order_find(const struct spool_order *o, uint64_t sequence)
{
	for (uint32_t i = 0; i < o->count; i++)
		if (o->entry[i].phase != SPOOL_FREE && o->entry[i].sequence == sequence)
			return i;
	return SPOOL_ORDER_NONE;
}

bool spool_order_is_doubtful(const struct spool_entry *e, uint64_t now_s, uint64_t window_s)
{
	return e->phase == SPOOL_SENT && (now_s < e->sent_s || now_s - e->sent_s <= window_s);
}

bool spool_order_may_be_needed(const struct spool_order *o, const struct spool_entry *e)
{
	return o->window_s && spool_order_is_doubtful(e, o->met_s, o->window_s);
}

void spool_order_count(const struct spool_order *o, struct spool_counts *c)
{
	c->slots = o->count;
	c->waiting = c->sent = 0;
	for (uint32_t i = 0; i < o->count; i++) {
		c->waiting += o->entry[i].phase == SPOOL_WAITING;
		c->sent += o->entry[i].phase == SPOOL_SENT;
	}
}
