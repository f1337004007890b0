/* SPDX-License-Identifier: MIT */
#include "web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

/* Operators and one Prometheus: half is still enough for a small team; double costs 32 KiB each. */
#define CONNECTIONS_MAX	64u
/* Of one address, so that one client cannot take them all; a browser opens 6, a proxy asks for many. */
#define CONNECTIONS_EACH_MAX 32u
#define IDLE_S		15u	/* that a connection may be quiet; the page asks every 2 s */
/* From one answer to the end of the next, however it trickles. Half: 20 000 devices do not come over a slow
 * line; double: who holds connections open keeps others out for longer. */
#define ANSWER_US	UINT64_C(60000000)
/* The library takes the listening socket out of its epoll set when there are too many connections, and puts
 * it back in its next run only: there must always be one. */
#define RUN_MS		1000u
#define BACKLOG		32
#define NO_POLICY	"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

struct client {
	struct client *next;
	struct MHD_Connection *connection;
	uint64_t since_us;		/* it is there, or its last answer went out */
};

struct web {
	struct web_options options;
	struct MHD_Daemon *daemon;
	struct client *clients;
	sd_event_source *io, *timer;
	int socket;
};

/* ---- who may ask ---- */

static bool is_number(const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

bool web_host_is_allowed(const struct web_options *options, const char *host)
{
	char name[256];
	const char *end, *port;
	size_t length;

	if (*host == '[') {
		end = strchr(++host, ']');
		port = end ? end + 1 : host;
	} else {
		port = end = host + strcspn(host, ":");
	}
	length = end ? (size_t)(end - host) : sizeof(name);
	if (length == 0 || length >= sizeof(name))
		return false;
	if (*port && (*port != ':' || port[1 + strspn(port + 1, "0123456789")]))
		return false; /* "[::1].evil.example" */
	snprintf(name, sizeof(name), "%.*s", (int)length, host);
	for (unsigned i = 0; i < options->hosts; i++)
		if (!strcasecmp(options->host[i], name))
			return true;
	return !strcasecmp(name, "localhost") || is_number(name);
}

bool web_listen_parse(const char *text, char ret_host[64], char ret_port[8])
{
	const char *colon = strrchr(text, ':'), *host = text;
	size_t length = colon ? (size_t)(colon - text) : 0;
	char name[64];
	unsigned long port;

	if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strlen(colon) > 6)
		return false;
	port = strtoul(colon + 1, NULL, 10);
	if (length > 2 && *host == '[' && host[length - 1] == ']') {
		host++;
		length -= 2;
	} else if (memchr(host, ':', length)) {
		return false; /* a bare IPv6 number: which colon begins the port? */
	}
	if (length == 0 || length >= sizeof(name) || port > 65535)
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)length, host);
	if (!is_number(name))
		return false;
	memcpy(ret_host, name, sizeof(name));
	snprintf(ret_port, 8, "%lu", port);
	return true;
}

bool web_listen_is_local(const char *text)
{
	char host[64], port[8];

	return web_listen_parse(text, host, port) && (!strncmp(host, "127.", 4) || !strcmp(host, "::1"));
}

/* ---- one connection ---- */

static uint64_t now_us(struct web *w)
{
	uint64_t us = 0;

	(void)sd_event_now(sd_event_source_get_event(w->timer), CLOCK_MONOTONIC, &us);
	return us;
}

/* No memory: a connection that is not watched; the idle limit is there all the same. */
static void on_connection(void *userdata, struct MHD_Connection *connection, void **state,
			  enum MHD_ConnectionNotificationCode code)
{
	struct web *w = userdata;
	struct client *c = *state, **at = &w->clients;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*state = c = calloc(1, sizeof(*c));
		if (!c)
			return;
		*c = (struct client){ w->clients, connection, now_us(w) };
		w->clients = c;
		return;
	}
	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	free(c);
	*state = NULL;
}

static void on_answered(void *userdata, struct MHD_Connection *connection, void **state,
			enum MHD_RequestTerminationCode code)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct client *c = info ? info->socket_context : NULL;

	(void)state;
	if (c && code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		c->since_us = now_us(userdata);
}

/* Their end is seen by the library at its next look. */
static void end_slow_clients(struct web *w)
{
	const uint64_t us = now_us(w);

	for (struct client *c = w->clients; c; c = c->next) {
		const union MHD_ConnectionInfo *info =
			us - c->since_us > ANSWER_US
				? MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
				: NULL;

		if (info)
			(void)shutdown(info->connect_fd, SHUT_RDWR);
	}
}

/* ---- one request ---- */

static enum MHD_Result send_answer(struct MHD_Connection *connection, const struct web_answer *a)
{
	struct MHD_Response *response =
		a->text ? MHD_create_response_from_buffer(a->length, a->text, MHD_RESPMEM_MUST_FREE)
			: MHD_create_response_from_buffer(a->length, (void *)(uintptr_t)a->fixed,
							  MHD_RESPMEM_PERSISTENT);
	const char *const headers[][2] = {
		{"Content-Type", a->type},
		{"Content-Security-Policy", a->policy ? a->policy : NO_POLICY},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "DENY"},
		{"Referrer-Policy", "no-referrer"},
		{"Cache-Control", "no-store"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
	};
	enum MHD_Result r;

	if (!response) {
		free(a->text);
		return MHD_NO;
	}
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		(void)MHD_add_response_header(response, headers[i][0],
					      headers[i][1]); /* no memory: without it */
	if (a->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, "Allow", "GET, HEAD");
	r = MHD_queue_response(connection, a->status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
	struct web_answer a = { .status = status, .type = "text/plain; charset=utf-8", .fixed = text,
				.length = strlen(text) };

	return send_answer(connection, &a);
}

static const char *query(struct MHD_Connection *connection, const char *name)
{
	const char *value = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);

	return value ? value : "";
}

static enum MHD_Result answer(struct web *w, struct MHD_Connection *connection, const char *path)
{
	struct web_request request = { path, query(connection, "run"), query(connection, "since") };
	struct web_answer a = { .status = MHD_HTTP_NOT_FOUND };

	w->options.handler(w->options.userdata, &request, &a);
	if (a.text || a.fixed)
		return send_answer(connection, &a);
	if (a.status == MHD_HTTP_NOT_FOUND)
		return send_text(connection, a.status, "there is no such page: see failsoft-fleet(1)\n");
	return send_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory for that page\n");
}

static enum MHD_Result count_host(void *userdata, enum MHD_ValueKind kind, const char *name,
				  const char *value)
{
	(void)kind;
	(void)value;
	*(unsigned *)userdata += !strcasecmp(name, MHD_HTTP_HEADER_HOST);
	return MHD_YES;
}

/* Two: which one would a proxy before us have looked at? */
static bool is_host_allowed(struct web *w, struct MHD_Connection *connection)
{
	const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
	unsigned hosts = 0;

	(void)MHD_get_connection_values(connection, MHD_HEADER_KIND, count_host, &hosts);
	return hosts == 1 && web_host_is_allowed(&w->options, host);
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	struct web *w = userdata;

	(void)version;
	(void)upload;
	if (!*state) { /* the head is there; what follows it is thrown away */
		*state = w;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				 "only GET and HEAD: nothing can be changed here\n");
	if (!is_host_allowed(w, connection))
		return send_text(connection, MHD_HTTP_FORBIDDEN,
				 "this Host is not allowed: start failsoft-fleet with --allow-host=NAME\n");
	return answer(w, connection, url);
}

/* ---- the loop ---- */

static void run(struct web *w)
{
	MHD_UNSIGNED_LONG_LONG ms;

	(void)MHD_run(w->daemon); /* what fails is one connection, and it is closed */
	end_slow_clients(w);
	if (MHD_get_timeout(w->daemon, &ms) != MHD_YES || ms > RUN_MS)
		ms = RUN_MS;
	(void)sd_event_source_set_time_relative(w->timer, (uint64_t)ms * 1000);
	(void)sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	run(userdata);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t us, void *userdata)
{
	(void)source;
	(void)us;
	run(userdata);
	return 0;
}

static int open_socket(const char *listen_at, char complaint[256])
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				  .ai_socktype = SOCK_STREAM }, *found;
	char host[64], port[8];
	int fd, yes = 1, r = 0;

	if (!web_listen_parse(listen_at, host, port) || getaddrinfo(host, port, &hints, &found)) {
		snprintf(complaint, 256,
			 "--listen=%.100s is not NUMBER:PORT, such as 127.0.0.1:9464 or [::1]:9464",
			 listen_at);
		return -EINVAL;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes,
				 sizeof(yes)); /* without it: wait a minute */
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		r = -errno;
		snprintf(complaint, 256, "cannot listen on %.100s: %s%s", listen_at, strerror(-r),
			 r == -EADDRINUSE ? "; another program has it: choose another port" : "");
		if (fd >= 0)
			close(fd);
	}
	freeaddrinfo(found);
	return r < 0 ? r : fd;
}

static int watch(struct web *w, struct sd_event *event)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int r = info ? sd_event_add_io(event, &w->io, info->epoll_fd, EPOLLIN, on_io, w) : -ENOSYS;

	if (r >= 0)
		r = sd_event_add_time_relative(event, &w->timer, CLOCK_MONOTONIC, 0, 0, on_timer, w);
	return r;
}

int web_new(struct web **ret, struct sd_event *event, const struct web_options *options,
	    char complaint[256])
{
	struct web *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->options = *options;
	w->socket = r = open_socket(options->listen, complaint);
	if (r >= 0) {
		w->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, w,
			MHD_OPTION_LISTEN_SOCKET, w->socket, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
			MHD_OPTION_PER_IP_CONNECTION_LIMIT, CONNECTIONS_EACH_MAX,
			MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_NOTIFY_CONNECTION, on_connection, w,
			MHD_OPTION_NOTIFY_COMPLETED, on_answered, w, MHD_OPTION_END);
		r = w->daemon ? watch(w, event) : -EIO;
		if (r < 0)
			snprintf(complaint, 256, "no web server: %s", strerror(-r));
	}
	if (r < 0) {
		web_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct web *web_free(struct web *w)
{
	if (!w)
		return NULL;
	sd_event_source_disable_unref(w->io);
	if (w->daemon)
		MHD_stop_daemon(w->daemon); /* closes the socket, too */
	else if (w->socket >= 0)
		close(w->socket);
	sd_event_source_disable_unref(w->timer);
	free(w);
	return NULL;
}
