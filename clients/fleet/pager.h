/* SPDX-License-Identifier: MIT */
/*
 * Pager: tells Alertmanager (API v2) which alarms are raised. Edge; what is due says alerts.h. A failure is
 * said once, and once that it works again; in between it is tried after a pause that grows to a minute.
 */
#pragma once

#include "roster.h"

struct sd_event;
struct pager;

struct pager_counts {
	uint64_t alerts;		/* known: raised, or their end is not yet told */
	uint64_t lost;			/* over, and gave way before their end was told; or no memory */
	uint64_t posts, failures;
};

/* url: "http://127.0.0.1:9093", borrowed. devices: of the roster, at most. 0 or -errno: -EINVAL. */
int pager_new(struct pager **ret, struct sd_event *event, const char *url, uint32_t devices);
struct pager *pager_free(struct pager *p);

void pager_raise(struct pager *p, const struct roster_device *d, enum topic_alarm kind);
void pager_clear(struct pager *p, const struct roster_device *d, enum topic_alarm kind,
		 const struct roster_now *now);
/* One that nobody knows any more. */
void pager_forget(struct pager *p, const struct roster_device *d, const struct roster_now *now);
struct pager_counts pager_counts(const struct pager *p);
