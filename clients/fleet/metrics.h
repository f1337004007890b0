/* SPDX-License-Identifier: MIT */
/*
 * Metrics: the roster as Prometheus text (version 0.0.4). Pure but for the stream it is given. Labels are
 * fleets, firmwares and our own words; devices only those that are not well, and no more than
 * METRICS_DEVICES_MAX of them.
 */
#pragma once

#include <stdio.h>

#include "pager.h"
#include "roster.h"

/* A storm of 10 000 devices must not become 10 000 series; half shows less of a bad day, double
 * costs Prometheus twice for the same page of an operator. */
#define METRICS_DEVICES_MAX	200u

struct metrics {
	const struct roster *roster;
	bool is_connected;
	const struct pager_counts *pager; /* NULL: there is none */
};

void metrics_print(const struct metrics *m, FILE *out);
