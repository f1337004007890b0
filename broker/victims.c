/* SPDX-License-Identifier: MIT */
#include "victims.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "act/kin.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/priority.h"
#include "base/text.h"
#include "respond.h"
#include "sense/survey.h"
#include "standby.h"

/*
 * A group that is stopped or ended is surveyed again for what it forked, but not so often that this
 * real-time process keeps it from ending: a survey of 50 processes took 5 ms on a slow CPU, and
 * one with every sample stood the machine still for 1.5 s. Half of the pause: a third of the CPU;
 * double: a child runs on for so much longer.
 */
#define AGAIN_LEAST_US	(20 * US_PER_MS)
#define AGAIN_PAUSES	4u

/* Several are ended until headroom is so many times the floor of warning. Half: the next crisis is a
 * second away; double: more are ended than must be. */
#define CALM_FLOORS	2u

/* As good as nothing: a survey takes some 0.1 MiB of the kernel's memory. Half: a leak of 100 MiB/s is past
 * it before the survey has begun; double: others may run in its middle where there is still memory. */
#define END_BYTES	MIB

/* At the start all of 4096 processes are looked at, in 80 ms at most. */
#define FIRST_PIECES	128u

/* The lists as the survey takes them. */
struct lists {
	const char *picks[CONFIG_LIST_MAX], *preferred[CONFIG_LIST_MAX];
	struct survey_protect protect;
};

static void make_lists(const struct broker *b, struct lists *ret)
{
	for (uint32_t i = 0; i < b->config.protect.count; i++)
		ret->picks[i] = b->config.protect.text[i];
	for (uint32_t i = 0; i < b->config.prefer.count; i++)
		ret->preferred[i] = b->config.prefer.text[i];
	ret->protect = (struct survey_protect){
		.pids = b->protect_pids, .pids_count = ARRAY_LEN(b->protect_pids),
		.picks = ret->picks, .picks_count = b->config.protect.count,
		.preferred = ret->preferred, .preferred_count = b->config.prefer.count,
	};
}

static void take_feeders(struct broker *b)
{
	int32_t *pids = b->protect_pids + 1;

	for (uint32_t i = 0; i < FEEDERS_MAX; i++) {
		int32_t pid = i < b->feeders.count ? b->feeders.pids[i] : 0;

		if (pid && pid != pids[i])
			log_info("pid %d feeds a watchdog: it is never stopped or ended", (int)pid);
		pids[i] = pid;
	}
}

void victims_feeders(struct broker *b, uint64_t now_us)
{
	if (core_stage(&b->core) == STAGE_NORMAL && feeders_step(&b->feeders, now_us))
		take_feeders(b);
}

void victims_first_feeders(struct broker *b)
{
	feeders_open(&b->feeders, b->root_fd);
	for (uint64_t pieces = 0; pieces < FIRST_PIECES; pieces++) {
		b->feeders.due_us = 0;
		if (feeders_step(&b->feeders, clock_now_us()))
			break;
	}
	take_feeders(b);
}

static uint32_t take_survey(struct broker *b, uint32_t domain)
{
	struct lists lists;
	const struct survey_request request = {
		.cgroup_fd = sense_domain_directory(b->sense, domain), .protect = &lists.protect,
	};
	uint64_t begun_us = clock_now_us(), now_us;
	uint32_t count = 0;
	int r;

	make_lists(b, &lists);
	r = survey_take(b->survey, &request, b->processes, BROKER_PROCESSES_MAX, &count);

	if (r < 0 && r != -ENOBUFS)
		log_warning("survey of the processes: %s", strerror(-r));
	b->processes_count = count;
	now_us = clock_now_us();
	b->surveyed = (struct bystander_survey){ domain, r < 0 ? 0 : now_us };
	b->survey_again_us = now_us + MAX_OF(AGAIN_LEAST_US, AGAIN_PAUSES * (now_us - begun_us));
	return count;
}

static bool choose(struct broker *b, uint32_t domain, struct victim *ret)
{
	const struct estimate *e = &b->core.domain[domain].estimate;
	uint64_t calm_bytes = CALM_FLOORS * stage_floor_bytes(&b->core.policy.stage, STAGE_WARNING,
							      e->total_bytes);
	struct core_pools pools = core_pools(&b->core, domain);
	const struct victim_view view = {
		.processes = b->processes, .count = b->processes_count, .scratch = b->scratch,
		.clients = &b->core.sessions, .pools_bytes = pools.grown_bytes,
		.pools_done_bytes = b->core.domain[domain].pools_done.grown_bytes,
		.total_bytes = e->total_bytes,
		.wanted_bytes = calm_bytes - MIN_OF(calm_bytes, e->headroom_bytes),
	};

	return victim_choose(&view, ret);
}

static bool find_victim(struct broker *b, uint32_t domain, struct victim *ret)
{
	uint64_t begun_us = clock_now_us();

	take_survey(b, domain);
	if (!choose(b, domain, ret))
		return false;
	ret->seen_us = begun_us;
	return true;
}

/* One that has ended since the survey is nobody's cause any more. */
static bool lives(struct broker *b, uint32_t domain, const struct victim *victim)
{
	if (b->core.domain[domain].escalate.victim.kind != VICTIM_NONE)
		return true; /* another one is being ended, and is held: this one will not be taken */
	return terminate_hold(&b->terminate, domain, victim) > 0;
}

/*
 * Where nothing is left each file of /proc that is opened waits in reclaim for what the kernel's victim gives
 * back, which cannot end beside a real-time program that waits so: a survey took 1 to 1.8 s, and the machine
 * stood still for it. With 0.1 MiB left and a leak at full speed that was started again and again the
 * ordinary loop stood still for 40 to 74 % of the time, and for 0 to 29 % without the class.
 */
static bool find_at_end(struct broker *b, uint32_t domain, struct victim *ret)
{
	bool is_at_end = b->core.domain[domain].estimate.headroom_bytes < END_BYTES;
	bool found;

	if (is_at_end)
		priority_pause(true);
	found = find_victim(b, domain, ret);
	if (is_at_end)
		priority_pause(false);
	return found;
}

void victims_choose(struct broker *b, uint32_t domain)
{
	struct victim victim;
	bool found = find_at_end(b, domain, &victim);

	found = found && lives(b, domain, &victim);
	if (found)
		respond_give(b, &victim);
	/* Whom the kernel has killed is missing there, and somebody else comes out on top instead. */
	sense_hear(b->sense);
	core_survey(&b->core, domain, found ? &victim : NULL, clock_now_us());
}

/* A group may have forked since it was chosen, and forks on while it is being ended. */
static void extend_victim(struct broker *b, uint32_t domain)
{
	struct victim *victim = &b->core.domain[domain].escalate.victim;
	uint32_t count = take_survey(b, domain);

	kin_extend(victim, b->processes, count, &b->core.sessions);
	terminate_hold(&b->terminate, domain, victim);
}

/* A fork bomb is larger than any list: whoever of it is seen is killed, or it goes on with the rest. */
static void kill_rest(struct broker *b, uint32_t domain)
{
	const struct victim *victim = &b->core.domain[domain].escalate.victim;
	const struct victim_view view = {
		.processes = b->processes, .count = b->processes_count, .scratch = b->scratch,
		.clients = &b->core.sessions,
	};

	if (victim->pids_count < VICTIM_PIDS_MAX)
		return;
	kin_mark(victim, &view);
	for (uint32_t i = 0; i < b->processes_count; i++)
		if (b->scratch[i])
			(void)terminate_pass_by(&b->terminate, domain, b->processes[i].pid,
						b->processes[i].start_ticks); /* ended: all the better */
}

bool victims_find(struct broker *b, uint32_t domain, struct victim *ret)
{
	if (!find_victim(b, domain, ret))
		return false;
	respond_give(b, ret);
	return true;
}

/* After SIGKILL. */
static void follow_kill(struct broker *b, uint32_t domain)
{
	terminate_reap(&b->terminate, domain, &b->worker);
	brake_release(&b->brake, domain); /* a v1 freezer holds even this signal back */
}

/*
 * First who is held already: a survey takes kernel memory for every file it opens, and where none is
 * left, this real-time process turned in reclaim for 1.5 s while the killed one could not end.
 */
void victims_signal(struct broker *b, const struct core_effect *e)
{
	if (!standby_sign(b, e))
		return;
	terminate_signal(&b->terminate, e->domain, e->signal);
	standby_signed(b, e->domain);
	if (e->signal != SIGKILL)
		return;
	follow_kill(b, e->domain);
	if (b->core.domain[e->domain].escalate.victim.kind == VICTIM_PROCESS)
		return;
	extend_victim(b, e->domain);
	terminate_signal(&b->terminate, e->domain, SIGKILL);
	(void)brake_kill_cgroup(&b->brake, e->domain, &b->core.domain[e->domain].escalate.victim);
	kill_rest(b, e->domain);
	follow_kill(b, e->domain);
}

void victims_watch(struct broker *b)
{
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++) {
		const struct escalate *e = &b->core.domain[d].escalate;
		bool is_dry = b->core.policy.escalate.dry_run;

		if (!b->core.domain[d].used || e->victim.kind == VICTIM_NONE || is_dry) {
			terminate_release(&b->terminate, d);
			continue;
		}
		if (e->rung == RUNG_KILL && e->victim.kind != VICTIM_PROCESS &&
		    clock_now_us() >= b->survey_again_us) {
			extend_victim(b, d);
			terminate_signal(&b->terminate, d, SIGKILL);
			kill_rest(b, d);
		}
		if (terminate_is_gone(&b->terminate, d)) {
			core_victim_gone(&b->core, d, clock_now_us());
			broker_drain(b);
		}
	}
}

/* ---- the brake ---- */

void victims_look(struct broker *b, uint32_t domain)
{
	struct victim victim;
	bool found = find_victim(b, domain, &victim);

	core_suspect(&b->core, domain, found ? &victim : NULL, clock_now_us());
}

void victims_stop(struct broker *b, uint32_t domain)
{
	const struct victim *victim = &b->core.domain[domain].hold.victim;

	core_stopped(&b->core, domain, brake_stop(&b->brake, domain, victim), clock_now_us());
}

/* The brake itself may be on for a procedure: that is another victim's. */
static bool holds_group(const struct broker *b, uint32_t domain)
{
	const struct hold *h = &b->core.domain[domain].hold;

	return h->phase == HOLD_ON && h->victim.kind != VICTIM_PROCESS && brake_is_on(&b->brake, domain);
}

/* A group that forks while it is being stopped: its children were started by those that ran. */
static void extend_brake(struct broker *b, uint32_t domain)
{
	struct victim *victim = &b->core.domain[domain].hold.victim;
	uint32_t count = take_survey(b, domain);

	if (kin_extend(victim, b->processes, count, &b->core.sessions))
		(void)brake_stop(&b->brake, domain, victim); /* those before stay stopped */
}

void victims_hold(struct broker *b, uint64_t now_us)
{
	brake_settle(&b->brake);
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (now_us >= b->survey_again_us && holds_group(b, d))
			extend_brake(b, d);
}

/* ---- for people ---- */

/* Half: a user who asks on and on costs twice the CPU; double: older than what people call "now". */
#define ORDER_US	US_PER_S
#define NEVER_LEAST_BYTES MIB

static void add_row(struct victims_order *o, const struct victim *v)
{
	struct victims_row *row = &o->row[o->count++];

	*row = (struct victims_row){
		.pid = v->pid, .processes = v->pids_count, .memory_bytes = v->memory_bytes,
		.growth_bytes = v->growth_bytes,
		.why = v->is_preferred ? VICTIMS_PREFERRED : v->client ? VICTIMS_CLIENT
		     : v->is_writer ? VICTIMS_WROTE : v->is_by_size ? VICTIMS_SIZE : VICTIMS_GREW,
	};
	memcpy(row->name, v->name, sizeof(row->name));
}

static bool is_of(const struct victim *v, int32_t pid)
{
	for (uint32_t i = 0; i < MIN_OF(v->pids_count, VICTIM_PIDS_MAX); i++)
		if (v->pids[i] == pid)
			return true;
	return false;
}

/* As if it had ended: the rule is asked who is next. */
static void take_out(struct broker *b, const struct victim *v)
{
	for (uint32_t i = 0; i < b->processes_count; i++)
		if (is_of(v, b->processes[i].pid))
			b->processes[i].in_domain = false;
}

static const struct session *client_of(struct broker *b, int32_t pid)
{
	struct session_table *t = &b->core.sessions;

	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s))
		if (s->offer.pid == pid)
			return s;
	return NULL;
}

static void add_never(struct broker *b, struct victims_order *o, const struct process *p)
{
	const struct session *s = client_of(b, p->pid);
	struct victims_row *row;

	if (!p->in_domain || p->memory_bytes < NEVER_LEAST_BYTES || o->count == VICTIMS_ROWS_MAX ||
	    (!p->is_protected && !(s && !s->offer.may_be_ended)))
		return;
	row = &o->row[o->count++];
	*row = (struct victims_row){
		.pid = p->pid, .processes = 1, .memory_bytes = p->memory_bytes,
		.growth_bytes = p->growth_bytes,
		.why = p->is_protected ? VICTIMS_PROTECTED : VICTIMS_NEVER_CLIENT,
	};
	memcpy(row->name, p->name, sizeof(row->name));
}

const struct victims_order *victims_order(struct broker *b, uint32_t domain)
{
	struct victims_order *o = &b->order[domain];
	uint64_t now_us = clock_now_us();
	struct victim victim;

	if (core_stage(&b->core) >= STAGE_IMMINENT)
		return NULL;
	if (o->taken_us && now_us < o->taken_us + ORDER_US)
		return o;
	*o = (struct victims_order){ .taken_us = now_us };
	take_survey(b, domain);
	while (o->count < VICTIMS_ROWS_MAX / 2 && choose(b, domain, &victim)) {
		add_row(o, &victim);
		take_out(b, &victim);
	}
	for (uint32_t i = 0; i < b->processes_count; i++)
		add_never(b, o, &b->processes[i]);
	return o;
}
