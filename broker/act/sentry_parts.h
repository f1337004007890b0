/* SPDX-License-Identifier: MIT */
/*
 * What the two files of the sentry share: sentry.c is what the loop calls, sentry_work.c what the
 * thread does. Edge; nobody else includes this.
 */
#pragma once

#include "act/sentry.h"

#define AIM_TAKEN	2u		/* beside the number of the aim */

/* Who acts. */
enum hand {
	HAND_FREE,			/* there is no report */
	HAND_SENTRY,			/* it acts; for as long as signals and datagrams take */
	HAND_READY,			/* there is a report */
	HAND_LOOP,			/* the loop signals, or takes the report */
};

enum line_state {
	LINE_EMPTY,
	LINE_READY,
	LINE_BUSY,			/* the sentry writes to it */
	LINE_ORPHAN,			/* ... and is to close it afterwards */
};

struct parse_census_stat;

/* 0 or -errno. */
int sentry_read_stat(int stat_fd, struct parse_census_stat *ret);

/* The thread. */
void *sentry_work(void *sentry);
