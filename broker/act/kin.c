/* SPDX-License-Identifier: MIT */
#include "act/kin.h"

#include <string.h>

struct session *kin_client(struct session_table *clients, int32_t pid)
{
	for (struct session *s = session_next(clients, NULL); s; s = session_next(clients, s))
		if (s->offer.pid == pid)
			return s;
	return NULL;
}

uint64_t kin_may(const struct process *p, struct session_table *clients)
{
	const struct session *s;

	if (p->is_protected || !p->in_domain || p->pid <= 1)
		return 0;
	s = kin_client(clients, p->pid);
	if (!s)
		return KIN_MAY_ALONE | KIN_MAY_IN_GROUP;
	return s->offer.may_be_ended ? KIN_MAY_ALONE : 0;
}

static bool holds_pid(const struct victim *v, int32_t pid)
{
	for (uint32_t i = 0; i < v->pids_count; i++)
		if (v->pids[i] == pid)
			return true;
	return false;
}

/* A name says little: every script is a shell. So also whose it is, and since when. */
static bool is_namesake(const struct victim *v, const struct process *p)
{
	if (v->kind == VICTIM_PROCESS || v->kind == VICTIM_SEVERAL)
		return false;
	return v->uid == p->uid && !strncmp(v->name, p->name, sizeof(v->name)) &&
	       (p->start_ticks > v->newest_ticks || (p->is_new && v->pids_count == VICTIM_PIDS_MAX));
}

bool kin_is(const struct victim *v, const struct process *p, struct session_table *clients)
{
	return (holds_pid(v, p->parent) || is_namesake(v, p)) && (kin_may(p, clients) & KIN_MAY_IN_GROUP);
}

uint32_t kin_extend(struct victim *v, const struct process *processes, uint32_t count,
		    struct session_table *clients)
{
	uint32_t before = v->pids_count, at_pass;

	do {
		at_pass = v->pids_count;
		for (uint32_t i = 0; i < count && v->pids_count < VICTIM_PIDS_MAX; i++) {
			if (holds_pid(v, processes[i].pid) || !kin_is(v, &processes[i], clients))
				continue;
			v->pids[v->pids_count] = processes[i].pid;
			v->start_ticks[v->pids_count++] = processes[i].start_ticks;
		}
	} while (v->pids_count != at_pass);
	return v->pids_count - before;
}
