/* SPDX-License-Identifier: MIT */
/*
 * Group: the devices of one fleet that run one firmware: what an operator compares. Pure but for
 * its memory. Firmware names come from devices, so their number is limited: the rest is counted
 * together.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest.h"

/* Each has some 50 lines in /metrics. Half: a fleet with many builds is counted under GROUP_REST sooner. */
#define GROUPS_MAX	256u
#define GROUP_REST	"(other)"

struct group {
	char fleet[TOPIC_NAME_MAX], firmware[INGEST_FIRMWARE_MAX];
	uint64_t devices;		/* now */
	struct tally_counts counts;	/* since this program runs: differences of what devices say */
	uint64_t raised[TOPIC_ALARM_COUNT]; /* counted from the log, each once */
	uint64_t reports[TALLY_END_COUNT], near_miss_reports, false_alarm_reports;
	uint64_t events;
	uint64_t used;			/* the last look for it */
};

struct groups {
	struct group group[GROUPS_MAX + 1]; /* the last one is the rest */
	uint32_t count;
	uint64_t uses;
	uint64_t overflows;		/* devices' looks for a group that was not to be had */
};

/* Never NULL. When there are too many, the one that was not looked for for longest of those without a device
 * is given up, with what it counted. */
struct group *group_of(struct groups *g, const char *fleet, const char *firmware);
bool group_is_rest(const struct groups *g, const struct group *group);

/* What grew from one message of a device to a later one. false: something shrank, the device counts anew. */
bool group_grown(const struct tally_counts *before, const struct tally_counts *after,
		 struct tally_counts *ret);
/* A sum that reaches the end stays there. */
void group_add(struct tally_counts *to, const struct tally_counts *what);

/* The counts by name, for tables: "near_misses" (interfaces/telemetry/), in that order. */
struct group_figure {
	const char *name, *help;
	unsigned offset;		/* in struct tally_counts */
};
#define GROUP_FIGURES	9u
extern const struct group_figure group_figures[GROUP_FIGURES];
#define GROUP_OBSERVED	8u		/* observed_s */
uint64_t *group_figure_of(struct tally_counts *counts, unsigned i);
uint64_t group_figure(const struct tally_counts *counts, unsigned i);
