/* SPDX-License-Identifier: MIT */
/* Options: the command line of failsoft-fleet, checked. Edge for the password's file alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../telemetry/link.h"
#include "web.h"

struct options {
	const char *server[LINK_SERVERS_MAX];
	unsigned servers;
	const char *client_id;		/* NULL: a new one each time, and the server keeps nothing */
	const char *user, *ca_file, *cert_file, *key_file;
	char *password;			/* of malloc; NULL: none */
	unsigned keepalive_s;
	const char *fleet, *share;	/* NULL: all; NULL: none */
	unsigned partition, partitions;	/* 0 of 1 */
	unsigned devices;
	unsigned silent_s;
	bool is_json, is_quiet, is_plain;
	const char *listen, *host[WEB_HOSTS_MAX];
	unsigned hosts;
	const char *alertmanager, *read, *state_file;
};

enum options_outcome { OPTIONS_RUN, OPTIONS_SAID, OPTIONS_WRONG };	/* said: --help, --version */

enum options_outcome options_parse(struct options *o, int argc, char **argv);
void options_fini(struct options *o);
