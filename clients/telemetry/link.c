/* SPDX-License-Identifier: MIT */
#include "link.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <mqtt_protocol.h>

#include "link_part.h"

#define US_PER_S UINT64_C(1000000)

/* A connection that stood so long was a good one: the next pause begins small again. Half: a server
 * that throws everybody out twice a minute is not spared; double: one that restarts often is waited
 * for too long. */
#define STOOD_US (60 * US_PER_S)

/* Packets that one turn of the loop reads, so that the other sources get their turn, too. */
#define READS_PER_TURN 64u

void link_arm(struct link *l, uint64_t in_us, uint64_t accuracy_us)
{
	(void)sd_event_source_set_time_relative(l->timer, in_us); /* fails for overflow only */
	(void)sd_event_source_set_time_accuracy(l->timer, accuracy_us);
	(void)sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

static uint64_t draw(void)
{
	uint64_t random = 0;

	(void)!getrandom(&random, sizeof(random),
			 GRND_NONBLOCK); /* early at boot: 0 is the shortest pause */
	return random;
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
	const uint64_t stood_us = was_up ? link_now_us() - l->up_us : 0;

	tear_down(l);
	l->phase = LINK_RESTING;
	if (was_up &&
	    stood_us >= (l->options.pause_last_us < STOOD_US ? l->options.pause_last_us : STOOD_US))
		backoff_reset(&l->backoff);
	l->at = (l->at + 1) % l->options.servers;
	link_arm(l, backoff_next(&l->backoff, draw()), 10000);
	l->events.lost(l->events.userdata, l->why);
}

/* One number of the host's failed: the next, or none is left. */
static void fail(struct link *l)
{
	while (l->phase == LINK_CONNECTING && ++l->number_at < l->numbers.count) {
		tear_down(l);
		if (link_open(l) == 0)
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
	(void)sd_event_source_set_io_events(
		l->io, (l->is_paused && l->phase == LINK_UP ? 0 : EPOLLIN) |
			       (mosquitto_want_write(l->mosq) ? EPOLLOUT : 0));
}

static int on_settle(sd_event_source *source, void *userdata)
{
	(void)source;
	fail(userdata);
	return 0;
}

/* From outside the loop's own calls: the caller must not find the link gone when it gets its
 * result. */
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

	for (unsigned i = 1; rc == MOSQ_ERR_SUCCESS && i < READS_PER_TURN; i++) {
		if (l->is_broken || l->is_paused)
			break;
		if (mosquitto_socket(l->mosq) < 0 || ioctl(l->fd, FIONREAD, &left) < 0 || left == 0)
			break;
		rc = mosquitto_loop_read(l->mosq, 1);
	}
	return rc;
}

/* libmosquitto would meet a refused TCP connection at its first read, without saying of what; and
 * if it has written in vain before (to this machine itself), OpenSSL would try that again for ever.
 */
static int tcp_error(struct link *l, uint32_t revents)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (l->has_tcp)
		return 0;
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return errno;
	if (!error && (revents & EPOLLHUP))
		error = ECONNREFUSED; /* it was told to the library's write() */
	l->has_tcp = error == 0;
	return error;
}

static int read_and_write(struct link *l, uint32_t revents, int *ret_error)
{
	const bool is_early = l->options.acknowledges_late; /* late, but not later than the next ones */
	int rc = MOSQ_ERR_SUCCESS, left = 0;

	if (is_early && (revents & EPOLLOUT))
		rc = mosquitto_loop_write(l->mosq, 1);
	if (rc == MOSQ_ERR_SUCCESS && (revents & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		rc = read_some(l);
	if (rc == MOSQ_ERR_SUCCESS && !is_early && (revents & EPOLLOUT) && mosquitto_socket(l->mosq) >= 0)
		rc = mosquitto_loop_write(l->mosq, 1);
	*ret_error = errno;
	/* Both directions are closed and nothing is left to read: the same moment would come for
	 * ever. */
	if (rc == MOSQ_ERR_SUCCESS && (revents & EPOLLHUP) && mosquitto_socket(l->mosq) >= 0 &&
	    ioctl(l->fd, FIONREAD, &left) == 0 && left == 0)
		rc = MOSQ_ERR_CONN_LOST;
	return rc;
}

int link_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct link *l = userdata;
	int error = tcp_error(l, revents), rc = MOSQ_ERR_ERRNO;

	(void)source, (void)fd;
	l->depth++;
	if (!error)
		rc = read_and_write(l, revents, &error);
	l->depth--;
	settle(l, rc, error);
	return 0;
}

/* A name server that fails, or a thread that there is no memory for: the numbers of the last time are
 * better than none. */
static void on_looked(void *userdata, const struct lookup_answer *answer)
{
	struct link *l = userdata;
	struct lookup_answer *known = &l->known[l->at];

	l->lookup = lookup_free(l->lookup);
	if (!answer->error)
		*known = *answer;
	l->numbers = *known;
	l->number_at = 0;
	if (known->count == 0) {
		link_words_lookup(l, answer);
		give_up(l);
	} else if (link_open(l) < 0) {
		fail(l);
	}
}

static void attempt(struct link *l)
{
	const char *host = l->server[l->at].host;
	struct lookup_answer answer = {.count = 1};
	char complaint[256];
	int r;

	if (l->is_paused)
		return; /* link_pause() comes back to it */
	if (l->tls && tls_refresh(l->tls, complaint) < 0) {
		(void)snprintf(l->why, sizeof(l->why), "%s", complaint);
		give_up(l);
		return;
	}
	l->phase = LINK_LOOKING;
	if (lookup_is_number(host)) {
		(void)snprintf(answer.number[0], LOOKUP_NUMBER_MAX, "%s", host);
		on_looked(l, &answer);
		return;
	}
	link_arm(l, link_connect_us(l), 100000);
	r = lookup_new(&l->lookup, l->event, host, on_looked, l);
	if (r < 0) {
		answer = (struct lookup_answer){.error = EAI_SYSTEM, .system_errno = -r};
		on_looked(l, &answer);
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
		link_arm(l, link_misc_us(l), link_misc_us(l) / 4);
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
					   backoff_spread(l->options.spread_us, draw()), 1000,
					   on_timer, l);

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
	l->backoff = (struct backoff){.first_us = options->pause_first_us,
				      .last_us = options->pause_last_us};
	r = link_words_check(l, complaint);
	if (r == 0 && options->ca_file)
		r = tls_new(&l->tls, options->ca_file, options->cert_file, options->key_file,
			    complaint);
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
	if (l->phase == LINK_UP && !l->is_broken) {
		(void)mosquitto_threaded_set(l->mosq, false); /* goodbye leaves at once, behind what waits */
		(void)mosquitto_disconnect(
			l->mosq); /* what the socket does not take now is not waited for */
	}
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

void link_drop(struct link *l)
{
	l->is_broken = true;
}

bool link_is_resumed(const struct link *l)
{
	return l->is_resumed;
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

void link_pause(struct link *l, bool is_paused)
{
	if (l->is_paused == is_paused)
		return;
	l->is_paused = is_paused;
	if (l->phase == LINK_UP && !l->is_broken && l->depth == 0)
		settle_later(l, MOSQ_ERR_SUCCESS, 0);
	else if (l->phase == LINK_RESTING && !is_paused)
		link_arm(l, 0, 1000);
}

bool link_is_congested(const struct link *l)
{
	return l->mosq && mosquitto_want_write(l->mosq);
}

const char *link_server(const struct link *l)
{
	return l->options.server[l->at];
}
