/* SPDX-License-Identifier: MIT */
/*
 * Theory. A stage is the answer to "is there still time for what must be done?". Its lead is the
 * time that the clients need from its entry to the cliff, so the rule is time: pessimistic time to
 * exhaustion < lead. Three things temper it.
 *
 *   A burst cannot be told from a leak until it stops. `warning` costs one flush and may follow the
 *   forecast alone; `imminent` and `shutdown` also want either little headroom (below the floor of
 *   the stage before) or a fall that has lasted `confirm_us`.
 *   A slow leak gives a long time to exhaustion until the cliff's own uncertainty (MiB) is all that
 *   is left. So each stage has a floor, a share of the domain.
 *   The kernel's own distress counts when headroom is small: PSI without falling memory is I/O.
 *
 * Stages rise at once, over any number of steps, and fall only to normal: when for `hold_us` no
 * rule has held even with a quarter more headroom and twice the lead.
 */
#include "judge/stage.h"

#include "base/units.h"

struct stage_view {
	const struct estimate *e;
	uint64_t floor_bytes[STAGE_COUNT];
	uint64_t lead_us;		/* of the rule's stage */
	uint64_t confirm_us;
	uint32_t warning_permyriad;
};

static bool confirmed(const struct stage_view *v)
{
	return v->e->falling_us >= v->confirm_us;
}

static bool below(const struct stage_view *v, enum stage_word word)
{
	return v->e->headroom_bytes < v->floor_bytes[word];
}

static bool is_short(const struct stage_view *v)
{
	return v->e->tte_low_us < v->lead_us;
}

/* Of what the fall began with. */
static bool short_and_deep(const struct stage_view *v)
{
	uint64_t from_bytes = v->e->headroom_bytes + v->e->fallen_bytes;

	return is_short(v) && v->e->fallen_bytes >= from_bytes / PERMYRIAD * v->warning_permyriad;
}

static bool oom_and_low(const struct stage_view *v)
{
	return (v->e->distress & DISTRESS_OOM) && below(v, STAGE_IMMINENT);
}

static bool bottom_and_corroborated(const struct stage_view *v)
{
	return below(v, STAGE_SHUTDOWN) && (v->e->falling_us || v->e->distress);
}

/* What grows stands at the wire, and so does everybody beside it that needs memory. */
static bool tripped_and_low(const struct stage_view *v)
{
	return (v->e->distress & DISTRESS_TRIPWIRE) && below(v, STAGE_IMMINENT);
}

static bool short_and_low(const struct stage_view *v)
{
	return is_short(v) && (below(v, STAGE_IMMINENT) || confirmed(v));
}

static bool short_and_lowish(const struct stage_view *v)
{
	return is_short(v) && (below(v, STAGE_WARNING) || confirmed(v));
}

/*
 * With swap the figures may look well while nobody gets on: what counts then is memory without it.
 * Without little of that it is somebody behind a limit of its own, whom nobody else waits for.
 */
static bool stalled_without_memory(const struct stage_view *v)
{
	return (v->e->distress & DISTRESS_STALL) &&
	       v->e->memory_bytes / 2 < v->floor_bytes[STAGE_WARNING];
}

bool stage_is_stalled(const struct stage_policy *p, const struct estimate *e)
{
	const struct stage_view v = {
		.e = e, .floor_bytes[STAGE_WARNING] = stage_floor_bytes(p, STAGE_WARNING, e->total_bytes),
	};

	return stalled_without_memory(&v);
}

static bool below_imminent(const struct stage_view *v)
{
	return below(v, STAGE_IMMINENT);
}

static bool stalled_and_lowish(const struct stage_view *v)
{
	const uint32_t stalled = DISTRESS_PSI_FULL | DISTRESS_DIRECT_RECLAIM | DISTRESS_CGROUP_MAX;

	return (v->e->distress & stalled) && below(v, STAGE_WARNING);
}

static bool oom_anywhere(const struct stage_view *v)
{
	return v->e->distress & DISTRESS_OOM;
}

static bool below_warning(const struct stage_view *v)
{
	return below(v, STAGE_WARNING);
}

static bool distress_and_halfway(const struct stage_view *v)
{
	return v->e->distress && v->e->headroom_bytes / 2 < v->floor_bytes[STAGE_WARNING];
}

/* The whole policy, most severe first; the first row that holds is the stage and its reason. */
static const struct {
	enum stage_word to;
	enum stage_why why;
	bool (*holds)(const struct stage_view *v);
} rules[] = {
	{ STAGE_SHUTDOWN, STAGE_WHY_OOM,	oom_and_low },
	{ STAGE_SHUTDOWN, STAGE_WHY_FLOOR,	bottom_and_corroborated },
	{ STAGE_SHUTDOWN, STAGE_WHY_TIME,	short_and_low },
	{ STAGE_SHUTDOWN, STAGE_WHY_DISTRESS,	tripped_and_low },
	{ STAGE_SHUTDOWN, STAGE_WHY_DISTRESS,	stalled_without_memory },
	{ STAGE_IMMINENT, STAGE_WHY_TIME,	short_and_lowish },
	{ STAGE_IMMINENT, STAGE_WHY_FLOOR,	below_imminent },
	{ STAGE_IMMINENT, STAGE_WHY_DISTRESS,	stalled_and_lowish },
	{ STAGE_WARNING,  STAGE_WHY_TIME,	short_and_deep },
	{ STAGE_WARNING,  STAGE_WHY_OOM,	oom_anywhere },
	{ STAGE_WARNING,  STAGE_WHY_FLOOR,	below_warning },
	{ STAGE_WARNING,  STAGE_WHY_DISTRESS,	distress_and_halfway },
};

static const char *const names[] = {
	[STAGE_NORMAL] = "normal",
	[STAGE_WARNING] = "warning",
	[STAGE_IMMINENT] = "imminent",
	[STAGE_SHUTDOWN] = "shutdown",
};
_Static_assert(ARRAY_LEN(names) == STAGE_COUNT, "a name for every stage");

const char *stage_name(enum stage_word word)
{
	return names[word];
}

void stage_init(struct stage *s, uint64_t now_us)
{
	*s = (struct stage){ .now = STAGE_NORMAL, .since_us = now_us };
}

uint64_t stage_floor_bytes(const struct stage_policy *p, enum stage_word word, uint64_t total_bytes)
{
	uint64_t share = total_bytes / PERMYRIAD * p->floor_permyriad[word];

	return MIN_OF(share, p->floor_max_bytes[word]);
}

/* Margins for the way back: a quarter more headroom, twice the lead. */
struct margins {
	uint64_t headroom_quarters, lead_times;
};

/* Index of the first rule of at least `word` that holds, or -1. */
static int rule_find(enum stage_word word, const struct stage_policy *p,
		     const struct stage_lead *lead, const struct estimate *e, struct margins m)
{
	struct stage_view v = { .e = e, .confirm_us = p->confirm_us,
				.warning_permyriad = p->warning_permyriad };

	for (int w = STAGE_WARNING; w < STAGE_COUNT; w++)
		v.floor_bytes[w] = stage_floor_bytes(p, w, e->total_bytes) / 4 * m.headroom_quarters;
	for (unsigned i = 0; i < ARRAY_LEN(rules) && rules[i].to >= word; i++) {
		v.lead_us = lead->us[rules[i].to] * m.lead_times;
		if (rules[i].holds(&v))
			return (int)i;
	}
	return -1;
}

bool stage_holds(enum stage_word word, const struct stage_policy *p, const struct stage_lead *lead,
		 const struct estimate *e)
{
	return rule_find(word, p, lead, e, (struct margins){ 4, 1 }) >= 0;
}

static void change(struct stage *s, enum stage_word to, uint64_t now_us)
{
	s->now = to;
	s->since_us = now_us;
	s->calm_since_us = 0;
}

/* Back to normal after hold_us without a reason, margins included. */
static bool is_calm(struct stage *s, const struct stage_policy *p, const struct stage_lead *lead,
		    const struct estimate *e)
{
	if (rule_find(STAGE_WARNING, p, lead, e, (struct margins){ 5, 2 }) >= 0) {
		s->calm_since_us = 0;
		return false;
	}
	if (!s->calm_since_us)
		s->calm_since_us = e->time_us;
	return e->time_us - s->calm_since_us >= p->hold_us;
}

bool stage_step(struct stage *s, const struct stage_policy *p, const struct stage_lead *lead,
		const struct estimate *e, struct stage_change *ret_change)
{
	int rule = rule_find(STAGE_WARNING, p, lead, e, (struct margins){ 4, 1 });
	enum stage_word from = s->now, floor_of = STAGE_WARNING;
	enum stage_why why = STAGE_WHY_CLEARED;

	if (rule >= 0 && rules[rule].to > s->now) {
		floor_of = rules[rule].to;
		why = rules[rule].why;
		change(s, rules[rule].to, e->time_us);
	} else if (s->now != STAGE_NORMAL && is_calm(s, p, lead, e)) {
		change(s, STAGE_NORMAL, e->time_us);
	} else {
		return false;
	}
	*ret_change = (struct stage_change){
		.time_us = e->time_us, .domain = e->domain, .from = from, .to = s->now, .why = why,
		.floor_bytes = stage_floor_bytes(p, floor_of, e->total_bytes),
		.lead_us = lead->us[floor_of], .estimate = *e,
	};
	return true;
}
