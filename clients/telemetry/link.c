/* SPDX-License-Identifier: MIT */
#include "link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include <mqtt_protocol.h>

#include "link_part.h"

#define US_PER_S	UINT64_C(1000000)

/* TLS over a slow radio takes 10 s (measured elsewhere: 4 round trips of 2 s); half loses those links, double
 * waits a minute for a dead host while the next one in the list might answer. */
#define CONNECT_US	(30 * US_PER_S)

/* A connection that stood so long was a good one: the next pause begins small again. Half: a server that
 * throws everybody out twice a minute is not spared; double: one that restarts often is waited for too long. */
#define STOOD_US	(60 * US_PER_S)

/* The library looks whether to ping: PINGREQ leaves this part of the keepalive late at most. The server waits
 * for 1.5 keepalives. Half: twice the wakeups at rest; four times: too late. */
#define MISC_PART	8u

/* Packets that one turn of the loop reads, so that the other sources get their turn, too. */
#define READS_PER_TURN	64u

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail: a valid clock */
	return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t draw(void)
{
	uint64_t random = 0;

	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK); /* early at boot: 0 is the shortest pause */
	return random;
}

static void arm(struct link *l, uint64_t in_us, uint64_t accuracy_us)
{
	(void)sd_event_source_set_time_relative(l->timer, in_us); /* fails for overflow only */
	(void)sd_event_source_set_time_accuracy(l->timer, accuracy_us);
	(void)sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

static uint64_t connect_us(const struct link *l)
{
	return l->options.connect_us ? l->options.connect_us : CONNECT_US;
}

static uint64_t misc_us(const struct link *l)
{
	return l->options.keepalive_s * US_PER_S / MISC_PART;
}

static void tear_down(struct link *l)
{
	l->lookup = lookup_free(l->lookup);
	l->io = sd_event_source_disable_unref(l->io);
	mosquitto_destroy(l->mosq); /* NULL is fine */
	l->mosq = NULL;
	l->is_broken = false;
	l->has_tcp = false;
	(void)sd_event_source_set_enabled(l->settle, SD_EVENT_OFF);
}

/* l->why says it. The next server after a pause. */
static void give_up(struct link *l)
{
	const bool was_up = l->phase == LINK_UP;
	const uint64_t stood_us = was_up ? now_us() - l->up_us : 0;

	tear_down(l);
	l->phase = LINK_RESTING;
	if (was_up && stood_us >= (l->options.pause_last_us < STOOD_US ? l->options.pause_last_us : STOOD_US))
		backoff_reset(&l->backoff);
	l->at = (l->at + 1) % l->options.servers;
	arm(l, backoff_next(&l->backoff, draw()), 10000);
	l->events.lost(l->events.userdata, l->why);
}

static int open_number(struct link *l);

/* One number of the host's failed: the next, or none is left. */
static void fail(struct link *l)
{
	while (l->phase == LINK_CONNECTING && ++l->number_at < l->numbers.count) {
		tear_down(l);
		if (open_number(l) == 0)
			return;
	}
	give_up(l);
}

/* After each call of the library's: is it still there, and does it want to write? */
static void settle(struct link *l, int rc, int error)
{
	if (rc != MOSQ_ERR_SUCCESS || mosquitto_socket(l->mosq) < 0) {
		if (!l->is_broken)
			link_words(l, rc, error);
		l->is_broken = true;
	}
	if (l->is_broken && l->depth == 0) {
		fail(l);
		return;
	}
	if (l->is_broken)
		return;
	(void)sd_event_source_set_io_events(l->io, EPOLLIN | (mosquitto_want_write(l->mosq) ? EPOLLOUT : 0));
}

static int on_settle(sd_event_source *source, void *userdata)
{
	(void)source;
	fail(userdata);
	return 0;
}

/* From outside the loop's own calls: the caller must not find the link gone when it gets its result. */
static void settle_later(struct link *l, int rc, int error)
{
	l->depth++;
	settle(l, rc, error);
	l->depth--;
	if (l->is_broken && l->depth == 0)
		(void)sd_event_source_set_enabled(l->settle, SD_EVENT_ONESHOT);
}

static int read_some(struct link *l)
{
	int rc = mosquitto_loop_read(l->mosq, 1), left;

	for (unsigned i = 1; rc == MOSQ_ERR_SUCCESS && i < READS_PER_TURN && !l->is_broken; i++) {
		if (mosquitto_socket(l->mosq) < 0 || ioctl(l->fd, FIONREAD, &left) < 0 || left == 0)
			break;
		rc = mosquitto_loop_read(l->mosq, 1);
	}
	return rc;
}

/* libmosquitto would meet a refused TCP connection at its first read, without saying of what. */
static int tcp_error(struct link *l)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (l->has_tcp)
		return 0;
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return errno;
	l->has_tcp = error == 0;
	return error;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct link *l = userdata;
	int error = tcp_error(l), rc = error ? MOSQ_ERR_ERRNO : MOSQ_ERR_SUCCESS;

	(void)source, (void)fd;
	l->depth++;
	if (rc == MOSQ_ERR_SUCCESS && (revents & (EPOLLIN | EPOLLERR | EPOLLHUP))) {
		rc = read_some(l);
		error = errno;
	}
	if (rc == MOSQ_ERR_SUCCESS && (revents & EPOLLOUT) && mosquitto_socket(l->mosq) >= 0) {
		rc = mosquitto_loop_write(l->mosq, 1);
		error = errno;
	}
	l->depth--;
	settle(l, rc, error);
	return 0;
}

static void on_connect(struct mosquitto *mosq, void *userdata, int connack)
{
	struct link *l = userdata;

	if (connack != 0) {
		link_words_refused(l, connack);
		l->is_broken = true;
		return;
	}
	l->phase = LINK_UP;
	l->up_us = now_us();
	arm(l, misc_us(l), misc_us(l) / 4);
	for (uint32_t i = 0; i < l->options.subscriptions; i++)
		(void)mosquitto_subscribe(mosq, NULL, l->options.subscription[i], 1); /* settle() sees it */
	l->events.connected(l->events.userdata);
}

static void on_subscribed(struct mosquitto *mosq, void *userdata, int message, int count, const int *granted)
{
	struct link *l = userdata;

	(void)mosq, (void)message;
	for (int i = 0; i < count; i++)
		if (granted[i] > 2) {
			(void)snprintf(l->why, sizeof(l->why), "%s refuses a subscription: may client \"%s\" read \"%s\"?",
				       link_server(l), l->options.client_id, l->options.subscription[0]);
			l->is_broken = true;
		}
}

/* The socket is closed next: out of epoll before its number can be another's. */
static void on_disconnect(struct mosquitto *mosq, void *userdata, int rc)
{
	struct link *l = userdata;

	(void)mosq, (void)rc;
	if (l->io)
		(void)sd_event_source_set_enabled(l->io, SD_EVENT_OFF);
}

static void on_published(struct mosquitto *mosq, void *userdata, int message)
{
	struct link *l = userdata;

	(void)mosq;
	if (l->events.acknowledged)
		l->events.acknowledged(l->events.userdata, message);
}

static void on_message(struct mosquitto *mosq, void *userdata, const struct mosquitto_message *m)
{
	struct link *l = userdata;

	(void)mosq;
	if (l->events.received)
		l->events.received(l->events.userdata, &(struct link_message){
			.topic = m->topic, .payload = m->payload, .length = (size_t)m->payloadlen,
			.is_retained = m->retain,
		});
}

static int set_will(struct link *l)
{
	const char *topic = NULL;
	const void *payload = NULL;
	size_t length = 0;

	if (l->events.will)
		l->events.will(l->events.userdata, &topic, &payload, &length);
	if (!topic)
		return MOSQ_ERR_SUCCESS;
	return mosquitto_will_set(l->mosq, topic, (int)length, payload, 1, true);
}

static int set_options(struct link *l)
{
	int rc = MOSQ_ERR_SUCCESS;

	mosquitto_connect_callback_set(l->mosq, on_connect);
	mosquitto_disconnect_callback_set(l->mosq, on_disconnect);
	mosquitto_publish_callback_set(l->mosq, on_published);
	mosquitto_subscribe_callback_set(l->mosq, on_subscribed);
	mosquitto_message_callback_set(l->mosq, on_message);
	(void)mosquitto_max_inflight_messages_set(l->mosq, 0); /* the caller has its own window */
	(void)mosquitto_int_option(l->mosq, MOSQ_OPT_TCP_NODELAY, 1);
	if (l->options.user)
		rc = mosquitto_username_pw_set(l->mosq, l->options.user, l->options.password);
	if (rc == MOSQ_ERR_SUCCESS && l->tls) {
		(void)mosquitto_int_option(l->mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
		rc = mosquitto_void_option(l->mosq, MOSQ_OPT_SSL_CTX, tls_context(l->tls));
	}
	return rc == MOSQ_ERR_SUCCESS ? set_will(l) : rc;
}

/* A peer that is gone without a word is noticed also while something waits for its acknowledgement. */
static void set_user_timeout(const struct link *l)
{
	const unsigned timeout_ms = l->options.keepalive_s * 1500;

	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

static int start(struct link *l, const char *number)
{
	int rc = set_options(l);

	if (rc != MOSQ_ERR_SUCCESS)
		return rc;
	if (l->tls && tls_expect(l->tls, l->server[l->at].host, lookup_is_number(l->server[l->at].host)) < 0)
		return MOSQ_ERR_NOMEM;
	rc = mosquitto_connect_async(l->mosq, number, l->server[l->at].port, (int)l->options.keepalive_s);
	return rc == MOSQ_ERR_CONN_PENDING ? MOSQ_ERR_SUCCESS : rc;
}

/* 0: under way; else l->why says it. */
static int open_number(struct link *l)
{
	int rc = MOSQ_ERR_NOMEM;

	l->phase = LINK_CONNECTING;
	l->mosq = mosquitto_new(l->options.client_id, l->options.is_clean, l);
	if (l->mosq)
		rc = start(l, l->numbers.number[l->number_at]);
	if (rc == MOSQ_ERR_SUCCESS) {
		l->fd = mosquitto_socket(l->mosq);
		if (l->fd >= 0 && sd_event_add_io(l->event, &l->io, l->fd, EPOLLIN | EPOLLOUT, on_io, l) >= 0) {
			set_user_timeout(l);
			arm(l, connect_us(l), 100000);
			return 0;
		}
		rc = MOSQ_ERR_NO_CONN;
	}
	link_words(l, rc, errno);
	return -ENOTCONN;
}

static void on_looked(void *userdata, const struct lookup_answer *answer)
{
	struct link *l = userdata;

	l->lookup = lookup_free(l->lookup);
	l->numbers = *answer;
	l->number_at = 0;
	if (answer->error) {
		link_words_lookup(l, answer);
		give_up(l);
	} else if (open_number(l) < 0) {
		fail(l);
	}
}

static void attempt(struct link *l)
{
	const char *host = l->server[l->at].host;
	struct lookup_answer known = { .count = 1 };
	char complaint[256];
	int r;

	if (l->tls && tls_refresh(l->tls, complaint) < 0) {
		(void)snprintf(l->why, sizeof(l->why), "%s", complaint);
		give_up(l);
		return;
	}
	l->phase = LINK_LOOKING;
	if (lookup_is_number(host)) {
		(void)snprintf(known.number[0], LOOKUP_NUMBER_MAX, "%s", host);
		on_looked(l, &known);
		return;
	}
	arm(l, connect_us(l), 100000);
	r = lookup_new(&l->lookup, l->event, host, on_looked, l);
	if (r < 0) {
		(void)snprintf(l->why, sizeof(l->why), "%s: cannot resolve the name: %s", link_server(l),
			       strerror(-r));
		give_up(l);
	}
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct link *l = userdata;
	int rc;

	(void)source, (void)usec;
	switch (l->phase) {
	case LINK_RESTING:
		attempt(l);
		break;
	case LINK_LOOKING:
	case LINK_CONNECTING:
		link_words_timeout(l);
		fail(l);
		break;
	case LINK_UP:
		arm(l, misc_us(l), misc_us(l) / 4);
		l->depth++;
		rc = mosquitto_loop_misc(l->mosq);
		l->depth--;
		settle(l, rc, errno);
		break;
	}
	return 0;
}

static int add_sources(struct link *l, sd_event *event)
{
	int r = sd_event_add_time_relative(event, &l->timer, CLOCK_MONOTONIC,
					   backoff_spread(l->options.spread_us, draw()), 1000, on_timer, l);

	if (r < 0)
		return r;
	r = sd_event_add_defer(event, &l->settle, on_settle, l);
	if (r < 0)
		return r;
	l->event = sd_event_ref(event);
	return sd_event_source_set_enabled(l->settle, SD_EVENT_OFF);
}

int link_new(struct link **ret, struct sd_event *event, const struct link_options *options,
	     const struct link_events *events, char complaint[256])
{
	struct link *l = calloc(1, sizeof(*l));
	int r = -ENOMEM;

	(void)snprintf(complaint, 256, "no memory");
	if (!l || mosquitto_lib_init() != MOSQ_ERR_SUCCESS)
		goto fail;
	(void)signal(SIGPIPE, SIG_IGN); /* libmosquitto and OpenSSL write() into sockets */
	l->options = *options;
	l->events = *events;
	l->backoff = (struct backoff){ .first_us = options->pause_first_us, .last_us = options->pause_last_us };
	r = link_words_check(l, complaint);
	if (r == 0 && options->ca_file)
		r = tls_new(&l->tls, options->ca_file, options->cert_file, options->key_file, complaint);
	if (r == 0)
		r = add_sources(l, event);
	if (r < 0)
		goto fail;
	*ret = l;
	return 0;
fail:
	link_free(l);
	return r;
}

struct link *link_free(struct link *l)
{
	if (!l)
		return NULL;
	if (l->phase == LINK_UP && !l->is_broken)
		(void)mosquitto_disconnect(l->mosq); /* what the socket does not take now is not waited for */
	tear_down(l);
	sd_event_source_disable_unref(l->timer);
	sd_event_source_disable_unref(l->settle);
	sd_event_unref(l->event);
	tls_free(l->tls);
	free(l);
	return NULL;
}

bool link_is_connected(const struct link *l)
{
	return l->phase == LINK_UP && !l->is_broken;
}

int link_publish(struct link *l, const char *topic, const void *payload, size_t length, int qos,
		 bool is_retained)
{
	int message = 0, rc, error;

	if (!link_is_connected(l))
		return -ENOTCONN;
	if (length > MQTT_MAX_PAYLOAD)
		return -EMSGSIZE;
	l->depth++;
	rc = mosquitto_publish(l->mosq, &message, topic, (int)length, payload, qos, is_retained);
	error = errno;
	l->depth--;
	if (rc == MOSQ_ERR_NOMEM)
		return -ENOMEM;
	if (rc == MOSQ_ERR_PAYLOAD_SIZE || rc == MOSQ_ERR_OVERSIZE_PACKET)
		return -EMSGSIZE;
	if (rc == MOSQ_ERR_INVAL || rc == MOSQ_ERR_MALFORMED_UTF8)
		return -EINVAL;
	settle_later(l, rc, error);
	return l->is_broken ? -ENOTCONN : message;
}

bool link_is_congested(const struct link *l)
{
	return l->mosq && mosquitto_want_write(l->mosq);
}

const char *link_server(const struct link *l)
{
	return l->options.server[l->at];
}
