/* SPDX-License-Identifier: MIT */
#include "keep/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "base/units.h"
#include "keep/event_act.h"

static const struct event_shape shapes[] = {
	[EVENT_NONE] = { "none", { NULL } },
	[EVENT_BROKER_STARTED] = { "broker_started", { NULL } },
	[EVENT_BROKER_STOPPED] = { "broker_stopped", { NULL } },
	[EVENT_CONFIG_RELOADED] = { "config_reloaded", { NULL } },
	[EVENT_SOURCE_ABSENT] = { "source_absent", { NULL } },
	[EVENT_DOMAIN_ADDED] = { "domain_added", { NULL } },
	[EVENT_DOMAIN_REMOVED] = { "domain_removed", { NULL } },
	[EVENT_CLIENT_JOINED] = { "client_joined", { "pid", "uid" } },
	[EVENT_CLIENT_LEFT] = { "client_left", { "pid", "uid" } },
	[EVENT_STAGE] = { "stage", { NULL } },
	[EVENT_REQUEST] = { "request", { "deadline_us", "exposure_bytes", "final", "drill" } },
	[EVENT_ANSWER] = { "answer", { "taken_us", "freed_bytes", "deadline_us", "drill" } },
	[EVENT_SHIELD] = { "shield", { "up" } },
	[EVENT_SHIELD_FAILED] = { "shield_failed", { "errno" } },
	[EVENT_VICTIM] = { "victim", { "pid", "memory_bytes", "growth_bytes", "all_growth_bytes",
				       "processes" } },
	[EVENT_NO_VICTIM] = { "no_victim", { NULL, "pool", "pool_bytes" } },
	[EVENT_ACTION] = { "action", { "pid", "processes", "deadline_us", "dry_run",
					 "by_guard" } },
	[EVENT_ENDED] = { "ended", { "pid", "headroom_bytes" } },
	[EVENT_KERNEL_OOM] = { "kernel_oom", { "pid" } },
	[EVENT_EPISODE_OPENED] = { "episode_opened", { NULL } },
	[EVENT_EPISODE_CLOSED] = { "episode_closed", { "duration_us", "victims", "missed" } },
	[EVENT_EPISODE_TAKEN_OVER] = { "episode_taken_over", { NULL, "goes_on" } },
	[EVENT_EVIDENCE] = { "evidence", { "pid" } },
	[EVENT_HELD_BACK] = { "held_back", { "pid" } },
	[EVENT_GROWER] = { "grower", { "pid", "grown_bytes", "bytes_per_s", "share_permyriad",
				       "processes" } },
	[EVENT_CLIENT_KILLED] = { "client_killed", { "pid", "signal", "by_kernel" } },
	[EVENT_OVERRUN] = { "overrun", { "count" } },
	[EVENT_BRAKE] = { "brake", { "pid", "processes", "exhaustion_low_us", "dry_run", "needed_us" } },
	[EVENT_LET_GO] = { "let_go", { "pid", "processes", "stopped_us", "dry_run" } },
	[EVENT_PROCEDURE] = { "procedure", { "pid", "procedure", "deadline_us", "dry_run" } },
	[EVENT_PROCEDURE_ENDED] = { "procedure_ended", { "pid", "outcome", "code", "taken_us",
							 "output_bytes" } },
	[EVENT_PROCEDURE_OUTPUT] = { "procedure_output", { "pid", "procedure" } },
	[EVENT_RESPONDER] = { "responder", { "procedure", "errno" } },
	[EVENT_GUARD] = { "guard", { "pid", "processes", "clients", "dry_run", "late_us" } },
	[EVENT_TRIPWIRE] = { "tripwire", { "limit_bytes", "usage_bytes", "kept_bytes", "phase" } },
	[EVENT_TRIPPED] = { "tripped", { "limit_bytes", "usage_bytes", "kept_bytes", "phase" } },
	[EVENT_RETURNED] = { "returned", { "pid", "promised_bytes", "returned_bytes", "taken_us" } },
	[EVENT_LAST] = { "last", { "policy", "pool", "pool_bytes", "dry_run" } },
	[EVENT_LAST_ENDED] = { "last_ended", { "policy", "outcome", "code", "taken_us" } },
	[EVENT_FREED] = { "freed", { "files", "bytes", "errno", "dry_run" } },
	[EVENT_REBOOTED] = { "rebooted", { "policy", "count", "ended_episode" } },
	[EVENT_DRILL] = { "drill", { "stage", "clients" } },
};
_Static_assert(ARRAY_LEN(shapes) == EVENT_KIND_COUNT, "a shape for every kind");

const struct event_shape *event_shape(enum event_kind kind)
{
	return &shapes[kind < EVENT_KIND_COUNT ? kind : EVENT_NONE];
}

/* ---- the sentence of each kind ---- */

static void say_source(struct text *t, const struct event *e)
{
	text_add(t, "source %s is absent", e->name);
}

static void say_client(struct text *t, const struct event *e)
{
	text_add(t, "%s (pid %" PRIu64 ", uid %" PRIu64 ") %s", e->name, e->a, e->b,
		 e->kind == EVENT_CLIENT_JOINED ? "registered" : "left");
}

static void say_distress(struct text *t, uint32_t distress)
{
	static const char *const words[] = {
		"PSI some", "PSI full", "direct reclaim", "memory.high throttling", "limit hit",
		"OOM kill", "cgroup pressure level", "programs delayed", "tripwire",
		"the machine stands still",
	};
	const char *between = "";

	for (unsigned bit = 0; bit < ARRAY_LEN(words); bit++) {
		if (!(distress & (1u << bit)))
			continue;
		text_add(t, "%s%s", between, words[bit]);
		between = ", ";
	}
}

static void say_time_left(struct text *t, const struct event *e)
{
	if (e->tte_low_us == NEVER_US) {
		text_add(t, ", not falling");
		return;
	}
	text_add(t, ", exhausted in ");
	if (e->tte_us == NEVER_US)
		text_add(t, "an unknown time");
	else
		text_add_us(t, e->tte_us);
	text_add(t, " (");
	if (e->tte_us != NEVER_US) {
		text_add_us(t, e->tte_early_us);
		text_add(t, " to ");
		text_add_us(t, e->tte_late_us);
		text_add(t, "; ");
	}
	text_add(t, "at worst ");
	text_add_us(t, e->tte_low_us);
	text_add(t, ")");
}

static void say_why(struct text *t, const struct event *e)
{
	switch ((enum stage_why)e->why) {
	case STAGE_WHY_TIME:
		text_add(t, "less than the ");
		text_add_us(t, e->lead_us);
		text_add(t, " that the clients need, falling at up to ");
		text_add_bytes(t, (uint64_t)MAX_OF(e->fall_bytes_per_s, 0));
		text_add(t, "/s");
		break;
	case STAGE_WHY_FLOOR:
		text_add(t, "below the floor of ");
		text_add_bytes(t, e->floor_bytes);
		break;
	case STAGE_WHY_DISTRESS:
		text_add(t, "the kernel reports distress");
		break;
	case STAGE_WHY_OOM:
		text_add(t, "the kernel has killed for lack of memory");
		break;
	case STAGE_WHY_CLEARED:
		text_add(t, "no reason left to stay");
		break;
	case STAGE_WHY_NONE:
	case STAGE_WHY_COUNT:
		text_add(t, "no reason given");
		break;
	}
	if (e->distress) {
		text_add(t, "; kernel: ");
		say_distress(t, e->distress);
	}
}

static void say_stage(struct text *t, const struct event *e)
{
	text_add(t, "%s -> %s: headroom ", stage_name(e->from), stage_name(e->to));
	text_add_bytes(t, e->headroom_bytes);
	text_add(t, " of ");
	text_add_bytes(t, e->total_bytes);
	say_time_left(t, e);
	text_add(t, "; ");
	say_why(t, e);
}

static const char *verb_of(enum session_step step)
{
	return step == STEP_SHUTDOWN ? "shut down" : session_step_name(step);
}

static void say_request(struct text *t, const struct event *e)
{
	text_add(t, "%s%s is asked to %s%s within ", e->d ? "drill: " : "", e->name, verb_of(e->step),
		 e->c ? " for good" : "");
	text_add_us(t, e->a > e->time_us ? e->a - e->time_us : 0);
	if (!e->b)
		return;
	text_add(t, ", ");
	text_add_bytes(t, e->b);
	text_add(t, " exposed");
}

static void say_answer(struct text *t, const struct event *e)
{
	if (e->result == RESULT_LATE) {
		text_add(t, "%s answers request %" PRIu64 " too late", e->name, e->sequence);
		return;
	}
	text_add(t, "%s%s: %s %s after ", e->d ? "drill: " : "", e->name, session_step_name(e->step),
		 session_result_name(e->result));
	text_add_us(t, e->a);
	if (!e->b)
		return;
	text_add(t, ", freed ");
	text_add_bytes(t, e->b);
}

static void say_drill(struct text *t, const struct event *e)
{
	text_add(t, "a drill: %" PRIu64 " client%s asked as at stage %s, and nothing follows", e->b,
		 e->b == 1 ? " is" : "s are", e->a < STAGE_COUNT ? stage_name((enum stage_word)e->a) : "");
}

static void say_shield(struct text *t, const struct event *e)
{
	if (e->kind == EVENT_SHIELD_FAILED)
		text_add(t, "%s cannot be shielded from the kernel's OOM killer (errno %" PRIu64 ")",
			 e->name, e->a);
	else
		text_add(t, "%s is %s the kernel's OOM killer", e->name,
			 e->a ? "shielded from" : "visible again to");
}

static void say_victim(struct text *t, const struct event *e)
{
	text_add(t, "%s (pid %" PRIu64 ", ", e->name, e->a);
	if (e->e > 1)
		text_add(t, "%" PRIu64 " processes, ", e->e);
	text_add_bytes(t, e->b);
	text_add(t, ") caused it: %s ", e->why ? "wrote" : "grew by");
	text_add_bytes(t, e->c);
	text_add(t, e->why ? " while " : " of ");
	text_add_bytes(t, e->d);
	text_add(t, e->why ? " grew that no process shows" : " in all");
}

static void say_action(struct text *t, const struct event *e)
{
	if (e->rung == RUNG_FINAL) /* of a dry run; else it is a request */
		text_add(t, "would ask %s (pid %" PRIu64, e->name, e->a);
	else
		text_add(t, "%s%s %s to %s (pid %" PRIu64, e->e ? "the guard " : "",
			 e->d ? "would send" : "sends",
			 e->rung == RUNG_KILL ? "SIGKILL" : "SIGTERM", e->name, e->a);
	if (e->b > 1)
		text_add(t, ", %" PRIu64 " processes", e->b);
	text_add(t, ")");
	if (e->rung == RUNG_FINAL) {
		text_add(t, " to shut down for good within ");
		text_add_us(t, e->c > e->time_us ? e->c - e->time_us : 0);
	} else if (e->d && e->rung == RUNG_KILL && e->b > 1) {
		text_add(t, ", and to its whole cgroup if nobody else lives there");
	}
}

static void say_ended(struct text *t, const struct event *e)
{
	text_add(t, "%s (pid %" PRIu64 ") has ended, headroom was ", e->name, e->a);
	text_add_bytes(t, e->b);
}

static void say_returned(struct text *t, const struct event *e)
{
	text_add_bytes(t, e->c);
	text_add(t, " of ");
	text_add_bytes(t, e->b);
	text_add(t, " came back from %s (pid %" PRIu64 ") in ", e->name, e->a);
	text_add_us(t, e->d);
	if (e->c < e->b / 2)
		text_add(t, "; it shared them, or others have taken them already");
}

static void say_held(struct text *t, const struct event *e)
{
	text_add(t, "%s (pid %" PRIu64, e->name, e->a);
	if (e->b > 1)
		text_add(t, ", %" PRIu64 " processes", e->b);
	text_add(t, ")");
}

static void say_brake(struct text *t, const struct event *e)
{
	text_add(t, "%s ", e->d ? "would stop" : e->b ? "stops" : "cannot stop");
	say_held(t, e);
	text_add(t, " for now: clients need ");
	text_add_us(t, e->e);
	text_add(t, ", at worst there are ");
	text_add_us(t, e->c);
}

static void say_let_go(struct text *t, const struct event *e)
{
	text_add(t, "%s ", e->d ? "would let go on" : "lets go on");
	say_held(t, e);
	text_add(t, " after ");
	text_add_us(t, e->c);
}

static void say_guard(struct text *t, const struct event *e)
{
	text_add(t, "the broker's loop stood still for ");
	text_add_us(t, e->e);
	text_add(t, " while memory was short: its guard ");
	if (e->b) {
		text_add(t, "%sstopped ", e->d ? "would have " : "");
		say_held(t, e);
		text_add(t, " and ");
	}
	text_add(t, "asked %" PRIu64 " client%s to shut down", e->c, e->c == 1 ? "" : "s");
	text_add(t, e->why ? "; a signal that the loop was about to send was not sent" : "");
}

/* "headroom 50 %, forecast 50 %" */
static void say_witnesses(struct text *t, const struct evidence *e)
{
	const char *between = "";

	for (unsigned w = 0; w < WITNESS_COUNT; w++) {
		if (!e->percent[w])
			continue;
		text_add(t, "%s%s %u %%", between, evidence_name((enum witness)w), e->percent[w]);
		between = ", ";
	}
	text_add(t, *between ? "" : "nothing");
}

static void say_evidence(struct text *t, const struct event *e)
{
	unsigned groups = evidence_groups(&e->evidence);

	const char *one = e->a ? "the kernel has ended programs already"
			       : "one witness, enough for what can be taken back";

	if (e->a)
		text_add(t, "ending %s (pid %" PRIu64 ") rests on ", e->name, e->a);
	else
		text_add(t, "%s rests on ", stage_name(e->to));
	say_witnesses(t, &e->evidence);
	text_add(t, "; %s", groups >= 2 ? "independent witnesses agree" : one);
}

static void say_grower(struct text *t, const struct event *e)
{
	text_add(t, "%s", e->name);
	if (e->a)
		text_add(t, " (pid %" PRIu64, e->a);
	if (e->a && e->e > 1)
		text_add(t, ", %" PRIu64 " processes", e->e);
	text_add(t, "%s grew by ", e->a ? ")" : "");
	text_add_bytes(t, e->b);
	text_add(t, ", now at ");
	text_add_bytes(t, e->c);
	text_add(t, "/s: %" PRIu64 " %% of all growth", e->d / 100);
}

static void say_killed(struct text *t, const struct event *e)
{
	text_add(t, "%s (pid %" PRIu64 ") was ended by signal %" PRIu64 ": %s", e->name, e->a, e->b,
		 e->c ? "by the kernel, for lack of memory" : "not by the kernel's OOM killer");
}

static void say_overrun(struct text *t, const struct event *e)
{
	text_add(t, "%s lost events (%" PRIu64 " times so far): everything is looked at again", e->name,
		 e->a);
}

static void say_tripwire(struct text *t, const struct event *e)
{
	if (e->kind == EVENT_TRIPPED) {
		text_add(t, "programs at the tripwire of ");
		text_add_bytes(t, e->a);
		text_add(t, " are slowed by the kernel, ");
		text_add_bytes(t, e->c);
		text_add(t, " of the machine are kept");
		return;
	}
	if (e->d == TRIPWIRE_OFF || e->d == TRIPWIRE_OPEN) {
		text_add(t, e->d == TRIPWIRE_OFF ? "there is no tripwire any more"
						 : "the tripwire is taken away while clients save");
		return;
	}
	text_add(t, "the tripwire %s at ", e->d == TRIPWIRE_DRY ? "would stand" : "stands");
	text_add_bytes(t, e->a);
	text_add(t, ", with ");
	text_add_bytes(t, e->b);
	text_add(t, " in use, to keep ");
	text_add_bytes(t, e->c);
}

static void say_held_back(struct text *t, const struct event *e)
{
	text_add(t, "nobody is ended yet, not even %s (pid %" PRIu64 "), the largest: only ", e->name, e->a);
	say_witnesses(t, &e->evidence);
	text_add(t, " speaks, and two independent witnesses are needed");
}

static void say_oom(struct text *t, const struct event *e)
{
	text_add(t, "the kernel killed %s (pid %" PRIu64 ") for lack of memory", e->name, e->a);
}

static void say_episode(struct text *t, const struct event *e)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_EPISODE_CLOSED:
		text_add(t, "episode %" PRIu64 " is over after ", e->episode);
		text_add_us(t, e->a);
		text_add(t, ": %" PRIu64 " ended, %" PRIu64 " deadlines missed", e->b, e->c);
		break;
	case EVENT_EPISODE_TAKEN_OVER:
		text_add(t, "episode %" PRIu64 " was open at stage %s when the broker ended; it goes on",
			 e->episode, stage_name(e->to));
		break;
	default: /* the kinds are those of the table below */
		text_add(t, "episode %" PRIu64 " opens", e->episode);
		break;
	}
}

static void say_plain(struct text *t, const struct event *e)
{
	static const char *const words[EVENT_KIND_COUNT] = {
		[EVENT_BROKER_STARTED] = "the broker has started",
		[EVENT_BROKER_STOPPED] = "the broker has stopped",
		[EVENT_CONFIG_RELOADED] = "the configuration was read again",
		[EVENT_DOMAIN_ADDED] = "the domain is watched",
		[EVENT_DOMAIN_REMOVED] = "the domain is no longer watched",
	};

	text_add(t, "%s", e->kind < EVENT_KIND_COUNT && words[e->kind] ? words[e->kind] : "nothing");
	if (e->name[0])
		text_add(t, " (%s)", e->name);
}

static void (*const say[EVENT_KIND_COUNT])(struct text *t, const struct event *e) = {
	[EVENT_SOURCE_ABSENT] = say_source,
	[EVENT_CLIENT_JOINED] = say_client,
	[EVENT_CLIENT_LEFT] = say_client,
	[EVENT_STAGE] = say_stage,
	[EVENT_REQUEST] = say_request,
	[EVENT_ANSWER] = say_answer,
	[EVENT_SHIELD] = say_shield,
	[EVENT_SHIELD_FAILED] = say_shield,
	[EVENT_VICTIM] = say_victim,
	[EVENT_ACTION] = say_action,
	[EVENT_ENDED] = say_ended,
	[EVENT_KERNEL_OOM] = say_oom,
	[EVENT_EPISODE_OPENED] = say_episode,
	[EVENT_EPISODE_CLOSED] = say_episode,
	[EVENT_EPISODE_TAKEN_OVER] = say_episode,
	[EVENT_EVIDENCE] = say_evidence,
	[EVENT_HELD_BACK] = say_held_back,
	[EVENT_GROWER] = say_grower,
	[EVENT_CLIENT_KILLED] = say_killed,
	[EVENT_OVERRUN] = say_overrun,
	[EVENT_BRAKE] = say_brake,
	[EVENT_LET_GO] = say_let_go,
	[EVENT_PROCEDURE] = event_say_procedure,
	[EVENT_PROCEDURE_ENDED] = event_say_procedure_ended,
	[EVENT_PROCEDURE_OUTPUT] = event_say_procedure_output,
	[EVENT_RESPONDER] = event_say_responder,
	[EVENT_GUARD] = say_guard,
	[EVENT_TRIPWIRE] = say_tripwire,
	[EVENT_TRIPPED] = say_tripwire,
	[EVENT_RETURNED] = say_returned,
	[EVENT_NO_VICTIM] = event_say_no_victim,
	[EVENT_LAST] = event_say_last,
	[EVENT_LAST_ENDED] = event_say_last_ended,
	[EVENT_FREED] = event_say_freed,
	[EVENT_REBOOTED] = event_say_rebooted,
	[EVENT_DRILL] = say_drill,
};

size_t event_sentence(const struct event *e, char *buffer, size_t size)
{
	struct text t;

	text_init(&t, buffer, size);
	if (e->kind < EVENT_KIND_COUNT && e->domain_name[0] && e->client == 0)
		text_add(&t, "%s: ", e->domain_name);
	if (e->kind < EVENT_KIND_COUNT && say[e->kind])
		say[e->kind](&t, e);
	else
		say_plain(&t, e);
	return t.used;
}
