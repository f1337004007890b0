/* SPDX-License-Identifier: MIT */
/* What is done with procedures in the crisis: allocates nothing, starts nothing, waits for nothing. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "act/responder.h"
#include "base/clock.h"
#include "base/file.h"
#include "respond.h"
#include "sense/parse_process.h"

/*
 * A broker of real-time priority that goes on to look for growers, writes the record and D-Bus messages
 * keeps the procedure from running: on one CPU (1000 MIPS) it was woken 0.8 to 3.7 ms late. Half: that
 * comes back for programs that take 20 ms; double: the bus is told so much later.
 */
#define QUIET_US	(20 * US_PER_MS)
/* The choice of the victim took longer than from one sample to the next, so one more is due at once, of
 * 0.4 ms; the victim is stopped. Half: small ones are cut by it; double: another leak is seen 2 ms later. */
#define SILENT_US	(2 * US_PER_MS)

/* Of a group so many are looked at. Half: the one with a procedure may be the fifth; double: 16 more files
 * are read in the crisis. */
#define MEMBERS_MOST 8u

/* ret: pid, start time and name are there already. */
static void read_facts(const struct broker *b, struct procedure_facts *ret)
{
	struct parse_process_cgroups cgroups;
	char path[40], text[4096];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "proc/%d/exe", (int)ret->pid); /* 20 bytes at most */
	n = readlinkat(b->root_fd, path, ret->program, sizeof(ret->program) - 1);
	ret->program[n > 0 ? n : 0] = 0;
	(void)snprintf(path, sizeof(path), "proc/%d/cgroup", (int)ret->pid); /* 23 */
	n = file_read_at(b->root_fd, path, text, sizeof(text));
	if (n > 0 && parse_process_cgroups(text, (size_t)n, "memory", &cgroups) == 0)
		memcpy(ret->cgroup, cgroups.v2[0] ? cgroups.v2 : cgroups.v1, sizeof(ret->cgroup));
}
_Static_assert(sizeof(((struct procedure_facts *)0)->cgroup) == PARSE_PATH_MAX, "a path fits");

static bool is_of(const struct victim *v, const struct process *p)
{
	for (uint32_t i = 0; i < v->pids_count; i++)
		if (v->pids[i] == p->pid && v->start_ticks[i] == p->start_ticks)
			return true;
	return false;
}

/* The largest of a group besides its first one, the largest first; returns how many. */
static uint32_t find_members(const struct broker *b, const struct victim *v,
			     const struct process *ret[MEMBERS_MOST])
{
	uint32_t count = 0;

	for (const struct process *p = b->processes; p < b->processes + b->processes_count; p++) {
		uint32_t at = count;

		if (p->pid == v->pid || !is_of(v, p))
			continue;
		for (; at && ret[at - 1]->memory_bytes < p->memory_bytes; at--)
			if (at < MEMBERS_MOST)
				ret[at] = ret[at - 1];
		if (at < MEMBERS_MOST)
			ret[at] = p;
		count = MIN_OF(count + 1, MEMBERS_MOST);
	}
	return count;
}

static bool give(struct broker *b, struct victim *v, const struct procedure_facts *facts)
{
	b->respond.facts = *facts;
	read_facts(b, &b->respond.facts);
	procedure_give(procedure_match(&b->respond.table, &b->respond.facts), v);
	v->procedure_pid = v->procedure ? facts->pid : 0;
	return v->procedure;
}

void respond_give(struct broker *b, struct victim *v)
{
	struct procedure_facts facts = { .pid = v->pid };
	const struct process *member[MEMBERS_MOST] = { NULL };
	uint32_t members;

	if (procedure_table_is_empty(&b->respond.table))
		return;
	memcpy(facts.name, v->name, sizeof(facts.name));
	for (uint32_t i = 0; i < v->pids_count; i++)
		if (v->pids[i] == v->pid)
			facts.start_ticks = v->start_ticks[i];
	if (give(b, v, &facts) || v->kind == VICTIM_PROCESS)
		return;
	members = find_members(b, v, member);
	for (uint32_t i = 0; i < members; i++) {
		facts.pid = member[i]->pid;
		facts.start_ticks = member[i]->start_ticks;
		memcpy(facts.name, member[i]->name, sizeof(facts.name));
		if (give(b, v, &facts))
			return;
	}
}

static struct launch_run message_of(const struct broker *b, uint32_t domain)
{
	const struct core_domain *d = &b->core.domain[domain];
	const struct victim *v = &d->escalate.victim;
	struct launch_run run = { .word = LAUNCH_RUN, .run = {
		.version = FAILSOFT_RESPONDER_VERSION, .pid = v->procedure_pid, .episode = d->episode,
		.deadline_usec = d->escalate.deadline_us,
		.pids_count = MIN_OF(v->pids_count, FAILSOFT_RESPONDER_PIDS_MAX) } };

	memcpy(run.run.pids, v->pids, run.run.pids_count * sizeof(run.run.pids[0]));
	memcpy(run.run.name, v->name, sizeof(run.run.name));
	if (b->respond.facts.pid == v->procedure_pid) {
		memcpy(run.run.name, b->respond.facts.name, sizeof(run.run.name));
		run.run.start_ticks = b->respond.facts.start_ticks;
		memcpy(run.run.cgroup, b->respond.facts.cgroup, sizeof(run.run.cgroup));
	}
	return run;
}

void respond_run(struct broker *b, uint32_t domain)
{
	const struct victim *v = &b->core.domain[domain].escalate.victim;
	struct procedure *p = procedure_find(&b->respond.table, v->procedure);
	struct core_procedure_end lost = { .procedure = v->procedure, .outcome = PROCEDURE_LOST };
	struct launch_run run = message_of(b, domain);
	int r = -ESRCH;

	if (p && p->state == PROCEDURE_READY) {
		if (p->spec.holds && brake_stop(&b->brake, domain, v))
			b->respond.held |= 1u << domain;
		respond_slot_of(b, p)->domain = domain;
		r = responder_run(respond_slot_of(b, p)->fd, &run);
		b->respond.silent_us = clock_now_us() + SILENT_US;
		b->respond.quiet_us = clock_now_us() + QUIET_US;
		procedure_begin(p, clock_now_us(), run.run.deadline_usec);
		p->ran_pid = v->procedure_pid;
		p->ran_start_ticks = run.run.start_ticks;
	}
	if (r >= 0)
		return;
	lost.code = (uint32_t)-r;
	if (p && p->state == PROCEDURE_RUNNING) {
		procedure_end(p, PROCEDURE_LOST);
		respond_close_slot(respond_slot_of(b, p));
	}
	core_procedure_done(&b->core, domain, &lost, clock_now_us());
}

static struct procedure *last_of(struct broker *b, uint32_t domain, enum last_policy policy)
{
	return procedure_last(&b->respond.table, policy == LAST_BAREBONE ? PROCEDURE_BAREBONE
									: b->core.domain[domain].name);
}

/* Who may not be ended is not told by a pattern. More than there is room for are counted. */
static void spare_clients(struct broker *b, struct failsoft_responder_run *run)
{
	struct session_table *t = &b->core.sessions;

	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s)) {
		if (s->offer.may_be_ended)
			continue;
		if (run->pids_count < FAILSOFT_RESPONDER_PIDS_MAX)
			run->pids[run->pids_count] = s->offer.pid;
		run->pids_count++;
	}
	for (uint32_t i = 0; i < b->feeders.count; i++) {
		if (run->pids_count < FAILSOFT_RESPONDER_PIDS_MAX)
			run->pids[run->pids_count] = b->feeders.pids[i];
		run->pids_count++;
	}
}

void respond_run_last(struct broker *b, uint32_t domain, enum last_policy policy)
{
	struct procedure *p = last_of(b, domain, policy);
	struct core_procedure_end lost = { .outcome = PROCEDURE_LOST, .code = ESRCH };
	struct launch_run run = { .word = LAUNCH_RUN, .run = {
		.version = FAILSOFT_RESPONDER_VERSION, .episode = b->core.domain[domain].episode } };
	int r = -ESRCH;

	if (p) {
		run.run.deadline_usec = clock_now_us() + p->spec.deadline_us;
		spare_clients(b, &run.run);
		respond_slot_of(b, p)->domain = domain;
		procedure_begin(p, clock_now_us(), run.run.deadline_usec);
		p->ran_pid = 0;
		r = responder_run(respond_slot_of(b, p)->fd, &run);
	}
	if (r >= 0)
		return;
	if (p) {
		procedure_end(p, PROCEDURE_LOST);
		respond_close_slot(respond_slot_of(b, p));
		lost.code = (uint32_t)-r;
	}
	core_procedure_done(&b->core, domain, &lost, clock_now_us());
}

void respond_let_go(struct broker *b, uint32_t domain)
{
	if (!respond_holds(b, domain))
		return;
	b->respond.held &= ~(1u << domain);
	if (b->core.domain[domain].hold.phase != HOLD_ON) /* else the core says when */
		brake_release(&b->brake, domain);
}

bool respond_holds(const struct broker *b, uint32_t domain)
{
	return b->respond.held & (1u << domain);
}
