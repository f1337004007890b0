/* SPDX-License-Identifier: MIT */
/*
 * Web: serves pages over HTTP/1.1 with libmicrohttpd, on an sd-event loop. Edge; what a page says
 * is its owner's. It reads and never changes anything: GET and HEAD alone. Requests whose Host is
 * not a number, localhost or an allowed name are refused: a foreign page in the operator's browser
 * must not read the fleet by giving its own name our address.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct sd_event;
struct web;

struct web_request {
	const char *path;		/* "/api/devices" */
	const char *run, *since;	/* of the query; "" : not given */
};

struct web_answer {
	unsigned status;		/* 200, 404, 500 */
	const char *type;		/* "application/json" */
	const char *policy;		/* content security policy */
	char *text;			/* from malloc: taken; or NULL and `fixed` */
	const char *fixed;
	size_t length;
};
typedef void web_handler(void *userdata, const struct web_request *request, struct web_answer *ret);

#define WEB_HOSTS_MAX	8u
struct web_options {
	const char *listen;		/* "127.0.0.1:9464", "[::1]:9464" */
	const char *host[WEB_HOSTS_MAX]; /* allowed names besides */
	unsigned hosts;
	web_handler *handler;
	void *userdata;
};

/* 0 or -errno after a sentence in `complaint`. All of `options` is borrowed. */
int web_new(struct web **ret, struct sd_event *event, const struct web_options *options,
	    char complaint[256]);
struct web *web_free(struct web *w);

/* "[::1]:9464", "localhost", "a.example:80": may this Host be answered? Pure. */
bool web_host_is_allowed(const struct web_options *options, const char *host);
/* "127.0.0.1:9464": false where it is none. Port 0 is taken: the system chooses one. */
bool web_listen_parse(const char *text, char ret_host[64], char ret_port[8]);
/* Only this machine can reach it. Pure. */
bool web_listen_is_local(const char *text);
