/* SPDX-License-Identifier: MIT */
/* What failsoftctl status has asked for, and its two faces. */
#pragma once

#include <json-c/json.h>

#include "ctl.h"

#define WARNINGS_MAX	16u
#define ABSENT_MAX	16u

struct status_view {
	struct domain_row domain[DOMAINS_MAX];
	struct client_row *client;
	uint32_t domains, clients;
	char stage[16], nearest[DOMAIN_MAX_BYTES], version[32];
	char warning[WARNINGS_MAX][300];
	uint32_t warnings;
	struct source_row absent[ABSENT_MAX];
	uint32_t absents;
	struct episode_row last;
	char tripwire[300];		/* "": an older broker */
	struct grower_row grower[GROWERS_MAX]; /* of the nearest domain */
	uint32_t growers;
	struct outlook_row outlook;
	unsigned rows;			/* left on the screen */
};

void status_print_json(const struct status_view *v);
struct json_object *status_domain_json(const struct domain_row *d);	/* also one row of `domains` */
const char *status_format_limit(const struct ctl *c, const struct domain_row *d, char *text, size_t size);
/* "PSI some 42.1 %, full 12.0 % over 10 s"; false: not told. */
bool status_format_pressure(const struct domain_row *d, char *text, size_t size);
