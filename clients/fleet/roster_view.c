/* SPDX-License-Identifier: MIT */
/* What others may see of the roster. */
#include "roster_part.h"

static const char *const faces[ROSTER_FACE_COUNT] = {
	[ROSTER_NORMAL] = "normal", [ROSTER_WARNING] = "warning", [ROSTER_IMMINENT] = "imminent",
	[ROSTER_SHUTDOWN] = "shutdown", [ROSTER_OFFLINE] = "offline", [ROSTER_UNKNOWN] = "unknown",
};

static const char *const conflicts[] = {
	[ROSTER_ALONE] = "", [ROSTER_TWO_SPOOLS] = "two-spools", [ROSTER_COPIED_SPOOL] = "copied-spool",
};

uint32_t roster_count(const struct roster *r)
{
	return r->count;
}

const struct roster_device *roster_at(const struct roster *r, uint32_t place)
{
	return r->list[place];
}

const struct groups *roster_groups(const struct roster *r)
{
	return &r->groups;
}

const struct roster_totals *roster_totals(const struct roster *r)
{
	return &r->totals;
}

const struct roster_limits *roster_limits(const struct roster *r)
{
	return &r->limits;
}

uint64_t roster_version(const struct roster *r)
{
	return r->version;
}

uint64_t roster_removed(const struct roster *r)
{
	return r->removed_version;
}

const struct roster_moment *roster_moment(const struct roster_device *d, uint32_t i)
{
	if (i >= d->moments)
		return NULL;
	return &d->moment[d->moments < ROSTER_MOMENTS_MAX ? i : (d->moment_next + i) % ROSTER_MOMENTS_MAX];
}

bool roster_has_no_broker(const struct roster_device *d)
{
	return d->has_state && d->is_online && !d->is_broker_there;
}

enum roster_face roster_face(const struct roster_device *d)
{
	if (!d->has_state)
		return ROSTER_UNKNOWN;
	return d->is_online ? (enum roster_face)d->stage : ROSTER_OFFLINE;
}

const char *roster_face_name(enum roster_face face)
{
	return faces[face];
}

const char *roster_conflict_name(enum roster_conflict conflict)
{
	return conflicts[conflict];
}
