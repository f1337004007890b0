/* SPDX-License-Identifier: MIT */
/*
 * Fetch: one HTTP POST at a time with libcurl, on an sd-event loop. Edge.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sd_event;
struct fetch;

/* How a POST ended: status 2xx, or `why` says what was wrong. */
struct fetch_result {
	long status;			/* 0: no answer */
	const char *why;
};
typedef void fetch_done(void *userdata, const struct fetch_result *result);

/* 0 or -errno: -EINVAL the URL is not http or https. `url` is borrowed. */
int fetch_new(struct fetch **ret, struct sd_event *event, const char *url, fetch_done *done,
	      void *userdata);
struct fetch *fetch_free(struct fetch *f);

bool fetch_is_busy(const struct fetch *f);
/* JSON; takes `body` (from malloc). 0 or -errno: -EBUSY. */
int fetch_post(struct fetch *f, char *body);
