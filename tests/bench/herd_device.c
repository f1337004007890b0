/* SPDX-License-Identifier: MIT */
#include "herd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "herd_packet.h"

/* A server that is overrun answers late; one that is dead does not. nats-server closes after 4 s where
 * its store has no leader. Halved, a herd at 10 000 devices throws away what was about to succeed. */
#define GREETING_US	20000000u
#define PACKET_MAX	(TOPIC_MAX + TOPIC_PAYLOAD_MAX + 256)
/* Above the numbers of the alarms, which are places in `alarms` plus 1. */
#define FIRST_NUMBER	256u

static void watch(struct herd *h, struct device *d, int operation)
{
	const bool must_write = d->must_write || d->phase == HERD_CONNECTING ||
				(d->out && d->phase != HERD_SHAKING);
	struct epoll_event e = { .events = EPOLLIN | (must_write ? EPOLLOUT : 0), .data.u32 = d->index };

	epoll_ctl(h->epoll, operation, d->fd, &e);
}

static void lose(struct herd *h, struct device *d)
{
	const uint64_t now_us = herd_now_us();

	if (d->phase == HERD_UP) {
		h->up--;
		h->lost++;
	} else {
		h->failed++;
	}
	wire_close(d);
	free(d->out);
	h->in_flight -= d->in_flight;
	d->out = NULL;
	d->out_length = d->out_done = d->out_size = d->in_length = d->in_flight = 0;
	d->phase = HERD_AWAY;
	h->due_us[d->index] = now_us + backoff_next(&d->backoff, herd_random());
}

/* Writes what the socket takes; the rest waits. */
static int drain(struct herd *h, struct device *d)
{
	ssize_t n;

	while (d->out_done < d->out_length) {
		n = wire_send(d, d->out + d->out_done, d->out_length - d->out_done);
		if (n == -EAGAIN) {
			watch(h, d, EPOLL_CTL_MOD);
			return 0;
		}
		if (n < 0)
			return (int)n;
		d->out_done += (size_t)n;
	}
	free(d->out);
	d->out = NULL;
	d->out_length = d->out_done = d->out_size = 0;
	watch(h, d, EPOLL_CTL_MOD);
	return 0;
}

/* Room for one more packet at the end of what waits. */
static uint8_t *room(struct device *d)
{
	size_t size = d->out_size ? d->out_size : 2 * PACKET_MAX;
	uint8_t *out;

	while (size < d->out_length + PACKET_MAX)
		size *= 2;
	if (size != d->out_size) {
		out = realloc(d->out, size);
		if (!out) {
			fprintf(stderr, "fleet-herd: no memory for %u devices\n", d->index);
			exit(1);
		}
		d->out = out;
		d->out_size = size;
	}
	return d->out + d->out_length;
}

static void say(struct herd *h, struct device *d, const struct packet_publish *p)
{
	uint8_t *at = room(d);

	d->out_length += packet_publish(p, at, d->out_size - d->out_length);
	h->published++;
	if (p->number) {
		d->in_flight++;
		h->in_flight++;
	}
}

static uint16_t number(struct device *d)
{
	if (d->next_number < FIRST_NUMBER)
		d->next_number = FIRST_NUMBER;
	return d->next_number++;
}

static void say_birth(struct herd *h, struct device *d, bool is_heartbeat)
{
	struct message m;

	message_birth(h, d, ++d->sequence, is_heartbeat, &m);
	say(h, d, &(struct packet_publish){ m.topic, m.payload, is_heartbeat ? 0 : number(d),
					    !is_heartbeat });
}

static void say_alarm(struct herd *h, struct device *d, uint32_t place)
{
	struct message m;

	message_alarm(h, d, &d->alarms[place], &m);
	say(h, d, &(struct packet_publish){ m.topic, m.payload, (uint16_t)(place + 1), false });
}

/* The present state of an alarm kind; the herd has one kind, the others are always cleared. */
static void say_kept(struct herd *h, struct device *d, enum topic_alarm kind)
{
	const struct herd_alarm *last = d->alarm_count ? &d->alarms[d->alarm_count - 1] : NULL;
	const bool is_raised = kind == TOPIC_ALARM_IMMINENT && last && last->is_raised;
	char text[TOPIC_MAX];
	struct message m;
	struct topic topic;

	message_name(h, d, &topic);
	topic.place = TOPIC_AT_ALARM;
	topic.alarm = kind;
	topic_format(&topic, text);
	if (is_raised)
		message_alarm(h, d, last, &m);
	say(h, d, &(struct packet_publish){ text, is_raised ? m.payload : "", number(d), true });
}

static bool must_resend(const struct herd *h, const struct herd_alarm *a, uint64_t now_us)
{
	return !a->acknowledged_us || now_us - a->acknowledged_us < h->options.window_us;
}

static void welcome(struct herd *h, struct device *d)
{
	const uint64_t now_us = herd_now_us();

	d->phase = HERD_UP;
	h->up++;
	backoff_reset(&d->backoff);
	herd_series_add(&h->connect, now_us - d->tried_us);
	say_birth(h, d, false);
	for (uint32_t i = 0; i < d->alarm_count; i++)
		if (must_resend(h, &d->alarms[i], now_us)) {
			say_alarm(h, d, i);
			h->resent++;
		}
	for (enum topic_alarm kind = 0; kind < TOPIC_ALARM_COUNT; kind++)
		say_kept(h, d, kind);
	h->due_us[d->index] = now_us + h->options.keepalive_s * 1000000u;
	if (h->options.heartbeat_us)
		h->due_us[d->index] = now_us + herd_random() % h->options.heartbeat_us;
}

static void acknowledged(struct herd *h, struct device *d, uint16_t message)
{
	struct herd_alarm *a;

	if (d->in_flight) {
		d->in_flight--;
		h->in_flight--;
	}
	if (!message || message > d->alarm_count)
		return;
	a = &d->alarms[message - 1];
	if (!a->acknowledged_us) {
		h->unacknowledged--;
		herd_series_add(&h->acknowledge, herd_now_us() - a->raised_us);
	}
	a->acknowledged_us = herd_now_us();
}

static int take(struct herd *h, struct device *d, const struct packet *p)
{
	switch (p->kind) {
	case PACKET_CONNACK:
		if (p->code || d->phase != HERD_GREETING)
			return -EPROTO;
		welcome(h, d);
		return drain(h, d);
	case PACKET_PUBACK:
		acknowledged(h, d, p->number);
		return 0;
	case PACKET_PINGRESP:
		d->is_pinged = false;
		return 0;
	case PACKET_PUBLISH:
		return -EPROTO;
	}
	return 0;
}

static int hear_some(struct herd *h, struct device *d)
{
	const ssize_t n = wire_receive(d, d->in + d->in_length, sizeof(d->in) - d->in_length);
	struct packet p;
	size_t done = 0;
	int r = 0;

	if (n < 0)
		return n == -EAGAIN ? 0 : (int)n;
	d->heard_us = herd_now_us();
	d->in_length += (size_t)n;
	while (r >= 0 && (r = packet_take(d->in + done, d->in_length - done, &p)) > 0) {
		done += (size_t)r;
		r = take(h, d, &p);
	}
	if (r < 0)
		return r;
	memmove(d->in, d->in + done, d->in_length - done);
	d->in_length -= done;
	return 0;
}

static int hear(struct herd *h, struct device *d)
{
	int r;

	do {
		r = hear_some(h, d);
	} while (r >= 0 && wire_has_more(d));
	return r;
}

static int greet(struct herd *h, struct device *d)
{
	char client_id[TOPIC_NAME_MAX + TOPIC_NAME_MAX];
	struct packet_will will;
	struct topic name;
	struct message m;
	uint8_t *at;

	d->session++;
	message_will(h, d, ++d->sequence, &m);
	message_name(h, d, &name);
	snprintf(client_id, sizeof(client_id), "%s-%s", name.fleet, name.device);
	will = (struct packet_will){ m.topic, m.payload };
	at = room(d);
	d->out_length += packet_connect(client_id, h->options.keepalive_s, &will, at,
					d->out_size - d->out_length);
	d->phase = HERD_GREETING;
	return drain(h, d);
}

/* The server has taken the connection, or has not. */
static int reach(struct herd *h, struct device *d)
{
	int error = 0;

	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof(error) }) || error)
		return -(error ? error : errno);
	if (!h->tls)
		return greet(h, d);
	d->phase = HERD_SHAKING;
	return 0;
}

static int shake(struct herd *h, struct device *d)
{
	const int r = wire_shake(h, d);

	if (r == 0)
		return greet(h, d);
	watch(h, d, EPOLL_CTL_MOD);
	return r == -EAGAIN ? 0 : r;
}

static void attempt(struct herd *h, struct device *d)
{
	const uint32_t turn = d->index + (uint32_t)d->session + d->backoff.attempts;
	const struct sockaddr_in *to = &h->options.server[turn % h->options.servers];

	h->attempts++;
	d->is_pinged = false;
	d->tried_us = d->heard_us = herd_now_us();
	h->due_us[d->index] = d->tried_us + GREETING_US;
	d->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0) {
		fprintf(stderr, "fleet-herd: device %u has no socket: %s: raise ulimit -n\n", d->index,
			strerror(errno));
		exit(1);
	}
	setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	d->phase = HERD_CONNECTING;
	if (connect(d->fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS) {
		lose(h, d);
		return;
	}
	watch(h, d, EPOLL_CTL_ADD);
}

/* Keepalive: something was heard lately, or a ping is out, or that was not answered, either. */
static void keep_alive(struct herd *h, struct device *d, uint64_t now_us)
{
	const uint64_t silence_us = h->options.keepalive_s * 1000000u;

	if (h->options.heartbeat_us) {
		say_birth(h, d, true);
		h->due_us[d->index] = now_us + h->options.heartbeat_us;
	}
	if (now_us - d->heard_us >= silence_us) {
		if (d->is_pinged) {
			lose(h, d);
			return;
		}
		d->is_pinged = true;
		d->out_length += packet_ping(room(d), PACKET_MAX);
	}
	if (!h->options.heartbeat_us)
		h->due_us[d->index] = now_us + silence_us / 2;
	if (d->out && drain(h, d) < 0)
		lose(h, d);
}

void device_init(struct herd *h, uint32_t index)
{
	struct device *d = &h->devices[index];

	d->index = index;
	d->fd = -1;
	d->backoff = (struct backoff){ h->options.pause_first_us, h->options.pause_last_us, 0 };
	h->due_us[index] = h->started_us + backoff_spread(h->options.spread_us, herd_random());
}

void device_due(struct herd *h, struct device *d)
{
	switch (d->phase) {
	case HERD_AWAY:
		attempt(h, d);
		return;
	case HERD_CONNECTING:
	case HERD_SHAKING:
	case HERD_GREETING:
		lose(h, d);
		return;
	case HERD_UP:
		keep_alive(h, d, herd_now_us());
		return;
	}
}

void device_ready(struct herd *h, struct device *d, uint32_t events)
{
	int r = 0;

	if (d->phase == HERD_AWAY)
		return;
	if (d->phase == HERD_CONNECTING)
		r = reach(h, d);
	if (r >= 0 && d->phase == HERD_SHAKING)
		r = shake(h, d);
	else if (r >= 0 && (events & EPOLLOUT) && d->out)
		r = drain(h, d);
	if (r >= 0 && d->phase != HERD_SHAKING && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		r = hear(h, d);
	if (r < 0)
		lose(h, d);
}

/* The older half makes room, as in a spool; while nothing of it is on its way. */
static void forget(struct device *d)
{
	const uint32_t half = HERD_ALARMS_MAX / 2;

	if (d->in_flight) {
		fprintf(stderr, "fleet-herd: more than %u alarms of one device at once\n", HERD_ALARMS_MAX);
		exit(1);
	}
	memmove(d->alarms, d->alarms + half, half * sizeof(d->alarms[0]));
	d->alarm_count = half;
}

void device_alarm(struct herd *h, struct device *d, bool is_raised)
{
	char id[TOPIC_ID_MAX];
	struct herd_alarm *a;

	if (d->alarm_count == HERD_ALARMS_MAX)
		forget(d);
	a = &d->alarms[d->alarm_count++];
	*a = (struct herd_alarm){ .sequence = ++d->sequence, .raised_us = herd_now_us(),
				  .is_raised = is_raised };
	h->unacknowledged++;
	h->alarms++;
	message_id(h, d, a->sequence, id);
	if (h->ids)
		fprintf(h->ids, "%s\n", id);
	if (d->phase != HERD_UP)
		return;
	say_alarm(h, d, d->alarm_count - 1);
	say_kept(h, d, TOPIC_ALARM_IMMINENT);
	say_birth(h, d, false); /* its stage is another */
	if (drain(h, d) < 0)
		lose(h, d);
}

void device_leave(struct herd *h, struct device *d)
{
	if (d->phase != HERD_AWAY)
		lose(h, d);
	h->due_us[d->index] = UINT64_MAX;
}

void device_return(struct herd *h, struct device *d, uint64_t over_us)
{
	if (d->phase != HERD_AWAY)
		return;
	backoff_reset(&d->backoff);
	h->due_us[d->index] = herd_now_us() + backoff_spread(over_us, herd_random());
}
