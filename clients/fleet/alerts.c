/* SPDX-License-Identifier: MIT */
#include "alerts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST	1024u	/* 0.7 MB */

static const char *const severities[TOPIC_ALARM_COUNT] = {
	[TOPIC_ALARM_IMMINENT] = "warning",
	[TOPIC_ALARM_SHUTDOWN] = "critical",
	[TOPIC_ALARM_OOM_KILL] = "critical",
	[TOPIC_ALARM_BROKER_LOST] = "warning",
};

const char *alerts_severity(enum topic_alarm kind)
{
	return severities[kind];
}

static bool grow(struct alerts *a)
{
	uint32_t room = a->room ? 2 * a->room : ROOM_FIRST;
	struct alert *list;

	room = room < a->limit ? room : a->limit;
	list = room > a->room ? reallocarray(a->list, room + 1, sizeof(*list)) : NULL;
	if (!list)
		return false;
	a->list = list;
	a->room = room;
	return true;
}

int alerts_init(struct alerts *a, uint32_t devices)
{
	/* those that are away cannot give way */
	*a = (struct alerts){ .limit = devices * TOPIC_ALARM_COUNT + ALERTS_BATCH };
	return grow(a) ? 0 : -ENOMEM;
}

void alerts_fini(struct alerts *a)
{
	free(a->list);
	*a = (struct alerts){ 0 };
}

static uint32_t *slot_of(struct alerts *a, uint32_t number, enum topic_alarm kind)
{
	return &a->slot[(number * TOPIC_ALARM_COUNT + kind) % ALERTS_SLOTS];
}

static struct alert *find(struct alerts *a, uint32_t number, enum topic_alarm kind)
{
	for (uint32_t i = *slot_of(a, number, kind); i; i = a->list[i].next)
		if (a->list[i].number == number && a->list[i].kind == kind)
			return &a->list[i];
	return NULL;
}

static void drop(struct alerts *a, struct alert *alert)
{
	uint32_t place = (uint32_t)(alert - a->list), *at = slot_of(a, alert->number, alert->kind);

	while (*at != place)
		at = &a->list[*at].next;
	*at = alert->next;
	*alert = (struct alert){ .next = a->free };
	a->free = place;
	a->used--;
}

/* One that is over: Alertmanager forgets by itself what it is not told again. */
static void give_way(struct alerts *a)
{
	for (uint32_t n = 0; n < a->count; n++) {
		const uint32_t i = (a->given + n) % a->count + 1;
		struct alert *alert = &a->list[i];

		if (!alert->number || !alert->ends_s || alert->is_away)
			continue;
		a->given = i;
		a->lost++;
		drop(a, alert);
		return;
	}
}

static struct alert *make(struct alerts *a, uint32_t number, enum topic_alarm kind)
{
	uint32_t *slot = slot_of(a, number, kind);
	uint32_t fresh;

	if (!a->free && a->count == a->room && !grow(a))
		give_way(a);
	fresh = a->free;
	if (fresh)
		a->free = a->list[fresh].next;
	else if (a->count < a->room)
		fresh = ++a->count;
	if (!fresh) {
		a->lost++;
		return NULL;
	}
	a->used++;
	a->list[fresh] = (struct alert){ .number = number, .kind = kind, .next = *slot };
	*slot = fresh;
	return &a->list[fresh];
}

/* Alertmanager takes no alert that begins more than 5 min ahead of its own clock. */
static int64_t not_after(int64_t said_s, const struct roster_now *now)
{
	return said_s < now->real_s ? said_s : now->real_s;
}

bool alerts_raise(struct alerts *a, const struct roster_device *d, enum topic_alarm kind,
		  const struct roster_now *now)
{
	struct alert *alert = find(a, d->number, kind);
	bool is_away = alert && alert->is_away;

	if (!alert)
		alert = make(a, d->number, kind);
	if (!alert)
		return false;
	*alert = (struct alert){.number = d->number,
				.kind = kind,
				.starts_s = not_after(d->alarm[kind].since_s, now),
				.due_us = now->now_us,
				.is_away = is_away,
				.is_changed = is_away,
				.next = alert->next};
	memcpy(alert->fleet, d->fleet, sizeof(alert->fleet));
	memcpy(alert->device, d->device, sizeof(alert->device));
	snprintf(alert->firmware, sizeof(alert->firmware), "%s", d->firmware ? d->firmware : "");
	snprintf(alert->text, sizeof(alert->text), "%.*s", (int)sizeof(alert->text) - 1,
		 d->alarm[kind].text ? d->alarm[kind].text : "");
	return true;
}

void alerts_clear(struct alerts *a, uint32_t number, enum topic_alarm kind, const struct roster_now *now)
{
	struct alert *alert = find(a, number, kind);

	if (!alert || alert->ends_s)
		return;
	alert->ends_s = now->real_s > alert->starts_s ? now->real_s : alert->starts_s;
	alert->due_us = now->now_us;
	alert->is_changed = alert->is_away;
}

bool alerts_is_end(const struct alert *a)
{
	return a->ends_s && a->is_told;
}

static bool is_due(const struct alert *alert, enum alerts_turn turn, uint64_t now_us)
{
	const enum alerts_turn its = !alert->is_told ? ALERTS_NEW : alert->ends_s ? ALERTS_END : ALERTS_AGAIN;

	return alert->number && !alert->is_away && its == turn && alert->due_us <= now_us;
}

/* On from behind the last that was taken: a slow server gets to each of them, not to the first ones again. */
static uint32_t take(struct alerts *a, uint64_t now_us, enum alerts_turn turn, struct alert **ret,
		     uint32_t taken)
{
	const uint32_t last = a->last[turn];

	for (uint32_t n = 0; n < a->count && taken < ALERTS_BATCH; n++) {
		const uint32_t i = (last + n) % a->count + 1;
		struct alert *alert = &a->list[i];

		if (!is_due(alert, turn, now_us))
			continue;
		if (taken && (alert->is_alone || ret[0]->is_alone))
			break; /* the next time */
		alert->is_away = true;
		alert->is_changed = false;
		ret[taken++] = alert;
		a->last[turn] = i;
	}
	return taken;
}

uint32_t alerts_take(struct alerts *a, uint64_t now_us, struct alert *ret[ALERTS_BATCH])
{
	uint32_t taken = 0;

	for (unsigned turn = 0; turn < ALERTS_TURN_COUNT; turn++)
		taken = take(a, now_us, (enum alerts_turn)turn, ret, taken);
	return taken;
}

static void told(struct alerts *a, struct alert *alert, uint64_t now_us)
{
	alert->is_away = alert->is_alone = false;
	if (alerts_is_end(alert) && !alert->is_changed) {
		drop(a, alert);
		return;
	}
	/* what it was told may be an alert that another one has followed since */
	alert->due_us = alert->ends_s || (alert->is_changed && !alert->is_told) ? now_us :
										  now_us + ALERTS_AGAIN_US;
	if (!alert->is_changed || alert->ends_s)
		alert->is_told = true;
}

void alerts_told(struct alerts *a, uint64_t now_us)
{
	for (uint32_t i = 1; i <= a->count; i++)
		if (a->list[i].number && a->list[i].is_away)
			told(a, &a->list[i], now_us);
}

void alerts_failed(struct alerts *a)
{
	for (uint32_t i = 1; i <= a->count; i++)
		a->list[i].is_away = false;
}

static void refused(struct alerts *a, struct alert *alert, const struct roster_now *now)
{
	alert->is_away = false;
	if (alert->ends_s) {
		drop(a, alert);
		return;
	}
	alert->starts_s = not_after(alert->starts_s, now); /* perhaps it is our clock that was put right */
	alert->due_us = now->now_us + ALERTS_AGAIN_US;
}

bool alerts_refused(struct alerts *a, const struct roster_now *now, struct alert *ret)
{
	struct alert *one = NULL;
	uint32_t count = 0;

	for (uint32_t i = 1; i <= a->count; i++) {
		struct alert *alert = &a->list[i];

		if (!alert->number || !alert->is_away)
			continue;
		one = alert;
		count++;
	}
	if (count == 1) {
		*ret = *one;
		refused(a, one, now);
		return true;
	}
	for (uint32_t i = 1; i <= a->count; i++) {
		a->list[i].is_alone |= a->list[i].is_away;
		a->list[i].is_away = false;
	}
	return false;
}

uint64_t alerts_due_us(const struct alerts *a)
{
	uint64_t due_us = INGEST_NEVER_US;

	for (uint32_t i = 1; i <= a->count; i++)
		if (a->list[i].number && !a->list[i].is_away && a->list[i].due_us < due_us)
			due_us = a->list[i].due_us;
	return due_us;
}
