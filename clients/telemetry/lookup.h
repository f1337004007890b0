/* SPDX-License-Identifier: MIT */
/*
 * Lookup: a host's addresses without waiting. libmosquitto resolves names in its caller, so we do it before,
 * in a thread that lives as long as one question; it is handed numbers only. Edge; used by link.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sd_event;
struct lookup;

#define LOOKUP_HOST_MAX		254	/* a DNS name, with NUL */
#define LOOKUP_NUMBER_MAX	64	/* "fe80::...%interface", with NUL */
#define LOOKUP_NUMBERS_MAX	4u

struct lookup_server {
	char host[LOOKUP_HOST_MAX];
	uint16_t port;
};

struct lookup_answer {
	int error;			/* EAI_*; 0: there is one number at least */
	int system_errno;		/* of EAI_SYSTEM */
	uint32_t count;
	char number[LOOKUP_NUMBERS_MAX][LOOKUP_NUMBER_MAX];
};

/* "HOST:PORT", "[::1]:8883". false: it is none. */
bool lookup_server_parse(const char *text, struct lookup_server *ret);

/* host is a number already: needs no thread and no wait. */
bool lookup_is_number(const char *host);

/* Called from the loop, once; the lookup may be freed in it. */
typedef void (*lookup_done)(void *userdata, const struct lookup_answer *answer);

/* 0 or -errno: -EAGAIN no thread, -ENOMEM. */
int lookup_new(struct lookup **ret, struct sd_event *event, const char *host, lookup_done done,
	       void *userdata);

/* The thread is not waited for: it frees what is its own when the resolver lets it go. */
struct lookup *lookup_free(struct lookup *l);
