/* SPDX-License-Identifier: MIT */
/* Glance: the whole fleet summed up in one look over the roster. Pure. */
#pragma once

#include "roster.h"

struct glance {
	uint64_t devices, face[ROSTER_FACE_COUNT], raised[TOPIC_ALARM_COUNT], alarms;
	uint64_t no_broker;		/* online, and no failsoftd is there: their stage is the last known */
	uint64_t silent, conflicts, waiting; /* waiting: messages in the devices' spools, as they said */
	struct tally_counts counts;	/* of all groups */
};

struct glance glance_at(const struct roster *r,
			const char *fleet); /* NULL: all fleets; counts of all then */

/* Per device and day; 0 where nobody watched. */
double glance_rate(uint64_t count, uint64_t observed_s);
