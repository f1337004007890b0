/* SPDX-License-Identifier: MIT */
#include "act/kin.h"

#include <stdlib.h>
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

/* An orphan of it is init's, or a subreaper's, which has some of it already: else somebody else has
 * started it. */
static bool may_be_orphan(const struct victim *v, const struct process *p)
{
	for (uint32_t i = 0; i < v->parents_count; i++)
		if (v->parents[i] == p->parent)
			return true;
	return p->parent <= 1;
}

/* A name says little: every script is a shell. So also whose it is, since when, and who started it. */
static bool is_namesake(const struct victim *v, const struct process *p)
{
	if (v->kind == VICTIM_PROCESS || v->kind == VICTIM_SEVERAL)
		return false;
	return v->uid == p->uid && !strncmp(v->name, p->name, sizeof(v->name)) &&
	       (p->start_ticks > v->newest_ticks || (p->is_new && v->pids_count == VICTIM_PIDS_MAX));
}

bool kin_is(const struct victim *v, const struct process *p, struct session_table *clients)
{
	return (victim_has(v, p->parent) || (may_be_orphan(v, p) && is_namesake(v, p))) &&
	       (kin_may(p, clients) & KIN_MAY_IN_GROUP);
}

uint32_t kin_extend(struct victim *v, const struct process *processes, uint32_t count,
		    struct session_table *clients)
{
	uint32_t before = v->pids_count, at_pass;

	do {
		at_pass = v->pids_count;
		for (uint32_t i = 0; i < count && v->pids_count < VICTIM_PIDS_MAX; i++) {
			if (victim_has(v, processes[i].pid) || !kin_is(v, &processes[i], clients))
				continue;
			v->pids[v->pids_count] = processes[i].pid;
			v->start_ticks[v->pids_count++] = processes[i].start_ticks;
		}
	} while (v->pids_count != at_pass);
	return v->pids_count - before;
}

static int compare_pid(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a >> 32, y = *(const uint64_t *)b >> 32;

	return (x > y) - (x < y);
}

/* A namesake whose parent is one of it. */
static bool is_below(const struct victim *v, const struct victim_view *s, uint32_t i)
{
	const uint64_t key = (uint64_t)(uint32_t)s->processes[i].parent << 32;
	const uint64_t *at = bsearch(&key, s->scratch + s->count, s->count, sizeof(key), compare_pid);

	return at && s->scratch[*at & UINT32_MAX] && is_namesake(v, &s->processes[i]) &&
	       (kin_may(&s->processes[i], s->clients) & KIN_MAY_IN_GROUP);
}

void kin_mark(const struct victim *v, const struct victim_view *s)
{
	uint64_t *by_pid = s->scratch + s->count;
	bool has_more;

	for (uint32_t i = 0; i < s->count; i++) {
		by_pid[i] = (uint64_t)(uint32_t)s->processes[i].pid << 32 | i;
		s->scratch[i] = kin_is(v, &s->processes[i], s->clients);
	}
	qsort(by_pid, s->count, sizeof(*by_pid), compare_pid);
	do {
		has_more = false;
		for (uint32_t i = 0; i < s->count; i++)
			if (!s->scratch[i] && is_below(v, s, i))
				s->scratch[i] = has_more = true;
	} while (has_more);
}
