/* SPDX-License-Identifier: MIT */
#include "envelope.h"

#include <stdio.h>
#include <string.h>

#include "envelope_json.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define ALWAYS		ENVELOPE_ALWAYS

/* ---- state and heartbeat ---- */

static void add_counts(struct envelope_json *j, const struct tally_counts *c)
{
	const struct envelope_figure figures[] = {
		{ "episodes", c->episodes, ALWAYS },
		{ "near_misses", c->near_misses, ALWAYS },
		{ "missed_deadlines", c->missed_deadlines, ALWAYS },
		{ "false_alarms", c->false_alarms, ALWAYS },
		{ "oom_kills", c->oom_kills, ALWAYS },
		{ "victims", c->victims, ALWAYS },
		{ "lost_events", c->lost_events, ALWAYS },
		{ "resets", c->resets, ALWAYS },
		{ "observed_s", c->observed_s, ALWAYS },
	};

	envelope_json_figures(j, envelope_json_object(j, j->data, "counts"), figures, COUNT(figures));
}

static void add_spool(struct envelope_json *j, const struct spool_counts *c)
{
	const struct envelope_figure figures[] = {
		{ "slots", c->slots, ALWAYS },
		{ "waiting", c->waiting, ALWAYS },
		{ "sent", c->sent, ALWAYS },
		{ "evicted_heartbeats", c->evicted[SPOOL_HEARTBEAT], ALWAYS },
		{ "evicted_events", c->evicted[SPOOL_EVENT], ALWAYS },
		{ "evicted_alarms", c->evicted[SPOOL_ALARM], ALWAYS },
		{ "damaged", c->damaged, ALWAYS },
	};

	envelope_json_figures(j, envelope_json_object(j, j->data, "spool"), figures, COUNT(figures));
}

static void add_domain(struct envelope_json *j, const char *domain)
{
	if (domain[0])
		envelope_json_text(j, j->data, "domain", domain);
}

static void add_present_state(struct envelope_json *j, const struct envelope_state *state)
{
	const bool has_memory = state->total_bytes > 0;
	const struct envelope_figure figures[] = {
		{ "headroom_bytes", has_memory ? state->headroom_bytes : ALWAYS, ALWAYS },
		{ "limit_bytes", state->total_bytes, 0 },
		{ "tte_usec", state->tte_us, UINT64_MAX },
	};

	envelope_json_stage(j, j->data, "stage", state->stage);
	envelope_json_flag(j, j->data, "broker", state->has_broker);
	add_domain(j, state->domain);
	envelope_json_figures(j, j->data, figures, COUNT(figures));
	envelope_json_text(j, j->data, "expect", state->expect ? state->expect : "");
	add_counts(j, &state->counts);
	add_spool(j, &state->spool);
}

/* Offline is said in advance, as the last will: by then nothing but the session is sure; or as a goodbye, and
 * then what it is for. */
int envelope_state(const struct envelope *v, const struct envelope_moment *m,
		   const struct envelope_state *state, bool is_heartbeat, char *ret)
{
	const struct envelope_figure session = { "session", v->session, ALWAYS };
	struct envelope_json j;
	int r = envelope_json_begin(&j, is_heartbeat ? TOPIC_HEARTBEAT : TOPIC_STATE, v, m);

	if (r < 0)
		return r;
	envelope_json_flag(&j, j.data, "online", state->is_online);
	envelope_json_figures(&j, j.data, &session, 1);
	if (state->is_online || is_heartbeat)
		add_present_state(&j, state);
	else if (state->expect && state->expect[0])
		envelope_json_text(&j, j.data, "expect", state->expect);
	return envelope_json_finish(&j, NULL, ret);
}

/* ---- alarm ---- */

static void add_alarm_episode(struct envelope_json *j, const struct tally_episode *e)
{
	const struct envelope_figure figures[] = {
		{ "episode", e->number, ALWAYS },
		{ "headroom_bytes", e->total_bytes ? e->headroom_bytes : ALWAYS, ALWAYS },
		{ "limit_bytes", e->total_bytes, 0 },
		{ "tte_usec", e->tte_us, UINT64_MAX },
		{ "tte_early_usec", e->tte_early_us, UINT64_MAX },
		{ "tte_late_usec", e->tte_late_us, UINT64_MAX },
	};

	add_domain(j, e->domain);
	envelope_json_stage(j, j->data, "stage", e->highest);
	envelope_json_figures(j, j->data, figures, COUNT(figures));
}

static void add_victim(struct envelope_json *j, const struct tally_episode *e, const char *key)
{
	const struct envelope_figure pid = { "pid", e->victim_pid, 0 };

	if (e->victim[0])
		envelope_json_text(j, j->data, key, e->victim);
	envelope_json_figures(j, j->data, &pid, 1);
}

int envelope_alarm(const struct envelope *v, const struct envelope_moment *m, enum topic_alarm alarm,
		   bool is_raised, const struct tally_episode *episode, uint64_t deadline_us,
		   const char *text, char *ret)
{
	const struct envelope_figure deadline = { "deadline_usec", deadline_us, 0 };
	struct envelope_json j;
	int r = envelope_json_begin(&j, TOPIC_ALARM, v, m);

	if (r < 0)
		return r;
	envelope_json_text(&j, j.data, "kind", topic_alarm_name(alarm));
	envelope_json_flag(&j, j.data, "raised", is_raised);
	if (episode)
		add_alarm_episode(&j, episode);
	if (episode && alarm == TOPIC_ALARM_OOM_KILL)
		add_victim(&j, episode, "name");
	if (deadline_us != UINT64_MAX)
		envelope_json_figures(&j, j.data, &deadline, 1);
	return envelope_json_finish(&j, text, ret);
}

/* ---- event ---- */

static void add_event_memory(struct envelope_json *j, const struct feed_event *e)
{
	const bool has_memory = e->total_bytes > 0;
	const struct envelope_figure figures[] = {
		{ "number", e->number, ALWAYS },
		{ "time_usec", e->time_us, ALWAYS },
		{ "episode", e->episode, 0 },
		{ "pid", e->pid, 0 },
		{ "headroom_bytes", has_memory ? e->headroom_bytes : ALWAYS, ALWAYS },
		{ "limit_bytes", e->total_bytes, 0 },
		{ "tte_usec", e->tte_us, UINT64_MAX },
	};

	envelope_json_figures(j, j->data, figures, COUNT(figures));
}

int envelope_event(const struct envelope *v, const struct envelope_moment *m, const struct feed_event *e,
		   char *ret)
{
	struct envelope_json j;
	int r = envelope_json_begin(&j, TOPIC_EVENT, v, m);

	if (r < 0)
		return r;
	envelope_json_text(&j, j.data, "event", e->word);
	add_event_memory(&j, e);
	add_domain(&j, e->domain);
	if (e->name[0])
		envelope_json_text(&j, j.data, "name", e->name);
	if (e->kind == FEED_STAGE) {
		envelope_json_stage(&j, j.data, "from", e->from);
		envelope_json_stage(&j, j.data, "to", e->to);
	}
	if (e->is_drill)
		envelope_json_flag(&j, j.data, "drill", true);
	if (e->is_dry_run)
		envelope_json_flag(&j, j.data, "dry_run", true);
	return envelope_json_finish(&j, e->text, ret);
}

/* ---- report ---- */

static void add_forecast(struct envelope_json *j, const struct tally_episode *e)
{
	const uint64_t end_us = e->began_us + e->duration_us;
	const struct envelope_figure figures[] = {
		{ "headroom_bytes", e->headroom_bytes, ALWAYS },
		{ "tte_usec", e->tte_us, UINT64_MAX },
		{ "tte_early_usec", e->tte_early_us, UINT64_MAX },
		{ "tte_late_usec", e->tte_late_us, UINT64_MAX },
		{ "came_after_usec", end_us - e->forecast_at_us, ALWAYS },
	};
	const bool has_end = e->duration_us > 0 && end_us >= e->forecast_at_us;

	envelope_json_figures(j, envelope_json_object(j, j->data, "forecast"), figures,
			      COUNT(figures) - !has_end);
}

static void add_report_figures(struct envelope_json *j, const struct tally_episode *e)
{
	const bool is_one = e->number > 0;
	const uint64_t absent = is_one ? ALWAYS : 0; /* without an episode zeroes say nothing */
	const struct envelope_figure figures[] = {
		{ "episode", e->number, ALWAYS },
		{ "duration_usec", e->duration_us, absent },
		{ "asked", e->asked, absent },
		{ "missed", e->missed, absent },
		{ "victims", e->victims, absent },
		{ "oom_kills", e->oom_kills, absent },
		{ "stopped", e->stopped, absent },
		{ "freed_bytes", e->freed_bytes, absent },
		{ "lowest_headroom_bytes", e->total_bytes ? e->lowest_headroom_bytes : ALWAYS, ALWAYS },
		{ "limit_bytes", e->total_bytes, 0 },
	};

	envelope_json_figures(j, j->data, figures, COUNT(figures));
	add_domain(j, e->domain);
	envelope_json_stage(j, j->data, "highest", e->highest);
	envelope_json_flag(j, j->data, "near_miss", e->is_near_miss);
	envelope_json_flag(j, j->data, "false_alarm", e->is_false_alarm);
	if (is_one && e->forecast_at_us > 0)
		add_forecast(j, e);
}

static void add_past(struct envelope_json *j, const struct envelope *v, const struct crumb_note *past)
{
	if (past->boot[0])
		envelope_json_text(j, j->data, "past_boot", past->boot);
	if (past->firmware[0] && strcmp(past->firmware, v->firmware))
		envelope_json_text(j, j->data, "past_firmware", past->firmware);
}

/* Of an episode that ended in this boot. */
static void ended_sentence(const struct tally_episode *e, char *ret, size_t size)
{
	static const char *const whose[TALLY_END_COUNT] = {
		[TALLY_END_VICTIM] = "failsoft ended",
		[TALLY_END_OOM_KILL] = "the kernel ended",
	};
	const uint32_t programs = e->end == TALLY_END_OOM_KILL ? e->oom_kills : e->victims;
	const char *by = e->end < TALLY_END_COUNT ? whose[e->end] : NULL;
	int used = snprintf(ret, size, "The shortage of memory in %s ended after %.1f s: ",
			    e->domain[0] ? e->domain : "the system", (double)e->duration_us / 1e6);

	if (used < 0 || (size_t)used >= size)
		return;
	if (by)
		snprintf(ret + used, size - (size_t)used, "%s %u program%s, last %s", by, programs,
			 programs == 1 ? "" : "s", e->victim[0] ? e->victim : "one without a name");
	else if (e->end == TALLY_END_CLEARED)
		snprintf(ret + used, size - (size_t)used, "memory came back, no program was ended");
	else
		snprintf(ret + used, size - (size_t)used, "%s", tally_end_name((enum tally_end)e->end));
}

int envelope_report(const struct envelope *v, const struct envelope_moment *m,
		    const struct tally_episode *episode, const struct outcome *outcome,
		    const struct crumb_note *past, char *ret)
{
	char sentence[FEED_TEXT_MAX];
	struct envelope_json j;
	int r = envelope_json_begin(&j, TOPIC_REPORT, v, m);

	if (r < 0)
		return r;
	add_report_figures(&j, episode);
	envelope_json_text(&j, j.data, "ended_by",
			   tally_end_name(outcome ? outcome->end : (enum tally_end)episode->end));
	if (outcome && outcome->of[0])
		envelope_json_text(&j, j.data, "of", outcome->of);
	else
		add_victim(&j, episode, "of");
	if (past)
		add_past(&j, v, past);
	ended_sentence(episode, sentence, sizeof(sentence));
	return envelope_json_finish(&j, outcome ? outcome->text : sentence, ret);
}
