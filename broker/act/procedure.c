/* SPDX-License-Identifier: MIT */
#include "act/procedure.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "sense/place.h"

static const char *const kind_names[] = {
	[PROCEDURE_PID] = "pid",
	[PROCEDURE_CGROUP] = "cgroup",
	[PROCEDURE_UNIT] = "unit",
	[PROCEDURE_NAME] = "name",
	[PROCEDURE_LAST] = "last",
};
_Static_assert(ARRAY_LEN(kind_names) == PROCEDURE_KIND_COUNT, "a name for every kind");

const char *procedure_kind_name(enum procedure_kind kind)
{
	return kind_names[kind];
}

enum procedure_kind procedure_kind_find(const char *word)
{
	for (unsigned i = 0; i < ARRAY_LEN(kind_names); i++)
		if (!strcmp(word, kind_names[i]))
			return (enum procedure_kind)i;
	return PROCEDURE_KIND_COUNT;
}

const char *procedure_state_name(enum procedure_state state)
{
	static const char *const names[] = {
		[PROCEDURE_FREE] = "free", [PROCEDURE_STARTING] = "starting",
		[PROCEDURE_READY] = "ready", [PROCEDURE_RUNNING] = "running",
		[PROCEDURE_USED] = "used", [PROCEDURE_BROKEN] = "broken",
	};
	_Static_assert(ARRAY_LEN(names) == PROCEDURE_STATE_COUNT, "a name for every state");

	return names[state];
}

const char *procedure_outcome_name(enum procedure_outcome outcome)
{
	static const char *const names[] = {
		[PROCEDURE_DONE] = "done", [PROCEDURE_FAILED] = "failed",
		[PROCEDURE_KILLED] = "killed", [PROCEDURE_LATE] = "late",
		[PROCEDURE_CUT] = "cut", [PROCEDURE_LOST] = "lost",
	};
	_Static_assert(ARRAY_LEN(names) == PROCEDURE_OUTCOME_COUNT, "a name for every outcome");

	return names[outcome];
}

/* ---- words ---- */

bool procedure_words_add(struct procedure_words *w, const char *word)
{
	size_t length = strlen(word) + 1;

	if (w->count == PROCEDURE_ARGUMENTS_MAX || length > sizeof(w->bytes) - w->used)
		return false;
	memcpy(w->bytes + w->used, word, length);
	w->used += (uint32_t)length;
	w->count++;
	return true;
}

void procedure_words_list(const struct procedure_words *w, const char **ret)
{
	const char *at = w->bytes;

	for (uint32_t i = 0; i < w->count; i++) {
		ret[i] = at;
		at += strlen(at) + 1;
	}
	ret[w->count] = NULL;
}

/* ---- the table ---- */

static bool is_pid(const char *text)
{
	return text[0] >= '1' && text[0] <= '9' && strlen(text) <= 9 &&
	       strspn(text, "0123456789") == strlen(text);
}

static bool has_ending(const char *text, const char *ending)
{
	size_t length = strlen(text), end = strlen(ending);

	return length > end && !strcmp(text + length - end, ending);
}

struct procedure_spec procedure_default(void)
{
	return (struct procedure_spec){
		.deadline_us = PROCEDURE_DEADLINE_US, .memory_bytes = PROCEDURE_MEMORY_BYTES, .holds = true,
		.uid = UINT32_MAX, .gid = UINT32_MAX,
	};
}

const char *procedure_refuse(const struct procedure_spec *spec)
{
	if (spec->program[0] != '/')
		return "the program is not an absolute path";
	if (!spec->match[0])
		return "who is meant is not said";
	if (spec->kind == PROCEDURE_PID && !is_pid(spec->match))
		return "the pid is not a number from 2 on, as ps shows it";
	if (spec->kind == PROCEDURE_PID && !strcmp(spec->match, "1"))
		return "process 1 is never ended, so nothing would run before its end";
	if (spec->kind == PROCEDURE_CGROUP && spec->match[0] != '/')
		return "the cgroup is not a path as in /proc/PID/cgroup";
	if (spec->kind == PROCEDURE_LAST && spec->match[0] != '/' && strcmp(spec->match, "system") &&
	    strcmp(spec->match, PROCEDURE_BAREBONE))
		return "last is neither \"system\" nor a cgroup's path";
	if (spec->kind == PROCEDURE_UNIT && strchr(spec->match, '/'))
		return "the unit is a path, not a name like logger.service";
	if (spec->kind == PROCEDURE_UNIT && !has_ending(spec->match, ".service") &&
	    !has_ending(spec->match, ".scope"))
		return "the unit is no name like logger.service or session.scope";
	if (spec->kind == PROCEDURE_NAME && spec->match[0] != '/' && strchr(spec->match, '/'))
		return "the name has a slash: the path of a program begins with one";
	if (spec->kind == PROCEDURE_NAME && spec->match[0] != '/' && strlen(spec->match) > 15)
		return "the name is longer than the 15 bytes that the kernel keeps of it: give these, or "
		       "the path of its program";
	return NULL;
}

struct procedure *procedure_add(struct procedure_table *t, const struct procedure_spec *spec)
{
	for (unsigned i = 0; i < PROCEDURES_MAX; i++) {
		struct procedure *p = &t->slot[i];

		if (p->state != PROCEDURE_FREE)
			continue;
		*p = (struct procedure){ .id = ++t->last_id, .state = PROCEDURE_STARTING, .spec = *spec };
		if (spec->kind == PROCEDURE_PID)
			p->pid = atoi(spec->match);
		return p;
	}
	return NULL;
}

struct procedure *procedure_find(struct procedure_table *t, uint32_t id)
{
	for (unsigned i = 0; i < PROCEDURES_MAX; i++)
		if (t->slot[i].state != PROCEDURE_FREE && t->slot[i].id == id)
			return &t->slot[i];
	return NULL;
}

void procedure_remove(struct procedure *p)
{
	*p = (struct procedure){ .state = PROCEDURE_FREE };
}

void procedure_begin(struct procedure *p, uint64_t now_us, uint64_t ends_us)
{
	p->state = PROCEDURE_RUNNING;
	p->runs++;
	p->started_us = now_us;
	p->ends_us = ends_us;
}

void procedure_end(struct procedure *p, enum procedure_outcome outcome)
{
	p->state = PROCEDURE_USED;
	p->has_outcome = true;
	p->outcome = outcome;
}

bool procedure_table_is_empty(const struct procedure_table *t)
{
	for (unsigned i = 0; i < PROCEDURES_MAX; i++)
		if (t->slot[i].state != PROCEDURE_FREE)
			return false;
	return true;
}

struct procedure *procedure_last(struct procedure_table *t, const char *domain)
{
	for (unsigned i = 0; i < PROCEDURES_MAX; i++)
		if (t->slot[i].state == PROCEDURE_READY && t->slot[i].spec.kind == PROCEDURE_LAST &&
		    !strcmp(t->slot[i].spec.match, domain))
			return &t->slot[i];
	return NULL;
}

uint64_t procedure_longest_us(const struct procedure_table *t)
{
	uint64_t longest_us = 0;

	for (unsigned i = 0; i < PROCEDURES_MAX; i++)
		if (t->slot[i].state != PROCEDURE_FREE && t->slot[i].spec.kind != PROCEDURE_LAST)
			longest_us = MAX_OF(longest_us, t->slot[i].spec.deadline_us);
	return longest_us;
}

/* ---- whose it is ---- */

static bool fits(const struct procedure *p, const struct procedure_facts *f)
{
	const char *match = p->spec.match;
	char unit[PROCEDURE_MATCH_MAX];

	switch (p->spec.kind) {
	case PROCEDURE_PID: /* a pid that was given out anew is somebody else */
		return p->pid == f->pid && p->start_ticks == f->start_ticks;
	case PROCEDURE_CGROUP:
		return place_is_below(f->cgroup, match);
	case PROCEDURE_UNIT:
		return place_unit(f->cgroup, unit, sizeof(unit)) && !strcmp(unit, match);
	case PROCEDURE_NAME:
		return !strcmp(match[0] == '/' ? f->program : f->name, match);
	case PROCEDURE_LAST:
	case PROCEDURE_KIND_COUNT:
		break;
	}
	return false;
}

static bool is_better(const struct procedure *a, const struct procedure *b)
{
	size_t a_length = strlen(a->spec.match), b_length = strlen(b->spec.match);

	if (a->spec.kind != b->spec.kind)
		return a->spec.kind < b->spec.kind;
	if (a_length != b_length)
		return a_length > b_length;
	return a->id < b->id;
}

struct procedure *procedure_match(struct procedure_table *t, const struct procedure_facts *f)
{
	struct procedure *best = NULL;

	for (unsigned i = 0; i < PROCEDURES_MAX; i++) {
		struct procedure *p = &t->slot[i];

		if (p->state == PROCEDURE_FREE)
			continue;
		if (p->runs && p->ran_pid == f->pid && p->ran_start_ticks == f->start_ticks)
			return NULL;
		if (p->state == PROCEDURE_READY && fits(p, f) && (!best || is_better(p, best)))
			best = p;
	}
	return best;
}

void procedure_give(const struct procedure *p, struct victim *v)
{
	const char *slash = p ? strrchr(p->spec.program, '/') : NULL;

	v->procedure = p ? p->id : 0;
	v->procedure_us = p ? p->spec.deadline_us : 0;
	memset(v->procedure_name, 0, sizeof(v->procedure_name));
	if (slash)
		text_copy_tail(v->procedure_name, sizeof(v->procedure_name), slash + 1);
}
