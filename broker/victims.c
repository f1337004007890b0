/* SPDX-License-Identifier: MIT */
#include "victims.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "sense/survey.h"

/* A stopped group is surveyed so often for what it forked in the last instant. A survey takes 2 ms for
 * 150 processes: half of it is 20 % of a CPU; double: a child runs on for 40 ms. */
#define HOLD_PERIOD_US	(20 * US_PER_MS)

static struct survey_protect protection(const struct broker *b, const char **names)
{
	for (uint32_t i = 0; i < b->config.protect.count; i++)
		names[i] = b->config.protect.text[i];
	return (struct survey_protect){
		.pids = b->protect_pids, .pids_count = ARRAY_LEN(b->protect_pids),
		.names = names, .names_count = b->config.protect.count,
	};
}

static uint32_t take_survey(struct broker *b, uint32_t domain)
{
	const char *names[CONFIG_LIST_MAX];
	const struct survey_protect protect = protection(b, names);
	const struct survey_request request = {
		.cgroup_fd = sense_domain_directory(b->sense, domain), .protect = &protect,
	};
	uint32_t count = 0;
	int r = survey_take(b->survey, &request, b->processes, BROKER_PROCESSES_MAX, &count);

	if (r < 0 && r != -ENOBUFS)
		log_warning("survey of the processes: %s", strerror(-r));
	b->processes_count = count;
	return count;
}

static bool find_victim(struct broker *b, uint32_t domain, struct victim *ret)
{
	uint32_t count = take_survey(b, domain);

	return victim_choose(b->processes, count, b->scratch, &b->core.sessions,
			     b->core.domain[domain].estimate.pools_grown_bytes, ret);
}

void victims_choose(struct broker *b, uint32_t domain)
{
	struct victim victim;
	bool found = find_victim(b, domain, &victim);

	/* one that has ended since the survey is nobody's cause any more */
	found = found && terminate_hold(&b->terminate, domain, &victim) > 0;
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

void victims_signal(struct broker *b, const struct core_effect *e)
{
	if (e->dry_run)
		return;
	if (e->signal == SIGKILL)
		extend_victim(b, e->domain);
	terminate_signal(&b->terminate, e->domain, e->signal);
	if (e->signal == SIGKILL) {
		terminate_reap(&b->terminate, e->domain, &b->worker);
		brake_release(&b->brake, e->domain); /* a v1 freezer holds even this signal back */
	}
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
		if (e->rung == RUNG_KILL) {
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
	if (now_us < b->brake_again_us)
		return;
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (brake_is_on(&b->brake, d) && b->core.domain[d].hold.victim.kind != VICTIM_PROCESS) {
			extend_brake(b, d);
			b->brake_again_us = now_us + HOLD_PERIOD_US;
		}
}
