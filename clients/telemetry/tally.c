/* SPDX-License-Identifier: MIT */
/* What each event, order and second does. */
#include "tally.h"

#include <string.h>

#include "tally_parts.h"

/* ---- what happens in an episode ---- */

static void see_headroom(struct tally_episode *o, uint64_t headroom_bytes)
{
	if (headroom_bytes < o->lowest_headroom_bytes)
		o->lowest_headroom_bytes = headroom_bytes;
}

static void take_forecast(struct tally_episode *o, const struct feed_event *e)
{
	o->forecast_at_us = e->time_us;
	o->tte_us = e->tte_us;
	o->tte_early_us = e->tte_early_us;
	o->tte_late_us = e->tte_late_us;
	o->headroom_bytes = e->headroom_bytes;
}

/* What it is now, as told by Monitor, by an order or by what is open. */
static void enter_stage(struct tally *t, struct tally_notes *n, uint32_t i, const struct feed_event *e)
{
	struct tally_episode *o = &t->open[i];
	struct tally_now *now = &t->now[i];

	if (e->to > o->highest) {
		take_forecast(o, e);
		o->highest = e->to;
		now->is_forecast_rough = e->kind != FEED_STAGE;
	}
	if (e->total_bytes || e->kind == FEED_OTHER)
		see_headroom(o, e->headroom_bytes);
	if (e->total_bytes)
		o->total_bytes = e->total_bytes;
	now->stage = e->to;
	if (e->time_us != UINT64_MAX)
		now->stage_us = e->time_us;
	now->is_confirmed = !tally_is_superseded(t, o->number, o->domain);
	tally_tell_stage(t, n, o);
}

/* An order, or what is open, may have been there before the lines that led to it: these only add. */
static void on_stage(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	const uint32_t i = tally_open(t, n, e);

	t->is_dry_run = e->is_dry_run;
	if (i != TALLY_NOWHERE) {
		struct tally_episode *o = &t->open[i];

		if (t->now[i].is_forecast_rough && e->kind == FEED_STAGE && e->to == o->highest) {
			take_forecast(o, e);
			o->total_bytes = e->total_bytes;
			t->now[i].is_forecast_rough = false;
		}
		if (e->from > o->highest)
			o->highest = e->from;
		if (e->time_us >= t->now[i].stage_us)
			enter_stage(t, n, i, e);
	}
	if (e->number) /* else nothing happened, it is only said */
		tally_add_note(n, (struct tally_note){ .kind = TALLY_NOTE_EVENT });
}

static void on_opened(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	(void)tally_open(t, n, e); /* the stage follows */
	t->is_dry_run = e->is_dry_run;
	tally_tell_stage(t, n, NULL);
}

/* The broker's own count includes what we could not read. */
static void on_closed(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	uint32_t i = tally_find(t, e->episode);
	struct tally_episode *o;

	tally_end_ending(t, e->episode, e->time_us == UINT64_MAX ? t->time_us : e->time_us);
	if (i == TALLY_NOWHERE)
		return;
	o = &t->open[i];
	if (e->missed > o->missed) {
		t->counts.missed_deadlines += e->missed - o->missed;
		o->missed = (uint32_t)e->missed;
	}
	if (e->victims > t->now[i].ended && !e->is_dry_run) {
		t->counts.victims += e->victims - t->now[i].ended;
		o->victims += (uint32_t)(e->victims - t->now[i].ended);
		if (o->end == TALLY_END_CLEARED)
			o->end = TALLY_END_VICTIM;
	}
	o->duration_us = e->duration_us;
	tally_close(t, n, i, e->time_us);
	tally_tell_stage(t, n, &t->closed);
}

static void on_request(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	uint32_t i = tally_find(t, e->episode);

	(void)n;
	if (i != TALLY_NOWHERE && !e->is_drill && e->step != FAILSOFT_STEP_RESUME)
		t->open[i].asked++;
}

static void on_answer(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	uint32_t i = tally_find(t, e->episode);

	if (e->is_late)
		tally_add_note(n, (struct tally_note){ .kind = TALLY_NOTE_EVENT });
	if (e->is_drill)
		return;
	t->counts.missed_deadlines += e->is_late;
	if (i != TALLY_NOWHERE) {
		t->open[i].missed += e->is_late;
		t->open[i].freed_bytes += e->freed_bytes;
	}
}

static void see_victim(struct tally_episode *o, const struct feed_event *e, enum tally_end end)
{
	memcpy(o->victim, e->name, sizeof(o->victim));
	o->victim_pid = e->pid;
	o->end = end;
}

static bool was_killed(const struct tally *t, uint64_t pid)
{
	for (uint32_t i = 0; pid && i < TALLY_PIDS; i++)
		if (t->oom_pid[i] == pid)
			return true;
	return false;
}

static void on_ended(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	uint32_t i = tally_find(t, e->episode);
	const bool is_kernels = was_killed(t, e->pid); /* it was faster: already counted */

	tally_add_note(n, (struct tally_note){ .kind = TALLY_NOTE_EVENT });
	if (e->is_dry_run)
		return;
	t->counts.victims += !is_kernels;
	if (i == TALLY_NOWHERE)
		return;
	t->now[i].ended++;
	see_headroom(&t->open[i], e->headroom_bytes);
	if (is_kernels)
		return;
	t->open[i].victims++;
	see_victim(&t->open[i], e, TALLY_END_VICTIM);
}

/* No rehearsal, whatever the broker does: the kernel has done it. */
static void on_kernel_oom(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	uint32_t i = tally_find(t, e->episode);
	struct tally_episode *o = i == TALLY_NOWHERE ? &t->outside : &t->open[i];

	t->counts.oom_kills++;
	t->oom_us = e->time_us;
	t->oom_pid[t->counts.oom_kills % TALLY_PIDS] = e->pid;
	if (i == TALLY_NOWHERE) {
		*o = (struct tally_episode){ .began_us = e->time_us, .lowest_headroom_bytes = UINT64_MAX,
			.tte_us = UINT64_MAX, .tte_early_us = UINT64_MAX, .tte_late_us = UINT64_MAX };
		memcpy(o->domain, e->domain, sizeof(o->domain));
	}
	o->oom_kills++;
	see_victim(o, e, TALLY_END_OOM_KILL);
	tally_tell_alarm(t, n, TOPIC_ALARM_OOM_KILL, true, o);
	tally_add_note(n, (struct tally_note){ .kind = TALLY_NOTE_EVENT });
}

static void on_stopped(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	uint32_t i = tally_find(t, e->episode);
	const bool is_stopped = e->processes || e->kind == FEED_TRIPPED;

	if (i != TALLY_NOWHERE && is_stopped && !e->is_dry_run)
		t->open[i].stopped++;
	tally_add_note(n, (struct tally_note){ .kind = TALLY_NOTE_EVENT });
}

static void on_freed(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	uint32_t i = tally_find(t, e->episode);

	if (i != TALLY_NOWHERE && !e->is_dry_run)
		t->open[i].freed_bytes += e->freed_bytes;
	tally_add_note(n, (struct tally_note){ .kind = TALLY_NOTE_EVENT });
}

/* Is the machine about to end? */
static void see_ending(struct tally *t, const struct feed_event *e)
{
	if (e->policy != TALLY_REBOOT && e->policy != TALLY_POWEROFF)
		return;
	if (e->kind == FEED_LAST_ENDED && e->outcome < 2) {
		t->ending = 0;
	} else if (e->kind == FEED_LAST) {
		t->ending = e->policy;
		t->ending_episode = e->episode;
		t->ending_until_us = 0;
	}
}

/* Policy 0 says that nothing is left to be done. One that is called off or failed did not end it. */
static void on_last(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	uint32_t i = tally_find(t, e->episode);
	const bool is_off = e->kind == FEED_LAST_ENDED && e->outcome < 2;

	tally_add_note(n, (struct tally_note){ .kind = TALLY_NOTE_EVENT });
	if (!e->is_dry_run)
		see_ending(t, e);
	if (i == TALLY_NOWHERE || !e->policy || e->is_dry_run)
		return;
	if (is_off && t->open[i].end == TALLY_END_LAST_POLICY) {
		t->open[i].end = t->now[i].end_before_last;
	} else if (!is_off && t->open[i].end != TALLY_END_LAST_POLICY) {
		t->now[i].end_before_last = t->open[i].end;
		t->open[i].end = TALLY_END_LAST_POLICY;
	}
}

static void on_lost(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	t->lost += e->count;
	tally_add_note(n, (struct tally_note){ .kind = TALLY_NOTE_EVENT });
}

/* One a call; tally_time() looks for more. */
static void end_forgotten(struct tally *t, struct tally_notes *n, uint64_t time_us)
{
	for (uint32_t i = 0; t->is_settled && i < TALLY_EPISODES; i++) {
		if (!t->open[i].number || t->now[i].is_confirmed)
			continue;
		tally_close(t, n, i, time_us);
		tally_tell_stage(t, n, &t->closed);
		return;
	}
}

static void on_settled(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	const uint64_t time_us = e->time_us ? e->time_us : t->time_us;
	uint32_t i = tally_find(t, t->ending_episode);

	if (i == TALLY_NOWHERE || !t->now[i].is_confirmed)
		tally_end_ending(t, t->ending_episode, time_us);
	t->is_settled = true;
	end_forgotten(t, n, time_us);
}

static void on_event(struct tally *t, struct tally_notes *n, const struct feed_event *e)
{
	(void)t, (void)e;
	tally_add_note(n, (struct tally_note){ .kind = TALLY_NOTE_EVENT });
}

/* ---- events ---- */

static void (*const on[FEED_KIND_COUNT])(struct tally *t, struct tally_notes *n,
					 const struct feed_event *e) = {
	[FEED_STAGE] = on_stage,
	[FEED_EPISODE_OPENED] = on_opened,
	[FEED_EPISODE_CLOSED] = on_closed,
	[FEED_EPISODE_TAKEN_OVER] = on_stage,
	[FEED_REQUEST] = on_request,
	[FEED_ANSWER] = on_answer,
	[FEED_VICTIM] = on_event,
	[FEED_ACTION] = on_event,
	[FEED_ENDED] = on_ended,
	[FEED_KERNEL_OOM] = on_kernel_oom,
	[FEED_BRAKE] = on_stopped,
	[FEED_GUARD] = on_stopped,
	[FEED_TRIPPED] = on_stopped,
	[FEED_FREED] = on_freed,
	[FEED_CLIENT_KILLED] = on_event,
	[FEED_LAST] = on_last,
	[FEED_LAST_ENDED] = on_last,
	[FEED_REBOOTED] = on_event,
	[FEED_DRILL] = on_event,
	[FEED_BROKER_STARTED] = on_event,
	[FEED_LOST_EVENTS] = on_lost,
	[FEED_SETTLED] = on_settled,
};

/*
 * Numbers grow with each event of one broker and begin anew with the next one, whose events are all
 * younger. So what is neither higher nor younger was here before.
 */
static bool is_repeated(struct tally *t, const struct feed_event *e)
{
	const bool is_next = e->number > t->last_number;
	const uint64_t between = is_next ? e->number - t->last_number - 1 : e->number - 1;

	if (!e->number)
		return false;
	if (!is_next && e->time_us <= t->newest_us)
		return true;
	/* said to be lost are also those that we have had before the connection broke */
	t->counts.lost_events += t->lost < between ? t->lost : between;
	t->lost = 0;
	t->last_number = e->number;
	if (e->time_us != UINT64_MAX && e->time_us > t->newest_us)
		t->newest_us = e->time_us;
	return false;
}

uint32_t tally_step(struct tally *t, const struct feed_event *e, struct tally_note ret[TALLY_NOTES_MAX])
{
	struct tally_notes n = { ret, 0 };

	if (e->kind < FEED_KIND_COUNT && !is_repeated(t, e) && on[e->kind])
		on[e->kind](t, &n, e);
	return n.count;
}

uint32_t tally_order(struct tally *t, const struct failsoft_order *order,
		     struct tally_note ret[TALLY_NOTES_MAX])
{
	struct feed_event e = {
		.kind = FEED_OTHER, .episode = order->episode, .time_us = order->issued_us,
		.to = order->stage, .headroom_bytes = order->headroom_bytes, .tte_us = order->exhaustion_us,
		.tte_low_us = order->exhaustion_low_us, .tte_early_us = UINT64_MAX, .tte_late_us = UINT64_MAX,
	};
	struct tally_notes n = { ret, 0 };
	uint32_t i;

	if (order->flags & FAILSOFT_ORDER_DRILL || order->stage > FAILSOFT_STAGE_SHUTDOWN)
		return 0;
	memcpy(e.domain, order->domain, sizeof(order->domain));
	e.domain[sizeof(order->domain) - 1] = '\0';
	i = tally_open(t, &n, &e);
	t->is_dry_run = order->flags & FAILSOFT_ORDER_DRY_RUN;
	/* Monitor may have said more since: an order tells only of what comes */
	if (i != TALLY_NOWHERE && order->stage > t->now[i].stage && order->issued_us >= t->now[i].stage_us)
		enter_stage(t, &n, i, &e);
	else
		tally_tell_stage(t, &n, NULL);
	return n.count;
}

uint32_t tally_broker(struct tally *t, bool is_up, struct tally_note ret[TALLY_NOTES_MAX])
{
	struct tally_notes n = { ret, 0 };

	t->is_up = is_up;
	t->is_settled = false;
	for (uint32_t i = 0; i < TALLY_EPISODES; i++)
		t->now[i].is_confirmed = false;
	tally_tell_alarm(t, &n, TOPIC_ALARM_BROKER_LOST, !is_up, NULL);
	tally_add_note(&n, (struct tally_note){ .kind = TALLY_NOTE_STATE });
	return n.count;
}

uint32_t tally_time(struct tally *t, uint64_t now_us, uint64_t hold_us,
		    struct tally_note ret[TALLY_NOTES_MAX])
{
	struct tally_notes n = { ret, 0 };

	if (t->is_up && t->time_us && now_us > t->time_us) {
		t->watched_us += now_us - t->time_us;
		t->counts.observed_s += t->watched_us / 1000000;
		t->watched_us %= 1000000;
	}
	t->time_us = now_us;
	if (t->ending_until_us && now_us >= t->ending_until_us)
		t->ending = t->ending_until_us = 0;
	if (t->is_raised[TOPIC_ALARM_OOM_KILL] && now_us > t->oom_us && now_us - t->oom_us >= hold_us) {
		tally_tell_alarm(t, &n, TOPIC_ALARM_OOM_KILL, false, NULL);
		tally_add_note(&n, (struct tally_note){ .kind = TALLY_NOTE_STATE });
	} else {
		end_forgotten(t, &n, now_us);
	}
	return n.count;
}
