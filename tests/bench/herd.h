/* SPDX-License-Identifier: MIT */
/*
 * Herd: thousands of simulated devices in one process. They speak the real protocol and send messages of
 * the real schemas, and keep the device's rules: will, birth, full-jitter reconnect, resend until
 * acknowledged, and in a new session what was acknowledged lately. Edge; microseconds of CLOCK_MONOTONIC.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "backoff.h"
#include "topic.h"

#define HERD_ALARMS_MAX	64u		/* of one device: raised and cleared count apart */
#define HERD_SERVERS_MAX 8u

enum herd_phase {
	HERD_AWAY,			/* until due_us */
	HERD_CONNECTING, HERD_SHAKING,	/* TCP; TLS */
	HERD_GREETING,			/* CONNECT is sent */
	HERD_UP
};

struct herd_alarm {
	uint64_t sequence;
	uint64_t raised_us, acknowledged_us; /* 0: not yet */
	bool is_raised;
};

struct device {
	int fd;
	uint32_t index;
	enum herd_phase phase;
	struct ssl_st *tls;		/* NULL: plain */
	struct ssl_session_st *ticket;	/* of the connection before, NULL: none, or not to be used */
	bool must_write;		/* TLS cannot go on before the socket takes more */
	struct backoff backoff;
	uint64_t session, sequence;
	uint64_t tried_us, heard_us;
	bool is_pinged;
	uint16_t next_number;		/* of messages that are no alarms; an alarm's is its place */
	uint32_t in_flight;
	uint8_t in[64];
	size_t in_length;
	uint8_t *out;			/* NULL: all is written */
	size_t out_length, out_done, out_size;
	uint32_t alarm_count;
	struct herd_alarm alarms[HERD_ALARMS_MAX];
};

struct herd_options {
	struct sockaddr_in server[HERD_SERVERS_MAX];
	uint32_t servers, devices;
	const char *fleet, *firmware;
	const char *ca, *cert, *key;	/* ca NULL: no TLS */
	bool is_resuming;		/* comes back with a ticket, which libmosquitto does not */
	uint64_t spread_us, pause_first_us, pause_last_us, window_us, heartbeat_us;
	uint16_t keepalive_s;
};

/* A bounded sample of durations, for percentiles. */
#define HERD_SERIES_MAX	65536u
struct herd_series {
	uint32_t us[HERD_SERIES_MAX];
	uint32_t count, seen;
};

struct herd {
	struct herd_options options;
	struct device *devices;
	uint64_t *due_us;		/* of each device: one array, looked through often */
	int epoll;
	struct ssl_ctx_st *tls;
	FILE *ids;			/* one line for each alarm, before it is sent */
	uint32_t up;
	uint64_t unacknowledged, in_flight;
	uint64_t attempts, failed, lost, published, resent, resumed, alarms, started_us;
	struct herd_series connect, acknowledge;
};

uint64_t herd_now_us(void);
uint64_t herd_random(void);
void herd_series_add(struct herd_series *s, uint64_t us);

/* herd_device.c: one device's machine. */
void device_init(struct herd *h, uint32_t index);
void device_due(struct herd *h, struct device *d);
void device_ready(struct herd *h, struct device *d, uint32_t events);
void device_alarm(struct herd *h, struct device *d, bool is_raised);
void device_leave(struct herd *h, struct device *d); /* without goodbye, until device_return() */
void device_return(struct herd *h, struct device *d, uint64_t over_us);

/* herd_wire.c: the bytes, plain or through TLS. 0 or more, or -errno; -EAGAIN: later. */
int wire_init(struct herd *h);
int wire_shake(struct herd *h, struct device *d);
ssize_t wire_send(struct device *d, const uint8_t *bytes, size_t length);
ssize_t wire_receive(struct device *d, uint8_t *ret, size_t size);
bool wire_has_more(const struct device *d); /* that no poll will tell */
void wire_close(struct device *d);

/* herd_message.c: what it says, as the schemas want it. */
struct message {
	char topic[TOPIC_MAX];
	char payload[TOPIC_PAYLOAD_MAX];
};
void message_name(const struct herd *h, const struct device *d, struct topic *ret);
void message_will(const struct herd *h, const struct device *d, uint64_t sequence, struct message *ret);
void message_birth(const struct herd *h, const struct device *d, uint64_t sequence, bool is_heartbeat,
		   struct message *ret);
void message_alarm(const struct herd *h, const struct device *d, const struct herd_alarm *a,
		   struct message *ret);
void message_id(const struct herd *h, const struct device *d, uint64_t sequence, char ret[TOPIC_ID_MAX]);

/* herd_report.c: one line of JSON. */
void herd_report(struct herd *h, const char *phase);
