/* SPDX-License-Identifier: MIT */
/*
 * Api: the roster as JSON texts for the page and for scripts. Pure but for json-c's memory; what is
 * returned is the caller's, to be freed; NULL: no memory.
 */
#pragma once

#include "roster.h"

struct api {
	const struct roster *roster;
	uint64_t run;			/* of this process: versions mean nothing in another */
	bool is_connected;
	const char *server;		/* NULL: none */
	struct roster_now now;
};

/* All devices, or what changed after version `since` of run `run`. */
char *api_devices(const struct api *a, uint64_t run, uint64_t since);
char *api_firmware(const struct api *a);
/* *ret_is_there: false where nobody has that name. */
char *api_device(const struct api *a, const char *fleet, const char *device, bool *ret_is_there);
