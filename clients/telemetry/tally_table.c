/* SPDX-License-Identifier: MIT */
/* The table of open episodes, and the alarms that follow from it. */
#include "tally.h"

#include <string.h>

#include "tally_parts.h"

/* An episode may end while file systems are synced for the reboot: failsoftd gives that 5 s, and the machine
 * 20 s to go. Half: a reboot that comes is not expected; double: one that does not come is. */
#define ENDING_US	UINT64_C(30000000)

static const char *const ends[TALLY_END_COUNT] = {
	[TALLY_END_CLEARED] = "cleared",
	[TALLY_END_VICTIM] = "victim",
	[TALLY_END_OOM_KILL] = "oom-kill",
	[TALLY_END_LAST_POLICY] = "last-policy",
	[TALLY_END_PANIC] = "panic",
	[TALLY_END_WATCHDOG] = "watchdog",
	[TALLY_END_POWER_LOSS] = "power-loss",
	[TALLY_END_UNKNOWN] = "unknown",
	[TALLY_END_SHUTDOWN] = "shutdown",
};

const char *tally_end_name(enum tally_end end)
{
	return ends[end];
}

bool tally_end_parse(const char *text, enum tally_end *ret)
{
	for (int i = 0; i < TALLY_END_COUNT; i++)
		if (!strcmp(ends[i], text)) {
			*ret = (enum tally_end)i;
			return true;
		}
	return false;
}

/* ---- what is told ---- */

void tally_add_note(struct tally_notes *n, struct tally_note note)
{
	if (n->count < TALLY_NOTES_MAX)
		n->note[n->count++] = note;
}

void tally_tell_alarm(struct tally *t, struct tally_notes *n, enum topic_alarm alarm, bool is_raised,
		       const struct tally_episode *of)
{
	if (t->is_raised[alarm] == is_raised)
		return;
	t->is_raised[alarm] = is_raised;
	tally_add_note(n, (struct tally_note){ TALLY_NOTE_ALARM, alarm, is_raised, of });
}

void tally_tell_stage(struct tally *t, struct tally_notes *n, const struct tally_episode *of)
{
	const uint32_t before = t->stage;
	const bool was_raised = t->is_raised[TOPIC_ALARM_IMMINENT];
	uint32_t loud;

	t->stage = FAILSOFT_STAGE_NORMAL;
	for (uint32_t i = 0; i < TALLY_EPISODES; i++)
		if (t->open[i].number && t->now[i].stage > t->stage)
			t->stage = t->now[i].stage;
	loud = t->is_dry_run ? FAILSOFT_STAGE_NORMAL : t->stage;
	if (!of)
		of = tally_worst(t);
	/* the worse is said first when it comes, and last when it goes */
	if (loud >= FAILSOFT_STAGE_SHUTDOWN)
		tally_tell_alarm(t, n, TOPIC_ALARM_SHUTDOWN, true, of);
	tally_tell_alarm(t, n, TOPIC_ALARM_IMMINENT, loud >= FAILSOFT_STAGE_IMMINENT, of);
	tally_tell_alarm(t, n, TOPIC_ALARM_SHUTDOWN, loud >= FAILSOFT_STAGE_SHUTDOWN, of);
	/* a state that is newer than an alarm tells who comes later that it was cleared, not lost */
	if (t->stage != before || (was_raised && loud < FAILSOFT_STAGE_IMMINENT))
		tally_add_note(n, (struct tally_note){ .kind = TALLY_NOTE_STATE });
}

/* ---- the table ---- */

uint32_t tally_find(const struct tally *t, uint64_t number)
{
	for (uint32_t i = 0; number && i < TALLY_EPISODES; i++)
		if (t->open[i].number == number)
			return i;
	return TALLY_NOWHERE;
}

static bool is_past(const struct tally *t, uint64_t number)
{
	for (uint32_t i = 0; i < TALLY_EPISODES; i++)
		if (t->past[i] == number)
			return true;
	return false;
}

static void judge(struct tally_episode *e)
{
	const bool is_ended_by = e->victims || e->oom_kills || e->end == TALLY_END_LAST_POLICY;

	e->is_near_miss = e->highest >= FAILSOFT_STAGE_IMMINENT && !is_ended_by;
	e->is_false_alarm = e->is_near_miss && !e->stopped && !e->freed_bytes;
}

void tally_end_ending(struct tally *t, uint64_t number, uint64_t time_us)
{
	if (t->ending && t->ending_episode == number && !t->ending_until_us)
		t->ending_until_us = time_us + ENDING_US;
}

void tally_close(struct tally *t, struct tally_notes *n, uint32_t i, uint64_t time_us)
{
	struct tally_episode *e = &t->closed;

	*e = t->open[i];
	tally_end_ending(t, e->number, time_us == UINT64_MAX ? t->time_us : time_us);
	t->open[i] = (struct tally_episode){ 0 };
	t->now[i] = (struct tally_now){ 0 };
	t->past[t->past_next++ % TALLY_EPISODES] = e->number;
	if (!e->duration_us && time_us != UINT64_MAX && time_us > e->began_us)
		e->duration_us = time_us - e->began_us;
	judge(e);
	t->counts.episodes++;
	t->counts.near_misses += e->is_near_miss;
	t->counts.false_alarms += e->is_false_alarm;
	tally_add_note(n, (struct tally_note){ .kind = TALLY_NOTE_REPORT, .episode = e });
}

bool tally_is_superseded(const struct tally *t, uint64_t number, const char *domain)
{
	for (uint32_t i = 0; i < TALLY_EPISODES; i++)
		if (t->now[i].is_confirmed && t->open[i].number > number &&
		    !strcmp(t->open[i].domain, domain))
			return true;
	return false;
}

/*
 * A place for one that begins: whatever stood in its domain is over, with its alarms, and so is the oldest of
 * too many. But an order may have told of a later one before Monitor tells of this: then that one stands.
 */
static uint32_t make_room(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	const bool is_superseded = tally_is_superseded(t, e->episode, e->domain);
	uint32_t room = TALLY_NOWHERE, oldest = 0;

	for (uint32_t i = 0; i < TALLY_EPISODES; i++) {
		if (!t->open[i].number) {
			room = room == TALLY_NOWHERE ? i : room;
			continue;
		}
		if (!is_superseded && !strcmp(t->open[i].domain, e->domain)) {
			tally_close(t, n, i, e->time_us);
			tally_tell_stage(t, n, &t->closed);
			return i;
		}
		if (!t->open[oldest].number || t->open[i].number < t->open[oldest].number)
			oldest = i;
	}
	if (room != TALLY_NOWHERE)
		return room;
	tally_close(t, n, oldest, e->time_us);
	return oldest;
}

uint32_t tally_open(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	uint32_t i = tally_find(t, e->episode);

	if (i != TALLY_NOWHERE || !e->episode || is_past(t, e->episode))
		return i;
	i = make_room(t, n, e);
	t->open[i] = (struct tally_episode){
		.number = e->episode, .began_us = e->time_us, .forecast_at_us = e->time_us,
		.tte_us = UINT64_MAX, .tte_early_us = UINT64_MAX, .tte_late_us = UINT64_MAX,
		.lowest_headroom_bytes = UINT64_MAX,
	};
	memcpy(t->open[i].domain, e->domain, sizeof(e->domain));
	t->now[i] = (struct tally_now){ .is_confirmed = !tally_is_superseded(t, e->episode, e->domain) };
	return i;
}

static uint32_t find_worst(const struct tally *t)
{
	uint32_t worst = TALLY_NOWHERE;

	for (uint32_t i = 0; i < TALLY_EPISODES; i++)
		if (t->open[i].number && (worst == TALLY_NOWHERE || t->now[i].stage > t->now[worst].stage ||
					  (t->now[i].stage == t->now[worst].stage &&
					   t->open[i].highest > t->open[worst].highest)))
			worst = i;
	return worst;
}

const struct tally_episode *tally_worst(const struct tally *t)
{
	const uint32_t worst = find_worst(t);

	return worst == TALLY_NOWHERE ? NULL : &t->open[worst];
}

/* ---- from one process to the next ---- */

struct tally_mark tally_mark(const struct tally *t)
{
	const uint32_t worst = find_worst(t);

	return (struct tally_mark){ t->last_number, t->newest_us,
				    worst == TALLY_NOWHERE ? 0 : t->now[worst].ended };
}

void tally_resume(struct tally *t, const struct tally_mark *mark, const struct tally_episode *worst)
{
	t->last_number = mark->last_number;
	t->newest_us = mark->newest_us;
	if (!worst->number)
		return;
	/* its stage is not kept, but an alarm that is raised says it: none is cleared and raised again */
	t->stage = t->is_raised[TOPIC_ALARM_SHUTDOWN] ? FAILSOFT_STAGE_SHUTDOWN :
		   t->is_raised[TOPIC_ALARM_IMMINENT] ? FAILSOFT_STAGE_IMMINENT :
		   worst->highest ? FAILSOFT_STAGE_WARNING : FAILSOFT_STAGE_NORMAL;
	t->open[0] = *worst;
	t->now[0] = (struct tally_now){ .stage = t->stage, .ended = mark->ended };
}
