/* SPDX-License-Identifier: MIT */
#include "victims.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
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
	b->survey_again_us = now_us + MAX_OF(AGAIN_LEAST_US, AGAIN_PAUSES * (now_us - begun_us));
	return count;
}

static bool find_victim(struct broker *b, uint32_t domain, struct victim *ret)
{
	const struct estimate *e = &b->core.domain[domain].estimate;
	uint64_t calm_bytes = CALM_FLOORS * stage_floor_bytes(&b->core.policy.stage, STAGE_WARNING,
							      e->total_bytes);
	struct victim_view view = {
		.processes = b->processes, .count = take_survey(b, domain), .scratch = b->scratch,
		.clients = &b->core.sessions, .pools_bytes = e->pools_grown_bytes,
		.total_bytes = e->total_bytes,
		.wanted_bytes = calm_bytes - MIN_OF(calm_bytes, e->headroom_bytes),
	};

	return victim_choose(&view, ret);
}

void victims_choose(struct broker *b, uint32_t domain)
{
	struct victim victim;
	bool found = find_victim(b, domain, &victim);

	/* one that has ended since the survey is nobody's cause any more */
	found = found && terminate_hold(&b->terminate, domain, &victim) > 0;
	if (found)
		respond_give(b, &victim);
	core_survey(&b->core, domain, found ? &victim : NULL, clock_now_us());
}

/* A group may have forked since it was chosen, and forks on while it is being ended. */
static void extend_victim(struct broker *b, uint32_t domain)
{
	struct victim *victim = &b->core.domain[domain].escalate.victim;
	uint32_t count = take_survey(b, domain);

	victim_extend(victim, b->processes, count, &b->core.sessions);
	terminate_hold(&b->terminate, domain, victim);
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
	if (e->dry_run || !standby_sign(b, e))
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

/* A group that forks while it is being stopped: its children were started by those that ran. */
static void extend_brake(struct broker *b, uint32_t domain)
{
	struct victim *victim = &b->core.domain[domain].hold.victim;
	uint32_t count = take_survey(b, domain);

	if (victim_extend(victim, b->processes, count, &b->core.sessions))
		(void)brake_stop(&b->brake, domain, victim); /* those before stay stopped */
}

void victims_hold(struct broker *b, uint64_t now_us)
{
	brake_settle(&b->brake);
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (now_us >= b->survey_again_us && brake_is_on(&b->brake, d) &&
		    b->core.domain[d].hold.victim.kind != VICTIM_PROCESS)
			extend_brake(b, d);
}
