/* SPDX-License-Identifier: MIT */
#include "act/bystander.h"

#include <stddef.h>

#include "base/units.h"

/*
 * Who is not in a survey of this age was forked since, by whom it was taken for. From a survey to the
 * stop that it was taken for it is 0.1 to 5 ms; with a procedure after a client's deadline, seconds.
 * Half: on a busy machine some are stopped but not frozen; double: who was moved into the cgroup
 * meanwhile is more often taken for a fork.
 */
#define FRESH_US	(100 * US_PER_MS)

static bool is_client(struct session_table *t, int32_t pid)
{
	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s))
		if (s->offer.pid == pid)
			return true;
	return false;
}

static bool is_protected(const struct bystander_view *v, int32_t pid)
{
	for (uint32_t i = 0; i < v->protect_count; i++)
		if (v->protect_pids[i] == pid)
			return true;
	return false;
}

static bool was_seen(const struct bystander_view *v, int32_t pid)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (v->processes[i].pid == pid)
			return true;
	return false;
}

/* A survey of another cgroup, an old one, or one that failed shows nobody who was here before. */
static bool shows_all(const struct bystander_view *v)
{
	const struct bystander_survey *s = &v->survey;

	return s->taken_us && (s->domain == 0 || s->domain == v->domain) &&
	       v->now_us <= time_add_us(s->taken_us, FRESH_US);
}

bool bystander_may_stand_still(const struct bystander_view *v, int32_t pid)
{
	return pid > 1 && !is_client(v->clients, pid) && !is_protected(v, pid) && shows_all(v) &&
	       !was_seen(v, pid);
}
