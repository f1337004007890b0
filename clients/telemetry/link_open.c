/* SPDX-License-Identifier: MIT */
/* One attempt with one number, and what the library then says. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "link_part.h"

#define US_PER_S UINT64_C(1000000)

/* Name, TCP, TLS and CONNECT are five round trips: 10 s where a bad radio takes 2 s for one, and as
 * much again for what is sent twice. Half loses those links; double waits a minute for a dead host
 * while the next one in the list might answer. */
#define CONNECT_US (30 * US_PER_S)

/* The library looks whether to ping: PINGREQ leaves this part of the keepalive late at most. The
 * server waits for 1.5 keepalives. Half: twice the wakeups at rest; four times: too late. */
#define MISC_PART 8u

uint64_t link_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail: a valid clock */
	return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

uint64_t link_connect_us(const struct link *l)
{
	return l->options.connect_us ? l->options.connect_us : CONNECT_US;
}

uint64_t link_misc_us(const struct link *l)
{
	return l->options.keepalive_s * US_PER_S / MISC_PART;
}

static void on_connect(struct mosquitto *mosq, void *userdata, int connack, int flags)
{
	struct link *l = userdata;

	if (connack != 0) {
		link_words_refused(l, connack);
		l->is_broken = true;
		return;
	}
	l->phase = LINK_UP;
	l->is_resumed = flags & 1; /* CONNACK: session present */
	l->up_us = link_now_us();
	link_arm(l, link_misc_us(l), link_misc_us(l) / 4);
	for (uint32_t i = 0; i < l->options.subscriptions; i++)
		(void)mosquitto_subscribe(mosq, NULL, l->options.subscription[i],
					  1); /* settle() sees it */
	l->events.connected(l->events.userdata);
}

static void on_subscribed(struct mosquitto *mosq, void *userdata, int message, int count,
			  const int *granted)
{
	struct link *l = userdata;

	(void)mosq, (void)message;
	for (int i = 0; i < count; i++)
		if (granted[i] > 2) {
			(void)snprintf(l->why, sizeof(l->why),
				       "%s refuses a subscription: may client \"%s\" read \"%s\"?",
				       link_server(l), l->options.client_id,
				       l->options.subscription[0]);
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
							       .topic = m->topic,
							       .payload = m->payload,
							       .length = (size_t)m->payloadlen,
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
	l->will_topic = topic;
	if (!topic)
		return MOSQ_ERR_SUCCESS;
	return mosquitto_will_set(l->mosq, topic, (int)length, payload, 1, true);
}

static int set_options(struct link *l)
{
	int rc = MOSQ_ERR_SUCCESS;

	mosquitto_connect_with_flags_callback_set(l->mosq, on_connect);
	mosquitto_disconnect_callback_set(l->mosq, on_disconnect);
	mosquitto_publish_callback_set(l->mosq, on_published);
	mosquitto_subscribe_callback_set(l->mosq, on_subscribed);
	mosquitto_message_callback_set(l->mosq, on_message);
	(void)mosquitto_max_inflight_messages_set(l->mosq, 0); /* the caller has its own window */
	(void)mosquitto_int_option(l->mosq, MOSQ_OPT_TCP_NODELAY, 1);
	/* A thread of ours would write, it believes, so it only queues: PUBACK, too, which otherwise leaves
	 * before on_message. settle() sees that something waits, and the loop writes it. */
	if (l->options.acknowledges_late)
		(void)mosquitto_threaded_set(l->mosq, true);
	if (l->options.user)
		rc = mosquitto_username_pw_set(l->mosq, l->options.user, l->options.password);
	if (rc == MOSQ_ERR_SUCCESS && l->tls) {
		(void)mosquitto_int_option(l->mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
		rc = mosquitto_void_option(l->mosq, MOSQ_OPT_SSL_CTX, tls_context(l->tls));
	}
	return rc == MOSQ_ERR_SUCCESS ? set_will(l) : rc;
}

/* A peer that is gone without a word is noticed also while something waits for its acknowledgement.
 */
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
	if (l->tls &&
	    tls_expect(l->tls, l->server[l->at].host, lookup_is_number(l->server[l->at].host)) < 0)
		return MOSQ_ERR_NOMEM;
	rc = mosquitto_connect_async(l->mosq, number, l->server[l->at].port,
				     (int)l->options.keepalive_s);
	return rc == MOSQ_ERR_CONN_PENDING ? MOSQ_ERR_SUCCESS : rc;
}

/* 0: under way; else l->why says it. */
int link_open(struct link *l)
{
	int rc = MOSQ_ERR_NOMEM;

	l->phase = LINK_CONNECTING;
	l->mosq = mosquitto_new(l->options.client_id, l->options.is_clean, l);
	if (l->mosq)
		rc = start(l, l->numbers.number[l->number_at]);
	if (rc == MOSQ_ERR_SUCCESS) {
		l->fd = mosquitto_socket(l->mosq);
		if (l->fd >= 0 && sd_event_add_io(l->event, &l->io, l->fd, EPOLLIN | EPOLLOUT,
						  link_on_io, l) >= 0) {
			set_user_timeout(l);
			link_arm(l, link_connect_us(l), 100000);
			return 0;
		}
		rc = MOSQ_ERR_NO_CONN;
	}
	link_words(l, rc, errno);
	return -ENOTCONN;
}
